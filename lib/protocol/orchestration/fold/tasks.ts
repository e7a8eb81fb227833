/** Tasks: the plan that makes them, and what happens to an attempt until it ends (spec/fold.md 5.2, 5.4, 5.5). */
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import type { TaskDefinition } from '../events/nested.ts'
import type { TaskRow } from '../tables/runs.ts'
import { isTerminalTask } from '../tables/values.ts'
import { settleCatalogRow } from './catalog.ts'
import { addDependency } from './dependencies.ts'
import { pruneDispatch } from './dispatch.ts'
import { find, hasRows, replace, slotAtIn } from './rows.ts'
import { changeRun } from './run-rows.ts'
import type { FoldState } from './state.ts'
import { changeTask, findTask, isCurrent } from './task-rows.ts'
import type { FullTaskSlot } from './task-rows.ts'

/** 5.2. Repeated task keys: the last definition's row stays, the edges of all of them do, and all are counted. */
export function createPlan(state: FoldState, event: LedgerEvent, data: Payload<'plan_created'>): boolean {
  if (hasRows(state.rows.tasks, data.run_id)) return false
  const run = find(state.rows.runs, data.run_id)
  if (run !== null) {
    // Even a run that was cancelled before it had a plan runs again, and keeps the time at which it ended.
    const tasks_total = data.tasks.length
    changeRun(state, run, { ...run.row, tasks_total, state: 'RUNNING', row_version: event.event_id })
  }
  for (const definition of data.tasks) {
    const task = plan(state, event, data.run_id, definition)
    for (const upstream of definition.depends_on) addDependency(state, event, upstream, task)
  }
  return run !== null || data.tasks.length > 0
}

/** 5.4. Dependencies are not looked at, and a newer attempt takes over from one that runs. */
export function startTask(state: FoldState, event: LedgerEvent, data: Payload<'task_started'>): boolean {
  const task = findTask(state, data.run_id, data.task_key)
  if (task === null || isTerminalTask(task.row.state) || data.attempt < task.row.attempt) return false
  const has_other_id = task.row.attempt_id !== null && task.row.attempt_id !== data.attempt_id
  if (data.attempt === task.row.attempt && has_other_id) return false
  changeTask(state, task, {
    ...task.row,
    state: 'RUNNING',
    attempt: data.attempt,
    attempt_id: data.attempt_id,
    started_at: event.timestamp,
    row_version: event.event_id,
  })
  pruneDispatch(state, data.run_id, data.task_key, data.attempt)
  return true
}

/** 5.5. The time may move backwards: no maximum is taken. */
export function recordHeartbeat(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'task_heartbeat'>,
): boolean {
  const task = findTask(state, data.run_id, data.task_key)
  if (task === null || isTerminalTask(task.row.state) || !isCurrent(task.row, data)) return false
  changeTask(state, task, {
    ...task.row,
    last_heartbeat_at: data.heartbeat_at ?? event.timestamp,
    row_version: event.event_id,
  })
  return true
}

function plan(
  state: FoldState,
  event: LedgerEvent,
  run_id: string,
  definition: TaskDefinition,
): FullTaskSlot {
  const task = slotAtIn(state.rows.tasks, run_id, definition.key)
  settleCatalogRow(state, run_id, definition.key, task)
  const row = plannedTask(event, run_id, definition)
  replace(state.rows.tasks, task, row)
  return Object.assign(task, { row })
}

function plannedTask(event: LedgerEvent, run_id: string, definition: TaskDefinition): TaskRow {
  const is_ready = definition.depends_on.length === 0
  return {
    run_id,
    task_key: definition.key,
    state: is_ready ? 'READY' : 'BLOCKED',
    attempt: 0,
    attempt_id: null,
    started_at: null,
    completed_at: null,
    error_message: null,
    deps_total: definition.depends_on.length,
    deps_satisfied_count: 0,
    max_attempts: definition.max_attempts,
    heartbeat_timeout_sec: definition.heartbeat_timeout_sec,
    last_heartbeat_at: null,
    ready_at: is_ready ? event.timestamp : null,
    asset_key: definition.asset_key,
    partition_key: definition.partition_key,
    requires_visible_output: definition.requires_visible_output,
    materialization_id: null,
    output_visibility_state: null,
    published_at: null,
    publish_error: null,
    retry_not_before: null,
    delta_table: null,
    delta_version: null,
    delta_partition: null,
    execution_lineage_ref: null,
    row_version: event.event_id,
  }
}
