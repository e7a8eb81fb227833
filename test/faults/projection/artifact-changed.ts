/** A file of the base has its size and other bytes. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: artifact deleted or corrupt'],
  story: 'Bytes of a file of the base were changed in place.',
  first: 'PJ-303 error',
  inspect: 'unseen',
  plant: (world) => world.write(world.artifact().path, 'x'.repeat(world.artifact().byte_size)),
  resolved_by: 'request',
}
