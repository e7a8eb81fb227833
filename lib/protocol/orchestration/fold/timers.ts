/** Timers (spec/fold.md 5.11–5.13). What a timer id says stands in for a request that has not come yet. */
import { compareBytes } from '../byte-order.ts'
import { fromSeconds } from '../events/instant.ts'
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import { parseTimerId } from '../ids.ts'
import type { TimerRow } from '../tables/dispatch.ts'
import { find, put, replace } from './rows.ts'
import type { FullSlot } from './rows.ts'
import type { FoldState } from './state.ts'
import { changeTask, findTask } from './task-rows.ts'

const TIMER_TYPES = {
  retry: 'RETRY',
  heartbeat_check: 'HEARTBEAT_CHECK',
  cron: 'CRON',
  sla_check: 'SLA_CHECK',
} as const

type TimerEvent = Payload<'timer_enqueued'> | Payload<'timer_fired'>

/** 5.11. A later request moves the time of a timer, even of one that has fired, and fills what was not known. */
export function requestTimer(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'timer_requested'>,
): boolean {
  const known = find(state.rows.timers, data.timer_id)
  const changes = known === null ? insertTimer(state, event, data) : updateTimer(state, known, data)
  const moves = data.timer_type === 'retry' && moveRetry(state, event, data)
  return changes || moves
}

/** 5.12. A timer that has fired stays so. */
export function enqueueTimer(state: FoldState, event: LedgerEvent, data: Payload<'timer_enqueued'>): boolean {
  return applyToTimer(state, event, data, { cloud_task_id: data.cloud_task_id })
}

/** 5.13. The type in the event does not count, that in the id does. */
export function fireTimer(state: FoldState, event: LedgerEvent, data: Payload<'timer_fired'>): boolean {
  return applyToTimer(state, event, data, { state: 'FIRED' })
}

function insertTimer(state: FoldState, event: LedgerEvent, data: Payload<'timer_requested'>): boolean {
  put(state.rows.timers, {
    timer_id: data.timer_id,
    cloud_task_id: null,
    timer_type: TIMER_TYPES[data.timer_type],
    run_id: data.run_id,
    task_key: data.task_key,
    attempt: data.attempt,
    fire_at: data.fire_at,
    state: 'SCHEDULED',
    payload: null,
    row_version: event.event_id,
  })
  return true
}

function updateTimer(state: FoldState, known: FullSlot<TimerRow>, data: Payload<'timer_requested'>): boolean {
  const before = known.row
  const row = {
    ...before,
    fire_at: data.fire_at,
    run_id: before.run_id ?? data.run_id,
    task_key: before.task_key ?? data.task_key,
    attempt: before.attempt ?? data.attempt,
  }
  const changes =
    row.fire_at !== before.fire_at ||
    row.run_id !== before.run_id ||
    row.task_key !== before.task_key ||
    row.attempt !== before.attempt
  if (changes) replace(state.rows.timers, known, row)
  return changes
}

/** A retry timer also moves the deadline of its task. The catalog does not hear of it until the next refresh. */
function moveRetry(state: FoldState, event: LedgerEvent, data: Payload<'timer_requested'>): boolean {
  if (data.run_id === null || data.task_key === null) return false
  const task = findTask(state, data.run_id, data.task_key)
  if (task === null || task.row.state !== 'RETRY_WAIT' || task.row.attempt !== data.attempt) return false
  changeTask(state, task, { ...task.row, retry_not_before: data.fire_at, row_version: event.event_id })
  return true
}

function applyToTimer(
  state: FoldState,
  event: LedgerEvent,
  data: TimerEvent,
  news: Pick<TimerRow, 'cloud_task_id'> | Pick<TimerRow, 'state'>,
): boolean {
  const known = find(state.rows.timers, data.timer_id)
  if (known !== null) {
    if (compareBytes(event.event_id, known.row.row_version) <= 0) return false
    replace(state.rows.timers, known, { ...known.row, ...news, row_version: event.event_id })
    return true
  }
  const row = timerFromId(event, data)
  if (row === null) return false
  put(state.rows.timers, { ...row, ...news })
  return true
}

/** Null when the id says no time, or one that no instant is: the reference would take the wall clock for that. */
function timerFromId(event: LedgerEvent, data: TimerEvent): TimerRow | null {
  const parsed = parseTimerId(data.timer_id)
  const fire_at = parsed === null ? null : fromSeconds(parsed.epoch_s)
  if (parsed === null || fire_at === null) return null
  return {
    timer_id: data.timer_id,
    cloud_task_id: null,
    timer_type: parsed.timer_type,
    run_id: data.run_id ?? parsed.run_id,
    task_key: data.task_key ?? parsed.task_key,
    attempt: data.attempt ?? parsed.attempt,
    fire_at,
    state: 'SCHEDULED',
    payload: null,
    row_version: event.event_id,
  }
}
