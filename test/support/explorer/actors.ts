/** Those who take part without being Tidemark: other programs that write the log, delete staged objects, or are Arco. */
import { createHash } from 'node:crypto'
import type { Answer } from '../../../lib/protocol/effects.ts'
import { logPath, markerPath, statePath } from '../../../lib/protocol/paths.ts'
import type { GetResult, PutResult } from '../../../lib/store/types.ts'
import type { ActorStep } from './history.ts'
import type { Request } from './setup.ts'
import { ROOT, START_MS, TABLE } from './scenario.ts'

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
export function* oldWriter(request: Request): ActorRun {
  const { idempotency_key, read_version, staged_path, staged_version } = request
  const hash = createHash('sha256').update(idempotency_key).digest('hex')
  const marker_path = markerPath(TABLE, hash)
  if (((yield get(marker_path)) as GetResult).outcome === 'ok') return 'marker'
  const staged = (yield get(staged_path)) as GetResult
  if (staged.outcome !== 'ok') return 'staged'
  const seen = (yield get(statePath(TABLE))) as GetResult
  const state =
    seen.outcome === 'ok'
      ? (JSON.parse(new TextDecoder().decode(seen.bytes)) as { latest_version: number; inflight: unknown })
      : { latest_version: -1, inflight: null }
  if (state.inflight !== null || state.latest_version !== read_version) return 'busy or stale'
  const version = read_version + 1
  const inflight = {
    commit_id: idempotency_key,
    read_version,
    version,
    staged_path,
    staged_version,
    started_at_ms: START_MS,
    expires_at_ms: START_MS + 300_000,
  }
  const reserved = (yield {
    kind: 'put',
    path: statePath(TABLE),
    bytes: encode(JSON.stringify({ latest_version: read_version, inflight })),
    precondition: seen.outcome === 'ok' ? { matchesVersion: seen.token } : 'doesNotExist',
  }) as PutResult
  if (reserved.outcome !== 'ok') return 'lost'
  const path = logPath(ROOT, version)
  const logged = (yield { kind: 'put', path, bytes: staged.bytes, precondition: 'doesNotExist' }) as PutResult
  if (logged.outcome !== 'ok') return 'log'
  const request_hash = createHash('sha256')
    .update(
      JSON.stringify({
        idempotency_key,
        read_version,
        staged_path,
        staged_payload_sha256: createHash('sha256').update(staged.bytes).digest('hex'),
      }),
    )
    .digest('hex')
  const marker = {
    idempotency_key,
    idempotency_key_hash: hash,
    request_hash,
    version,
    delta_log_path: path,
    committed_at_ms: START_MS,
  }
  yield {
    kind: 'put',
    path: marker_path,
    bytes: encode(JSON.stringify(marker)),
    precondition: 'doesNotExist',
  }
  yield {
    kind: 'put',
    path: statePath(TABLE),
    bytes: encode(JSON.stringify({ latest_version: version, inflight: null })),
    precondition: { matchesVersion: reserved.token },
  }
  return 'done'
}

function get(path: string): ActorStep {
  return { kind: 'get', path, bytes_max: Number.MAX_SAFE_INTEGER }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
