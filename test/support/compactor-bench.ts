/** The compactor routes over a store of one's own: events in, answers out, and what lies in the bucket. */
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import type { LedgerEvent } from '../../lib/protocol/orchestration/events/kinds.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { scopePrefix } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { WORLD_START_MS } from './projection-world.ts'
import { testClock, testService, type Answer, type TestService, type TestServiceOptions } from './service.ts'
import { forbidListing } from './stores.ts'

/** What a bench may be made of; all optional. */
export interface CompactorBenchOptions extends TestServiceOptions {
  readonly store?: MemoryStore
  /** Put in front of the store: faults, counters. */
  readonly wrap?: (store: MaintenanceStore) => MaintenanceStore
}

/** A service, its bucket, and an operator. */
export interface CompactorBench {
  readonly service: TestService
  readonly store: MemoryStore
  /** Listings and deletes that reached the store: each also fails its request. */
  readonly violations: readonly string[]
  /** Put events where they belong; their paths. */
  append(events: readonly LedgerEvent[]): string[]
  /** Put an object into the scope, whatever lies there. */
  write(path: string, text: string): void
  /** An object of the scope, decoded; null when there is none. */
  json(path: string): Readonly<Record<string, unknown>> | null
  /** Store a list under this name; its path. */
  list(name: string, event_paths: readonly string[]): string
  compact(body: unknown): Promise<Answer>
  rebuild(body: unknown): Promise<Answer>
}

/** Make one; tenant `acme`, workspace `prod`, where the events of `projection-events.ts` belong. */
export function compactorBench(options: CompactorBenchOptions = {}): CompactorBench {
  const { store = memoryStore(), wrap = (same) => same, ...rest } = options
  const scope = options.scope ?? { tenant: 'acme', workspace: 'prod' }
  const prefix = scopePrefix(scope)
  const listless = forbidListing(wrap(store))
  const clock = options.clock ?? testClock(WORLD_START_MS)
  const service = testService(listless.store, {
    ...rest,
    scope,
    clock,
    // Whoever waits for the lock sees time pass.
    overrides: { sleep: async (ms) => clock.advance(ms), random: () => 0.5, ...options.overrides },
  })
  const write = (path: string, text: string): void =>
    store.seed(prefix + path, new TextEncoder().encode(text))
  return {
    service,
    store,
    violations: listless.violations,
    append: (events) =>
      events.map((event) => {
        const path = eventPath(event)
        write(path, encodeEvent(event))
        return path
      }),
    write,
    json(path) {
      const bytes = store.peek(prefix + path)?.bytes
      return bytes === undefined ? null : JSON.parse(new TextDecoder().decode(bytes))
    },
    list(name, event_paths) {
      const path = `state/orchestration/rebuilds/${name}.json`
      write(path, JSON.stringify({ event_paths }))
      return path
    },
    compact: async (body) => service.request('POST', '/compact', body),
    rebuild: async (body) => service.request('POST', '/rebuild', body),
  }
}
