/** A marker whose commit the state does not remember any more. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 10: marker lost, commit finalized', 'a missing marker'],
  story: 'Somebody deleted the marker of a commit that others have followed.',
  first: 'TM-402 warn',
  inspect: {
    asks: 'key',
    key: ({ first }) => first.call.idempotency_key,
    says: { stage: 'unseen', version: null },
  },
  plant: (table) => table.remove(table.markerPath(table.first)),
  resolved_by: {
    step: 'Let the writer send its request again with the same key; it writes the marker.',
    act: async ({ service, first }) => service.commit(first.call),
  },
}
