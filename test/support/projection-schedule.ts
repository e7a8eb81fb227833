/**
 * Publishers that nothing keeps apart, with faults, and a collector that waits for no quarantine, on one bucket: what a
 * random schedule moves (spec/correctness.md 9.8). Every promise is looked at after every answer and every delete.
 */
import { memoryStore } from '../../lib/store/memory.ts'
import { LOCK_PATH } from '../../lib/protocol/orchestration/paths.ts'
import type { CompactResult, RebuildResult } from '../../lib/protocol/orchestration/projection/outcomes.ts'
import { REBUILD_DEFAULTS } from '../../lib/protocol/orchestration/projection/rebuild.ts'
import type { Protocol } from '../../lib/protocol/effects.ts'
import { collectorOf } from './projection-collector.ts'
import { eventAt, idAt } from './projection-events.ts'
import { SHIPPED, type ProjectionProtocol } from './projection-protocol.ts'
import { watchedWorld, type WatchedWorld } from './projection-rule.ts'
import { runsOf } from './projection-steps.ts'
import { BrokenPromise } from './projection-watch.ts'
import { folded, WORLD_START_MS } from './projection-world.ts'
import { Stepped } from './stepper.ts'

/** Events in the ledger, numbered from 1. */
export const EVENTS = 8
/** The token of a lease that outlives every schedule. */
const SHARED_TOKEN = 1

/** One process of a cast. */
export interface Part {
  readonly kind: 'compact' | 'incremental' | 'full' | 'collector'
  /** Numbers of the events that it lists; a rebuild from scratch lists all. */
  readonly events: readonly number[]
  readonly clock_ahead_ms: number
}

/** A cast and what happens to it. */
export interface Schedule {
  readonly parts: readonly Part[]
  /** Everybody has one and the same valid token, or everybody takes the lock. */
  readonly is_fenced: boolean
  readonly acts: readonly { readonly who: number; readonly act: Act }[]
}

/** What can happen to one operation of a process; all that wait, in order, are a batch. */
type Disturbance = 'step' | 'batch' | 'failBefore' | 'failAfter' | 'detach' | 'throttle'

/** The process vanishes, its clock moves, or a write of somebody who gave it up lands. */
export type Act = Disturbance | 'kill' | 'tick' | 'land'

/** Acts that are not an operation performed as asked. */
export const FAULTS = [
  'batch',
  'failBefore',
  'failAfter',
  'detach',
  'throttle',
  'kill',
  'tick',
  'land',
] as const

/** Play a schedule; throws when a promise is broken on the way or in the end. */
export async function play(
  { parts, is_fenced, acts }: Schedule,
  protocol: ProjectionProtocol = SHIPPED,
): Promise<void> {
  const bucket = new Bucket(protocol)
  if (is_fenced) {
    const record = { holderId: 'all', acquiredAt: '2026-02-21T12:00:00Z', expiresAt: '2026-02-22T11:00:00Z' }
    bucket.first.write(LOCK_PATH, JSON.stringify({ ...record, sequenceNumber: SHARED_TOKEN }))
  }
  const actors: Actor[] = []
  for (const part of parts) actors.push(await bucket.actor(part, is_fenced))
  for (const { who, act } of acts) {
    const actor = actors[who % actors.length]
    if (actor !== undefined) await perform(bucket, actor, act)
  }
  await quiesce(bucket)
}

/** One process on the shared bucket. */
interface Actor {
  readonly part: Part
  readonly world: WatchedWorld
  readonly process: Stepped<CompactResult | RebuildResult> | null
  /** Steps of a collector that are left. */
  readonly collection: AsyncGenerator<void> | null
  is_done: boolean
}

/** The bucket, who works on it, and what they were told. */
class Bucket {
  readonly store = memoryStore({ clock: () => 0, tokens: 'content' })
  readonly first: WatchedWorld
  readonly paths: readonly string[]
  readonly late: (() => Promise<void>)[] = []
  /** Runs that somebody was told are visible. */
  readonly acknowledged = new Set<string>()

  constructor(protocol: ProjectionProtocol) {
    this.first = watchedWorld({ store: this.store, protocol })
    this.paths = this.first.append(Array.from({ length: EVENTS }, (_, at) => eventAt(at + 1)))
  }

