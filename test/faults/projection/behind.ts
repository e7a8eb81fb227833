/** Events above the watermark that nobody compacted. */
import { eventsAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: merely behind'],
  story: 'Events were appended and the call to compact them was lost.',
  first: 'PJ-403 warn',
  inspect: 'unseen',
  plant: (world) => void world.append(eventsAt(50, 53)),
  resolved_by: 'request',
}
