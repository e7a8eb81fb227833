/** Somebody who does not use conditional writes replaced a committed entry. */
import { FOREIGN_ENTRY } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: the log'],
  story: 'An engine that does not write conditionally replaced a committed entry.',
  first: 'DL-502 error',
  inspect: 'unseen',
  plant: (table) => table.write(table.logPath(1), FOREIGN_ENTRY),
  resolved_by: 'restore',
}
