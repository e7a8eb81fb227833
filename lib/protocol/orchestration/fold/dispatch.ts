/** Attempts on their way to a worker (spec/fold.md 4.2, 5.9, 5.10). */
import { compareBytes } from '../byte-order.ts'
import { DEFAULT_QUEUE } from '../events/kinds.ts'
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import { dispatchId } from '../ids.ts'
import type { DispatchRow } from '../tables/dispatch.ts'
import { find, put, remove, replace } from './rows.ts'
import type { FullSlot } from './rows.ts'
import type { FoldState } from './state.ts'
import { changeTask, findTask, isConsumed } from './task-rows.ts'
import type { FullTaskSlot } from './task-rows.ts'

/**
 * 5.9. The first attempt id of a dispatch wins, for its row and for the task. An acknowledgement may have come first,
 * and left both the id and the queue open.
 */
export function requestDispatch(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'dispatch_requested'>,
): boolean {
  const { run_id, task_key, attempt, dispatch_id } = data
  const task = findTask(state, run_id, task_key)
  if (task !== null && isConsumed(task.row, attempt)) {
    pruneDispatch(state, run_id, task_key, attempt)
    return false
  }
  const known = find(state.rows.dispatch_outbox, dispatch_id)
  if (known === null) {
    dispatchTask(state, event, task, { attempt, attempt_id: data.attempt_id })
    put(state.rows.dispatch_outbox, {
      run_id,
      task_key,
      attempt,
      dispatch_id,
      cloud_task_id: null,
      status: 'PENDING',
      attempt_id: data.attempt_id,
      worker_queue: data.worker_queue,
      created_at: event.timestamp,
      row_version: event.event_id,
    })
    return true
  }
  const fills = fillDispatch(state, known, data)
  const moves = dispatchTask(state, event, task, { attempt, attempt_id: known.row.attempt_id })
  return fills || moves
}

/** 5.10. The queue has the attempt; it may say so before anybody asked. */
export function enqueueDispatch(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'dispatch_enqueued'>,
): boolean {
  const { run_id, task_key, attempt, dispatch_id, cloud_task_id } = data
  const is_named = run_id !== null && task_key !== null && attempt !== null
  const task = is_named ? findTask(state, run_id, task_key) : null
  if (is_named && task !== null && isConsumed(task.row, attempt)) {
    pruneDispatch(state, run_id, task_key, attempt)
    return false
  }
  const acknowledged = {
    cloud_task_id,
    status: 'CREATED',
    created_at: event.timestamp,
    row_version: event.event_id,
  } as const
  const known = find(state.rows.dispatch_outbox, dispatch_id)
  if (known !== null) {
    if (compareBytes(event.event_id, known.row.row_version) <= 0) return false
    replace(state.rows.dispatch_outbox, known, { ...known.row, ...acknowledged })
    return true
  }
  if (!is_named) return false
  put(state.rows.dispatch_outbox, {
    run_id,
    task_key,
    attempt,
    dispatch_id,
    attempt_id: '',
    worker_queue: DEFAULT_QUEUE,
    ...acknowledged,
  })
  return true
}

/** 4.2: take the attempt out of the outbox. A row under another id than the canonical one stays. */
export function pruneDispatch(state: FoldState, run_id: string, task_key: string, attempt: number): void {
  const known = find(state.rows.dispatch_outbox, dispatchId(run_id, task_key, attempt))
  if (known !== null) remove(state.rows.dispatch_outbox, known)
}

/** Fill what the row has left open. An empty text in an empty column changes nothing, but counts. */
function fillDispatch(
  state: FoldState,
  known: FullSlot<DispatchRow>,
  data: Payload<'dispatch_requested'>,
): boolean {
  const { row } = known
  const takes_id = row.attempt_id === ''
  const takes_queue =
    row.worker_queue === '' || (row.worker_queue === DEFAULT_QUEUE && data.worker_queue !== DEFAULT_QUEUE)
  if (!takes_id && !takes_queue) return false
  replace(state.rows.dispatch_outbox, known, {
    ...row,
    attempt_id: takes_id ? data.attempt_id : row.attempt_id,
    worker_queue: takes_queue ? data.worker_queue : row.worker_queue,
  })
  return true
}

/** Move the task to DISPATCHED, unless it is so already or has other things to do. */
function dispatchTask(
  state: FoldState,
  event: LedgerEvent,
  task: FullTaskSlot | null,
  { attempt, attempt_id }: { attempt: number; attempt_id: string },
): boolean {
  if (task === null || attempt < task.row.attempt) return false
  const { row } = task
  const is_dispatched = row.state === 'DISPATCHED'
  if (!is_dispatched && row.state !== 'READY' && row.state !== 'RETRY_WAIT') return false
  if (is_dispatched && row.attempt === attempt && row.attempt_id === attempt_id) return false
  changeTask(state, task, {
    ...row,
    state: 'DISPATCHED',
    attempt,
    attempt_id,
    retry_not_before: null,
    row_version: event.event_id,
  })
  return true
}
