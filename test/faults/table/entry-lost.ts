/** A hole in the log. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: the log'],
  story: 'Somebody deleted a log entry that the checkpoint holds.',
  first: 'TM-403 error',
  inspect: {
    asks: 'key',
    key: ({ made }) => made[1]?.call.idempotency_key ?? '',
    says: { stage: 'finalized', version: 1, has_log_entry: false },
  },
  plant: (table) => table.remove(table.logPath(1)),
  resolved_by: 'restore',
}
