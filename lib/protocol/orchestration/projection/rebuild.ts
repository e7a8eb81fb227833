/**
 * REBUILD (spec/rebuild.md 5, 11, 12): fold the events of a stored list. `incremental` takes those above the watermark,
 * lowest first, in chunks of which each is a complete publish: readers see one prefix of the ledger after another, and
 * calling again goes on where the last call ended. `full` is `rebuild-full.ts`.
 */
import { sha256, now, type Protocol } from '../../effects.ts'
import { addRevision, answering, emptyTally, foldedAnswer, watermarkOf, type Tally } from './answer.ts'
import { keepAlive, NO_LOCK, type Authority } from './authority.ts'
import { underLock } from './compact.ts'
import { countThrough } from './event-list.ts'
import { readHead, type Head } from './head.ts'
import { loadBatch } from './load-events.ts'
import { Refused, type Folded, type Progress, type RebuildResult } from './outcomes.ts'
import { rebuildFull } from './rebuild-full.ts'
import { readRebuildList, type RebuildList } from './rebuild-list.ts'
import {
  isOverBudget,
  noteProgress,
  refuseTogether,
  type Rebuild,
  type RebuildChoices,
} from './rebuild-work.ts'
import { foldRevision, type Revision, type Session } from './revision.ts'
import type { ProjectionSettings } from './settings.ts'

/** A rebuild. */
export interface RebuildRequest extends RebuildChoices {
  readonly rebuild_manifest_path: string
  /** The token of the lock that the caller holds; null: the call takes the lock itself (locks-and-fencing.md 6.1). */
  readonly fencing_token: number | null
  /** Select, read and fold, and write nothing, not even the lock. */
  readonly dry_run: boolean
}

/** A request of the runbook: a list and nothing else. */
export const REBUILD_DEFAULTS: Omit<RebuildRequest, 'rebuild_manifest_path'> = {
  fencing_token: null,
  mode: 'incremental',
  dry_run: false,
  quarantine: false,
  allow_regression: false,
  time_budget_ms: null,
  events_budget: null,
}

/** Rebuild the projection from a list. */
export function* rebuild(settings: ProjectionSettings, request: RebuildRequest): Protocol<RebuildResult> {
  const tally = emptyTally()
  const result = yield* answering(rebuildOrThrow(settings, request, tally))
  if (result.ok || tally.last === null) return result
  return { ...result, progress: progressOf(tally) }
}

function progressOf({ events_processed, revisions, last, remaining }: Tally): Progress {
  return { events_processed, revisions, watermark_after: watermarkOf(last?.manifest ?? null), remaining }
}

function* rebuildOrThrow(
  settings: ProjectionSettings,
  request: RebuildRequest,
  tally: Tally,
): Protocol<Folded> {
  const started_ms = (yield* now()).monotonic_ms
  const list = yield* readRebuildList(request.rebuild_manifest_path)
  const rebuild_id = yield* rebuildIdOf(settings, request, list)
  function* work(authority: Authority, readFirst: () => Protocol<Head>): Protocol<Folded> {
    const { dry_run } = request
    const session: Session = { settings, authority, dry_run, cache: new Map(), unwritten: [], carried: null }
    const it: Rebuild = { settings, session, request, list, rebuild_id, started_ms }
    tally.accounting.duplicate += list.events.duplicates
    if (request.mode === 'full') yield* inOneRevision(it, tally)
    else yield* inChunks(it, yield* readFirst(), tally)
    return foldedAnswer(tally, { rebuild_id, ...(request.dry_run ? { dry_run: true } : {}) })
  }
  if (request.dry_run && request.fencing_token === null) return yield* work(NO_LOCK, readHead)
  return yield* underLock(settings, 'rebuild', request.fencing_token, work)
}

/**
 * Name of the private chunks of a rebuild. The same for the same events under the same settings: a call that begins again
 * finds what it has finished.
 */
export function* rebuildIdOf(
  { tenant_secret, tombstones, terminal_run_days, chunk_events }: ProjectionSettings,
  { mode, quarantine }: Pick<RebuildRequest, 'mode' | 'quarantine'>,
  { digest }: RebuildList,
): Protocol<string> {
  const secret = yield* sha256(tenant_secret)
  const parts = [CHUNK_FORMAT, digest, mode, quarantine, tombstones, terminal_run_days, chunk_events, secret]
  return (yield* sha256(new TextEncoder().encode(JSON.stringify(parts)))).slice(0, 32)
}

/** Changes whenever the bytes of chunks do, so that no run goes on behind chunks of another encoder. */
const CHUNK_FORMAT = 1

/** `mode: "full"`: one revision, or none yet. */
function* inOneRevision(it: Rebuild, tally: Tally): Protocol<void> {
  const { revision, quarantined, remaining } = yield* rebuildFull(it)
  addRevision(tally, revision)
  tally.accounting.quarantined += quarantined
  tally.remaining = remaining
}

/** `mode: "incremental"`. */
function* inChunks(it: Rebuild, first: Head, tally: Tally): Protocol<void> {
  const { list, session, settings } = it
  const { length } = list.events
  let from = countThrough(list.events, watermarkOf(first.manifest))
  const begin = from
  tally.accounting.below_floor += from
  yield* noteProgress(it, { read: 0, folded: from, published: from })
  let head: Head | null = first
  do {
    tally.remaining = length - from
    const to = Math.min(from + settings.chunk_events, length)
    const batch = yield* readChunk(it, from, to)
    const revision: Revision = yield* foldRevision(session, { ...batch, above_floor: true }, head)
    addRevision(tally, revision)
    tally.accounting.quarantined += batch.quarantined.length
    head = revision.head
    from = to
    tally.remaining = length - from
    const published = session.dry_run ? begin : from
    yield* noteProgress(it, { read: from - begin, folded: from, published })
  } while (from < length && !(yield* isOverBudget(it, from - begin)))
}

function* readChunk(it: Rebuild, from: number, to: number): ReturnType<typeof loadBatch> {
  const { list, settings, session, request } = it
  try {
    return yield* loadBatch(list.events.paths(from, to), settings, {
      quarantine: request.quarantine,
      beforeRead: () => keepAlive(session.authority),
    })
  } catch (error) {
    // Once enough of them are known, the rest of the list is not looked at (S19).
    if (error instanceof Refused && 'paths' in error.failure && !error.failure.truncated)
      yield* refuseTogether(it, error.failure.paths, to)
    throw error
  }
}
