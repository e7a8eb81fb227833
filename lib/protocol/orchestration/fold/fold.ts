/**
 * The fold: one event, and what it makes of the state (spec/fold.md 3). It is a function of the state and the event,
 * and of nothing else: no clock, no randomness, no order of iteration. Events come in the order in which they are to
 * be folded; the driver sorts them by id (`compareEvents`).
 */
import { compareBytes } from '../byte-order.ts'
import type { EventData, LedgerEvent } from '../events/kinds.ts'
import { changeBackfill, createBackfill, planChunk } from './backfills.ts'
import { enterCatalogScope, refreshCatalog } from './catalog.ts'
import { changeVisibility, finishTask, recordCompletion } from './completion.ts'
import { enqueueDispatch, requestDispatch } from './dispatch.ts'
import { freeKey, keySlot, takeKey } from './idempotency.ts'
import { advanceRetention } from './retention.ts'
import { isFull } from './rows.ts'
import { requestRun } from './run-keys.ts'
import { cancelRun, triggerRun } from './runs.ts'
import { recordTick, upsertDefinition } from './schedules.ts'
import { recordEvaluation } from './sensors.ts'
import type { FoldState } from './state.ts'
import { createPlan, recordHeartbeat, startTask } from './tasks.ts'
import { enqueueTimer, fireTimer, requestTimer } from './timers.ts'

/**
 * What became of an event. `duplicate`: its key was taken. `no_effect`: refused, or of an unknown kind; its key is
 * free, so that a later event may still use it (P20).
 */
export type FoldOutcome = 'applied' | 'no_effect' | 'duplicate'

/** Fold one event into the state. Retention first, where there is any: what has expired is not seen any more. */
export function fold(state: FoldState, event: LedgerEvent): FoldOutcome {
  advanceRetention(state, event.event_id)
  const key = keySlot(state, event)
  if (isFull(key)) return 'duplicate'
  if (apply(state, event)) {
    takeKey(state, event, key)
    return 'applied'
  }
  freeKey(state, event, key)
  return 'no_effect'
}

/** Ledger order: by event id, bytewise. Equal ids keep the order in which they were given: sort stably. */
export function compareEvents(a: LedgerEvent, b: LedgerEvent): number {
  return compareBytes(a.event_id, b.event_id)
}

function apply(state: FoldState, event: LedgerEvent): boolean {
  const run_id = refreshedRun(event.data)
  if (run_id === null) return handle(state, event)
  enterCatalogScope(state, event, run_id)
  if (!handle(state, event)) return false
  refreshCatalog(state, event, run_id)
  return true
}

/** The run whose catalog rows follow after an event of this kind, or null. */
function refreshedRun(data: EventData): string | null {
  switch (data.type) {
    case 'run_triggered':
    case 'plan_created':
    case 'run_cancel_requested':
    case 'task_started':
    case 'task_heartbeat':
    case 'task_finished':
    case 'task_completion_recorded':
    case 'task_output_visibility_changed':
    case 'dispatch_requested':
      return data.run_id
    case 'dispatch_enqueued':
    case 'timer_requested':
    case 'timer_enqueued':
    case 'timer_fired':
    case 'schedule_definition_upserted':
    case 'schedule_ticked':
    case 'sensor_evaluated':
    case 'run_requested':
    case 'backfill_created':
    case 'backfill_chunk_planned':
    case 'backfill_state_changed':
    case 'unknown':
      return null
  }
}

/** Whether the event was applied. */
function handle(state: FoldState, event: LedgerEvent): boolean {
  const { data } = event
  switch (data.type) {
    case 'run_triggered':
      return triggerRun(state, event, data)
    case 'plan_created':
      return createPlan(state, event, data)
    case 'run_cancel_requested':
      return cancelRun(state, event, data)
    case 'task_started':
      return startTask(state, event, data)
    case 'task_heartbeat':
      return recordHeartbeat(state, event, data)
    case 'task_finished':
      return finishTask(state, event, data)
    case 'task_completion_recorded':
      return recordCompletion(state, event, data)
    case 'task_output_visibility_changed':
      return changeVisibility(state, event, data)
    case 'dispatch_requested':
      return requestDispatch(state, event, data)
    case 'dispatch_enqueued':
      return enqueueDispatch(state, event, data)
    case 'timer_requested':
      return requestTimer(state, event, data)
    case 'timer_enqueued':
      return enqueueTimer(state, event, data)
    case 'timer_fired':
      return fireTimer(state, event, data)
    case 'schedule_definition_upserted':
      return upsertDefinition(state, event, data)
    case 'schedule_ticked':
      return recordTick(state, event, data)
    case 'sensor_evaluated':
      return recordEvaluation(state, event, data)
    case 'run_requested':
      return requestRun(state, event, data)
    case 'backfill_created':
      return createBackfill(state, event, data)
    case 'backfill_chunk_planned':
      return planChunk(state, event, data)
    case 'backfill_state_changed':
      return changeBackfill(state, event, data)
    case 'unknown':
      return false
  }
}
