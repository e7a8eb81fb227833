/**
 * What a writer derives from a payload: the name of its kind, the run it belongs to and the key that makes it count
 * once (spec/events.md 6). Readers take the stored values as they are; the fold never recomputes them.
 */
import { sha256Hex } from '../../sha256.ts'
import { compareBytes } from '../byte-order.ts'
import { floorMs } from './instant.ts'
import type { EventData, EventKind, Payload } from './kinds.ts'

/** The `event_type` that writers give each kind. */
export const EVENT_NAMES: Readonly<Record<EventKind, string>> = {
  run_triggered: 'RunTriggered',
  plan_created: 'PlanCreated',
  run_cancel_requested: 'RunCancelRequested',
  task_started: 'TaskStarted',
  task_heartbeat: 'TaskHeartbeat',
  task_finished: 'TaskFinished',
  task_completion_recorded: 'TaskCompletionRecorded',
  task_output_visibility_changed: 'TaskOutputVisibilityChanged',
  dispatch_requested: 'DispatchRequested',
  dispatch_enqueued: 'DispatchEnqueued',
  timer_requested: 'TimerRequested',
  timer_enqueued: 'TimerEnqueued',
  timer_fired: 'TimerFired',
  schedule_definition_upserted: 'ScheduleDefinitionUpserted',
  schedule_ticked: 'ScheduleTicked',
  sensor_evaluated: 'SensorEvaluated',
  run_requested: 'RunRequested',
  backfill_created: 'BackfillCreated',
  backfill_chunk_planned: 'BackfillChunkPlanned',
  backfill_state_changed: 'BackfillStateChanged',
  unknown: 'Unknown',
}

/** The run that an event is about, which becomes its `correlation_id`; null when its kind or this event names none. */
export function runIdOf(data: EventData): string | null {
  return 'run_id' in data ? data.run_id : null
}

/** The idempotency key of a writer that supplies none of its own. Nothing in it is escaped. */
export function defaultIdempotencyKey(data: EventData): string {
  switch (data.type) {
    case 'run_triggered':
      return `run:${data.run_key ?? data.run_id}`
    case 'plan_created':
      return `plan:${data.run_id}`
    case 'run_cancel_requested':
      return `cancel_req:${data.run_id}`
    case 'task_started':
      return `started:${attemptPath(data)}`
    case 'task_heartbeat':
      return heartbeatKey(data)
    case 'task_finished':
    case 'task_completion_recorded':
      return `finished:${attemptPath(data)}`
    case 'task_output_visibility_changed':
      return `output_visibility:${attemptPath(data)}:${data.visibility_state}`
    case 'dispatch_requested':
      return `dispatch_req:${data.dispatch_id}`
    case 'dispatch_enqueued':
      return `dispatch_ack:${data.dispatch_id}`
    case 'timer_requested':
      return `timer_req:${data.timer_id}`
    case 'timer_enqueued':
      return `timer_ack:${data.timer_id}`
    case 'timer_fired':
      return `timer_fired:${data.timer_id}`
    case 'schedule_definition_upserted':
      return `sched_def:${data.schedule_id}:${definitionHash(data)}`
    case 'schedule_ticked':
      return `sched_tick:${data.tick_id}`
    case 'sensor_evaluated':
      return sensorKey(data)
    case 'run_requested':
      return `runreq:${data.run_key}:${sha256Hex(data.request_fingerprint)}`
    case 'backfill_created':
      return `backfill_create:${data.client_request_id}`
    case 'backfill_chunk_planned':
      return `backfill_chunk:${data.backfill_id}:${data.chunk_index}`
    case 'backfill_state_changed':
      return `backfill_state:${data.backfill_id}:${data.state_version}:${data.to_state}`
    case 'unknown':
      return 'unknown'
  }
}

function attemptPath(data: { run_id: string; task_key: string; attempt: number }): string {
  return `${data.run_id}:${data.task_key}:${data.attempt}`
}

function heartbeatKey(data: Payload<'task_heartbeat'>): string {
  const key = `heartbeat:${attemptPath(data)}:${data.attempt_id}`
  return data.heartbeat_at === null ? key : `${key}:${floorMs(data.heartbeat_at)}`
}

/** `code_version` is not part of it: a definition that only changes that is dropped as a repetition. */
function definitionHash(data: Payload<'schedule_definition_upserted'>): string {
  const parts = [
    data.cron_expression,
    data.timezone,
    data.catchup_window_minutes,
    data.max_catchup_ticks,
    data.enabled,
    data.asset_selection.toSorted(compareBytes).join(','),
  ]
  return sha256Hex(parts.join('|'))
}

function sensorKey(data: Payload<'sensor_evaluated'>): string {
  const source = data.trigger_source
  if (source.source === 'push') return `sensor_eval:${data.sensor_id}:msg:${source.message_id}`
  const cursor = data.cursor_before === null ? 'none' : sha256Hex(data.cursor_before)
  return `sensor_eval:${data.sensor_id}:poll:${source.poll_epoch}:${cursor}`
}
