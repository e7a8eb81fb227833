/** Rows and counts of a delta differ. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: rows wrong or missing, manifest fine'],
  story: 'A delta has other rows than its manifest counts.',
  first: 'PJ-305 warn',
  inspect: 'unseen',
  plant: (world) =>
    world.edit(({ l0_deltas: [delta] }) => {
      if (delta !== undefined) delta.row_counts['schedule_ticks'] = 3
    }),
  resolved_by: 'request',
}
