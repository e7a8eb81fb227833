/** A workspace to rebuild in: events that come from a ledger in one file, everything else from a store. */
import type { Store } from '../lib/store/types.ts'
import { numberOfPath, pathOfEvent, type LedgerShape } from './long-ledger.ts'

/** Where events come from, and how the store is slowed down and watched. */
export interface LedgerStoreOptions {
  /** The bytes of an event by its number; null when they are in the store like everything else. */
  readonly eventAt: ((number: number) => Uint8Array) | null
  /** What every operation waits before it begins, ms. */
  readonly latency_ms: number
  /** Called for every event that is read. */
  onEvent(): void
  /** Called for every round where there is latency: operations that are issued together are one. */
  onRound(): void
}

/** Events by their number, the rest from `store`. */
export function withLedger(
  store: Store,
  { eventAt, latency_ms, onEvent, onRound }: LedgerStoreOptions,
): Store {
  let is_counted = false
  async function begin(): Promise<void> {
    if (latency_ms === 0) return
    if (!is_counted) onRound()
    is_counted = true
    await new Promise((resolve) => setTimeout(resolve, latency_ms))
    // What is asked from here on has waited for this.
    is_counted = false
  }
  return {
    ...store,
    async get(key, options) {
      await begin()
      if (!key.startsWith('ledger/')) return store.get(key, options)
      onEvent()
      if (eventAt === null) return store.get(key, options)
      return { outcome: 'ok', bytes: eventAt(numberOfPath(key)), token: '1' }
    },
    async put(key, bytes, precondition, options) {
      await begin()
      return store.put(key, bytes, precondition, options)
    },
  }
}

/** Events of one part of a list. */
const LISTED_TOGETHER = 10_000

/** Write the list of a whole ledger as an operator would for one of any length, a manifest of manifests; its path. */
export async function writeList(store: Store, shape: LedgerShape): Promise<string> {
  const folder = 'state/orchestration/rebuilds/bench'
  const manifests: string[] = []
  for (let from = 0; from < shape.events; from += LISTED_TOGETHER) {
    const length = Math.min(LISTED_TOGETHER, shape.events - from)
    const lines = Array.from({ length }, (_, index) => JSON.stringify(pathOfEvent(shape, from + index)))
    const path = `${folder}/part-${from}.json`
    await store.put(path, new TextEncoder().encode(lines.join('\n')), 'doesNotExist')
    manifests.push(path)
  }
  await store.put(`${folder}.json`, new TextEncoder().encode(JSON.stringify({ manifests })), 'doesNotExist')
  return `${folder}.json`
}
