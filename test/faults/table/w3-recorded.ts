/** W3: log entry and marker are there, the state still shows the reservation. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.1: W3'],
  story: 'A writer recorded its commit and died before it finalized it.',
  first: 'TM-203 info',
  inspect: { asks: 'table', says: { crash_window: 'W3', resolution: { by: 'anybody' } } },
  plant: async (table) => table.crash(3),
  resolved_by: 'request',
}
