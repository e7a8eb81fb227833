/** An object below the staging prefix that no request can name. */
import { TABLE_ID } from '../../support/commit-world.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 3: objects of the coordinator'],
  story: 'Somebody put a file of their own into the staging prefix.',
  first: 'TM-502 warn',
  inspect: 'unseen',
  plant: (table) => table.write(`delta/staging/${TABLE_ID}/notes.txt`, 'x'),
  resolved_by: 'delete',
}
