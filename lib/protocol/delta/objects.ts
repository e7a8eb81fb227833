/** Reading the four objects of a commit: from a store answer to a checked value (spec/coordinator.md 3). */
import { StoreError, type Token } from '../../store/types.ts'
import { readable, sha256, type GetOp, type Protocol, type ReadAnswer } from '../effects.ts'
import { markerPath, statePath } from '../paths.ts'
import { StoredObjectError } from '../stored-error.ts'
import { MARKER_BYTES_MAX, PAYLOAD_BYTES_MAX, STATE_BYTES_MAX } from './limits.ts'
import { parseMarker, type Marker } from './marker.ts'
import { sha256Text } from './request.ts'
import { parseState, type CoordinatorState } from './state.ts'
import { getOp, issue, type Work } from './work.ts'

/** The state as one GET showed it. `state` and `token` are null when the object does not exist. */
export interface SeenState {
  readonly state: CoordinatorState | null
  readonly token: Token | null
  /** How old this generation is by the store's own clock, when it says so (CK-2). */
  readonly age_ms: number | null
}

/** Bytes of an immutable object with their hash. */
export interface Payload {
  readonly bytes: Uint8Array
  readonly sha256: string
}

/** The staged object that a request or a reservation names. */
export interface Staged extends Payload {
  readonly token: Token
}

/** A log entry; `owner` is what its user metadata says (R25). */
export interface LogEntry extends Payload {
  readonly owner: { readonly commit_id_sha256: string; readonly request_hash: string | null } | null
}

/** Names of the owner metadata on a log entry (R25). */
export const OWNER_COMMIT_ID = 'tidemark-commit-id'
export const OWNER_REQUEST_HASH = 'tidemark-request-hash'

/** Read of the coordinator state. */
export function stateOp(table_id: string): GetOp {
  return getOp(statePath(table_id), STATE_BYTES_MAX)
}

/** Where the marker of a key is, and its read. */
export interface MarkerKey {
  readonly key: string
  readonly key_hash: string
  readonly path: string
}

/** Hash a key once. */
export function* markerKey(table_id: string, key: string): Protocol<MarkerKey> {
  const key_hash = yield* sha256Text(key)
  return { key, key_hash, path: markerPath(table_id, key_hash) }
}

/** Read of a marker. */
export function markerOp(marker: MarkerKey): GetOp {
  return getOp(marker.path, MARKER_BYTES_MAX)
}

/** Read of a staged object or a log entry. */
export function payloadOp(path: string): GetOp {
  return getOp(path, PAYLOAD_BYTES_MAX)
}

/** The state in an answer. A body that does not parse is read once more before it counts as corrupt. */
export function* toState(work: Work, answer: ReadAnswer): Protocol<SeenState> {
  try {
    return seenState(work.table_id, answer)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    const { state } = yield* issue(work, { state: stateOp(work.table_id) })
    return seenState(work.table_id, state)
  }
}

function seenState(table_id: string, answer: ReadAnswer): SeenState {
  const stored = readObject(answer, statePath(table_id), 'state_corrupt')
  if (stored.outcome === 'not_found') return { state: null, token: null, age_ms: null }
  const { server_date_ms, last_modified_ms } = stored
  return {
    state: parseState(table_id, stored.bytes),
    token: stored.token,
    age_ms:
      server_date_ms === undefined || last_modified_ms === undefined
        ? null
        : server_date_ms - last_modified_ms,
  }
}

/** The marker in an answer, or null. A body that does not parse is read once more. */
export function* toMarker(work: Work, key: MarkerKey, answer: ReadAnswer): Protocol<Marker | null> {
  try {
    return seenMarker(key, answer)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    const { marker } = yield* issue(work, { marker: markerOp(key) })
    return seenMarker(key, marker)
  }
}

function seenMarker(key: MarkerKey, answer: ReadAnswer): Marker | null {
  const stored = readObject(answer, key.path, 'marker_corrupt')
  return stored.outcome === 'not_found' ? null : parseMarker(key.path, key.key, stored.bytes)
}

/** The staged object in an answer, or null. */
export function* toStaged(answer: ReadAnswer): Protocol<Staged | null> {
  const stored = readable(answer)
  if (stored.outcome === 'not_found') return null
  return { bytes: stored.bytes, token: stored.token, sha256: yield* sha256(stored.bytes) }
}

/** The log entry in an answer, or null. */
export function* toLog(answer: ReadAnswer): Protocol<LogEntry | null> {
  const stored = readable(answer)
  if (stored.outcome === 'not_found') return null
  const commit_id_sha256 = stored.meta?.[OWNER_COMMIT_ID]
  return {
    bytes: stored.bytes,
    sha256: yield* sha256(stored.bytes),
    owner:
      commit_id_sha256 === undefined
        ? null
        : { commit_id_sha256, request_hash: stored.meta?.[OWNER_REQUEST_HASH] ?? null },
  }
}

/** True when the log holds exactly this payload and its metadata, where present, names no other key (6.4 step 1). */
export function holdsPayload(log: LogEntry, payload_sha256: string, key_hash: string): boolean {
  return log.sha256 === payload_sha256 && (log.owner === null || log.owner.commit_id_sha256 === key_hash)
}

function isCorrupt(error: unknown): boolean {
  return error instanceof StoredObjectError && error.reason !== 'state_invariant'
}

/** An object larger than its class allows is as corrupt as one that does not parse (spec/storage.md 8). */
function readObject(
  answer: ReadAnswer,
  path: string,
  reason: 'state_corrupt' | 'marker_corrupt',
): ReturnType<typeof readable> {
  try {
    return readable(answer)
  } catch (error) {
    if (error instanceof StoreError && (error.code === 'too_large' || error.code === 'corrupt')) {
      throw new StoredObjectError(reason, path, error.code, reason.replace('_corrupt', ''))
    }
    throw error
  }
}
