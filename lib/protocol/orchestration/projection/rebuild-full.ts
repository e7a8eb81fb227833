/**
 * REBUILD FROM SCRATCH (spec/rebuild.md 12, `mode: "full"`): fold a complete list from the empty state, whatever is
 * visible, and replace that in one step.
 *
 *     finished chunks ──replay──> state ──fold──> chunk ──> chunk ──> … ──> base snapshot ──> manifest ──> pointer CAS
 *                                           private, resumable                       readers see the old one until here
 *
 * What is visible may be beyond reading, that is what this is for; but the lock, the order of ids and the CAS of the
 * pointer are honoured as ever.
 */
import { note, now, pause, sha256, ulid, type Protocol } from '../../effects.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { compareBytes } from '../byte-order.ts'
import { fold } from '../fold/fold.ts'
import { loadState, takeDelta } from '../fold/layers.ts'
import type { FoldSettings, FoldState } from '../fold/state.ts'
import { TABLE_NAMES } from '../tables/all.ts'
import { checkEpoch, keepAlive } from './authority.ts'
import { batchesOf, readArtifacts, type ArtifactRef } from './artifact.ts'
import { tombstoneMode, type TombstoneMode } from './delete-channel.ts'
import { timeText } from './document-parts.ts'
import { corrupt } from './documents.ts'
import { readDamagedHead, type Head } from './head.ts'
import { ARTIFACT_BYTES_MAX, ATTEMPT_PAUSES_MS, RETRY_AFTER_MS } from './limits.ts'
import { readEvents } from './load-events.ts'
import { emptyManifest, NO_WATERMARKS, type BaseSnapshot, type Manifest, type RowCounts } from './manifest.ts'
import { idNumber } from './manifest-id.ts'
import { Refused, type RefusedEvent } from './outcomes.ts'
import { POINTER_PATH } from '../paths.ts'
import { publish, type Published } from './publish.ts'
import { addQuarantined } from './quarantine.ts'
import { readChunks, restore, writeChunk, type ChunkFacts, type FinishedChunks } from './rebuild-chunks.ts'
import { isOverBudget, noteProgress, refuseTogether, type Rebuild } from './rebuild-work.ts'
import type { Revision, Session } from './revision.ts'
import { atStoredPrecision } from './stored-precision.ts'
import { advance, floorOf } from './watermarks.ts'
import { baseTables, writeBase } from './write-layer.ts'

/** What a rebuild from scratch came to. */
export interface FullRebuild {
  /** Without `published` when nothing changed, and when the time was up: then there is something `remaining`. */
  readonly revision: Revision
  readonly quarantined: number
  readonly remaining: number
}

/** Fold the whole list and publish it as one revision. */
export function* rebuildFull(it: Rebuild): Protocol<FullRebuild> {
  const { settings, session, list } = it
  const head = yield* readDamagedHead()
  yield* checkHead(it, head)
  const mode = tombstoneMode(settings.tombstones, head.manifest)
  const folded = yield* foldList(it, mode)
  const { state, counts, remaining } = folded
  const draft = yield* draftOf(it, folded, mode)
  const is_whole = remaining === 0
  const outcome =
    is_whole && !session.dry_run
      ? yield* publishBase(it, head, state, draft)
      : unpublished(it, head, draft, is_whole)
  const { length } = list.events
  const published = session.dry_run ? 0 : length
  if (is_whole) yield* noteProgress(it, { read: folded.read, folded: length, published })
  const revision: Revision = {
    ...outcome,
    head: null,
    delta_id: null,
    merged_to_base: outcome.published,
    before: head.manifest,
    outcomes: { ...counts, below_floor: 0, older_than_idempotency_window: 0 },
    row_counts: countRows(state),
  }
  return { revision, quarantined: folded.quarantined.length, remaining }
}

/** A dry run shows what would be visible; a run whose time was up, what still is. */
function unpublished(it: Rebuild, head: Head, draft: Draft, is_whole: boolean): Outcome {
  const would_be = nextAfter(it, head, draft, null)
  return {
    manifest: is_whole ? would_be : (head.manifest ?? emptyManifest(draft.revision_ulid, draft.published_at)),
    pointer_token: head.stored?.token ?? null,
    published: false,
  }
}

