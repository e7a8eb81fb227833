/** An event below the watermark that was never folded: its rows are missing, and every incremental rebuild skips it. */
import { eventAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: rows wrong or missing, manifest fine'],
  story: 'An event was written late, below the watermark, so that its rows are missing.',
  first: 'PJ-404 error',
  inspect: 'unseen',
  plant: (world) => void world.append([eventAt(15)]),
  resolved_by: 'request',
}
