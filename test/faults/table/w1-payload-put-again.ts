/** W1, and the staged object is a new generation of the same bytes: its hash counts, not its token. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.2: W1, staged object put again'],
  story: 'A writer reserved a version and died, and its payload was staged again with the same bytes.',
  first: 'TM-201 info',
  inspect: { asks: 'table', says: { crash_window: 'W1', resolution: { by: 'owner' } } },
  plant: async (table) => {
    const { call, payload } = await table.crash(1)
    table.write(call.staged_path, payload)
  },
  resolved_by: 'request',
}
