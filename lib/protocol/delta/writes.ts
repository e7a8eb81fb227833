/**
 * The two write-once objects of a commit, log entry and marker. Each is sent, and after anything but `ok` read
 * back, before it may be sent again (spec/coordinator.md 6.4, R14): a 412 may be our own earlier attempt.
 */
import { now, type Protocol } from '../effects.ts'
import type { Meta, PutResult } from '../../store/types.ts'
import { RESENDS_MAX } from './limits.ts'
import { encodeMarker, type Marker } from './marker.ts'
import {
  markerOp,
  OWNER_COMMIT_ID,
  OWNER_REQUEST_HASH,
  payloadOp,
  toLog,
  toMarker,
  type LogEntry,
  type MarkerKey,
  type Payload,
} from './objects.ts'
import { requestHash, type HashedRequest } from './request.ts'
import { backOff, Exhausted, issue, putOne, type Work } from './work.ts'

/** A log entry to write, and on whose behalf. */
export interface LogWrite {
  readonly path: string
  readonly payload: Payload
  readonly owner: MarkerKey
  readonly request: HashedRequest
  /** The last moment at which it may be sent, monotonic ms; none for a helper. */
  readonly not_after_ms?: number
}

/** A log entry was not sent, or not sent again, because it would be too late (6.4): look at the state first. */
export class TooLate extends Error {}

/** Put the log entry if absent. Answers what the slot holds now: maybe another's bytes, for the caller to compare. */
export function* writeLog(work: Work, write: LogWrite): Protocol<LogEntry> {
  const { path, payload, owner, request, not_after_ms = Infinity } = write
  const request_hash = work.meta ? yield* requestHash(request, payload.sha256) : null
  const meta: Meta | undefined =
    request_hash === null
      ? undefined
      : { [OWNER_COMMIT_ID]: owner.key_hash, [OWNER_REQUEST_HASH]: request_hash }
  for (let sent = 1; ; sent++) {
    const { monotonic_ms } = yield* now()
    if (monotonic_ms > not_after_ms) throw new TooLate()
    const result = yield* putOne(work, {
      path,
      bytes: payload.bytes,
      precondition: 'doesNotExist',
      ...(meta === undefined ? {} : { meta }),
    })
    if (result.outcome === 'ok') {
      return {
        ...payload,
        owner: request_hash === null ? null : { commit_id_sha256: owner.key_hash, request_hash },
      }
    }
    const stored = yield* readBack(work, result, path)
    if (stored !== null) return stored
    if (sent > RESENDS_MAX) throw new Exhausted('resends')
  }
}

function* readBack(work: Work, result: PutResult, path: string): Protocol<LogEntry | null> {
  if (result.outcome === 'no_effect') yield* backOff(work, result)
  const { log } = yield* issue(work, { log: payloadOp(path) })
  return yield* toLog(log)
}

/** Put the marker if absent. Answers the marker that is durable now: ours, or the one that was there first. */
export function* writeMarker(work: Work, key: MarkerKey, marker: Marker): Protocol<Marker> {
  const bytes = encodeMarker(marker)
  for (let sent = 1; ; sent++) {
    const result = yield* putOne(work, { path: key.path, bytes, precondition: 'doesNotExist' })
    if (result.outcome === 'ok') return marker
    if (result.outcome === 'no_effect') yield* backOff(work, result)
    const { stored } = yield* issue(work, { stored: markerOp(key) })
    const found = yield* toMarker(work, key, stored)
    if (found !== null) return found
    if (sent > RESENDS_MAX) throw new Exhausted('resends')
  }
}

/** A commit whose log entry is durable: everything a marker says. */
export interface LoggedCommit extends HashedRequest {
  readonly version: number
  readonly delta_log_path: string
  readonly payload_sha256: string
  readonly staged_version?: string
}

/** The marker of a logged commit (spec/coordinator.md 3.2). `now_ms` is when it is written. */
export function* buildMarker(key: MarkerKey, commit: LoggedCommit, now_ms: number): Protocol<Marker> {
  return {
    idempotency_key: key.key,
    idempotency_key_hash: key.key_hash,
    request_hash: yield* requestHash(commit, commit.payload_sha256),
    version: commit.version,
    delta_log_path: commit.delta_log_path,
    committed_at_ms: now_ms,
    payload_sha256: commit.payload_sha256,
    read_version: commit.read_version,
    staged_path: commit.staged_path,
    ...(commit.staged_version === undefined ? {} : { staged_version: commit.staged_version }),
  }
}
