/** What the end of a task means for the tasks that wait for it (spec/fold.md 4.7, 4.8). */
import type { LedgerEvent } from '../events/kinds.ts'
import { isTerminalTask } from '../tables/values.ts'
import type { DepResolution } from '../tables/values.ts'
import { link } from './graph.ts'
import { isFull, replace, slotAtIn } from './rows.ts'
import { countFinished } from './run-rows.ts'
import { edgeName } from './state.ts'
import type { FoldState, TaskSlot } from './state.ts'
import { changeTask } from './task-rows.ts'
import type { FullTaskSlot } from './task-rows.ts'

/** An unresolved edge to a task of a plan; one that the plan names again begins again. */
export function addDependency(
  state: FoldState,
  event: LedgerEvent,
  upstream_task_key: string,
  task: FullTaskSlot,
): void {
  const { run_id, task_key } = task.row
  const edge = slotAtIn(state.rows.dep_satisfaction, run_id, edgeName(upstream_task_key, task_key))
  if (edge.row === null) link(edge, slotAtIn(state.rows.tasks, run_id, upstream_task_key), task)
  replace(state.rows.dep_satisfaction, edge, {
    run_id,
    upstream_task_key,
    downstream_task_key: task_key,
    satisfied: false,
    resolution: null,
    satisfied_at: null,
    satisfying_attempt: null,
    row_version: event.event_id,
  })
}

/**
 * 4.7: a task succeeded. The count rises even in a task that has started or ended; only a BLOCKED one becomes READY,
 * and only then its version changes.
 */
export function satisfyDependents(
  state: FoldState,
  event: LedgerEvent,
  task: TaskSlot,
  attempt: number,
): void {
  for (let edge = task.downstream; edge !== null; edge = edge.next_downstream) {
    if (!isFull(edge)) continue
    const was_satisfied = edge.row.satisfied
    replace(state.rows.dep_satisfaction, edge, {
      ...edge.row,
      satisfied: true,
      resolution: 'SUCCESS',
      satisfied_at: event.timestamp,
      satisfying_attempt: attempt,
      row_version: event.event_id,
    })
    if (!was_satisfied && edge.to !== null) countSatisfied(state, event, edge.to)
  }
}

/**
 * 4.8: a task failed, was skipped or was cancelled. All that is downstream and has not ended is skipped or cancelled,
 * running tasks too; each task is entered once, because it has ended then.
 */
export function propagate(
  state: FoldState,
  event: LedgerEvent,
  root: TaskSlot,
  resolution: Exclude<DepResolution, 'SUCCESS'>,
): void {
  const consequence = resolution === 'CANCELLED' ? 'CANCELLED' : 'SKIPPED'
  const ended = [root]
  for (const upstream of ended) {
    for (let edge = upstream.downstream; edge !== null; edge = edge.next_downstream) {
      if (!isFull(edge)) continue
      replace(state.rows.dep_satisfaction, edge, {
        ...edge.row,
        satisfied: false,
        resolution: upstream === root ? resolution : consequence,
        satisfied_at: event.timestamp,
        satisfying_attempt: null,
        row_version: event.event_id,
      })
      const task = edge.to
      if (task === null || !isFull(task) || isTerminalTask(task.row.state)) continue
      changeTask(state, task, { ...task.row, state: consequence, row_version: event.event_id })
      countFinished(state, event, task.row.run_id, consequence)
      ended.push(task)
    }
  }
}

function countSatisfied(state: FoldState, event: LedgerEvent, task: TaskSlot): void {
  if (!isFull(task)) return
  const deps_satisfied_count = task.row.deps_satisfied_count + 1
  const becomes_ready = deps_satisfied_count === task.row.deps_total && task.row.state === 'BLOCKED'
  changeTask(
    state,
    task,
    becomes_ready
      ? {
          ...task.row,
          deps_satisfied_count,
          state: 'READY',
          ready_at: event.timestamp,
          row_version: event.event_id,
        }
      : { ...task.row, deps_satisfied_count },
  )
}