/** F-4, and the guard against going back. */
function* checkHead({ session, list, request }: Rebuild, { pointer, manifest }: Head): Protocol<void> {
  yield* checkEpoch(session.authority, pointer?.epoch ?? 0)
  const visible = manifest === null ? null : floorOf(manifest.watermarks)
  const { length } = list.events
  const highest = length === 0 ? null : list.events.idAt(length - 1)
  if (request.allow_regression || visible === null) return
  if (highest !== null && compareBytes(highest, visible) >= 0) return
  const detail = `the list ends at ${highest ?? 'nothing'}, before the visible event ${visible}: complete it, or set allow_regression`
  throw new Refused({ ok: false, reason: 'bad_request', detail })
}

interface Counts {
  applied: number
  no_effect: number
  duplicate: number
}

interface FoldedList {
  readonly state: FoldState
  readonly counts: Counts
  readonly quarantined: readonly ChunkFacts['quarantined'][number][]
  /** Events that this call read. */
  readonly read: number
  readonly remaining: number
}

/** Go on behind the finished chunks, to the end of the list or of the time. */
function* foldList(it: Rebuild, mode: TombstoneMode): Protocol<FoldedList> {
  const { settings, session, list } = it
  const { tenant_secret, terminal_run_days } = settings
  const fold_settings: FoldSettings = {
    tenant_secret,
    terminal_run_days: mode === 'emit' ? terminal_run_days : null,
  }
  const { length } = list.events
  const size = settings.chunk_events
  // The last chunk is never written: the base snapshot is.
  const kept_max = Math.max(0, Math.ceil(length / size) - 1)
  const begun = session.dry_run
    ? { finished: null, state: loadState(fold_settings) }
    : yield* resume(it, fold_settings, kept_max)
  const { state } = begun
  let { finished }: { finished: FinishedChunks | null } = begun
  const counts: Counts = { applied: 0, no_effect: 0, duplicate: 0 }
  const quarantined: ChunkFacts['quarantined'][number][] = []
  for (const record of finished?.records ?? []) addCounts(counts, quarantined, record)
  const begin = Math.min((finished?.records.length ?? 0) * size, length)
  yield* noteProgress(it, { read: 0, folded: begin, published: 0 })
  for (let from = begin; from < length; from += size) {
    const to = Math.min(from + size, length)
    const chunk = yield* foldChunk(it, state, from, to)
    addCounts(counts, quarantined, chunk)
    if (to < length) {
      const layer = takeDelta(state)
      const frontier_ms = state.retention?.frontier_ms ?? null
      if (finished !== null) {
        yield* keepAlive(session.authority)
        finished = yield* writeChunk(it.rebuild_id, finished, layer, { ...chunk, frontier_ms })
      }
    }
    const read = to - begin
    yield* noteProgress(it, { read, folded: to, published: 0 })
    if (to < length && finished !== null && (yield* isOverBudget(it, read))) {
      return { state, counts, quarantined, read, remaining: length - to }
    }
  }
  return { state, counts, quarantined, read: length - begin, remaining: 0 }
}

/** What earlier runs have finished; without chunks to keep when some of it cannot be read. */
function* resume(
  it: Rebuild,
  fold_settings: FoldSettings,
  kept_max: number,
): Protocol<{ readonly finished: FinishedChunks | null; readonly state: FoldState }> {
  const { session, settings } = it
  const finished = yield* readChunks(it.rebuild_id, kept_max)
  if (finished.records.length === 0) return { finished, state: loadState(fold_settings) }
  const state = yield* restore(finished, fold_settings, {
    reads_max: settings.reads_max,
    beforeRead: () => keepAlive(session.authority),
  })
  return state === null ? { finished: null, state: loadState(fold_settings) } : { finished, state }
}

type Chunk = Omit<ChunkFacts, 'frontier_ms'>

