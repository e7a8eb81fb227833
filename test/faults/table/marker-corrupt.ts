/** A marker that is no JSON. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 3: objects of the coordinator'],
  story: 'A marker was cut off after its first byte.',
  first: 'TM-401 error',
  inspect: {
    asks: 'key',
    status: 500,
    key: ({ first }) => first.call.idempotency_key,
    says: { reason: 'marker_corrupt' },
  },
  plant: (table) => table.write(table.markerPath(table.first), '{'),
  resolved_by: 'restore',
}
