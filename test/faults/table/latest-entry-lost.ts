/** A version that was acknowledged is gone from the end of the log. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: the log'],
  story: 'Somebody deleted the latest log entry.',
  first: 'TM-104 error',
  inspect: {
    asks: 'key',
    key: ({ last }) => last.call.idempotency_key,
    says: { stage: 'finalized', version: 2, has_log_entry: false },
  },
  plant: (table) => table.remove(table.logPath(2)),
  resolved_by: 'restore',
}
