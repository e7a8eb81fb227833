/** A reservation that skips versions: no process of ours writes it. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 10: state corrupt'],
  story: 'Somebody edited the state so that its reservation skips four versions.',
  first: 'TM-102 error',
  inspect: { asks: 'table', status: 500, says: { reason: 'state_invariant' } },
  plant: async (table) => {
    await table.crash(1)
    table.setInflight((inflight) => Object.assign(inflight, { version: 7, delta_log_path: table.logPath(7) }))
  },
  resolved_by: 'restore',
}
