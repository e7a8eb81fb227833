/** What is asked of the task queue: attempts to run and timers to set. */
import { isNotOlder, nullable, oneOf, table, text, time, u32 } from './columns.ts'
import type { RowOf } from './columns.ts'
import { DISPATCH_STATUSES, TIMER_STATES, TIMER_TYPES } from './values.ts'

/** One row a timer. */
export const timers = table({
  name: 'timers',
  key: ['timer_id'],
  replaces: isNotOlder,
  columns: {
    timer_id: text,
    cloud_task_id: nullable(text),
    timer_type: oneOf(TIMER_TYPES),
    run_id: nullable(text),
    task_key: nullable(text),
    attempt: nullable(u32),
    fire_at: time,
    state: oneOf(TIMER_STATES),
    payload: nullable(text),
    row_version: text,
  },
})
/** A row of `timers`. */
export type TimerRow = RowOf<typeof timers>

/** One row an attempt that was handed to the queue and has not started yet. */
export const dispatchOutbox = table({
  name: 'dispatch_outbox',
  key: ['dispatch_id'],
  replaces: isNotOlder,
  columns: {
    run_id: text,
    task_key: text,
    attempt: u32,
    dispatch_id: text,
    cloud_task_id: nullable(text),
    status: oneOf(DISPATCH_STATUSES),
    attempt_id: text,
    worker_queue: text,
    created_at: time,
    row_version: text,
  },
})
/** A row of `dispatch_outbox`. */
export type DispatchRow = RowOf<typeof dispatchOutbox>
