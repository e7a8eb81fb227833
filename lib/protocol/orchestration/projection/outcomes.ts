/**
 * What compact, rebuild and the readers answer. Refusals are values with a `reason` of spec/http-api.md 6.2 and the
 * reason's own members in wire spelling.
 */
import type { RowCounts } from './manifest.ts'

/** Where every listed path went (correctness.md Q6): each is in exactly one of the first five. */
export interface Accounting {
  /** Changed rows. */
  readonly applied: number
  /** Was folded and changed nothing: refused by the fold, or of an unknown kind. */
  readonly no_effect: number
  /** Listed more than once, or its idempotency key was taken. */
  readonly duplicate: number
  /** At or below the watermark, so not read by an incremental rebuild. `mode: "full"` reads it. */
  readonly below_floor: number
  /** Left out on the operator's word because it does not decode. */
  readonly quarantined: number
  /** Of the others: older than idempotency keys are kept, so it may have been applied a second time (rebuild.md 7). */
  readonly older_than_idempotency_window: number
}

/** The 200 of `/compact` and `/rebuild` (spec/http-api.md 5.2). */
export interface Folded {
  readonly ok: true
  /** Distinct events that were read and offered to the fold, whatever became of them. */
  readonly events_processed: number
  readonly accounting: Accounting
  /** Only when the last revision of this call added a delta. */
  readonly delta_id?: string
  readonly manifest_id: string
  readonly manifest_revision: string
  /** Empty when nothing was ever published. */
  readonly pointer_version: string
  readonly visibility_status: 'visible' | 'persisted_not_visible'
  readonly repair_pending: false
  /** The last revision of this call is a new base snapshot. */
  readonly merged_to_base: boolean
  /** Revisions that this call published. */
  readonly revisions: number
  /** Highest visible event id before and after. */
  readonly watermark_before: string | null
  readonly watermark_after: string | null
  /** Selected events that are left for the next call with the same list. */
  readonly remaining: number
  /** Of a full rebuild: the name of its private chunks. */
  readonly rebuild_id?: string
  /** Nothing was written: this is what would happen. */
  readonly dry_run?: true
  /** Rows that would be written, of a dry run. */
  readonly row_counts?: RowCounts
}

/** One event that cannot be folded, and why. */
export interface RefusedEvent {
  readonly reason: 'event_not_found' | 'event_invalid' | 'event_out_of_scope' | 'event_path_invalid'
  readonly path: string
  readonly detail: string
  /** Byte of the object at which it stops being an event. */
  readonly offset?: number
}

/** How far a rebuild had come when it was refused; what it published stays. */
export interface Progress {
  readonly events_processed: number
  readonly revisions: number
  readonly watermark_after: string | null
  readonly remaining: number
}

/** Why the lock does not let this call publish. */
export type LockFailure =
  | { readonly ok: false; readonly reason: 'lock_missing' | 'lock_expired'; readonly detail: string }
  | { readonly ok: false; readonly reason: 'stale_fencing_token'; readonly detail: string }
  | {
      readonly ok: false
      readonly reason: 'lock_held'
      readonly detail: string
      readonly holder_id: string
      readonly retry_after_ms: number
    }
  | { readonly ok: false; readonly reason: 'lease_lost'; readonly detail: string }

/** Refusals of everything that reads or writes the projection. */
export type ProjectionFailure =
  | LockFailure
  | { readonly ok: false; readonly reason: 'lock_corrupt' }
  | { readonly ok: false; readonly reason: 'object_corrupt'; readonly object_class: string }
  | { readonly ok: false; readonly reason: 'delete_channel'; readonly detail: string }
  | {
      readonly ok: false
      readonly reason: 'contention'
      readonly detail: string
      readonly retry_after_ms: number
    }
  | {
      readonly ok: false
      readonly reason: 'outcome_unknown' | 'storage_unavailable' | 'throttled'
      readonly retry_after_ms: number
    }

/** Events that were asked for and cannot be folded: all of them, up to a bound. Nothing of their batch was written. */
export interface EventsRefused extends Omit<RefusedEvent, 'offset'> {
  readonly ok: false
  readonly offset?: number
  /** The first of these is the one above. */
  readonly paths: readonly RefusedEvent[]
  /** There are more, or the rest was not looked at. */
  readonly truncated: boolean
}

/** The list of a rebuild is missing, or is not one. */
export type ListRefused =
  | { readonly ok: false; readonly reason: 'rebuild_manifest_not_found'; readonly path: string }
  | {
      readonly ok: false
      readonly reason: 'rebuild_manifest_invalid'
      readonly path: string
      readonly detail: string
    }
  | { readonly ok: false; readonly reason: 'bad_request'; readonly detail: string }

/** What a compaction came to. */
export type CompactResult = Folded | ProjectionFailure | EventsRefused

/** What a rebuild came to. */
export type RebuildResult =
  | Folded
  | ((ProjectionFailure | EventsRefused | ListRefused) & { readonly progress?: Progress })

/** Any refusal. */
export type Failure = ProjectionFailure | EventsRefused | ListRefused

/** Ends an operation from within. Never leaves it: `answering` turns it into the answer. */
export class Refused extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.reason)
    this.name = 'Refused'
    this.failure = failure
  }
}
