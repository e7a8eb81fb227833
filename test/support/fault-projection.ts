/** A sound projection with a base, two deltas and rows in most tables, for one planted fault. */
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { POINTER_PATH } from '../../lib/protocol/orchestration/paths.ts'
import { compactorBench, type CompactorBench } from './compactor-bench.ts'
import { eventsAt, runOfTasks } from './projection-events.ts'
import { WORLD_START_MS } from './projection-world.ts'
import { testClock, type TestClock } from './service.ts'

/** Longer than any quarantine, ms. */
export const OLD_MS = 2 * 3_600_000

/** How the visible manifest names an artifact. */
export interface Artifact {
  path: string
  checksum_sha256: string
  byte_size: number
}

/** The members of a manifest that faults are planted in. */
export interface StoredManifest {
  manifest_id: string
  epoch: number
  l0_count: number
  schema_version: number
  watermarks: Record<string, string>
  base_snapshot: { tables: { runs: Artifact } }
  l0_deltas: { tables: Record<string, Artifact>; row_counts: Record<string, number> }[]
}

/** A workspace, its service and its operator. */
export interface FaultProjection extends CompactorBench {
  readonly clock: TestClock
  read(path: string): string | null
  remove(path: string): void
  /** Put an object there that was written longer ago than any quarantine. */
  plantOld(path: string, text: string): void
  /** Path of the visible manifest. */
  manifestPath(): string
  /** Change the visible manifest in place. */
  edit(change: (manifest: StoredManifest) => void): void
  /** The file of the base's runs. */
  artifact(): Artifact
}

let prepared: Promise<ReadonlyMap<string, Uint8Array>> | undefined

/** Make one; the history that all of them have is compacted once. */
export async function faultProjection(): Promise<FaultProjection> {
  prepared ??= compactedHistory()
  const clock = testClock(WORLD_START_MS)
  const store = clockedStore(clock)
  for (const [key, bytes] of await prepared) store.seed(key, bytes)
  clock.advance(OLD_MS)
  const bench = benchOver(store, clock)
  const { prefix } = bench.service
  const manifestPath = (): string => String(bench.json(POINTER_PATH)?.['manifest_path'])
  const manifest = (): StoredManifest => JSON.parse(JSON.stringify(bench.json(manifestPath())))
  return {
    ...bench,
    clock,
    read(path) {
      const object = store.peek(prefix + path)
      return object === null ? null : new TextDecoder().decode(object.bytes)
    },
    remove: (path) => store.remove(prefix + path),
    plantOld: (path, text) =>
      store.seed(prefix + path, new TextEncoder().encode(text), undefined, {
        last_modified_ms: clock.now_ms - OLD_MS,
      }),
    manifestPath,
    edit(change) {
      const changed = manifest()
      change(changed)
      bench.write(manifestPath(), JSON.stringify(changed))
    },
    artifact: () => manifest().base_snapshot.tables.runs,
  }
}

async function compactedHistory(): Promise<ReadonlyMap<string, Uint8Array>> {
  const clock = testClock(WORLD_START_MS)
  const store = clockedStore(clock)
  const bench = benchOver(store, clock)
  const paths = bench.append([...eventsAt(1, 12), ...runOfTasks(1, 20), ...eventsAt(40, 42)])
  const batches = [...paths.slice(0, 11).map((path) => [path]), paths.slice(11, 15), paths.slice(15)]
  for (const event_paths of batches) {
    const { status, body } = await bench.compact({ event_paths })
    if (status !== 200) throw new Error(JSON.stringify(body))
  }
  return store.dump()
}

function clockedStore(clock: TestClock): MemoryStore {
  return memoryStore({ clock: () => clock.now_ms, tokens: 'content' })
}

function benchOver(store: MemoryStore, clock: TestClock): CompactorBench {
  return compactorBench({ store, maintenance_store: store, clock })
}
