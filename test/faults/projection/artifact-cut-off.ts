/** A file of the base is too short. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: artifact deleted or corrupt'],
  story: 'A copy of the bucket cut a file of the base off.',
  first: 'PJ-302 error',
  inspect: 'unseen',
  plant: (world) => world.write(world.artifact().path, 'PAR1'),
  resolved_by: 'request',
}
