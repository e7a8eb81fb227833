/**
 * Answers that come from what is already committed: the marker of the key (D-1, D-2), `last_commit`, or a log
 * entry that names its owner (R25).
 */
import { sameVersion } from '../../store/tokens.ts'
import { now, type Protocol } from '../effects.ts'
import { logPath } from '../paths.ts'
import { finalize, recordedCommit } from './clear.ts'
import type { Commit } from './look.ts'
import type { Marker } from './marker.ts'
import { payloadOp, toLog, type LogEntry, type SeenState, type Staged } from './objects.ts'
import type { CommitResult } from './outcomes.ts'
import { legacyHash, requestHash, type CommitRequest } from './request.ts'
import type { LastCommit } from './state.ts'
import { issue, outcomeUnknown } from './work.ts'
import { buildMarker, writeMarker } from './writes.ts'

/** What was read before the answer; a null state is read again by FINALIZE. */
export interface Evidence {
  readonly state: SeenState | null
  readonly staged: Staged | null
}

/** D-1 and D-2: the key is decided. A replay reaches the contract state before its 200 (R18). */
export function* answerFromMarker(
  it: Commit,
  marker: Marker,
  { state, staged }: Evidence,
): Protocol<CommitResult> {
  const { match, payload_sha256 } = yield* matchMarker(it, marker, staged)
  const is_reserved = state?.state?.inflight?.commit_id === it.request.idempotency_key
  if (match === 'match' || state === null || is_reserved) {
    const recorded = match === 'match' ? completed(marker, it.request, payload_sha256) : marker
    const finalized = yield* finalize(it.work, recordedCommit(recorded), state)
    if (!finalized && match === 'match') return outcomeUnknown()
  }
  const { version, delta_log_path } = marker
  switch (match) {
    case 'match':
      // R19: the path comes from the marker, whatever the catalog says today.
      return { ok: true, version, delta_log_path, replayed: true }
    case 'other_body':
      return { ok: false, reason: 'key_reuse' }
    case 'unverifiable':
      return { ok: false, reason: 'outcome_unverifiable', committed_version: version }
  }
}

type MarkerMatch = 'match' | 'other_body' | 'unverifiable'

/** Is the marker this request's? (6.3.1) With the hash of its payload, when that is known. */
function* matchMarker(
  it: Commit,
  marker: Marker,
  staged: Staged | null,
): Protocol<{ readonly match: MarkerMatch; readonly payload_sha256: string | null }> {
  const { request } = it
  const is_named = staged !== null && sameVersion(staged.token, request.staged_version)
  const known = is_named ? staged.sha256 : (marker.payload_sha256 ?? null)
  if (marker.request_hash === (yield* legacyHash(request))) return { match: 'match', payload_sha256: known }
  const payload_sha256 = known ?? (yield* loggedHash(it, marker))
  if (payload_sha256 === null) {
    return { match: namesRequest(marker, request) ? 'match' : 'unverifiable', payload_sha256 }
  }
  const is_match = marker.request_hash === (yield* requestHash(request, payload_sha256))
  return { match: is_match ? 'match' : 'other_body', payload_sha256 }
}

/** R20: neither the payload nor its hash can be had any more; what the marker says of the request must do. */
function namesRequest(marker: Marker, { read_version, staged_path }: CommitRequest): boolean {
  return marker.read_version === read_version && marker.staged_path === staged_path
}

/** A marker of the reference with what the request that matches it has proven, so that `last_commit` can be told. */
function completed(marker: Marker, request: CommitRequest, payload_sha256: string | null): Marker {
  const { read_version, staged_path } = request
  return payload_sha256 === null ? marker : { read_version, staged_path, payload_sha256, ...marker }
}

/** The staged bytes are gone and the marker is an old one: what was committed tells their hash. */
function* loggedHash(it: Commit, marker: Marker): Protocol<string | null> {
  const answers = yield* issue(it.work, { log: payloadOp(marker.delta_log_path) })
  return (yield* toLog(answers.log))?.sha256 ?? null
}

/** D-9: `last_commit` names this key and its marker is not there yet (fast lane FL-1): make it durable, answer from it. */
export function* recordAndAnswer(
  it: Commit,
  last_commit: LastCommit,
  state: SeenState,
  staged: Staged,
): Protocol<CommitResult> {
  const { now_ms } = yield* now()
  const { commit_id, read_version, staged_path, payload_sha256, version, delta_log_path } = last_commit
  const marker = yield* buildMarker(
    it.key,
    { idempotency_key: commit_id, read_version, staged_path, payload_sha256, version, delta_log_path },
    now_ms,
  )
  return yield* answerFromMarker(it, yield* writeMarker(it.work, it.key, marker), { state, staged })
}

/**
 * R25: the log entry at `read_version + 1` says in its metadata that this key wrote it. Record, finalize, 200; with
 * another request hash it is `key_reuse`, without one nothing is proven. Null when the entry does not name this key.
 */
export function* attribute(it: Commit, log: LogEntry, root: string): Protocol<CommitResult | null> {
  const { request, key, work } = it
  if (log.owner === null || log.owner.commit_id_sha256 !== key.key_hash) return null
  const version = request.read_version + 1
  if (log.owner.request_hash === null) {
    return { ok: false, reason: 'outcome_unverifiable', committed_version: version }
  }
  if (log.owner.request_hash !== (yield* requestHash(request, log.sha256))) {
    return { ok: false, reason: 'key_reuse' }
  }
  const delta_log_path = logPath(root, version)
  const { now_ms } = yield* now()
  const marker = yield* buildMarker(
    key,
    { ...request, version, delta_log_path, payload_sha256: log.sha256 },
    now_ms,
  )
  const durable = yield* writeMarker(work, key, marker)
  return yield* answerFromMarker(it, durable, { state: null, staged: null })
}
