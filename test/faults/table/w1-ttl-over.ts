/** W1, when anybody may finish it. */
import { PAST_TTL_MS } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.1: W1'],
  story: 'A writer reserved a version and died; its TTL has passed.',
  first: 'TM-201 warn',
  inspect: { asks: 'table', says: { crash_window: 'W1', resolution: { by: 'anybody' } } },
  plant: async (table) => {
    await table.crash(1)
    table.clock.advance(PAST_TTL_MS)
  },
  resolved_by: 'request',
}
