/**
 * Operations on the projection that are disturbed at one store operation: killed there, or with a fault there. What
 * happens next is up to the test. The bucket that an operation begins with is prepared once and copied for every run.
 */
import { memoryStore } from '../../lib/store/memory.ts'
import type { CompactResult, RebuildResult } from '../../lib/protocol/orchestration/projection/outcomes.ts'
import { textOfDump } from './projection.ts'
import { eventsAt, runOfTasks } from './projection-events.ts'
import { watchedWorld, type WatchedWorld } from './projection-rule.ts'
import { compacting, LEASE_OVER_MS, rebuilding } from './projection-steps.ts'
import { folded } from './projection-world.ts'
import type { Stepped } from './stepper.ts'

/** Something that publishes, and the bucket that it begins with. */
export interface Publishing {
  readonly name: string
  prepare(world: WatchedWorld): Promise<void>
  start(world: WatchedWorld): Promise<Stepped<CompactResult | RebuildResult>>
}

const LIST = 'state/orchestration/rebuilds/all.json'
const ALL = [...eventsAt(1, 4), ...runOfTasks(1, 4), ...eventsAt(8, 10)]

async function prepareList(world: WatchedWorld): Promise<void> {
  world.write(LIST, JSON.stringify({ event_paths: world.append(ALL).toReversed() }))
}

/** Everything that publishes. */
export const PUBLISHING: readonly Publishing[] = [
  {
    name: 'the first compaction of a workspace',
    prepare: async (world) => {
      world.append(ALL)
    },
    start: async (world) => compacting(world, world.append(ALL.slice(0, 5))),
  },
  {
    name: 'a bootstrap without events',
    prepare: async () => undefined,
    start: async (world) => compacting(world, []),
  },
  {
    name: 'a compaction that adds a delta and deletes a row',
    prepare: async (world) => {
      folded(await world.compact(world.append(ALL.slice(0, 5))))
    },
    start: async (world) => compacting(world, world.append(ALL.slice(5))),
  },
  {
    name: 'a compaction that merges to a base',
    prepare: async (world) => {
      folded(await world.compact(world.append(ALL.slice(0, 5))))
      world.clock.now_ms += 300_000
    },
    start: async (world) => compacting(world, world.append(ALL.slice(5))),
  },
  {
    name: 'an incremental rebuild in three chunks',
    prepare: prepareList,
    start: async (world) => rebuilding(world, { rebuild_manifest_path: LIST }),
  },
  {
    name: 'a rebuild from scratch in three chunks',
    prepare: async (world) => {
      await prepareList(world)
      folded(await world.compact(world.append(ALL.slice(0, 2))))
    },
    start: async (world) => rebuilding(world, { rebuild_manifest_path: LIST, mode: 'full' }),
  },
]

/** A bucket to begin with, as often as wanted. */
export interface Prepared {
  readonly publishing: Publishing
  world(): WatchedWorld
  start(world: WatchedWorld): Promise<Stepped<CompactResult | RebuildResult>>
  /** Operations of an undisturbed run, in order. */
  readonly labels: readonly string[]
  /** What readers saw after each publish of it, from the beginning on. */
  readonly states: readonly string[]
  readonly end: Visible
  /** Pointers that there were then, one before another. */
  readonly heads: number
}

/** What readers see, and the files that a projection is made of. */
export interface Visible {
  readonly rows: string
  readonly watermark: string | null
  readonly schema_version: number | null
}

/** Prepare a bucket and run the operation undisturbed. */
export async function prepared(publishing: Publishing): Promise<Prepared> {
  const settings = { chunk_events: 4 }
  const first = watchedWorld({ settings })
  await publishing.prepare(first)
  const now_ms = first.clock.now_ms
  const objects = first.store.dump()
  function world(): WatchedWorld {
    const store = memoryStore({ tokens: 'content' })
    for (const [key, bytes] of objects) store.seed(key, bytes)
    return watchedWorld({ store, settings, now_ms })
  }
  const undisturbed = world()
  const labels: string[] = []
  const states = [(await visibleIn(undisturbed)).rows]
  const process = await publishing.start(undisturbed)
  for (let [label] = process.pending; label !== undefined; [label] = process.pending) {
    labels.push(label)
    await process.step(label)
    if (label === 'put pointer') states.push((await visibleIn(undisturbed)).rows)
  }
  folded(process.result ?? { ok: false })
  const end = await visibleIn(undisturbed)
  return {
    publishing,
    world,
    start: async (begun) => publishing.start(begun),
    labels,
    states,
    end,
    heads: undisturbed.watch.heads.length,
  }
}

/** What readers see now. */
export async function visibleIn(world: WatchedWorld): Promise<Visible> {
  const rows = textOfDump(await world.rows())
  const head = world.pointer() === null ? undefined : world.watch.chain()[0]
  return {
    rows,
    watermark: head?.watermarks.last_visible_event_id ?? null,
    schema_version: head?.schema_version ?? null,
  }
}

/** Perform the first operations of a process; false when it ended before. */
export async function stepTo(process: Stepped<unknown>, count: number): Promise<boolean> {
  for (let done = 0; done < count; done++) {
    const [label] = process.pending
    if (label === undefined) return false
    await process.step(label)
  }
  return process.pending.length > 0
}

/** The lease of whoever is gone ends. */
export function passLease(world: WatchedWorld): void {
  world.clock.now_ms += LEASE_OVER_MS
}

/** Event 20 is one that no operation here has folded. */
export async function publishOneMore(world: WatchedWorld): Promise<void> {
  const { accounting, revisions } = folded(await world.compact(world.append(eventsAt(20, 21))))
  if (accounting.applied !== 1 || revisions !== 1) throw new Error('the next publisher did not publish')
}
