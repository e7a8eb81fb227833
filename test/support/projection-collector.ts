/**
 * The collector of spec/correctness.md Q8 in pieces, for schedules that put a publisher between them. The order is what
 * matters: list what is old, touch the pointer, and only then see what is reachable from it.
 */
import { compareKeys } from '../../lib/store/keys.ts'
import { POINTER_PATH } from '../../lib/protocol/orchestration/paths.ts'
import { pathOf } from '../../lib/protocol/orchestration/projection/artifact.ts'
import { parseDocument } from '../../lib/protocol/orchestration/projection/documents.ts'
import { layersOf } from '../../lib/protocol/orchestration/projection/load.ts'
import { MANIFEST, type Manifest } from '../../lib/protocol/orchestration/projection/manifest.ts'
import { POINTER } from '../../lib/protocol/orchestration/projection/pointer.ts'
import type { World } from './projection-world.ts'

/** What is collected, below `state/orchestration/`. */
const COLLECTED = /^state\/orchestration\/(manifests|l0|base)\//

/** The steps of one collection. */
export interface Collector {
  /** Objects that are old enough. */
  list(): Promise<string[]>
  /** CAS the pointer; false when somebody was faster. */
  touch(): Promise<boolean>
  /** Those that the pointer does not reach now. */
  unreachable(candidates: readonly string[]): Promise<string[]>
  remove(paths: readonly string[]): Promise<void>
  /** `unreachable`, then `remove`, and a look whether readers still see everything is the caller's. */
  sweep(candidates: readonly string[]): Promise<void>
}

/** A collector of a world's bucket. `quarantine_ms`: how old an object has to be, by the store's clock. */
export function collectorOf(world: World, quarantine_ms = 3_600_000): Collector {
  const { store, prefix, protocol } = world
  const collector: Collector = {
    async list() {
      const paths = [...store.dump().keys()]
        .map((key) => key.slice(prefix.length))
        .filter((path) => COLLECTED.test(path))
      return paths.filter((path) => ageOf(world, path) >= quarantine_ms).toSorted(compareKeys)
    },
    async touch() {
      return (await world.run(protocol.touch(await world.run(protocol.readHead())))) !== null
    },
    unreachable: async (candidates) => {
      const reached = reachable(world)
      return candidates.filter((path) => !reached.has(path))
    },
    async remove(paths) {
      for (const path of paths) store.remove(prefix + path)
    },
    async sweep(candidates) {
      await collector.remove(await collector.unreachable(candidates))
    },
  }
  return collector
}

function ageOf({ store, prefix }: World, path: string): number {
  const { last_modified_ms = Infinity, server_date_ms = 0 } = store.peek(prefix + path) ?? {}
  return server_date_ms - last_modified_ms
}

/** Every manifest on the chain, and what those name. */
function reachable({ store, prefix }: World): Set<string> {
  const bytesOf = (path: string): Uint8Array => store.peek(prefix + path)?.bytes ?? new Uint8Array()
  const reached = new Set<string>()
  let path: string | null = parseDocument(POINTER, POINTER_PATH, bytesOf(POINTER_PATH)).manifest_path
  while (path !== null) {
    const manifest: Manifest = parseDocument(MANIFEST, path, bytesOf(path))
    reached.add(path)
    for (const { tables, deletions } of layersOf(manifest)) {
      for (const { ref } of tables) reached.add(pathOf(ref))
      if (deletions !== null) reached.add(pathOf(deletions))
    }
    path = manifest.previous_manifest_path
  }
  return reached
}
