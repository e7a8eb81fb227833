/** The clock of the reserving process was a year ahead; the store tells its own time. */
import { PAST_TTL_MS } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['a future expires_at_ms'],
  story:
    'A writer whose clock is a year ahead reserved a version and died; its TTL has passed by the clock of the store.',
  first: 'TM-207 warn',
  inspect: { asks: 'table', says: { crash_window: 'W1', resolution: { by: 'anybody', ttl_left_ms: 0 } } },
  plant: async (table) => {
    await table.crash(1)
    table.setInflight((inflight) => void (inflight['expires_at_ms'] += 365 * 24 * 3_600_000))
    table.clock.advance(PAST_TTL_MS)
  },
  resolved_by: 'request',
}
