/**
 * One revision: fold a batch of events onto what is visible and publish the result (spec/rebuild.md 4, steps 1 to 13). A
 * publisher that was faster means beginning again from its head, with the events that are in memory already; whether
 * anything is published depends on whether anything changed.
 */
import type { Token } from '../../../store/types.ts'
import { note, now, pause, ulid, type Protocol } from '../../effects.ts'
import { ulidTime_ms } from '../../ids.ts'
import { compareBytes } from '../byte-order.ts'
import { DAY_MS } from '../events/instant.ts'
import { compareEvents, fold } from '../fold/fold.ts'
import { takeDelta, wholeLayer, type Layer } from '../fold/layers.ts'
import type { FoldState } from '../fold/state.ts'
import { eventIdOfPath, POINTER_PATH } from '../paths.ts'
import { checkEpoch, keepAlive, type Authority } from './authority.ts'
import { countDeletions } from './deletions.ts'
import { corrupt } from './documents.ts'
import {
  deleteChannelProblem,
  tombstoneMode,
  withDeleteChannel,
  type TombstoneMode,
} from './delete-channel.ts'
import { timeText } from './document-parts.ts'
import { readHead, type Head } from './head.ts'
import { ATTEMPT_PAUSES_MS, RETRY_AFTER_MS } from './limits.ts'
import type { LoadedEvent } from './load-events.ts'
import { loadProjection, type ArtifactCache } from './load.ts'
import { emptyManifest, NO_BASE, type Delta, type Manifest, type RowCounts } from './manifest.ts'
import { idNumber } from './manifest-id.ts'
import { countRows, isMergeDue } from './merge-trigger.ts'
import { Refused, type RefusedEvent } from './outcomes.ts'
import { publish } from './publish.ts'
import { addQuarantined } from './quarantine.ts'
import type { ProjectionSettings } from './settings.ts'
import { atStoredPrecision } from './stored-precision.ts'
import { advance, floorOf, isBelowFloor } from './watermarks.ts'
import { witnessOf } from './witness.ts'
import { countLayer, writeBase, writeDelta } from './write-layer.ts'

/** What one call keeps between its revisions. Nothing in it could answer a negative (correctness.md R7). */
export interface Session {
  readonly settings: ProjectionSettings
  readonly authority: Authority
  /** Nothing is written. */
  readonly dry_run: boolean
  readonly cache: ArtifactCache
  /** Layers that a dry run has not written, above what its manifest names; none in mode emit, which carries its state. */
  unwritten: readonly Layer[]
  /** The state that the last revision of this call stands for, if it is still the visible one. */
  carried: { readonly revision_ulid: string; readonly state: FoldState } | null
}

/** What is to be folded. */
export interface Batch {
  readonly events: readonly LoadedEvent[]
  readonly quarantined: readonly RefusedEvent[]
  /** Events at or below the watermark are left out: a rebuild folds in the order of ids only. */
  readonly above_floor: boolean
}

/** What became of a batch. */
export interface Revision {
  /** What is visible now. */
  readonly manifest: Manifest
  readonly pointer_token: Token | null
  /** The head to go on from; null when it has to be read again. */
  readonly head: Head | null
  readonly published: boolean
  readonly delta_id: string | null
  readonly merged_to_base: boolean
  readonly before: Manifest | null
  readonly outcomes: Outcomes
  readonly row_counts: RowCounts
}

/** How many events went where. */
export interface Outcomes {
  applied: number
  no_effect: number
  duplicate: number
  below_floor: number
  older_than_idempotency_window: number
}

/** Days for which idempotency keys are kept (manifests.md 11). */
const WINDOW_MS = 30 * DAY_MS

/** Fold and publish. `first` is the head where it has been read already. */
export function* foldRevision(session: Session, batch: Batch, first: Head | null = null): Protocol<Revision> {
  const events = batch.events.toSorted((a, b) => compareEvents(a.event, b.event))
  let head = first
  for (const [index, pause_ms] of ATTEMPT_PAUSES_MS.entries()) {
    if (index > 0) yield* note({ note: 'publish_retried', attempt: index })
    if (pause_ms > 0) yield* pause(pause_ms, 2 * pause_ms)
    yield* keepAlive(session.authority)
    const revision = yield* attempt(session, { ...batch, events }, head ?? (yield* readHead()))
    if (revision !== null) return revision
    session.carried = null
    head = null
  }
  throw new Refused({
    ok: false,
    reason: 'contention',
    detail: 'manifest publish failed - concurrent write',
    retry_after_ms: RETRY_AFTER_MS,
  })
}

