/** How far the ledger has come, and from where a rebuild goes on (spec/manifests.md 7). Ids compare by bytes. */
import { compareBytes } from '../byte-order.ts'
import type { Watermarks } from './manifest.ts'

/** The last event of a batch. */
export interface LastEvent {
  readonly event_id: string
  readonly path: string
}

/**
 * The watermarks after a batch; the same value when it does not raise them. Late events change rows and leave the
 * watermarks as they are, `last_processed_at` included.
 */
export function advance(watermarks: Watermarks, last: LastEvent | null, now: string): Watermarks {
  const committed = watermarks.last_committed_event_id
  if (last === null || (committed !== null && compareBytes(last.event_id, committed) <= 0)) return watermarks
  return {
    last_committed_event_id: last.event_id,
    last_visible_event_id: last.event_id,
    events_processed_through: last.event_id,
    last_processed_file: last.path,
    last_processed_at: now,
  }
}

/**
 * An incremental rebuild reads only events above this. What is visible counts before what is committed: events that
 * were persisted and never became visible have to be folded again.
 */
export function floorOf(watermarks: Watermarks): string | null {
  return (
    watermarks.last_visible_event_id ??
    watermarks.events_processed_through ??
    watermarks.last_committed_event_id
  )
}

/** Whether an event lies at or below the floor. */
export function isBelowFloor(event_id: string, floor: string | null): boolean {
  return floor !== null && compareBytes(event_id, floor) <= 0
}
