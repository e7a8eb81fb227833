/** A foreign entry at the version that is reserved. */
import { FOREIGN_ENTRY } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.3: W1, foreign object at the version', 'a foreign log entry'],
  story:
    'A writer reserved a version and died, and an engine that ignores the coordinator wrote that version.',
  first: 'TM-204 warn',
  inspect: { asks: 'table', says: { crash_window: null, resolution: { by: 'anybody' } } },
  plant: async (table) => {
    await table.crash(1)
    table.write(table.logPath(3), FOREIGN_ENTRY)
  },
  resolved_by: 'request',
}
