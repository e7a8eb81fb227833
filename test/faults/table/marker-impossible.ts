/** A marker whose version is none. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 3: objects of the coordinator'],
  story: 'Somebody edited the version of a marker into one that cannot be.',
  first: 'TM-401 error',
  inspect: {
    asks: 'key',
    status: 500,
    key: ({ first }) => first.call.idempotency_key,
    says: { reason: 'marker_corrupt' },
  },
  plant: (table) => {
    const path = table.markerPath(table.first)
    table.write(path, (table.read(path) ?? '').replace('"version":0', '"version":-1'))
  },
  resolved_by: 'restore',
}
