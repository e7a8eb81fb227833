/**
 * Events at the precision at which rows are stored (spec/projections.md 6). Files floor times to milliseconds, so a state
 * that was stored and loaded knows less than one that was just folded, and one decision of the fold compares times:
 * whether a timer's `fire_at` changed. Folding events that are floored before makes both states the same, and with them
 * the result of every way to cut a ledger into batches, byte for byte (P7, P8, P18). Rows in files are not affected;
 * only a second request for one timer that differs below a millisecond counts as unchanged.
 */
import type { Instant } from '../events/instant.ts'
import type { EventData, LedgerEvent } from '../events/kinds.ts'

const NS_PER_MS = 1_000_000n

/** The event with its times floored; the event itself where they are whole. */
export function atStoredPrecision(event: LedgerEvent): LedgerEvent {
  const timestamp = floored(event.timestamp)
  const data = flooredData(event.data)
  return timestamp === event.timestamp && data === event.data ? event : { ...event, timestamp, data }
}

function floored(instant: Instant): Instant {
  const rest = instant % NS_PER_MS
  if (rest === 0n) return instant
  return instant - (rest < 0n ? rest + NS_PER_MS : rest)
}

/** Times that the fold compares or copies into rows; the payload itself where there is none with finer digits. */
function flooredData(data: EventData): EventData {
  switch (data.type) {
    case 'task_heartbeat':
      return isWhole(data.heartbeat_at) ? data : { ...data, heartbeat_at: maybeFloored(data.heartbeat_at) }
    case 'task_output_visibility_changed':
      return isWhole(data.published_at) ? data : { ...data, published_at: maybeFloored(data.published_at) }
    case 'task_completion_recorded': {
      const { output_visibility } = data
      if (output_visibility === null || isWhole(output_visibility.published_at)) return data
      const published_at = maybeFloored(output_visibility.published_at)
      return { ...data, output_visibility: { ...output_visibility, published_at } }
    }
    case 'timer_requested':
      return isWhole(data.fire_at) ? data : { ...data, fire_at: floored(data.fire_at) }
    case 'schedule_ticked':
      return isWhole(data.scheduled_for) ? data : { ...data, scheduled_for: floored(data.scheduled_for) }
    case 'task_finished':
    case 'run_triggered':
    case 'plan_created':
    case 'run_cancel_requested':
    case 'task_started':
    case 'dispatch_requested':
    case 'dispatch_enqueued':
    case 'timer_enqueued':
    case 'timer_fired':
    case 'schedule_definition_upserted':
    case 'sensor_evaluated':
    case 'run_requested':
    case 'backfill_created':
    case 'backfill_chunk_planned':
    case 'backfill_state_changed':
    case 'unknown':
      return data
  }
}

function isWhole(instant: Instant | null): boolean {
  return instant === null || instant % NS_PER_MS === 0n
}

function maybeFloored(instant: Instant | null): Instant | null {
  return instant === null ? null : floored(instant)
}
