/** What a rebuild promises (spec/correctness.md P7, P8, P14, P16, runbook section 3): equal rows, and one publisher at a time. */
import { acquire, fencingToken, forceBreak, type Guard } from '../protocol/lock.ts'
import { allRows } from '../protocol/orchestration/fold/layers.ts'
import { LOCK_PATH, POINTER_PATH } from '../protocol/orchestration/paths.ts'
import { compact } from '../protocol/orchestration/projection/compact.ts'
import type { Folded } from '../protocol/orchestration/projection/outcomes.ts'
import { readProjection } from '../protocol/orchestration/projection/read.ts'
import {
  rebuild,
  REBUILD_DEFAULTS,
  type RebuildRequest,
} from '../protocol/orchestration/projection/rebuild.ts'
import { TABLE_NAMES } from '../protocol/orchestration/tables/all.ts'
import type { Workspace } from './bench.ts'
import { Broken, expectRefused, expectSame, succeeded, type Gate } from './gate.ts'
import { ledger, type StoredEvent } from './ledger.ts'

const rebuildEquivalence: Gate = {
  id: 'rebuild-equivalence',
  promise:
    'A rebuild from shuffled duplicates, one compaction and a compaction for each event show the same rows',
  async prove(bench) {
    const events = ledger(Date.now())
    const [once, each, rebuilt] = ['compacted-once', 'compacted-each', 'rebuilt'].map((name) =>
      bench.workspace(name),
    ) as [Workspace, Workspace, Workspace]
    await Promise.all([once, each, rebuilt].map(async (workspace) => append(workspace, events)))
    await compacted(once, events)
    for (const event of events) await compacted(each, [event])
    const { accounting } = await rebuiltFrom(rebuilt, shuffledTwice(events))
    expectSame('duplicates that the rebuild counted', events.length, accounting.duplicate)
    const rows = await rowsOf(once)
    expectEqualRows('a compaction for each event', rows, await rowsOf(each))
    expectEqualRows('a rebuild from shuffled duplicates', rows, await rowsOf(rebuilt))
    expectSame('listings', 0, bench.listings)
    return `${events.length} events: the same ${rows.count} rows and watermark three ways, without a listing`
  },
}

const staleWatermark: Gate = {
  id: 'rebuild-stale-watermark',
  promise: 'A projection that fell behind its ledger catches up from a list, and nothing lists the ledger',
  async prove(bench) {
    const events = ledger(Date.now())
    const half = events.length / 2
    const [stale, fresh] = ['stale', 'stale-compared'].map((name) => bench.workspace(name)) as [
      Workspace,
      Workspace,
    ]
    await Promise.all([stale, fresh].map(async (workspace) => append(workspace, events)))
    await compacted(fresh, events)
    const before = await compacted(stale, events.slice(0, half))
    const after = await rebuiltFrom(stale, shuffledTwice(events))
    expectSame('events that the rebuild read', events.length - half, after.events_processed)
    expectSame('events that were visible before', half, after.accounting.below_floor)
    if ((after.watermark_after ?? '') <= (before.watermark_after ?? '')) {
      throw new Broken(`the watermark: expected it to advance, saw it stay at ${after.watermark_after}`)
    }
    expectEqualRows('the projection that caught up', await rowsOf(fresh), await rowsOf(stale))
    expectSame('listings', 0, bench.listings)
    return `${half} events behind: they were read, the watermark advanced, and no listing was asked for`
  },
}

const straggler: Gate = {
  id: 'rebuild-straggler',
  promise: 'An event below the watermark is counted, never dropped in silence, and a full rebuild folds it',
  async prove(bench) {
    const events = ledger(Date.now())
    const late = events.slice(1, 2)
    const [behind, fresh] = ['straggler', 'straggler-compared'].map((name) => bench.workspace(name)) as [
      Workspace,
      Workspace,
    ]
    await Promise.all([behind, fresh].map(async (workspace) => append(workspace, events)))
    await compacted(fresh, events)
    const on_time = events.filter((event) => !late.includes(event))
    await compacted(behind, on_time)
    const skipped = await rebuiltFrom(behind, late)
    expectSame('stragglers that were counted', 1, skipped.accounting.below_floor)
    await rebuiltFrom(behind, events, { mode: 'full' })
    expectEqualRows('the full rebuild', await rowsOf(fresh), await rowsOf(behind))
    return 'one straggler: counted as below_floor, folded by mode full'
  },
}

const fencing: Gate = {
  id: 'fencing',
  promise: 'A holder of the compaction lock that was overtaken cannot publish with its token',
  async prove(bench) {
    const workspace = bench.workspace('fencing')
    const [first, second, third] = threeOf(ledger(Date.now()))
    await append(workspace, [first, second, third])
    const overtaken = fencingToken(await taken(workspace))
    succeeded('force-break', await workspace.run(forceBreak(LOCK_PATH)))
    const current = fencingToken(await taken(workspace))
    if (current <= overtaken)
      throw new Broken(`fencing tokens: expected more than ${overtaken}, saw ${current}`)
    await refusesToken(workspace, first, overtaken)
    expectSame('the pointer', null, await workspace.text(POINTER_PATH))
    await compacted(workspace, [second], current)
    const pointer = await workspace.text(POINTER_PATH)
    await refusesToken(workspace, third, overtaken)
    expectSame('the pointer after the refusal', pointer, await workspace.text(POINTER_PATH))
    return `token ${overtaken} was refused twice, token ${current} published`
  },
}