  async actor(part_of: Part, is_fenced: boolean): Promise<Actor> {
    const { store, first } = this
    const world = watchedWorld({
      store,
      protocol: first.protocol,
      watch: first.watch,
      now_ms: WORLD_START_MS + part_of.clock_ahead_ms,
      settings: { chunk_events: 3 },
    })
    const fencing_token = is_fenced ? SHARED_TOKEN : null
    const { protocol, settings, env } = world
    const event_paths = part_of.events.map((number) => this.paths[number - 1] ?? '')
    const operation = (): Protocol<CompactResult | RebuildResult> =>
      part_of.kind === 'compact'
        ? protocol.compact(settings, { event_paths, fencing_token })
        : protocol.rebuild(settings, {
            ...REBUILD_DEFAULTS,
            rebuild_manifest_path: first.list(part_of.kind === 'full' ? this.paths : event_paths),
            mode: part_of.kind === 'full' ? 'full' : 'incremental',
            fencing_token,
          })
    const is_collector = part_of.kind === 'collector'
    return {
      part: part_of,
      world,
      process: is_collector ? null : await Stepped.start(operation(), env, protocol.StoreError),
      collection: is_collector ? collection(world) : null,
      is_done: false,
    }
  }

  /** P5, P15: who was told 200 is on the chain, and what they published is visible from then on. */
  async note({ part: { kind, events } }: Actor, result: CompactResult | RebuildResult): Promise<void> {
    if (!result.ok) return
    const { manifest_id, manifest_revision } = result
    const is_visible = this.first.watch
      .chain()
      .some(
        (manifest) => manifest.manifest_id === manifest_id && manifest.revision_ulid === manifest_revision,
      )
    if (!is_visible)
      throw new BrokenPromise('P15', `${manifest_id} is not on the chain, and somebody was told that it is`)
    const told = kind === 'full' ? Array.from({ length: EVENTS }, (_, at) => at + 1) : events
    for (const number of told) {
      const is_folded = kind !== 'incremental' || idAt(number) > (result.watermark_before ?? '')
      if (is_folded) this.acknowledged.add(`run-${number}`)
    }
    await this.check()
  }

  async check(): Promise<void> {
    if (this.first.watch.heads.length === 0) return
    this.first.watch.checkReachable()
    const runs = new Set(await runsOf(this.first))
    const lost = [...this.acknowledged].filter((run) => !runs.has(run))
    if (lost.length > 0) throw new BrokenPromise('P5', `${lost.join(', ')} was visible and is not`)
  }
}

async function* collection(world: WatchedWorld): AsyncGenerator<void> {
  const collector = collectorOf(world, 0)
  const candidates = await collector.list()
  yield
  if (world.pointer() === null || !(await collector.touch())) return
  yield
  const doomed = await collector.unreachable(candidates)
  yield
  for (const path of doomed) {
    await collector.remove([path])
    world.watch.checkReachable()
    yield
  }
}

async function perform(bucket: Bucket, actor: Actor, what: Act): Promise<void> {
  const { process, collection: steps, world } = actor
  if (what === 'land') return bucket.late.shift()?.()
  if (what === 'tick') world.clock.now_ms += 11_000
  if (what === 'tick' || actor.is_done) return
  if (what === 'kill') actor.is_done = true
  else if (process !== null) await disturb(bucket, process, what)
  else if (steps !== null) actor.is_done = (await steps.next()).done === true
  if (what === 'kill') process?.kill()
  const result = process?.result
  if (result === undefined) return
  actor.is_done = true
  await bucket.note(actor, result)
}

async function disturb(
  bucket: Bucket,
  process: Stepped<CompactResult | RebuildResult>,
  what: Disturbance,
): Promise<void> {
  const [label] = process.pending
  if (label === undefined) return
  const is_put = label.startsWith('put ')
  if (what === 'batch') await process.step()
  else if (what === 'step' || (!is_put && what !== 'failBefore')) await process.step(label)
  else if (what === 'detach') bucket.late.push(await process.detach(label))
  else await process[what](label)
}

/** Faults stop, what was on its way lands, and one compaction of everything finds a workspace that works (P11). */
async function quiesce(bucket: Bucket): Promise<void> {
  for (const land of bucket.late) await land()
  await bucket.check()
  const { store, first, paths } = bucket
  const { protocol, watch } = first
  const world = watchedWorld({ store, protocol, watch, now_ms: WORLD_START_MS + 86_400_000 })
  folded(await world.compact(paths))
  await bucket.check()
  const rows = await world.rows()
  const counts = ['runs', 'idempotency_keys'].map((table) => rows[table]?.length ?? 0)
  if (counts.some((count) => count !== EVENTS)) throw new BrokenPromise('P4', `${counts.join(', ')} rows`)
}
