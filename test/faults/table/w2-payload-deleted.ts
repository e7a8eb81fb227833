/** W2: the log entry proves the commit, so that its payload is not needed. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.2: W2, staged object deleted'],
  story: 'A writer wrote its log entry and died, and its staged payload was deleted.',
  first: 'TM-202 info',
  inspect: { asks: 'table', says: { crash_window: 'W2', resolution: { by: 'anybody' } } },
  plant: async (table) => table.remove((await table.crash(2)).call.staged_path),
  resolved_by: 'request',
}
