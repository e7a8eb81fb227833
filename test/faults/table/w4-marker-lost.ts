/** W4 leaves what every commit leaves. When its marker is lost then, the state still proves the commit. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.1: W4', 'coordinator.md 10: marker lost, commit finalized', 'a missing marker'],
  story: 'A writer finalized its commit and its answer was lost; then somebody deleted the marker.',
  first: 'TM-402 warn',
  inspect: {
    asks: 'key',
    key: ({ last }) => last.call.idempotency_key,
    says: { stage: 'finalized', version: 2, has_log_entry: true, committed_at_ms: null },
  },
  plant: (table) => table.remove(table.markerPath(table.last)),
  resolved_by: 'request',
}
