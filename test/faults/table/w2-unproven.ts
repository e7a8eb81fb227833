/** W2 of an early writer, which stored no hash. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.2: W2, staged object deleted'],
  story: 'A writer of an early version wrote its log entry and died, and its staged payload was deleted.',
  first: 'TM-208 warn',
  inspect: { asks: 'table', says: { crash_window: 'W2', resolution: { by: 'anybody' } } },
  plant: async (table) => {
    const { call, payload } = await table.crash(2)
    table.remove(call.staged_path)
    // As a process writes it that keeps no owner metadata.
    table.write(table.logPath(3), payload)
    table.setInflight((inflight) => {
      for (const member of ['payload_sha256', 'delta_log_path', 'nonce']) delete inflight[member]
    })
  },
  resolved_by: 'request',
}
