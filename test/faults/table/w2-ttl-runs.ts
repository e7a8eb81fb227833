/** W2: the log entry is there, its marker is not. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.1: W2'],
  story: 'A writer wrote its log entry and died.',
  first: 'TM-202 info',
  inspect: { asks: 'table', says: { crash_window: 'W2', resolution: { by: 'anybody' } } },
  plant: async (table) => table.crash(2),
  resolved_by: 'request',
}
