/** Events that a rebuild left out because they do not decode, as the manifest records them (correctness.md Q11). */
import type { Quarantine } from './manifest.ts'
import type { RefusedEvent } from './outcomes.ts'

/** Events that are named; the others are only counted. */
const NAMED_MAX = 1_000

/** What was recorded, and some more; each path once. The record stays until a rebuild from scratch begins anew. */
export function addQuarantined(
  recorded: Quarantine | null,
  added: readonly RefusedEvent[],
): Quarantine | null {
  const known = new Set(recorded?.events.map(({ path }) => path))
  const fresh = added.filter(({ path }) => !known.has(path))
  if (fresh.length === 0) return recorded
  const events = fresh.map(({ path, offset, detail }) => ({ path, offset: offset ?? 0, detail }))
  return {
    event_count: (recorded?.event_count ?? 0) + fresh.length,
    events: [...(recorded?.events ?? []), ...events].slice(0, NAMED_MAX),
  }
}
