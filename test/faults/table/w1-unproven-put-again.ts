/** W1 of an early writer, which stored no hash: of a new generation nobody can tell whether it is what was reserved. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 7.2: W1, staged object put again'],
  story:
    'A writer of an early version reserved a version and died, and its payload was staged again with the same bytes.',
  first: 'TM-206 warn',
  inspect: { asks: 'table', says: { crash_window: 'W1', resolution: { by: 'owner' } } },
  plant: async (table) => {
    const { call, payload } = await table.crash(1)
    table.write(call.staged_path, payload)
    table.setInflight((inflight) => {
      for (const member of ['payload_sha256', 'delta_log_path', 'nonce']) delete inflight[member]
    })
  },
  resolved_by: 'request',
}
