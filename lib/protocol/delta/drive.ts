/** DRIVE (spec/coordinator.md 6.4): from one's own reservation to the answer: write log, record, finalize. */
import { now, type Protocol } from '../effects.ts'
import { answerFromMarker } from './answer.ts'
import { finalize, recordedCommit, release } from './clear.ts'
import type { Commit } from './look.ts'
import { previousLogPath } from './help.ts'
import type { Marker } from './marker.ts'
import {
  holdsPayload,
  markerOp,
  payloadOp,
  toLog,
  toMarker,
  type LogEntry,
  type SeenState,
  type Staged,
} from './objects.ts'
import type { CommitResult } from './outcomes.ts'
import { legacyHash } from './request.ts'
import { inflightLogPath } from './root.ts'
import type { Inflight } from './state.ts'
import { alert, issue, outcomeUnknown } from './work.ts'
import { buildMarker, TooLate, writeLog, writeMarker } from './writes.ts'

/** One's own reservation, and the state that shows it. */
export interface Reservation {
  readonly inflight: Inflight
  readonly state: SeenState
  /** When the reservation CAS, or the read that showed it, was issued; monotonic ms. */
  readonly sent_at_ms: number
  readonly staged: Staged
}

/** Drive to the end, or `look_again` when the reservation grew too old to write its log entry. */
export function* drive(
  it: Commit,
  own: Reservation,
  options: { readonly ghost_check: boolean },
): Protocol<CommitResult | 'look_again'> {
  const { inflight, staged } = own
  it.work.budget.drives_own = true
  const path = yield* inflightLogPath(it.work, it.root, inflight)
  if (!path.ok) return path
  const checked = options.ghost_check ? yield* ghostCheck(it, own, path.path) : null
  if (checked !== null && 'answer' in checked) return checked.answer
  let log = checked?.log ?? null
  // Crash here: W1. The reservation names the payload; anyone may roll it forward after the TTL.
  log ??= yield* writeOwnLog(it, own, path.path)
  if (log === null) return 'look_again'
  if (!holdsPayload(log, staged.sha256, it.key.key_hash)) return yield* logTaken(it, own)
  // Crash here: W2. The log holds our bytes; replay or any writer records and finalizes.
  return yield* record(it, own, path.path)
}

/** Step 1. Null when it would be late (6.4): others may take the reservation over when its TTL has passed. */
function* writeOwnLog(it: Commit, own: Reservation, path: string): Protocol<LogEntry | null> {
  const { work, key, request } = it
  try {
    return yield* writeLog(work, {
      path,
      payload: own.staged,
      owner: key,
      request,
      not_after_ms: own.sent_at_ms + work.settings.ttl_ms / 2,
    })
  } catch (error) {
    if (error instanceof TooLate) return null
    throw error
  }
}

/** R5: a marker read after the state decides whether this reservation is a ghost; the log is read with it. */
function* ghostCheck(
  it: Commit,
  own: Reservation,
  path: string,
): Protocol<{ readonly answer: CommitResult } | { readonly log: LogEntry | null }> {
  const { work, key } = it
  const { inflight, state, staged } = own
  const previous = previousLogPath(inflight, path)
  const answers = yield* issue(work, {
    marker: markerOp(key),
    log: payloadOp(path),
    previous: previous === null ? undefined : payloadOp(previous),
  })
  const marker = yield* toMarker(work, key, answers.marker)
  const log = yield* toLog(answers.log)
  if (marker === null) {
    const is_split =
      log === null && answers.previous !== undefined && (yield* toLog(answers.previous)) === null
    return is_split ? { answer: { ok: false, reason: 'root_mismatch' } } : { log }
  }
  if (marker.version === inflight.version) {
    return { answer: yield* answerFromMarker(it, marker, { state, staged }) }
  }
  const released = yield* release(work, inflight, { log_exists: log !== null, first: state })
  return { answer: yield* answerFromMarker(it, marker, { state: released, staged }) }
}

/** Step 1x: the version holds other bytes. Never a marker for them (R4). */
function* logTaken(it: Commit, own: Reservation): Protocol<CommitResult> {
  const { work, key } = it
  const { inflight, state, staged } = own
  const answers = yield* issue(work, { marker: markerOp(key) })
  const marker = yield* toMarker(work, key, answers.marker)
  if (marker !== null) return yield* answerFromMarker(it, marker, { state: null, staged })
  yield* release(work, inflight, { log_exists: true, first: state })
  yield* alert('a foreign log entry took the version of a reservation', inflight.version)
  return { ok: false, reason: 'log_conflict', latest_version: inflight.version }
}

/** Steps 2 and 3. */
function* record(it: Commit, own: Reservation, delta_log_path: string): Protocol<CommitResult> {
  const { work, key, request } = it
  const { inflight, state, staged } = own
  const { version } = inflight
  const { now_ms } = yield* now()
  const marker = yield* buildMarker(
    key,
    { ...request, version, delta_log_path, payload_sha256: staged.sha256 },
    now_ms,
  )
  const durable = yield* writeMarker(work, key, marker)
  if (!(yield* isThisCommit(it, durable, marker))) {
    // Only an older system that skips R2 and R5 can cause this (known-weaknesses.md D-04).
    yield* release(work, inflight, { log_exists: true, first: state })
    yield* alert('a key was committed at two versions by an older system', version)
    return { ok: false, reason: 'outcome_unverifiable', committed_version: version }
  }
  // Crash here: W3. The commit is recorded; from now on only 200 is true.
  const finalized = yield* finalize(work, recordedCommit(marker), state)
  if (!finalized) return outcomeUnknown()
  return { ok: true, version, delta_log_path: durable.delta_log_path, replayed: false }
}

/** The durable marker names this version and this request, by the current hash or the old one. */
function* isThisCommit(it: Commit, durable: Marker, marker: Marker): Protocol<boolean> {
  if (durable.version !== marker.version) return false
  return (
    durable.request_hash === marker.request_hash || durable.request_hash === (yield* legacyHash(it.request))
  )
}
