/** Runs: how they begin and how they are cancelled (spec/fold.md 5.1, 5.3). */
import type { Instant } from '../events/instant.ts'
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import type { RunRow, TaskRow } from '../tables/runs.ts'
import { isTerminalRun, isTerminalTask } from '../tables/values.ts'
import type { RunState } from '../tables/values.ts'
import { expireRunLater } from './expiry.ts'
import { find, put, slotsOf } from './rows.ts'
import { changeRun, counted, finalState, NOTHING_FINISHED } from './run-rows.ts'
import type { Counters } from './run-rows.ts'
import type { FoldState } from './state.ts'
import { changeTask } from './task-rows.ts'

/** 5.1. Tasks may be there before their run, and may even have ended. */
export function triggerRun(state: FoldState, event: LedgerEvent, data: Payload<'run_triggered'>): boolean {
  if (find(state.rows.runs, data.run_id) !== null) return false
  const seen = countTasks(state, data.run_id)
  const run_state = seen.total === 0 ? 'TRIGGERED' : stateByCounters(seen.counters, seen.total)
  const row: RunRow = {
    run_id: data.run_id,
    plan_id: data.plan_id,
    state: run_state,
    run_key: data.run_key,
    cancel_requested: false,
    tasks_total: seen.total,
    ...seen.counters,
    triggered_at: event.timestamp,
    completed_at: isTerminalRun(run_state) ? seen.last_completed_at : null,
    labels: data.labels,
    code_version: data.code_version,
    row_version: event.event_id,
  }
  expireRunLater(state.retention, put(state.rows.runs, row))
  return true
}

/** 5.3. Running tasks are left to end by themselves, and nothing is propagated. */
export function cancelRun(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'run_cancel_requested'>,
): boolean {
  const run = find(state.rows.runs, data.run_id)
  if (run !== null && isTerminalRun(run.row.state)) return false
  let cancelled = 0
  for (const task of slotsOf(state.rows.tasks, data.run_id)) {
    if (isTerminalTask(task.row.state) || task.row.state === 'RUNNING') continue
    changeTask(state, task, { ...task.row, state: 'CANCELLED', row_version: event.event_id })
    cancelled += 1
  }
  if (run === null) return cancelled > 0
  const counters = {
    tasks_cancelled: run.row.tasks_cancelled + cancelled,
    tasks_completed: run.row.tasks_completed + cancelled,
  }
  const ended = counters.tasks_completed === run.row.tasks_total
  changeRun(state, run, {
    ...run.row,
    ...counters,
    cancel_requested: true,
    state: ended ? 'CANCELLED' : run.row.state,
    completed_at: ended ? event.timestamp : run.row.completed_at,
    row_version: event.event_id,
  })
  return true
}

function countTasks(
  state: FoldState,
  run_id: string,
): { total: number; counters: Counters; last_completed_at: Instant | null } {
  let total = 0
  let counters = NOTHING_FINISHED
  let last_completed_at: Instant | null = null
  for (const { row } of slotsOf(state.rows.tasks, run_id)) {
    total += 1
    if (!isTerminalTask(row.state)) continue
    counters = counted(counters, row.state)
    last_completed_at = later(last_completed_at, row.completed_at)
  }
  return { total, counters, last_completed_at }
}

function later(a: Instant | null, b: TaskRow['completed_at']): Instant | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}

function stateByCounters(counters: Counters, total: number): RunState {
  return counters.tasks_completed === total ? finalState(counters) : 'RUNNING'
}
