/** An engine that ignores the coordinator wrote the next version. */
import { FOREIGN_ENTRY } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 10: state behind the log', 'a foreign log entry'],
  story: 'An engine that ignores the coordinator wrote the next version into the log.',
  first: 'TM-105 warn',
  inspect: { asks: 'table', says: { latest_version: 2, inflight: null } },
  plant: (table) => table.write(table.logPath(3), FOREIGN_ENTRY),
  resolved_by: 'request',
}
