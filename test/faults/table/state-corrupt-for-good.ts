/** The state is no JSON, and there is no earlier generation. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 10: state corrupt'],
  story: 'The state object was cut off in the middle; the bucket keeps no earlier generation.',
  first: 'TM-101 error',
  inspect: { asks: 'table', status: 500, says: { reason: 'state_corrupt' } },
  plant: (table) => table.write(table.state_path, '{"latest_version":2,'),
  resolved_by: {
    step: 'without one, delete it: the next commit with read_version = the latest version in the log creates it again.',
    async act(table) {
      table.remove(table.state_path)
      await table.commit(2)
    },
  },
}
