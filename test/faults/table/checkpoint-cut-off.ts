/** A checkpoint whose footer is missing. */
import { CHECKPOINT_PATH, HINT_PATH } from '../../support/fault-table.ts'
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: copies of the log', 'a truncated checkpoint'],
  story: 'A checkpoint was cut off in the middle.',
  first: 'DL-809 error',
  inspect: 'unseen',
  plant: ({ store, service: { prefix } }) => {
    const bytes = store.peek(prefix + CHECKPOINT_PATH)?.bytes
    store.seed(prefix + CHECKPOINT_PATH, (bytes ?? new Uint8Array()).slice(0, 200))
  },
  resolved_by: {
    step: `Delete ${CHECKPOINT_PATH}, with _last_checkpoint when that names it`,
    act(table) {
      table.remove(CHECKPOINT_PATH)
      table.remove(HINT_PATH)
    },
  },
}
