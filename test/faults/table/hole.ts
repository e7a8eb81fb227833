/** A hole in the log above its checkpoint. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: the log'],
  story: 'Somebody deleted a log entry in the middle, above the checkpoint.',
  first: 'DL-501 error',
  inspect: {
    asks: 'key',
    key: ({ last }) => last.call.idempotency_key,
    says: { stage: 'finalized', version: 2, has_log_entry: false },
  },
  plant: async (table) => {
    await table.commit(2)
    table.remove(table.logPath(2))
  },
  resolved_by: 'restore',
}
