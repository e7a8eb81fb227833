/**
 * A model of Arco's Delta coordinator at the grain of one storage request (known-weaknesses.md 1 names the functions),
 * weaknesses included: the old writer of the tests in which old and new processes share a table (F15). It is trusted
 * because it answers every ask of the golden workspaces as Arco did, byte for byte (`arco-writer.test.ts`).
 */
import { formatToken, parseToken } from '../../lib/store/tokens.ts'
import type { Store, StoredObject, Token } from '../../lib/store/types.ts'
import {
  arcoLegacyHash,
  arcoRequestHash,
  readArcoMarker,
  readArcoState,
  sha256,
  writeArco,
  type ArcoInflight,
  type ArcoMarker,
  type ArcoRequest,
  type ArcoState,
} from './arco-documents.ts'

/** What the reference answers to a committed or replayed request. */
export interface ArcoCommitted {
  readonly version: number
  readonly delta_log_path: string
}

/** What the reference answers otherwise; the message has the kind in front, as its Display does. */
export class ArcoError extends Error {
  readonly kind: 'conflict' | 'not_found' | 'bad_request'

  constructor(kind: ArcoError['kind'], message: string) {
    super(`${kind.replace('_', ' ')}: ${message}`)
    this.kind = kind
  }
}

/** One reference process on one table of a scoped store. */
export interface ArcoWriter {
  /** The library's `commit`. */
  commit(request: ArcoRequest, now_ms: number): Promise<ArcoCommitted>
  /** The marker look-up that the HTTP handler does first; null when the key has no marker. Never writes. */
  replayCommitted(request: ArcoRequest): Promise<ArcoCommitted | null>
  /** The HTTP handler: look-up, else commit. */
  commitStaged(request: ArcoRequest, now_ms: number): Promise<ArcoCommitted>
}

/** Reservation TTL, as in the reference. */
const TTL_MS = 300_000

/** CAS attempts of each loop. */
const ATTEMPTS = 16

