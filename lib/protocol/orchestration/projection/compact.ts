/**
 * COMPACT (spec/rebuild.md 4): fold explicitly listed events, whatever their ids, and publish the result as one revision.
 *
 * What each file of this folder is for, and what passes between them:
 *
 *     documents, document-parts    strict JSON in, the reference's exact bytes out
 *     pointer, manifest,           Pointer, Manifest, TableRef, ArtifactRef: what is stored
 *       manifest-id, table-refs,
 *       artifact
 *     table-file, cells,           rows <-> Parquet bytes
 *       parquet-reader,
 *       parquet-pages,
 *       thrift-bounds,
 *       parquet-error,
 *       legacy-event-type
 *     deletions, quarantine,       the other parts of a revision: keys that are gone, events left out, which events
 *       witness                    it came from
 *     delete-channel, watermarks,  decisions: pure functions over a Manifest
 *       merge-trigger, succession
 *     head                         the store -> Head (pointer and manifest, as readers see them)
 *     load                         Manifest -> FoldState, verified, through an ArtifactCache
 *     load-events,                 paths -> LoadedEvent[], or every RefusedEvent in one pass
 *       stored-precision
 *     authority                    a caller's token or a lease of one's own -> Authority
 *     put-once, write-layer        FoldState or Layer -> BaseSnapshot or Delta, objects that never change
 *     publish                      Draft (Head, Manifest) -> published or moved; touch
 *     revision                     Session, Batch -> Revision: one fold, published, from a fresh head if need be
 *     compact                      CompactRequest -> CompactResult: one revision
 *     event-list, rebuild-list     the list of a rebuild -> EventList, in ascending ids, bounded in memory
 *     rebuild, rebuild-full,       RebuildRequest -> RebuildResult: chunk by chunk, or from scratch
 *       rebuild-chunks
 *     read                         for readers: the visible projection, or what is wrong with it
 *     answer, outcomes, settings,  what is answered, decided and bounded
 *       limits
 */
import { all, together, type Protocol } from '../../effects.ts'
import { lockOp } from '../../lock.ts'
import { LOCK_PATH } from '../paths.ts'
import { addRevision, answering, emptyTally, foldedAnswer } from './answer.ts'
import { callersLock, endAuthority, keepAlive, ownLease, type Authority } from './authority.ts'
import { epochOf, POINTER_OP, readHead, toHead, type Head } from './head.ts'
import { addRefusal, loadBatch, pathProblem, refuseBadEvents, type Refusals } from './load-events.ts'
import type { CompactResult, Folded } from './outcomes.ts'
import { foldRevision, type Session } from './revision.ts'
import type { ProjectionSettings } from './settings.ts'

/** A compaction. */
export interface CompactRequest {
  readonly event_paths: readonly string[]
  /** The token of the lock that the caller holds; null: the call takes the lock itself (locks-and-fencing.md 6.1). */
  readonly fencing_token: number | null
}

/** Fold the listed events and publish. Every bad path is reported at once, and then nothing is written. */
export function* compact(settings: ProjectionSettings, request: CompactRequest): Protocol<CompactResult> {
  return (yield* answering(compactOrThrow(settings, request))) as CompactResult
}

function* compactOrThrow(settings: ProjectionSettings, request: CompactRequest): Protocol<Folded> {
  const paths = [...new Set(request.event_paths)]
  refuseBadPaths(paths)
  return yield* underLock(settings, 'compact', request.fencing_token, function* (authority, readHead) {
    const session: Session = {
      settings,
      authority,
      dry_run: false,
      cache: new Map(),
      unwritten: [],
      carried: null,
    }
    const reading = loadBatch(paths, settings, { quarantine: false, beforeRead: () => keepAlive(authority) })
    const [head, { events }] = yield* together(readHead(), reading)
    const tally = emptyTally()
    const batch = { events, quarantined: [], above_floor: false }
    addRevision(tally, yield* foldRevision(session, batch, head))
    tally.accounting.duplicate += request.event_paths.length - paths.length
    return foldedAnswer(tally)
  })
}

/** Paths that cannot be those of events, before anything is read. */
export function refuseBadPaths(paths: Iterable<string>): void {
  const refusals: Refusals = { events: [], truncated: false }
  for (const path of paths) {
    const problem = pathProblem(path)
    if (problem !== null && !addRefusal(refusals, problem)) break
  }
  refuseBadEvents(refusals)
}

/**
 * Do work under the compaction lock (spec/locks-and-fencing.md 6.3, 6.4). The pointer is read beside the lock, and again
 * when others may have published while this call waited; the work is handed the reading of the head that it names.
 */
export function* underLock<T>(
  settings: ProjectionSettings,
  operation: 'compact' | 'rebuild',
  fencing_token: number | null,
  work: (authority: Authority, readHead: () => Protocol<Head>) => Protocol<T>,
): Protocol<T> {
  const [lock, answer] = yield* all([lockOp(LOCK_PATH), POINTER_OP])
  if (fencing_token !== null) {
    const authority = yield* callersLock(fencing_token, lock)
    return yield* work(authority, () => toHead(answer))
  }
  const floor = yield* epochOf(answer)
  const { authority, has_waited } = yield* ownLease(settings, operation, floor, lock)
  try {
    return yield* work(authority, has_waited ? readHead : () => toHead(answer))
  } finally {
    yield* endAuthority(authority)
  }
}
