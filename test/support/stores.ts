/** Stores for tests: every store that the suite runs on, and wrappers that count, forbid or fail. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fsStore } from '../../lib/store/fs.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { compareKeys } from '../../lib/store/keys.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'

/** A store under test and what belongs to it. */
export interface TestStore {
  readonly store: MaintenanceStore
  /** Equal bytes give equal tokens (spec/storage.md 5.4). */
  readonly has_content_tokens?: boolean
  /** Free what it holds. */
  close(): void
}

/** Makes an empty store; `clock` is the store's own time, where it can be told one. */
export type MakeStore = (clock?: () => number) => TestStore

/** The stores that the embedded default offers; `describe.each(STORES)`. */
export const STORES: readonly { readonly name: string; readonly make: MakeStore }[] = [
  {
    name: 'memory',
    make: (clock) => ({
      store: memoryStore(clock === undefined ? {} : { clock }),
      close: () => undefined,
    }),
  },
  { name: 'folder', make: () => folderStore(IN_MEMORY) },
]

/** Where folders are without a disk, where the machine has such a place: the same calls, and no waiting for fsync. */
export const IN_MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A folder store in a fresh temporary folder; on a disk unless told. */
export function folderStore(parent: string = tmpdir()): TestStore & { readonly folder: string } {
  const folder = mkdtempSync(join(parent, 'tidemark-fs-'))
  return {
    folder,
    store: fsStore(folder),
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** What a request path may use; a listing or a delete that reaches it is an error and is remembered (CO-28, C17, C20). */
export function forbidListing(store: MaintenanceStore): {
  readonly store: MaintenanceStore
  readonly violations: readonly string[]
} {
  const violations: string[] = []
  const refuse = (what: string): never => {
    violations.push(what)
    throw new Error(`a request path must not ${what}`)
  }
  return {
    violations,
    store: {
      ...store,
      listPage: async (request) => refuse(`list ${request.prefix}`),
      delete: async (key) => refuse(`delete ${key}`),
    },
  }
}

/** One store operation that a counting store saw. `round` counts from 1; operations issued together share it. */
export interface Counted {
  readonly kind: 'get' | 'head' | 'put'
  readonly key: string
  readonly round: number
}

/**
 * Counts sequential rounds (spec/coordinator.md 13): the depth of the longest chain of operations that wait for each
 * other. Over a memory store every operation takes exactly one turn of the event loop, so what is issued in one turn is
 * one round, whatever else is still on its way.
 */
export function countRounds(store: MaintenanceStore): {
  readonly store: MaintenanceStore
  /** Operations since the last `reset`. */
  readonly operations: Counted[]
  rounds(): number
  reset(): void
} {
  const operations: Counted[] = []
  let is_open = false
  let round = 0
  async function counted<T>(kind: Counted['kind'], key: string, call: () => Promise<T>): Promise<T> {
    if (!is_open) {
      round += 1
      is_open = true
      // Runs before the operations of this turn go on: what they issue then is the next round.
      setImmediate(() => {
        is_open = false
      })
    }
    operations.push({ kind, key, round })
    await new Promise((resolve) => setImmediate(resolve))
    return call()
  }
  return {
    operations,
    rounds: () => round,
    reset() {
      operations.length = 0
      round = 0
    },
    store: {
      ...store,
      get: async (key, options) => counted('get', key, async () => store.get(key, options)),
      head: async (key, options) => counted('head', key, async () => store.head(key, options)),
      put: async (key, bytes, precondition, options) =>
        counted('put', key, async () => store.put(key, bytes, precondition, options)),
    },
  }
}

/** Real services answer many reads in the time of one. */
const READS_AT_ONCE = 16

/** Everything in the store as text by key, sorted: what an operator would see in the bucket. */
export async function readBucket(store: MaintenanceStore): Promise<Record<string, string>> {
  const bucket: Record<string, string> = {}
  let start_after: string | undefined
  do {
    const page = await store.listPage({
      prefix: '',
      limit: 1000,
      ...(start_after === undefined ? {} : { start_after }),
    })
    const keys = page.objects.map(({ key }) => key).toSorted(compareKeys)
    for (let at = 0; at < keys.length; at += READS_AT_ONCE) {
      const some = keys.slice(at, at + READS_AT_ONCE)
      const objects = await Promise.all(some.map(async (key) => ({ key, object: await store.get(key) })))
      for (const { key, object } of objects) {
        if (object.outcome === 'ok') bucket[key] = new TextDecoder().decode(object.bytes)
      }
    }
    start_after = page.next_start_after
  } while (start_after !== undefined)
  return bucket
}
