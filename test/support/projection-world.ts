/** One workspace for tests of the projection: a memory store, a clock that moves only when told, ids that repeat. */
import { expect } from 'vitest'
import { createEnvironment } from '../../functions/environment.ts'
import { run, type Environment } from '../../lib/protocol/run.ts'
import type { Note, Protocol } from '../../lib/protocol/effects.ts'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import type { LedgerEvent } from '../../lib/protocol/orchestration/events/kinds.ts'
import { eventPath, POINTER_PATH } from '../../lib/protocol/orchestration/paths.ts'
import type {
  CompactResult,
  Folded,
  RebuildResult,
} from '../../lib/protocol/orchestration/projection/outcomes.ts'
import { REBUILD_DEFAULTS, type RebuildRequest } from '../../lib/protocol/orchestration/projection/rebuild.ts'
import {
  DEFAULT_PROJECTION_SETTINGS,
  type ProjectionSettings,
} from '../../lib/protocol/orchestration/projection/settings.ts'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { scopedStore, scopePrefix, type Scope } from '../../lib/store/scoped.ts'
import type { Store } from '../../lib/store/types.ts'
import { dumpState, type Dump } from './projection.ts'
import { SHIPPED, type ProjectionProtocol } from './projection-protocol.ts'
import { forbidListing } from './stores.ts'

/** Where the clock of a world starts, epoch ms. */
export const WORLD_START_MS = Date.UTC(2026, 1, 21, 12)

/** What a world may be made of; all optional. */
export interface WorldOptions {
  readonly scope?: Scope
  readonly store?: MemoryStore
  readonly settings?: Partial<ProjectionSettings>
  readonly now_ms?: number
  /** Put in front of the scoped store: faults, counters, latency. */
  readonly wrap?: (store: Store) => Store
  /** A wrong variant of the operations; the code that ships unless given. */
  readonly protocol?: ProjectionProtocol
}

/** A workspace and everything that acts on it. */
export interface World {
  readonly protocol: ProjectionProtocol
  readonly store: MemoryStore
  readonly scope: Scope
  readonly prefix: string
  readonly settings: ProjectionSettings
  readonly env: Environment
  readonly clock: { now_ms: number }
  readonly notes: Note[]
  run<R>(protocol: Protocol<R>): Promise<R>
  /** Put events where they belong; their paths. */
  append(events: readonly LedgerEvent[]): string[]
  compact(paths: readonly string[], fencing_token?: number | null): Promise<CompactResult>
  /** Store a list under a fresh name and rebuild from it. */
  rebuild(paths: readonly string[], options?: Partial<RebuildRequest>): Promise<RebuildResult>
  /** Store a list under a fresh name. */
  list(event_paths: readonly string[]): string
  /** Every row that readers see. */
  rows(): Promise<Dump>
  /** Put an object there, whatever lies there. */
  write(path: string, text: string): void
  /** An object as text, or null. */
  text(path: string): string | null
  json(path: string): unknown
  pointer(): { manifest_id: string; manifest_path: string; epoch: number; parent_pointer_hash?: string }
}

/** Make one. */
export function projectionWorld(options: WorldOptions = {}): World {
  const protocol = options.protocol ?? SHIPPED
  const scope = options.scope ?? { tenant: 'acme', workspace: 'prod' }
  const store = options.store ?? memoryStore()
  const prefix = scopePrefix(scope)
  const clock = { now_ms: options.now_ms ?? WORLD_START_MS }
  const notes: Note[] = []
  const scoped = scopedStore(forbidListing(store).store, scope)
  const settings: ProjectionSettings = { ...DEFAULT_PROJECTION_SETTINGS, scope, ...options.settings }
  const env = createEnvironment({
    store: options.wrap === undefined ? scoped : options.wrap(scoped),
    resolver: NO_RESOLVER,
    note: (note) => notes.push(note),
    overrides: {
      now: () => clock.now_ms,
      monotonic: () => clock.now_ms,
      sleep: async (ms) => {
        clock.now_ms += Math.ceil(ms)
      },
      random: () => 0.5,
      ulid: ulidSequence(() => clock.now_ms),
    },
  })
  let lists = 0
  const read = (path: string): Uint8Array | null => store.peek(prefix + path)?.bytes ?? null
  const world: World = {
    protocol,
    store,
    scope,
    prefix,
    settings,
    env,
    clock,
    notes,
    run: async (protocol) => run(protocol, env),
    append(events) {
      return events.map((event) => {
        const path = eventPath(event)
        store.seed(prefix + path, new TextEncoder().encode(encodeEvent(event)))
        return path
      })
    },
    compact: async (event_paths, fencing_token = null) =>
      run(protocol.compact(settings, { event_paths, fencing_token }), env),
    async rebuild(event_paths, options = {}) {
      const rebuild_manifest_path = world.list(event_paths)
      return run(protocol.rebuild(settings, { ...REBUILD_DEFAULTS, rebuild_manifest_path, ...options }), env)
    },
    list(event_paths) {
      const path = `state/orchestration/rebuilds/list-${lists++}.json`
      world.write(path, JSON.stringify({ event_paths }))
      return path
    },
    write: (path, text) => store.seed(prefix + path, new TextEncoder().encode(text)),
    async rows() {
      const seen = await run(protocol.readProjection(settings), env)
      if (!seen.ok) throw new Error(`the projection cannot be read: ${JSON.stringify(seen)}`)
      return dumpState(seen.state)
    },
    text(path) {
      const bytes = read(path)
      return bytes === null ? null : new TextDecoder().decode(bytes)
    },
    json: (path) => JSON.parse(world.text(path) ?? 'null') as unknown,
    pointer: () => world.json(POINTER_PATH) as ReturnType<World['pointer']>,
  }
  return world
}

/** The answer of a call that must have succeeded. */
export function folded(result: { readonly ok: boolean }): Folded {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`)
  return result as Folded
}

const NO_RESOLVER: Environment['resolver'] = {
  resolve: () => {
    throw new Error('no table is resolved here')
  },
  knownRoot: () => null,
}

/** ULIDs of the clock's time with a counter for randomness: fresh, and the same in every run. */
export function ulidSequence(now: () => number): () => string {
  let count = 0
  return () => `${timePart(now())}${(count++).toString().padStart(16, '0')}`
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

function timePart(now_ms: number): string {
  let text = ''
  for (let at = 0, rest = Math.floor(now_ms); at < 10; at++, rest = Math.floor(rest / 32)) {
    text = (CROCKFORD[rest % 32] ?? '') + text
  }
  return text
}

/** Matches the error of a broken stored object of this class. */
export function isObjectCorrupt(object_class: string): object {
  return expect.objectContaining({ reason: 'object_corrupt', object_class }) as object
}
