/** Run rows: changing one, and the counters that end a run (spec/fold.md 4.1). */
import type { LedgerEvent } from '../events/kinds.ts'
import type { RunRow } from '../tables/runs.ts'
import type { RunState, TerminalTaskState } from '../tables/values.ts'
import { expireRunLater } from './expiry.ts'
import { find, replace } from './rows.ts'
import type { FullSlot } from './rows.ts'
import type { FoldState } from './state.ts'

/** How many tasks ended, and how. */
export type Counters = Pick<
  RunRow,
  'tasks_completed' | 'tasks_succeeded' | 'tasks_failed' | 'tasks_skipped' | 'tasks_cancelled'
>

/** Counters of a run none of whose tasks has ended. */
export const NOTHING_FINISHED: Counters = {
  tasks_completed: 0,
  tasks_succeeded: 0,
  tasks_failed: 0,
  tasks_skipped: 0,
  tasks_cancelled: 0,
}

/** 4.1: a task has ended, which may end its run. Only exact equality does: a repeated task key keeps it running. */
export function countFinished(
  state: FoldState,
  event: LedgerEvent,
  run_id: string,
  task_state: TerminalTaskState,
): void {
  const run = find(state.rows.runs, run_id)
  if (run === null) return
  const row = { ...run.row, ...counted(run.row, task_state), row_version: event.event_id }
  const ended = row.tasks_completed === row.tasks_total
  changeRun(state, run, ended ? { ...row, state: finalState(row), completed_at: event.timestamp } : row)
}

/** Every change of a run row that exists goes through here, because a terminal one begins to age. */
export function changeRun(state: FoldState, run: FullSlot<RunRow>, row: RunRow): void {
  replace(state.rows.runs, run, row)
  expireRunLater(state.retention, run)
}

/** The counters after one more task ended like this. */
export function counted(counters: Counters, task_state: TerminalTaskState): Counters {
  return {
    tasks_completed: counters.tasks_completed + 1,
    tasks_succeeded: counters.tasks_succeeded + Number(task_state === 'SUCCEEDED'),
    tasks_failed: counters.tasks_failed + Number(task_state === 'FAILED'),
    tasks_skipped: counters.tasks_skipped + Number(task_state === 'SKIPPED'),
    tasks_cancelled: counters.tasks_cancelled + Number(task_state === 'CANCELLED'),
  }
}

/** Skipped tasks do not fail a run: one of nothing but skips has succeeded. */
export function finalState(counters: Counters): RunState {
  if (counters.tasks_cancelled > 0) return 'CANCELLED'
  return counters.tasks_failed > 0 ? 'FAILED' : 'SUCCEEDED'
}
