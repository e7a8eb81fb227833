/** The lock record is none. */
import { LOCK_PATH } from '../../../lib/protocol/orchestration/paths.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['locks-and-fencing.md 4: the lock'],
  story: 'The lock record was overwritten with something else.',
  first: 'PJ-501 error',
  inspect: 'named',
  plant: (world) => world.write(LOCK_PATH, '[]'),
  resolved_by: 'request',
}