/** One attempt; null when another publisher was faster. */
function* attempt(session: Session, batch: Batch, head: Head): Protocol<Revision | null> {
  const { authority, settings } = session
  yield* checkEpoch(authority, head.pointer?.epoch ?? 0)
  const mode = tombstoneMode(settings.tombstones, head.manifest)
  const problem = head.manifest === null ? null : deleteChannelProblem(head.manifest, mode)
  if (problem !== null) throw new Refused({ ok: false, reason: 'delete_channel', detail: problem })
  const floor = batch.above_floor && head.manifest !== null ? floorOf(head.manifest.watermarks) : null
  const events = batch.events.filter(({ event }) => !isBelowFloor(event.event_id, floor))
  const below_floor = batch.events.length - events.length
  if (events.length === 0 && batch.quarantined.length === 0) {
    return yield* publishNothing(session, head, mode, below_floor)
  }
  const state = yield* stateOf(session, head, mode)
  const outcomes = foldEvents(state, events, head, mode)
  const layer = takeDelta(state)
  const step = yield* nextManifest(session, { ...batch, events }, head, mode, state, layer)
  const about = {
    before: head.manifest,
    outcomes: { ...outcomes, below_floor },
    row_counts: countLayer(layer),
  }
  // Without recorded deletions what was removed comes back at the next load: this state is not what is stored.
  const is_stored = mode === 'emit' || Object.keys(layer.deletions).length === 0
  if (step === null) {
    const manifest = head.manifest ?? (yield* freshManifest())
    session.carried = is_stored ? { revision_ulid: manifest.revision_ulid, state } : null
    return { ...NOTHING_WRITTEN, manifest, pointer_token: head.stored?.token ?? null, head, ...about }
  }
  const published = yield* publishUnlessDry(session, head, step.next)
  if (published === null) return null
  const { manifest } = published
  session.carried = is_stored || step.merged ? { revision_ulid: manifest.revision_ulid, state } : null
  const { delta_id, merged } = step
  return { ...published, published: true, delta_id, merged_to_base: merged, ...about }
}

const NOTHING_WRITTEN = { published: false, delta_id: null, merged_to_base: false } as const

/** No event is left: only a workspace without a pointer gets one, for the manifest as it is (manifests.md 15). */
function* publishNothing(
  session: Session,
  head: Head,
  mode: TombstoneMode,
  below_floor: number,
): Protocol<Revision | null> {
  const about = { before: head.manifest, outcomes: { ...NO_OUTCOMES, below_floor }, row_counts: NO_ROWS }
  if (head.stored !== null && head.manifest !== null) {
    const { manifest, stored } = head
    return { ...NOTHING_WRITTEN, manifest, pointer_token: stored.token, head, ...about }
  }
  const manifest = head.manifest ?? withDeleteChannel(yield* freshManifest(), mode)
  const published = yield* publishUnlessDry(session, head, manifest, 0)
  return published === null
    ? null
    : { ...NOTHING_WRITTEN, ...published, published: true, delta_id: null, ...about }
}

function* freshManifest(): Protocol<Manifest> {
  const { now_ms } = yield* now()
  return emptyManifest(yield* ulid(), timeText(now_ms))
}

function* stateOf(session: Session, { manifest }: Head, mode: TombstoneMode): Protocol<FoldState> {
  const { authority, carried, settings, cache, unwritten } = session
  session.carried = null
  if (carried !== null && carried.revision_ulid === manifest?.revision_ulid) return carried.state
  return yield* loadProjection(manifest, mode, settings, {
    cache,
    above: unwritten,
    beforeRead: () => keepAlive(authority),
  })
}

function foldEvents(
  state: FoldState,
  events: readonly LoadedEvent[],
  { manifest }: Head,
  mode: TombstoneMode,
): Outcomes {
  const outcomes = { ...NO_OUTCOMES }
  const committed = manifest?.watermarks.last_committed_event_id ?? null
  const frontier_ms = committed === null ? null : ulidTime_ms(committed)
  for (const { event } of events) {
    outcomes[fold(state, atStoredPrecision(event))] += 1
    if (mode !== 'emit' || frontier_ms === null || !isBelowFloor(event.event_id, committed)) continue
    const at_ms = ulidTime_ms(event.event_id)
    if (at_ms !== null && at_ms < frontier_ms - WINDOW_MS) outcomes.older_than_idempotency_window += 1
  }
  return outcomes
}

const NO_OUTCOMES: Readonly<Outcomes> = {
  applied: 0,
  no_effect: 0,
  duplicate: 0,
  below_floor: 0,
  older_than_idempotency_window: 0,
}

const NO_ROWS: RowCounts = countLayer({ rows: {}, deletions: {} })

