/** Those who take part without being Tidemark: other programs that write the log, delete staged objects, or are Arco. */
import { createHash } from 'node:crypto'
import type { Answer } from '../../../lib/protocol/effects.ts'
import { logPath, markerPath, statePath } from '../../../lib/protocol/paths.ts'
import type { GetResult, Precondition, PutResult } from '../../../lib/store/types.ts'
import type { StoredState } from './facts.ts'
import type { ActorStep } from './history.ts'
import type { Request } from './setup.ts'
import { ROOT, START_MS, TABLE, type OldWrite } from './scenario.ts'

/** What an actor is made of. */
export type ActorRun = Generator<ActorStep, unknown, Answer | readonly Answer[]>

/** A program outside the protocol creates a log entry with bytes of its own, once (F8). */
export function* foreignWriter(version: number): ActorRun {
  const bytes = encode(`{"commitInfo":{"txnId":"foreign ${version}"}}\n`)
  yield { kind: 'put', path: logPath(ROOT, version), bytes, precondition: 'doesNotExist' }
  return 'done'
}

/** Somebody deletes a staged object and, with `again`, puts something in its place (F9). */
export function* collector(path: string, again: Uint8Array | null): ActorRun {
  yield { kind: 'delete', path }
  if (again !== null) yield { kind: 'overwrite', path, bytes: again }
  return 'done'
}

/**
 * A commit as the reference does it when nothing is in its way: marker, state, reserve, log, marker, finalize, one
 * after the other, without additive members and without looking back (F15). It gives up at the first obstacle.
 */
export function* oldWriter(
  request: Request,
  { until, is_early }: { readonly until?: OldWrite; readonly is_early?: boolean },
): ActorRun {
  const { idempotency_key, read_version, staged_path, staged_version } = request
  const version = read_version + 1
  const marker = oldMarker(request)
  if ((yield* get(marker.path)).outcome === 'ok') return 'recorded'
  const staged = yield* get(staged_path)
  const seen = yield* get(statePath(TABLE))
  if (staged.outcome !== 'ok' || !mayReserve(seen, read_version)) return 'refused'
  const inflight = {
    commit_id: idempotency_key,
    ...(is_early === true ? {} : { read_version }),
    version,
    staged_path,
    staged_version,
    started_at_ms: START_MS,
    expires_at_ms: START_MS + 300_000,
  }
  const reserved = yield* put(
    statePath(TABLE),
    encode(JSON.stringify({ latest_version: read_version, inflight })),
    seen.outcome === 'ok' ? { matchesVersion: seen.token } : 'doesNotExist',
  )
  if (reserved.outcome !== 'ok' || until === 'reserve') return 'reserve'
  const logged = yield* put(logPath(ROOT, version), staged.bytes, 'doesNotExist')
  if (logged.outcome !== 'ok' || until === 'log') return 'log'
  yield* put(marker.path, marker.bytes, 'doesNotExist')
  if (until === 'marker') return 'marker'
  const state = encode(JSON.stringify({ latest_version: version, inflight: null }))
  yield* put(statePath(TABLE), state, { matchesVersion: reserved.token })
  return 'finalize'
}

function mayReserve(seen: GetResult, read_version: number): boolean {
  if (seen.outcome !== 'ok') return read_version === -1
  const state = JSON.parse(new TextDecoder().decode(seen.bytes)) as StoredState
  return state.inflight === null && state.latest_version === read_version
}

/** The marker without additive members. */
function oldMarker({ idempotency_key, read_version, staged_path, body }: Request): {
  readonly path: string
  readonly bytes: Uint8Array
} {
  const idempotency_key_hash = sha256(idempotency_key)
  const version = read_version + 1
  const hashed = { idempotency_key, read_version, staged_path, staged_payload_sha256: body.sha256 }
  const marker = {
    idempotency_key,
    idempotency_key_hash,
    request_hash: sha256(JSON.stringify(hashed)),
    version,
    delta_log_path: logPath(ROOT, version),
    committed_at_ms: START_MS,
  }
  return { path: markerPath(TABLE, idempotency_key_hash), bytes: encode(JSON.stringify(marker)) }
}

function* get(path: string): Generator<ActorStep, GetResult, Answer | readonly Answer[]> {
  return (yield { kind: 'get', path, bytes_max: Number.MAX_SAFE_INTEGER }) as GetResult
}

function* put(
  path: string,
  bytes: Uint8Array,
  precondition: Exclude<Precondition, 'none'>,
): Generator<ActorStep, PutResult, Answer | readonly Answer[]> {
  return (yield { kind: 'put', path, bytes, precondition }) as PutResult
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
