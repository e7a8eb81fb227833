/** So many events above the watermark that no request names them all. */
import { eventsAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: merely behind'],
  story: 'Nothing was compacted for a while: there are more unfolded events than one suggestion names.',
  first: 'PJ-403 warn',
  inspect: 'unseen',
  plant: (world) => void world.append(eventsAt(50, 75)),
  resolved_by: 'request',
}
