/** An event that nobody can fold. */
import { eventPath } from '../../../lib/protocol/orchestration/paths.ts'
import { eventAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['events.md 4: the ledger'],
  story: 'An event was cut off after its first byte.',
  first: 'PJ-406 warn',
  inspect: 'unseen',
  plant: (world) => world.write(eventPath(eventAt(60)), '{'),
  resolved_by: 'request',
}
