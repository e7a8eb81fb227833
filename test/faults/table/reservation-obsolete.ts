/** A reservation of a version that is finalized. */
import { PAST_TTL_MS } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 3: objects of the coordinator'],
  story: 'A reservation is of a version that the state says is finalized.',
  first: 'TM-209 warn',
  inspect: { asks: 'table', says: { latest_version: 2, inflight: { version: 2 } } },
  plant: async (table) => {
    await table.crash(1)
    table.setInflight((inflight) => Object.assign(inflight, { version: 2, delta_log_path: table.logPath(2) }))
    table.clock.advance(PAST_TTL_MS)
  },
  resolved_by: 'request',
}
