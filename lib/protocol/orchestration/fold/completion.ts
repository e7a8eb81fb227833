/** The end of an attempt, and whether its output can be seen (spec/fold.md 4.4, 5.6–5.8). */
import { addSeconds, fromMs } from '../events/instant.ts'
import type { Instant } from '../events/instant.ts'
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import type { OutputVisibility, TaskError } from '../events/nested.ts'
import { ulidTime_ms } from '../../ids.ts'
import type { TaskRow } from '../tables/runs.ts'
import { isTerminalTask } from '../tables/values.ts'
import type { TaskState } from '../tables/values.ts'
import { propagate, satisfyDependents } from './dependencies.ts'
import { recordAttempt } from './partitions.ts'
import { countFinished } from './run-rows.ts'
import type { FoldState } from './state.ts'
import { changeTask, findTask, isCurrent } from './task-rows.ts'
import type { AttemptRef } from './task-rows.ts'
import { writtenBy } from './written.ts'
import type { Completion, Written } from './written.ts'

const BACKOFF_FIRST_S = 30
const BACKOFF_MAX_S = 900

/** 5.6. The task need not be running: the right attempt and id are enough. */
export function finishTask(state: FoldState, event: LedgerEvent, data: Completion): boolean {
  const task = findTask(state, data.run_id, data.task_key)
  if (task === null || !isCurrent(task.row, data) || isTerminalTask(task.row.state)) return false
  const written = writtenBy(data)
  const next = nextState(task.row, data)
  changeTask(state, task, finishedTask(task.row, event, data, written, next))
  if (isTerminalTask(next)) {
    countFinished(state, event, data.run_id, next)
    if (next === 'SUCCEEDED') satisfyDependents(state, event, task, data.attempt)
    else propagate(state, event, task, next)
  }
  recordAttempt(state, event, data, written)
  return true
}

/** 5.7: a completion that says at once whether its output can be seen. */
export function recordCompletion(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'task_completion_recorded'>,
): boolean {
  if (!finishTask(state, event, data)) return false
  if (data.output_visibility !== null) setVisibility(state, event, data, data.output_visibility)
  return true
}

/** 5.8. VISIBLE and FAILED stay; the same state again applies again. Runs, edges and partitions do not care. */
export function changeVisibility(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'task_output_visibility_changed'>,
): boolean {
  return setVisibility(state, event, data, data)
}

function setVisibility(
  state: FoldState,
  event: LedgerEvent,
  attempt: AttemptRef,
  given: OutputVisibility,
): boolean {
  const task = findTask(state, attempt.run_id, attempt.task_key)
  if (task === null || !isCurrent(task.row, attempt) || task.row.state !== 'SUCCEEDED') return false
  const from = task.row.output_visibility_state
  const to = VISIBILITY[given.visibility_state]
  if ((from === 'VISIBLE' || from === 'FAILED') && from !== to) return false
  changeTask(state, task, {
    ...task.row,
    output_visibility_state: to,
    published_at: to === 'VISIBLE' ? (given.published_at ?? event.timestamp) : null,
    publish_error: to === 'FAILED' ? given.publish_error : null,
    row_version: event.event_id,
  })
  return true
}

const VISIBILITY = { pending: 'PENDING', visible: 'VISIBLE', failed: 'FAILED' } as const

function finishedTask(
  task: TaskRow,
  event: LedgerEvent,
  data: Completion,
  written: Written,
  next: TaskState,
): TaskRow {
  const finished: TaskRow = {
    ...task,
    state: next,
    completed_at: isTerminalTask(next) ? event.timestamp : task.completed_at,
    asset_key: task.asset_key ?? data.asset_key,
    partition_key: task.partition_key ?? written.partition_key,
    row_version: event.event_id,
  }
  return data.outcome === 'succeeded'
    ? succeededTask(finished, written)
    : unsuccessfulTask(finished, event, data)
}

function succeededTask(task: TaskRow, written: Written): TaskRow {
  const has_visibility = task.output_visibility_state !== null
  return {
    ...task,
    error_message: null,
    retry_not_before: null,
    materialization_id: written.materialization_id,
    delta_table: written.delta_table,
    delta_version: written.delta_version,
    delta_partition: written.delta_partition,
    execution_lineage_ref: written.execution_lineage_ref,
    published_at: has_visibility ? task.published_at : null,
    publish_error: has_visibility ? task.publish_error : null,
  }
}

/** What an earlier attempt wrote stays in the row. */
function unsuccessfulTask(task: TaskRow, event: LedgerEvent, data: Completion): TaskRow {
  return {
    ...task,
    error_message: data.error_message,
    retry_not_before: task.state === 'RETRY_WAIT' ? retryDeadline(event, task.attempt) : null,
    output_visibility_state: null,
    published_at: null,
    publish_error: null,
  }
}

function nextState(task: TaskRow, { outcome, error }: Completion): TaskState {
  switch (outcome) {
    case 'succeeded':
      return 'SUCCEEDED'
    case 'skipped':
      return 'SKIPPED'
    case 'cancelled':
      return 'CANCELLED'
    case 'failed':
      return isRetryable(error) && task.attempt < task.max_attempts ? 'RETRY_WAIT' : 'FAILED'
  }
}

/** events.md 5.6: what is not known to be final is tried again. */
function isRetryable(error: TaskError | null): boolean {
  if (error === null) return true
  if (error.retryable !== null) return error.retryable
  return error.category === 'USER_CODE' || error.category === 'INFRASTRUCTURE' || error.category === 'TIMEOUT'
}

/**
 * 4.4. Counted from the time in the event's id, which the ledger has checked, and from the producer's clock only when
 * the id has none. Null beyond the last representable instant.
 */
function retryDeadline(event: LedgerEvent, attempt: number): Instant | null {
  const id_ms = ulidTime_ms(event.event_id)
  const doublings = Math.min(Math.max(attempt - 1, 0), 6)
  const backoff_s = Math.min(BACKOFF_FIRST_S * 2 ** doublings, BACKOFF_MAX_S)
  return addSeconds(id_ms === null ? event.timestamp : fromMs(id_ms), backoff_s)
}
