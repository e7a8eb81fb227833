/** The state is gone, and a writer takes the table for an empty one: it is refused and told so. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 10: state absent, read_version -1'],
  story: 'Somebody deleted the state object, and a writer that takes the table for an empty one was refused.',
  first: 'TM-103 warn',
  inspect: { asks: 'table', says: { latest_version: -1, inflight: null } },
  plant: async (table) => {
    table.remove(table.state_path)
    const { status, body } = await table.service.commit((await table.writer(-1)).call)
    if (status !== 409 || body.reason !== 'stale_read_version') throw new Error(JSON.stringify(body))
  },
  resolved_by: {
    step: 'Send the next commit with read_version = 2: it creates the state again.',
    act: async (table) => table.commit(2),
  },
}
