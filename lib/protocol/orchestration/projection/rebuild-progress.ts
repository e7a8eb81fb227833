/**
 * How far a rebuild has come, told from the store alone (spec/rebuild.md RB-8): the list, what readers see, the private
 * chunks of a rebuild from scratch, and the lock. Any process can say it, whoever does the work, and also when nobody does
 * any more. Known keys only; nothing is written.
 */
import { together, type Protocol } from '../../effects.ts'
import { inspectLock, type LockView } from '../../lock.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { LOCK_PATH } from '../paths.ts'
import { answering, watermarkOf } from './answer.ts'
import { countThrough } from './event-list.ts'
import { readDamagedHead, type Head } from './head.ts'
import type { Failure } from './outcomes.ts'
import { readChunks } from './rebuild-chunks.ts'
import { readRebuildList, type RebuildList } from './rebuild-list.ts'
import { rebuildIdOf } from './rebuild.ts'
import type { ProjectionSettings } from './settings.ts'

/** What an operator is shown. */
export interface RebuildStanding {
  readonly ok: true
  readonly rebuild_manifest_path: string
  /** Paths as listed, and distinct events among them. */
  readonly listed: number
  readonly events_total: number
  /** Of these, at or below what readers see. */
  readonly events_published: number
  /** What an incremental rebuild would still take. */
  readonly remaining: number
  /** Highest visible event id; null for an empty workspace, and where the projection cannot be read. */
  readonly watermark: string | null
  /** The visible revision; null like the watermark. */
  readonly manifest_id: string | null
  readonly manifest_revision: string | null
  readonly published_at: string | null
  /** Which of pointer and manifest cannot be read; null when both can. Artifacts are not looked at. */
  readonly damage: string | null
  /** Finished private chunks of a rebuild from scratch of this list; null when there are none. */
  readonly from_scratch: {
    readonly rebuild_id: string
    readonly events_folded: number
    readonly remaining: number
  } | null
  /** Who holds the compaction lock; null when nobody does, or it cannot be read. */
  readonly lock: HeldLock | null
}

/** A lease that others wait for. */
export interface HeldLock {
  readonly holder_id: string
  readonly operation: string | null
  readonly expires_at: string
}

/** Look at everything that says how far the rebuild of a list is. */
export function* rebuildStanding(
  settings: ProjectionSettings,
  rebuild_manifest_path: string,
): Protocol<RebuildStanding | Failure> {
  return yield* answering(standingOrThrow(settings, rebuild_manifest_path))
}

function* standingOrThrow(
  settings: ProjectionSettings,
  rebuild_manifest_path: string,
): Protocol<RebuildStanding> {
  const [list, [head, lock]] = yield* together(
    readRebuildList(rebuild_manifest_path),
    together(readDamagedHead(), heldLock()),
  )
  const watermark = watermarkOf(head.manifest)
  const events_published = countThrough(list.events, watermark)
  const events_total = list.events.length
  return {
    ok: true,
    rebuild_manifest_path,
    listed: list.listed,
    events_total,
    events_published,
    remaining: events_total - events_published,
    watermark,
    ...visibleRevision(head),
    from_scratch: yield* furthestChunks(settings, list),
    lock,
  }
}

function visibleRevision({
  manifest,
  damage,
}: Head): Pick<RebuildStanding, 'manifest_id' | 'manifest_revision' | 'published_at' | 'damage'> {
  return {
    manifest_id: manifest?.manifest_id ?? null,
    manifest_revision: manifest?.revision_ulid ?? null,
    published_at: manifest?.published_at ?? null,
    // "pointer: …": the class is for the operator, what follows for the log of whoever meets it.
    damage: damage?.split(':', 1)[0] ?? null,
  }
}

/** With and without quarantine a rebuild has chunks of its own; shown is the one that is further. */
function* furthestChunks(
  settings: ProjectionSettings,
  list: RebuildList,
): Protocol<RebuildStanding['from_scratch']> {
  const { length } = list.events
  let furthest: RebuildStanding['from_scratch'] = null
  for (const quarantine of [false, true]) {
    const rebuild_id = yield* rebuildIdOf(settings, { mode: 'full', quarantine }, list)
    const { records } = yield* readChunks(rebuild_id, Math.ceil(length / settings.chunk_events))
    const events_folded = records.reduce((sum, { event_count }) => sum + event_count, 0)
    if (events_folded > (furthest?.events_folded ?? 0)) {
      furthest = { rebuild_id, events_folded, remaining: length - events_folded }
    }
  }
  return furthest
}

function* heldLock(): Protocol<HeldLock | null> {
  let view: LockView
  try {
    view = yield* inspectLock(LOCK_PATH)
  } catch (error) {
    if (error instanceof StoredObjectError) return null
    throw error
  }
  if (!view.held || view.record === null) return null
  const { holderId, operation, expiresAt } = view.record
  return { holder_id: holderId, operation: operation ?? null, expires_at: expiresAt }
}
