/** Task rows: finding and changing one, and which attempt it is at (spec/fold.md 4.5, 4.9). */
import type { TaskRow } from '../tables/runs.ts'
import { isTerminalTask } from '../tables/values.ts'
import { settleCatalogRow } from './catalog.ts'
import { findIn, replace } from './rows.ts'
import type { FullSlot } from './rows.ts'
import type { FoldState, TaskSlot } from './state.ts'

/** The slot of a task that has a row. */
export type FullTaskSlot = TaskSlot & FullSlot<TaskRow>

/** What an event says about the attempt that it is about. */
export interface AttemptRef {
  readonly run_id: string
  readonly task_key: string
  readonly attempt: number
  readonly attempt_id: string
}

/** 4.5: whether the event is about the attempt that the task is at. An empty id is an id. */
export function isCurrent(task: TaskRow, { attempt, attempt_id }: AttemptRef): boolean {
  return task.attempt === attempt && task.attempt_id === attempt_id
}

/** 4.9: whether the attempt has begun, or has been overtaken, so that nobody has to dispatch it any more. */
export function isConsumed(task: TaskRow, attempt: number): boolean {
  const has_begun = task.state === 'RUNNING' || task.state === 'RETRY_WAIT' || isTerminalTask(task.state)
  return task.attempt > attempt || (task.attempt === attempt && has_begun)
}

/** The slot of a task that exists. */
export function findTask(state: FoldState, run_id: string, task_key: string): FullTaskSlot | null {
  return findIn(state.rows.tasks, run_id, task_key)
}

/** Every change of a task row that exists goes through here, because its catalog row follows from both versions. */
export function changeTask(state: FoldState, task: FullTaskSlot, row: TaskRow): void {
  settleCatalogRow(state, row.run_id, row.task_key, task)
  replace(state.rows.tasks, task, row)
}
