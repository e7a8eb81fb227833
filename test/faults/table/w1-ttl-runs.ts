/** W1, while its owner may still be at work. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.1: W1'],
  story: 'A writer reserved a version and died; its TTL has not passed.',
  first: 'TM-201 info',
  inspect: { asks: 'table', says: { crash_window: 'W1', resolution: { by: 'owner' } } },
  plant: async (table) => table.crash(1),
  resolved_by: 'request',
}