/** Make a reference process. */
export function arcoWriter(
  store: Store,
  table: { readonly table_id: string; readonly root: string },
): ArcoWriter {
  const { table_id, root } = table
  const state_path = `delta/coordinator/${table_id}.json`

  const logPath = (version: number): string => `${root}/_delta_log/${String(version).padStart(20, '0')}.json`

  function markerPath(key: string): string {
    const hash = sha256(key)
    return `delta/idempotency/${table_id}/${hash.slice(0, 2)}/${hash}.json`
  }

  async function read(path: string): Promise<StoredObject | null> {
    const object = await store.get(path)
    return object.outcome === 'ok' ? object : null
  }

  /** True when created; false when something is there already, whatever it is (D-09). */
  async function create(path: string, bytes: Uint8Array): Promise<boolean> {
    const put = await store.put(path, bytes, 'doesNotExist')
    if (put.outcome === 'ok') return true
    if (put.outcome === 'precondition_failed') return false
    throw new Error(`object store error: ${put.outcome}`)
  }

  /** D-02: a missing object is an empty table. */
  async function loadState(): Promise<{ readonly state: ArcoState; readonly token: Token | null }> {
    const object = await read(state_path)
    return object === null
      ? { state: { latest_version: -1, inflight: null }, token: null }
      : { state: readArcoState(object.bytes), token: object.token }
  }

  async function casState(token: Token | null, state: ArcoState): Promise<boolean> {
    const put = await store.put(
      state_path,
      writeArco(state),
      token === null ? 'doesNotExist' : { matchesVersion: token },
    )
    if (put.outcome === 'ok') return true
    if (put.outcome === 'precondition_failed') return false
    throw new Error(`object store error: ${put.outcome}`)
  }

  async function readStaged(path: string, version: string): Promise<Uint8Array> {
    const object = await read(path)
    if (object === null) throw new ArcoError('not_found', `staged payload not found: ${path}`)
    // Strings are compared: another spelling of the same generation is a mismatch (spec/storage.md 5.3, emission).
    if (spelledByArco(object.token) !== version) {
      throw new ArcoError('conflict', `staged payload version mismatch for ${path}`)
    }
    return object.bytes
  }

  async function readMarker(key: string): Promise<ArcoMarker | null> {
    const object = await read(markerPath(key))
    return object === null ? null : readArcoMarker(object.bytes)
  }

  /** `finalize_replayed_commit`, D-03: clears any reservation of the key and advances to that one's version. */
  async function finalizeReplayed(key: string): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { state, token } = await loadState()
      const { inflight } = state
      if (inflight === null || inflight.commit_id !== key) return
      const latest_version = Math.max(state.latest_version, inflight.version)
      if (await casState(token, { latest_version, inflight: null })) return
    }
    throw new ArcoError('conflict', 'failed to finalize delta commit after retries')
  }

  /** `recover_inflight`: D-01 (the log entry is not compared) and D-20 (the staged payload must be there). */
  async function recoverInflight(inflight: ArcoInflight, now_ms: number): Promise<void> {
    const payload = await readStaged(inflight.staged_path, inflight.staged_version)
    const { commit_id, staged_path, version } = inflight
    await create(logPath(version), payload)
    const read_version = inflight.read_version ?? version - 1
    await writeMarker({ idempotency_key: commit_id, read_version, staged_path }, payload, { version, now_ms })
    await finalizeInflight(inflight)
  }

  /** `write_idempotency_record`, D-04: a marker that exists is ignored. */
  async function writeMarker(
    request: Omit<ArcoRequest, 'staged_version'>,
    payload: Uint8Array,
    at: { readonly version: number; readonly now_ms: number },
  ): Promise<void> {
    const { idempotency_key } = request
    const marker: ArcoMarker = {
      idempotency_key,
      idempotency_key_hash: sha256(idempotency_key),
      request_hash: arcoRequestHash(request, payload),
      version: at.version,
      delta_log_path: logPath(at.version),
      committed_at_ms: at.now_ms,
    }
    await create(markerPath(idempotency_key), writeArco(marker))
  }

  /** D-10: a reservation of somebody else is an error, although this commit is durable. */
  async function finalizeInflight({ commit_id, version }: ArcoInflight): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { state, token } = await loadState()
      if (state.inflight === null && state.latest_version >= version) return
      if (state.inflight?.commit_id !== commit_id) {
        throw new ArcoError('conflict', 'coordinator inflight changed during finalize; retry')
      }
      if (await casState(token, { latest_version: Math.max(state.latest_version, version), inflight: null }))
        return
    }
    throw new ArcoError('conflict', 'failed to finalize delta commit after retries')
  }

  function isSameRequest(inflight: ArcoInflight, request: ArcoRequest): boolean {
    return (
      inflight.staged_path === request.staged_path &&
      inflight.staged_version === request.staged_version &&
      (inflight.read_version ?? inflight.version - 1) === request.read_version
    )
  }

  /** `reserve_or_resume_inflight`; null when the request's own reservation turned out to be finished by recovery. */
  async function reserveOrResume(
    request: ArcoRequest,
    now_ms: number,
  ): Promise<{ readonly inflight: ArcoInflight; readonly is_finished: boolean }> {
    const { idempotency_key, read_version, staged_path, staged_version } = request
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { state, token } = await loadState()
      const { inflight, latest_version } = state
      if (inflight !== null) {
        const is_own = inflight.commit_id === idempotency_key
        const is_recoverable =
          now_ms >= inflight.expires_at_ms || (await read(logPath(inflight.version))) !== null
        if (is_recoverable) await recoverInflight(inflight, now_ms)
        if (is_own && !isSameRequest(inflight, request)) {
          throw new ArcoError('conflict', 'Idempotency-Key already used with different request body')
        }
        if (is_own) return { inflight, is_finished: is_recoverable }
        if (!is_recoverable) throw new ArcoError('conflict', 'delta commit already reserved; retry later')
        continue
      }
      // D-11: the marker is not looked at again before this answer.
      if (read_version !== latest_version) {
        throw new ArcoError('conflict', `stale read_version: expected ${latest_version}, got ${read_version}`)
      }
      const mine: ArcoInflight = {
        commit_id: idempotency_key,
        read_version,
        version: latest_version + 1,
        staged_path,
        staged_version,
        started_at_ms: now_ms,
        expires_at_ms: now_ms + TTL_MS,
      }
      if (await casState(token, { latest_version, inflight: mine }))
        return { inflight: mine, is_finished: false }
    }
    throw new ArcoError('conflict', 'failed to reserve delta commit after retries')
  }

  function validate({ idempotency_key, staged_path }: ArcoRequest): void {
    if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(idempotency_key)) {
      throw new ArcoError('bad_request', 'Idempotency-Key must be UUIDv7 (RFC 9562)')
    }
    if (idempotency_key !== idempotency_key.toLowerCase()) {
      throw new ArcoError('bad_request', 'Idempotency-Key must be a canonical lowercase UUID string')
    }
    const prefix = `delta/staging/${table_id}/`
    if (!staged_path.startsWith(prefix)) {
      throw new ArcoError('bad_request', `staged_path must start with ${prefix}`)
    }
  }

  async function commit(request: ArcoRequest, now_ms: number): Promise<ArcoCommitted> {
    validate(request)
    // D-14, D-15: the payload is read before anything that is known about the key.
    const payload = await readStaged(request.staged_path, request.staged_version)
    const marker = await readMarker(request.idempotency_key)
    if (marker !== null) {
      if (!isMarkerOf(marker, request, payload)) {
        throw new ArcoError('conflict', 'Idempotency-Key already used with different request body')
      }
      await finalizeReplayed(request.idempotency_key)
      return { version: marker.version, delta_log_path: marker.delta_log_path }
    }
    const { inflight, is_finished } = await reserveOrResume(request, now_ms)
    const { version } = inflight
    const done: ArcoCommitted = { version, delta_log_path: logPath(version) }
    if (is_finished) return done
    if (!(await create(logPath(version), payload))) {
      const log = await read(logPath(version))
      if (log === null || sha256(log.bytes) !== sha256(payload)) {
        throw new ArcoError('conflict', 'delta log version already exists with different contents')
      }
    }
    await writeMarker(request, payload, { version, now_ms })
    await finalizeInflight(inflight)
    return done
  }

  async function replayCommitted(request: ArcoRequest): Promise<ArcoCommitted | null> {
    validate(request)
    const marker = await readMarker(request.idempotency_key)
    if (marker === null) return null
    const { version, delta_log_path } = marker
    if (marker.request_hash === arcoLegacyHash(request)) return { version, delta_log_path }
    const payload = await readStaged(request.staged_path, request.staged_version)
    if (!isMarkerOf(marker, request, payload)) {
      throw new ArcoError('conflict', 'Idempotency-Key already used with different request body')
    }
    return { version, delta_log_path }
  }

  return {
    commit,
    replayCommitted,
    // D-25: an answer from the marker leaves the reservation as it is.
    commitStaged: async (request, now_ms) =>
      (await replayCommitted(request)) ?? (await commit(request, now_ms)),
  }
}

/** The same generation as the reference's own adapter would name it, whatever format the store under test emits. */
function spelledByArco(token: Token): string {
  return formatToken(parseToken(token), 'reference')
}

function isMarkerOf(marker: ArcoMarker, request: ArcoRequest, payload: Uint8Array): boolean {
  return (
    marker.request_hash === arcoRequestHash(request, payload) ||
    marker.request_hash === arcoLegacyHash(request)
  )
}
