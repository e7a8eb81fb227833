/** The last commit lies below another root than the table. */
import { commitKeys } from '../../support/service.ts'
import { TABLE_ID } from '../../support/commit-world.ts'
import type { TableFault } from '../fault.ts'

const ELSEWHERE = commitKeys(TABLE_ID, '', 2).log.replace('tables/', 'elsewhere/')

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 11.3: two roots'],
  story: 'Somebody edited the state so that it names the last commit below another root.',
  first: 'TM-106 error',
  inspect: { asks: 'table', says: { last_commit: { delta_log_path: ELSEWHERE } } },
  plant: (table) =>
    table.setState(({ last_commit }) => {
      last_commit.delta_log_path = ELSEWHERE
    }),
  resolved_by: {
    step: 'When nothing lies there, the object that names it was edited: restore its previous generation.',
    act: (table) =>
      table.setState(({ last_commit }) => {
        last_commit.delta_log_path = table.logPath(2)
      }),
  },
}