const zombiePublisher: Gate = {
  id: 'zombie-publisher',
  promise:
    'A publisher that sleeps before it moves the pointer and is overtaken loses, and its events are not lost',
  async prove(bench) {
    const workspace = bench.workspace('zombie-publisher')
    const events = threeOf(ledger(Date.now()))
    const [first, second, third] = events
    await append(workspace, events)
    await compacted(workspace, [first])
    const zombie = workspace.start(
      compact(workspace.projection, { event_paths: [second.path], fencing_token: null }),
    )
    const stands = await zombie.runUntil(({ path }) => path === POINTER_PATH)
    if (!stands) throw new Broken('a compaction ended without moving the pointer')
    succeeded('force-break', await workspace.run(forceBreak(LOCK_PATH)))
    await compacted(workspace, [third])
    const pointer = await workspace.text(POINTER_PATH)
    const refusals = ['lease_lost', 'stale_fencing_token', 'lock_expired', 'contention']
    expectRefused('the zombie', refusals, await zombie.finish())
    expectSame('the pointer after the zombie woke', pointer, await workspace.text(POINTER_PATH))
    await compacted(workspace, [second])
    const runs = (await rowsOf(workspace)).runs
    expectSame('runs after its events were folded again', 2, runs)
    return 'its pointer write was refused; the next compaction stepped over its manifest and folded its events'
  },
}

async function append(workspace: Workspace, events: readonly StoredEvent[]): Promise<void> {
  await Promise.all(events.map(async ({ path, bytes }) => workspace.write(path, bytes)))
}

async function compacted(
  workspace: Workspace,
  events: readonly StoredEvent[],
  fencing_token: number | null = null,
): Promise<Folded> {
  const request = { event_paths: events.map(({ path }) => path), fencing_token }
  return succeeded('a compaction', await workspace.run(compact(workspace.projection, request)))
}

async function refusesToken(workspace: Workspace, event: StoredEvent, fencing_token: number): Promise<void> {
  const request = { event_paths: [event.path], fencing_token }
  const result = await workspace.run(compact(workspace.projection, request))
  expectRefused(`a compaction with token ${fencing_token}`, ['stale_fencing_token'], result)
}

async function rebuiltFrom(
  workspace: Workspace,
  events: readonly StoredEvent[],
  options: Partial<RebuildRequest> = {},
): Promise<Folded> {
  const rebuild_manifest_path = `state/orchestration/rebuilds/gates-${options.mode ?? 'incremental'}.json`
  const list = JSON.stringify({ event_paths: events.map(({ path }) => path) })
  await workspace.write(rebuild_manifest_path, new TextEncoder().encode(list))
  const request = { ...REBUILD_DEFAULTS, rebuild_manifest_path, ...options }
  return succeeded('a rebuild', await workspace.run(rebuild(workspace.projection, request)))
}

/** Every event twice, none where it belongs. */
function shuffledTwice(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const odd = events.filter((_, at) => at % 2 === 1)
  const even = events.filter((_, at) => at % 2 === 0)
  return [...odd.toReversed(), ...even, ...even.toReversed(), ...odd]
}

function threeOf(events: readonly StoredEvent[]): [StoredEvent, StoredEvent, StoredEvent] {
  const [first, second, third] = events
  if (first === undefined || second === undefined || third === undefined) throw new Error('too few events')
  return [first, second, third]
}

async function taken(workspace: Workspace): Promise<Guard> {
  return succeeded('taking the compaction lock', await workspace.run(acquire({ path: LOCK_PATH }))).guard
}

/** What readers see. */
interface Rows {
  readonly watermark: string | null
  readonly count: number
  readonly runs: number
  /** Every row of every table, in the order of their keys. */
  readonly text: string
}

async function rowsOf(workspace: Workspace): Promise<Rows> {
  const seen = succeeded('reading the projection', await workspace.run(readProjection(workspace.projection)))
  const tables = TABLE_NAMES.map((name) => [name, allRows(seen.state, name)] as const)
  return {
    watermark: seen.manifest?.watermarks.last_visible_event_id ?? null,
    count: tables.reduce((count, [, rows]) => count + rows.length, 0),
    runs: allRows(seen.state, 'runs').length,
    text: JSON.stringify(tables, plain),
  }
}

/** Cells that JSON has no form for; members in one order. */
function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const members =
    value instanceof Map
      ? [...(value as Map<string, unknown>)]
      : Object.entries(value as Record<string, unknown>)
  return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function expectEqualRows(what: string, expected: Rows, seen: Rows): void {
  expectSame(`the watermark of ${what}`, expected.watermark, seen.watermark)
  expectSame(`rows of ${what}`, expected.count, seen.count)
  if (expected.text !== seen.text) throw new Broken(`${what}: expected the same rows, saw others`)
}

/** Rebuild equivalence, recovery without listing, and who may publish. */
export const PROJECTION_GATES: readonly Gate[] = [
  rebuildEquivalence,
  staleWatermark,
  straggler,
  fencing,
  zombiePublisher,
]
