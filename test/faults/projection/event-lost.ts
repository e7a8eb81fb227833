/** The event of the watermark is gone from the ledger. */
import { eventPath } from '../../../lib/protocol/orchestration/paths.ts'
import { eventAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['events.md 4: the ledger'],
  story: 'Somebody deleted the event that was folded last.',
  first: 'PJ-402 warn',
  inspect: 'unseen',
  plant: (world) => world.remove(eventPath(eventAt(41))),
  resolved_by: 'restore',
}