function addCounts(counts: Counts, quarantined: ChunkFacts['quarantined'][number][], chunk: Chunk): void {
  counts.applied += chunk.applied
  counts.no_effect += chunk.no_effect
  counts.duplicate += chunk.duplicate
  quarantined.push(...chunk.quarantined)
}

/** Read and fold events as they come; nothing of a chunk is kept but what it did. */
function* foldChunk(it: Rebuild, state: FoldState, from: number, to: number): Protocol<Chunk> {
  const { settings, session, list, request } = it
  const counts: Counts = { applied: 0, no_effect: 0, duplicate: 0 }
  const quarantined: RefusedEvent[] = []
  for (let at = from; at < to; at += settings.reads_max) {
    yield* keepAlive(session.authority)
    const end = Math.min(at + settings.reads_max, to)
    const loaded = yield* readEvents(list.events.paths(at, end), settings.scope)
    const refused = loaded.flatMap((each) => (each.ok ? [] : [each.refused]))
    const bad = request.quarantine ? refused.filter(({ reason }) => reason !== 'event_invalid') : refused
    if (bad.length > 0) yield* refuseTogether(it, bad, end)
    quarantined.push(...refused)
    for (const each of loaded) if (each.ok) counts[fold(state, atStoredPrecision(each.loaded.event))] += 1
  }
  return {
    ...counts,
    event_count: to - from,
    quarantined: quarantined.map(({ path, offset, detail }) => ({ path, offset: offset ?? 0, detail })),
  }
}

/** Everything of the new manifest but what depends on the head. */
interface Draft {
  readonly mode: TombstoneMode
  readonly watermarks: Manifest['watermarks']
  readonly quarantine: Manifest['quarantine']
  readonly revision_ulid: string
  readonly published_at: string
}

function* draftOf({ list }: Rebuild, folded: FoldedList, mode: TombstoneMode): Protocol<Draft> {
  const { now_ms } = yield* now()
  const last = list.events.length - 1
  const end = last < 0 ? null : { event_id: list.events.idAt(last), path: list.events.pathAt(last) }
  const refused = folded.quarantined.map((each) => ({ ...each, reason: 'event_invalid' as const }))
  return {
    mode,
    watermarks: advance(NO_WATERMARKS, end, timeText(now_ms)),
    quarantine: addQuarantined(null, refused),
    revision_ulid: yield* ulid(),
    published_at: timeText(now_ms),
  }
}

/**
 * The manifest. It names what it replaces only where that can be read: a chain through a broken manifest would stop
 * every walk along it.
 */
function nextAfter(
  { session }: Rebuild,
  head: Head,
  draft: Draft,
  base_snapshot: BaseSnapshot | null,
): Manifest {
  const { mode, watermarks, quarantine, revision_ulid, published_at } = draft
  const empty = emptyManifest(revision_ulid, published_at)
  return {
    ...empty,
    epoch: session.authority.token,
    previous_manifest_path: head.manifest === null ? null : (head.pointer?.manifest_path ?? null),
    schema_version: mode === 'emit' ? 2 : 1,
    watermarks,
    base_snapshot: base_snapshot ?? empty.base_snapshot,
    l0_limits: head.manifest?.l0_limits ?? empty.l0_limits,
    quarantine,
  }
}

type Outcome = Pick<Revision, 'manifest' | 'pointer_token' | 'published'>

/**
 * Write the base and publish it, from a fresh head as often as another publisher is faster. Every attempt writes all of
 * it anew: a collector that touched the pointer may be about to remove what the attempt before has written (Q8).
 */
function* publishBase(it: Rebuild, first: Head, state: FoldState, draft: Draft): Protocol<Outcome> {
  let head = first
  for (const [attempt, pause_ms] of ATTEMPT_PAUSES_MS.entries()) {
    if (attempt > 0) {
      yield* note({ note: 'publish_retried', attempt })
      yield* pause(pause_ms, 2 * pause_ms)
      head = yield* readDamagedHead()
      yield* checkHead(it, head)
    }
    if (head.manifest !== null && (yield* isVisible(it, head.manifest, state, draft))) {
      return { manifest: head.manifest, pointer_token: head.stored?.token ?? null, published: false }
    }
    const base = yield* writeBase(state, draft.mode, it.session)
    const revision_ulid = yield* ulid()
    const result = yield* publishAbove(it, head, nextAfter(it, head, { ...draft, revision_ulid }, base))
    if (result !== null) return { ...result, published: true }
  }
  throw new Refused({
    ok: false,
    reason: 'contention',
    detail: 'manifest publish failed - concurrent write',
    retry_after_ms: RETRY_AFTER_MS,
  })
}

