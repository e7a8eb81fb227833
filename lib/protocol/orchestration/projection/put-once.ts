/** Objects that are written once and never change: artifacts, chunk records, manifest snapshots (correctness.md Q2). */
import type { PutResult } from '../../../store/types.ts'
import { all, get, note, pause, type Protocol } from '../../effects.ts'
import { RESENDS_MAX, RETRY_AFTER_MS } from './limits.ts'
import { Refused } from './outcomes.ts'

/** Bytes and where they go. */
export interface NewObject {
  readonly path: string
  readonly bytes: Uint8Array
}

/**
 * Write objects, those of one batch together. Each ends with its bytes in place, by this call or by an earlier attempt
 * of ours, or holds other bytes: the paths of those are returned. Refuses when the store takes no writes.
 */
export function* putOnce(objects: readonly NewObject[], together_max: number): Protocol<string[]> {
  const taken: string[] = []
  for (let from = 0; from < objects.length; from += together_max) {
    taken.push(...(yield* putBatch(objects.slice(from, from + together_max))))
  }
  return taken
}

function* putBatch(batch: readonly NewObject[]): Protocol<string[]> {
  const taken: string[] = []
  let pending = batch
  for (let sent = 1; pending.length > 0; sent++) {
    const results = yield* all(
      pending.map(({ path, bytes }) => ({
        kind: 'put' as const,
        path,
        bytes,
        precondition: 'doesNotExist' as const,
      })),
    )
    const again: NewObject[] = []
    for (const [index, object] of pending.entries()) {
      const result = results[index] ?? { outcome: 'unknown' as const }
      const verdict = yield* verdictOf(object, result)
      if (verdict === 'taken') {
        taken.push(object.path)
        yield* note({ note: 'artifact_exists', path: object.path })
      }
      if (verdict === 'absent') again.push(object)
    }
    if (again.length > 0) yield* beforeResend(results, sent)
    pending = again
  }
  return taken
}

/** After anything but `ok`, look: the object may be our own earlier attempt (N4), or not be there at all. */
function* verdictOf({ path, bytes }: NewObject, result: PutResult): Protocol<'written' | 'taken' | 'absent'> {
  if (result.outcome === 'ok') return 'written'
  if (result.outcome === 'no_effect') return 'absent'
  const seen = yield* get(path, Math.max(bytes.length, 1) * 2)
  if (seen.outcome === 'not_found') return 'absent'
  return sameBytes(seen.bytes, bytes) ? 'written' : 'taken'
}

/** Wait a little, or give up: nothing that this call wrote is visible to anybody. */
export function* beforeResend(results: readonly PutResult[], sent: number): Protocol<void> {
  const refused = results.filter((result) => result.outcome === 'no_effect')
  const asked_ms = Math.max(0, ...refused.map(({ retry_after_ms }) => retry_after_ms ?? 0))
  if (sent > RESENDS_MAX) {
    const reason = refused.length > 0 ? 'throttled' : 'storage_unavailable'
    throw new Refused({ ok: false, reason, retry_after_ms: Math.max(asked_ms, RETRY_AFTER_MS) })
  }
  yield* pause(asked_ms, asked_ms + 50 * 2 ** sent)
}

/** Whether two objects hold the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
