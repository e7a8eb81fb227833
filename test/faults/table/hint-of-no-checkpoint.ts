/** The hint names a checkpoint that is not there. */
import { HINT_PATH } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: copies of the log'],
  story: 'The checkpoint hint names a version that has no checkpoint.',
  first: 'DL-902 error',
  inspect: 'unseen',
  plant: (table) => table.write(HINT_PATH, '{"version":2,"size":3}'),
  resolved_by: 'delete',
}
