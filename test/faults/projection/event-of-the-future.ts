/** An event id of the future was folded: every later event lies below the watermark. */
import { eventAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: watermark too high'],
  story:
    'An event whose id was minted a day ahead was folded, and the events after it were only offered to rebuilds.',
  first: 'PJ-404 error',
  inspect: 'unseen',
  plant: async (world) => {
    await world.compact({ event_paths: world.append([eventAt(24 * 3_600)]) })
    world.append([eventAt(50)])
  },
  resolved_by: 'request',
}
