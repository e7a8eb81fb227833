/**
 * Publishers and collectors that race over one workspace, one store operation at a time, in an order that a seed decides:
 * processes stall for hours, lose answers and die; the lock expires under them. After every write of the pointer and every
 * delete, what readers reach has to be there (spec/correctness.md P1, P12, P19).
 */
import { eventPath, POINTER_PATH } from '../../lib/protocol/orchestration/paths.ts'
import { pathOf } from '../../lib/protocol/orchestration/projection/artifact.ts'
import { timeMs } from '../../lib/protocol/orchestration/projection/document-parts.ts'
import { parseDocument } from '../../lib/protocol/orchestration/projection/documents.ts'
import { layersOf } from '../../lib/protocol/orchestration/projection/load.ts'
import { MANIFEST, type Manifest } from '../../lib/protocol/orchestration/projection/manifest.ts'
import { POINTER } from '../../lib/protocol/orchestration/projection/pointer.ts'
import { rebuild, REBUILD_DEFAULTS } from '../../lib/protocol/orchestration/projection/rebuild.ts'
import { SteppedMaintenance } from './maintenance-stepper.ts'
import { eventAt } from './projection-events.ts'
import type { CollectorCode } from './reconcile-variants.ts'
import { reconcileWorld, type ReconcileWorld } from './reconcile-world.ts'
import { Stepped } from './stepper.ts'

/** What a race came to. */
export interface RaceStats {
  published: number
  collected: number
  deleted_objects: number
  skipped_paths: number
}

const HOUR_MS = 3_600_000
const ROUNDS = 8

/** A process of either kind. */
interface Racer {
  /** How often it is chosen, against the others. 0: it stalls until nobody else is left. */
  readonly weight: number
  /** One step; false when it was the last one. */
  step(): Promise<boolean>
}

/**
 * Race once, in rounds; throws the first promise that is broken. In each round a publisher comes some way, most often to
 * the write of the pointer; time passes; then it goes on beside collectors and another publisher.
 */
export async function raceOnce(seed: number, code: CollectorCode): Promise<RaceStats> {
  const random = generator(seed)
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T
  const world = reconcileWorld({
    reconciler: code,
    reconcile_settings: { retention: { revisions: 0, younger_ms: HOUR_MS } },
    settings: { wait_ms: 0 },
  })
  const stats: RaceStats = { published: 0, collected: 0, deleted_objects: 0, skipped_paths: 0 }
  let events = 0

  async function startPublisher(): Promise<Stepped<{ readonly ok: boolean }>> {
    const event_paths = world.append([eventAt(events), eventAt(events + 1)])
    // One event is offered again by the next publisher, so that not all of them write something.
    events += 1
    if (random() < 0.3) {
      const rebuild_manifest_path = `state/orchestration/rebuilds/list-${events}.json`
      const all = Array.from({ length: events + 1 }, (_, at) => eventPath(eventAt(at)))
      world.write(rebuild_manifest_path, JSON.stringify({ event_paths: all }))
      const request = { ...REBUILD_DEFAULTS, rebuild_manifest_path, mode: 'full' as const }
      return Stepped.start(rebuild(world.settings, request), world.env)
    }
    return Stepped.start(code.compact(world.settings, { event_paths, fencing_token: null }), world.env)
  }

  function publisherRacer(publisher: Stepped<{ readonly ok: boolean }>): Racer {
    return {
      weight: pick([0, 0.2, 1, 3]),
      async step() {
        const label = pick(publisher.pending)
        const fate = random()
        if (fate < 0.01) return false
        if (fate < 0.05 && label.startsWith('put')) await publisher.failAfter(label)
        else if (fate < 0.07 && label.startsWith('put')) await publisher.failBefore(label)
        else await publisher.step(label)
        if (label === 'put pointer') checkReachable(world)
        if (publisher.pending.length > 0) return true
        if (publisher.result?.ok === true) stats.published += 1
        return false
      },
    }
  }

  async function collectorRacer(): Promise<Racer> {
    const collector = await SteppedMaintenance.start(world.reconciling(), world.maintenance_env)
    return {
      weight: pick([0.5, 1, 3]),
      async step() {
        const writes = collector.waiting.some((name) => name.startsWith('delete') || name === 'put pointer')
        await collector.step()
        if (writes) checkReachable(world)
        if (collector.waiting.length > 0) return true
        const { result } = collector
        if (result?.ok === true) {
          stats.collected += 1
          stats.deleted_objects += result.repair_result?.deleted_objects ?? 0
          stats.skipped_paths += result.repair_result?.skipped_paths ?? 0
        }
        return false
      },
    }
  }

  async function settle(racers: Racer[]): Promise<void> {
    while (racers.length > 0) {
      world.store_clock.now_ms = world.clock.now_ms
      const total = racers.reduce((sum, { weight }) => sum + weight, 0)
      let at = random() * total
      const chosen = racers.find(({ weight }) => (at -= weight) < 0) ?? pick(racers)
      if (!(await chosen.step())) racers.splice(racers.indexOf(chosen), 1)
    }
  }

  for (let round = 0; round < ROUNDS; round++) {
    const publisher = await startPublisher()
    for (let steps = pick([5, 10, 40, 40, 40]); steps > 0 && publisher.pending.length > 0; steps--) {
      if (publisher.pending.includes('put pointer')) break
      await publisher.step(pick(publisher.pending))
    }
    world.pass(pick([40_000, 2 * HOUR_MS, 2 * HOUR_MS, 5 * HOUR_MS]))
    const racers = publisher.pending.length > 0 && random() < 0.8 ? [publisherRacer(publisher)] : []
    racers.push(await collectorRacer())
    if (random() < 0.3) racers.push(await collectorRacer())
    if (random() < 0.3) racers.push(publisherRacer(await startPublisher()))
    await settle(racers)
  }
  return stats
}

/** Everything that readers resolve now, and everything that was visible within the time that is kept. */
export function checkReachable({ store, prefix, clock }: ReconcileWorld): void {
  const bytesOf = (path: string): Uint8Array => {
    const object = store.peek(prefix + path)
    if (object === null) throw new Error(`P12: ${path} is reachable and does not exist`)
    return object.bytes
  }
  if (store.peek(prefix + POINTER_PATH) === null) return
  let path: string | null = parseDocument(POINTER, POINTER_PATH, bytesOf(POINTER_PATH)).manifest_path
  let replaced_ms = Number.POSITIVE_INFINITY
  while (path !== null && replaced_ms >= clock.now_ms - HOUR_MS) {
    const manifest: Manifest = parseDocument(MANIFEST, path, bytesOf(path))
    for (const { tables, deletions } of layersOf(manifest)) {
      for (const ref of [...tables.map((each) => each.ref), ...(deletions === null ? [] : [deletions])]) {
        const { length } = bytesOf(pathOf(ref))
        if (typeof ref !== 'string' && length !== ref.byte_size)
          throw new Error(`P1: ${ref.path} has ${length} bytes`)
      }
    }
    replaced_ms = timeMs(manifest.published_at)
    path = manifest.previous_manifest_path
  }
}

/** Mulberry32: the same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