/**
 * P9: the visible revision is this one already, and whole. Files are compared by their hashes, without being written, and
 * those that the manifest names are looked at: one of them may be the damage that this rebuild is to mend.
 */
function* isVisible(
  { settings, session }: Rebuild,
  visible: Manifest,
  state: FoldState,
  draft: Draft,
): Protocol<boolean> {
  const { base_snapshot, watermarks, l0_deltas, schema_version } = visible
  const is_candidate =
    l0_deltas.length === 0 &&
    base_snapshot.snapshot_id !== null &&
    base_snapshot.delete_channel_version === (draft.mode === 'emit' ? 1 : 0) &&
    schema_version === (draft.mode === 'emit' ? 2 : 1) &&
    watermarks.last_committed_event_id === draft.watermarks.last_committed_event_id &&
    watermarks.last_visible_event_id === draft.watermarks.last_visible_event_id &&
    JSON.stringify(visible.quarantine) === JSON.stringify(draft.quarantine)
  if (!is_candidate) return false
  const refs = [...base_snapshot.tables]
  for (const { table, org_id, encode } of baseTables(state, settings)) {
    const at = refs.findIndex((each) => each.table === table && each.org_id === org_id)
    const [named] = at === -1 ? [] : refs.splice(at, 1)
    if (named === undefined || `sha256:${yield* sha256(encode())}` !== checksumOf(named.ref)) return false
  }
  return refs.length === 0 && (yield* isWhole(base_snapshot, session))
}

function* isWhole({ tables }: BaseSnapshot, { settings, authority }: Session): Protocol<boolean> {
  const wanted = tables.map(({ ref }) => ({
    object_class: 'artifact' as const,
    ref,
    bytes_max: ARTIFACT_BYTES_MAX,
  }))
  try {
    for (const batch of batchesOf(wanted, settings.reads_max)) {
      yield* keepAlive(authority)
      yield* readArtifacts(batch)
    }
  } catch (error) {
    if (error instanceof StoredObjectError) return false
    throw error
  }
  return true
}

function checksumOf(ref: ArtifactRef): string | null {
  return typeof ref === 'string' ? null : ref.checksum_sha256
}

/**
 * Publish under an id above all that was ever visible. Where the pointer does not say what that was, the clock is: ids
 * only have to increase, and no workspace has seen as many revisions as milliseconds.
 */
function* publishAbove({ session }: Rebuild, head: Head, next: Manifest): Protocol<Published | null> {
  const { now_ms } = yield* now()
  const by_clock = Math.floor(now_ms)
  try {
    const first_id = idAbove(head) ?? by_clock
    const result = yield* publish({ head, next, first_id }, session.authority)
    return result.outcome === 'moved' ? null : result
  } catch (error) {
    // The pointer is gone, and manifests of its time are in the way of the first ids.
    const is_blocked =
      error instanceof Refused && error.failure.reason === 'contention' && head.stored === null
    if (!is_blocked) throw error
    const result = yield* publish({ head, next, first_id: by_clock }, session.authority)
    return result.outcome === 'moved' ? null : result
  }
}

function idAbove({ stored, pointer, manifest }: Head): number | null {
  if (stored !== null && pointer === null) return null
  const id = idNumber(pointer?.manifest_id ?? manifest?.manifest_id ?? '00000000000000000000')
  if (id === null) return null
  if (!Number.isSafeInteger(id + 1))
    throw corrupt('pointer', POINTER_PATH, 'its manifest id has no successor')
  return id + 1
}

function countRows({ rows }: FoldState): RowCounts {
  return Object.fromEntries(TABLE_NAMES.map((name) => [name, rows[name].size] as const)) as RowCounts
}
