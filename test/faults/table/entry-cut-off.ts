/** A log entry whose last line is cut off. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: the log'],
  story: 'A copy of the bucket cut the latest log entry off in the middle of a line.',
  first: 'DL-502 error',
  inspect: 'unseen',
  plant: (table) => table.write(table.logPath(2), table.last.payload.slice(0, -20)),
  resolved_by: 'restore',
}
