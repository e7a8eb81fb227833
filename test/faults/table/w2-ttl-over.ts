/** W2, long ago: nobody has asked the table for anything since. */
import { PAST_TTL_MS } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.1: W2'],
  story: 'A writer wrote its log entry and died; nobody came by until its TTL had passed.',
  first: 'TM-202 warn',
  inspect: { asks: 'table', says: { crash_window: 'W2', resolution: { by: 'anybody' } } },
  plant: async (table) => {
    await table.crash(2)
    table.clock.advance(PAST_TTL_MS)
  },
  resolved_by: 'request',
}
