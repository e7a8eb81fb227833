/** The state of an older backup. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 10: state behind the log'],
  story: 'Somebody restored the state from a backup that is two versions old.',
  first: 'TM-105 warn',
  inspect: { asks: 'table', says: { latest_version: 0, inflight: null } },
  plant: (table) => table.write(table.state_path, '{"latest_version":0,"inflight":null}'),
  resolved_by: 'request',
}
