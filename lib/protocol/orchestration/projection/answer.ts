/** From how an operation ended to what it answers. */
import { StoreError } from '../../../store/types.ts'
import type { Protocol } from '../../effects.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { RETRY_AFTER_MS } from './limits.ts'
import type { RowCounts } from './manifest.ts'
import { Refused, type Accounting, type Failure, type Folded } from './outcomes.ts'
import type { Revision } from './revision.ts'
import { floorOf } from './watermarks.ts'

/** The answer of an operation that may have ended in a refusal; what is neither is a bug and is thrown on. */
export function* answering<T>(operation: Protocol<T>): Protocol<T | Failure> {
  try {
    return yield* operation
  } catch (error) {
    return failureOf(error)
  }
}

/** The refusal that an error stands for. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refused) return error.failure
  if (error instanceof StoredObjectError) {
    if (error.reason === 'lock_corrupt') return { ok: false, reason: 'lock_corrupt' }
    return { ok: false, reason: 'object_corrupt', object_class: error.object_class }
  }
  if (error instanceof StoreError && error.code === 'unavailable') {
    return { ok: false, reason: 'storage_unavailable', retry_after_ms: RETRY_AFTER_MS }
  }
  throw error
}

/** What a call has done so far, over all its revisions. */
export interface Tally {
  readonly accounting: { -readonly [K in keyof Accounting]: Accounting[K] }
  events_processed: number
  revisions: number
  row_counts: RowCounts | null
  last: Revision | null
  /** What was visible before the first of them. */
  before: Revision['before']
  /** Selected events that are left. */
  remaining: number
}

/** Nothing yet. */
export function emptyTally(): Tally {
  return {
    accounting: {
      applied: 0,
      no_effect: 0,
      duplicate: 0,
      below_floor: 0,
      quarantined: 0,
      older_than_idempotency_window: 0,
    },
    events_processed: 0,
    revisions: 0,
    row_counts: null,
    last: null,
    before: null,
    remaining: 0,
  }
}

/** Count a revision in. */
export function addRevision(tally: Tally, revision: Revision): void {
  const { outcomes, row_counts } = revision
  const { accounting } = tally
  accounting.applied += outcomes.applied
  accounting.no_effect += outcomes.no_effect
  accounting.duplicate += outcomes.duplicate
  accounting.below_floor += outcomes.below_floor
  accounting.older_than_idempotency_window += outcomes.older_than_idempotency_window
  tally.events_processed += outcomes.applied + outcomes.no_effect + outcomes.duplicate
  if (revision.published) tally.revisions += 1
  if (tally.last === null) tally.before = revision.before
  tally.row_counts = tally.row_counts === null ? row_counts : addCounts(tally.row_counts, row_counts)
  tally.last = revision
}

function addCounts(a: RowCounts, b: RowCounts): RowCounts {
  const names = Object.keys(a) as (keyof RowCounts)[]
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as RowCounts
}

/** Highest id that readers are promised to see. */
export function watermarkOf(manifest: Revision['before']): string | null {
  return manifest === null ? null : floorOf(manifest.watermarks)
}

/**
 * The 200 (spec/http-api.md 5.2). `pointer_version` is empty when nothing was ever published. A dry run names the manifest
 * that is visible: another revision would say that it has published one.
 */
export function foldedAnswer(tally: Tally, about: Pick<Folded, 'rebuild_id' | 'dry_run'> = {}): Folded {
  const { last, before, accounting, events_processed, revisions, row_counts } = tally
  if (last === null) throw new Error('no revision was looked at')
  const { manifest, delta_id, merged_to_base, pointer_token } = last
  const visible = about.dry_run === true ? (before ?? manifest) : manifest
  return {
    ok: true,
    events_processed,
    accounting,
    ...(delta_id === null ? {} : { delta_id }),
    manifest_id: visible.manifest_id,
    manifest_revision: visible.revision_ulid,
    pointer_version: pointer_token ?? '',
    visibility_status: 'visible',
    repair_pending: false,
    merged_to_base,
    revisions: about.dry_run === true ? 0 : revisions,
    watermark_before: watermarkOf(before),
    watermark_after: watermarkOf(manifest),
    remaining: tally.remaining,
    ...about,
    ...(about.dry_run === true && row_counts !== null ? { row_counts } : {}),
  }
}
