/**
 * The witness of a revision: which events it came from, each with the hash of its canonical form (spec/manifests.md 5.6).
 * Transaction code proves with it that a batch is part of the visible lineage (18).
 *
 * A batch of more than WITNESS_EVENTS_MAX events has none (rebuild.md RB-17): at 200 bytes an event every reader of
 * the projection would pay for it until the next publish, and no writer that asks for such a proof appends that many
 * events at once. A proof about such a batch fails, which is what its caller must expect of any missing witness.
 */
import { all, type Protocol } from '../../effects.ts'
import { compareBytes } from '../byte-order.ts'
import { encodeEvent } from '../events/encode.ts'
import type { LoadedEvent } from './load-events.ts'
import { WITNESS_EVENTS_MAX } from './limits.ts'
import type { Witness } from './manifest.ts'

/** The witness of a batch, or null when it is too large for one. */
export function* witnessOf(events: readonly LoadedEvent[]): Protocol<Witness | null> {
  if (events.length > WITNESS_EVENTS_MAX) return null
  const encoder = new TextEncoder()
  const hashes = yield* all(
    events.map(({ event }) => ({ kind: 'sha256' as const, bytes: encoder.encode(encodeEvent(event)) })),
  )
  const entries = events.map(({ path }, index) => ({
    path,
    checksum_sha256: `sha256:${hashes[index] ?? ''}`,
  }))
  return { events: entries.sort((a, b) => compareBytes(a.path, b.path)) }
}
