/** W1, and what was reserved cannot be written any more. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.2: W1, staged object deleted'],
  story: 'A writer reserved a version and died, and its staged payload was deleted.',
  first: 'TM-206 warn',
  inspect: { asks: 'table', says: { crash_window: 'W1', resolution: { by: 'owner' } } },
  plant: async (table) => table.remove((await table.crash(1)).call.staged_path),
  resolved_by: 'request',
}