/** The storage step and the manifest after it; null when nothing has changed. */
function* nextManifest(
  session: Session,
  batch: Batch,
  head: Head,
  mode: TombstoneMode,
  state: FoldState,
  layer: Layer,
): Protocol<{ readonly next: Manifest; readonly delta_id: string | null; readonly merged: boolean } | null> {
  const { now_ms } = yield* now()
  const current = head.manifest ?? (yield* freshManifest())
  const layers = yield* writeLayers(session, current, batch.events, mode, state, layer, now_ms)
  const watermarks = advance(current.watermarks, lastOf(batch), timeText(now_ms))
  if (layers === null && watermarks === current.watermarks) return null
  const next: Manifest = {
    ...current,
    ...layers?.members,
    watermarks,
    epoch: session.authority.token,
    previous_manifest_path: head.pointer?.manifest_path ?? null,
    revision_ulid: yield* ulid(),
    published_at: timeText((yield* now()).now_ms),
    publication_witness: yield* witnessOf(batch.events),
    quarantine: addQuarantined(current.quarantine, batch.quarantined),
  }
  return {
    next: withDeleteChannel(next, mode),
    delta_id: layers?.delta_id ?? null,
    merged: layers?.merged ?? false,
  }
}

interface WrittenLayers {
  readonly members: Pick<Manifest, 'base_snapshot' | 'l0_deltas'>
  readonly delta_id: string | null
  readonly merged: boolean
}

/** A new base, a new delta, or nothing (manifests.md 8). */
function* writeLayers(
  session: Session,
  current: Manifest,
  events: readonly LoadedEvent[],
  mode: TombstoneMode,
  state: FoldState,
  layer: Layer,
  now_ms: number,
): Protocol<WrittenLayers | null> {
  const row_counts = countLayer(layer)
  const has_deletions = mode === 'emit' && Object.keys(layer.deletions).length > 0
  const has_delta = countRows(row_counts) > 0 || has_deletions
  const deletion_count = has_deletions ? countDeletions(layer.deletions) : 0
  const about = { created_at: timeText(now_ms), event_range: rangeOf(events), row_counts, deletion_count }
  const merges = isMergeDue(current, has_delta ? about : null, now_ms)
  if (!merges && !has_delta) return null
  if (session.dry_run) return keepUnwritten(session, current, merges ? null : about, mode, state, layer)
  if (merges) {
    const base_snapshot = yield* writeBase(state, mode, session)
    return { members: { base_snapshot, l0_deltas: [] }, delta_id: null, merged: true }
  }
  const delta: Delta = yield* writeDelta(layer, about, mode, session)
  const { base_snapshot, l0_deltas } = current
  return {
    members: { base_snapshot, l0_deltas: [...l0_deltas, delta] },
    delta_id: delta.delta_id,
    merged: false,
  }
}

/**
 * What a dry run does instead of writing: the manifest has the layers that it would have, without files, and the rows are
 * kept, so that the next chunk is folded onto what would be stored. `about` null: a new base.
 */
function keepUnwritten(
  session: Session,
  { base_snapshot, l0_deltas }: Manifest,
  about: Omit<Delta, 'delta_id' | 'tables' | 'deletions'> | null,
  mode: TombstoneMode,
  state: FoldState,
  layer: Layer,
): WrittenLayers {
  const is_kept = mode === 'understand'
  if (about === null) {
    session.unwritten = is_kept ? [wholeLayer(state)] : []
    return { members: { base_snapshot: NO_BASE, l0_deltas: [] }, delta_id: null, merged: true }
  }
  if (is_kept) session.unwritten = [...session.unwritten, { rows: layer.rows, deletions: {} }]
  const delta: Delta = { ...about, delta_id: '', tables: [], deletions: is_kept ? null : '' }
  return { members: { base_snapshot, l0_deltas: [...l0_deltas, delta] }, delta_id: null, merged: false }
}

function rangeOf(events: readonly LoadedEvent[]): Delta['event_range'] {
  return {
    from_event: events.at(0)?.event.event_id ?? '',
    to_event: events.at(-1)?.event.event_id ?? '',
    event_count: events.length,
  }
}

/** The highest id of the batch. What was left out counts, so that the next rebuild does not stop at it again. */
function lastOf({ events, quarantined }: Batch): { event_id: string; path: string } | null {
  const ids = [...events.slice(-1).map(({ path }) => path), ...quarantined.map(({ path }) => path)]
    .map((path) => ({ event_id: eventIdOfPath(path) ?? '', path }))
    .toSorted((a, b) => compareBytes(a.event_id, b.event_id))
  return ids.at(-1) ?? null
}

function* publishUnlessDry(
  session: Session,
  head: Head,
  next: Manifest,
  step = 1,
): Protocol<Pick<Revision, 'manifest' | 'pointer_token' | 'head'> | null> {
  // A dry run goes on as if it had published: the next chunk is folded onto this one.
  if (session.dry_run) {
    return { manifest: next, pointer_token: head.stored?.token ?? null, head: { ...head, manifest: next } }
  }
  const id = idNumber((head.manifest ?? next).manifest_id)
  if (id === null || !Number.isSafeInteger(id + step)) {
    throw corrupt('pointer', POINTER_PATH, 'its manifest id has no successor')
  }
  const result = yield* publish({ head, next, first_id: id + step }, session.authority)
  return result.outcome === 'moved' ? null : result
}
