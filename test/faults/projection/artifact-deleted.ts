/** A file of the base is gone. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: artifact deleted or corrupt'],
  story: 'A lifecycle rule deleted a file of the base.',
  first: 'PJ-301 error',
  inspect: 'unseen',
  plant: (world) => world.remove(world.artifact().path),
  resolved_by: 'request',
}
