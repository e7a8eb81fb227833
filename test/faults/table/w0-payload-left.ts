/** W0: staged, and never sent, until nobody will send it any more. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.1: W0'],
  story: 'A writer staged its payload and died before it reserved a version; a week has passed.',
  first: 'TM-501 info',
  inspect: 'unseen',
  plant: async (table) => {
    await table.writer(2)
    table.clock.advance(9 * 24 * 3_600_000)
  },
  resolved_by: {
    step: 'Set the bucket lifecycle of 7 days on delta/staging/.',
    act({ store, service: { prefix } }) {
      for (const key of store.dump().keys()) if (key.startsWith(`${prefix}delta/staging/`)) store.remove(key)
    },
  },
}
