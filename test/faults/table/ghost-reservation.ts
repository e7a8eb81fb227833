/** A ghost: its key was decided before. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 3: objects of the coordinator'],
  story: 'A reservation names a key that was committed at another version.',
  first: 'TM-205 warn',
  inspect: { asks: 'table', says: { crash_window: null, resolution: { by: 'anybody' } } },
  plant: async (table) => {
    await table.crash(1)
    table.setInflight((inflight) => void (inflight['commit_id'] = table.first.call.idempotency_key))
  },
  resolved_by: 'request',
}
