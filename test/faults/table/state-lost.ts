/** The state of a table with versions is gone. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 10: state absent, table with versions'],
  story: 'Somebody deleted the state object.',
  first: 'TM-103 warn',
  inspect: { asks: 'table', says: { latest_version: -1, inflight: null } },
  plant: (table) => table.remove(table.state_path),
  resolved_by: {
    step: 'Send the next commit with read_version = 2: it creates the state again.',
    act: async (table) => table.commit(2),
  },
}
