/** W1, and the staged object holds other bytes than were reserved. */
import { FOREIGN_ENTRY } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.2: W1, staged object put again'],
  story: 'A writer reserved a version and died, and its staged payload was overwritten with other bytes.',
  first: 'TM-206 warn',
  inspect: { asks: 'table', says: { crash_window: 'W1', resolution: { by: 'owner' } } },
  plant: async (table) => table.write((await table.crash(1)).call.staged_path, FOREIGN_ENTRY),
  resolved_by: 'request',
}
