/**
 * Laws of the engine over random ledgers (spec/correctness.md 7, gate G6 of 13): whatever the order, the repetitions, the
 * chunks and the batches, the rows are those of the slow fold, and the files of two rebuilds are the same, byte for byte.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LedgerEvent } from '../../../../lib/protocol/orchestration/events/kinds.ts'
import { compareEvents } from '../../../../lib/protocol/orchestration/fold/fold.ts'
import type { Folded } from '../../../../lib/protocol/orchestration/projection/outcomes.ts'
import { eventPath } from '../../../../lib/protocol/orchestration/paths.ts'
import { pathProblem } from '../../../../lib/protocol/orchestration/projection/load-events.ts'
import { atStoredPrecision } from '../../../../lib/protocol/orchestration/projection/stored-precision.ts'
import { histories } from '../../../support/fold-histories.ts'
import { foldBatch, loadModel, type ModelDelta } from '../../../support/model/batches.ts'
import { textOfDump, textOfModel } from '../../../support/projection.ts'
import { watchedWorld, type WatchedOptions, type WatchedWorld } from '../../../support/projection-rule.ts'
import { folded } from '../../../support/projection-world.ts'

/** Cases of the law about bytes; the others take a fraction of them. */
const CASES = Number(process.env['TIDEMARK_CASES'] ?? 1_000)
const LONG = { timeout: 60_000 + CASES * 200 }

const SECRET = 'secret'
const SETTINGS = { tenant_secret: new TextEncoder().encode(SECRET), terminal_run_days: 5 }

/** Some hours, so that nothing expires. */
const hours = histories({ length_max: 14, ids: 'ascending' })
/** Months from the first event to the last, so that runs, evaluations and keys expire on the way. */
const months = histories({ length_max: 14, ids: 'ascending', step_s_max: 700_000, fresh_runs: true })

/** Ids of any kind, each once, that can be the name of an object. */
const strange = histories({ length_max: 14, ids: 'any' }).map((events) => [
  ...new Map(
    events.filter((event) => pathProblem(eventPath(event)) === null).map((event) => [event.event_id, event]),
  ).values(),
])

const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 })
/** For putting lists into another order: weights to sort by, and how many are listed twice. */
const order = fc.record({ weights: fc.infiniteStream(fc.nat()), twice: fc.nat(5) })

/** A test body: the law holds of every value. */
function forAll<T>(
  values: fc.Arbitrary<T>,
  share: number,
  holds: (value: T) => Promise<void>,
): () => Promise<void> {
  return async () => fc.assert(fc.asyncProperty(values, holds), { numRuns: Math.max(1, CASES * share) })
}

function worldOf(settings: WatchedOptions['settings'] = {}, options: WatchedOptions = {}): WatchedWorld {
  return watchedWorld({ ...options, settings: { ...SETTINGS, ...settings } })
}

function reordered(
  paths: readonly string[],
  { weights, twice }: { readonly weights: Iterator<number>; readonly twice: number },
): string[] {
  return [...paths, ...paths.slice(0, twice)]
    .map((path) => ({ path, weight: Number(weights.next().value) }))
    .toSorted((a, b) => a.weight - b.weight)
    .map(({ path }) => path)
}

function inBatches<T>(items: readonly T[], batch_sizes: readonly number[]): T[][] {
  const batches: T[][] = []
  for (let from = 0; from < items.length;) {
    const size = batch_sizes[batches.length % batch_sizes.length] ?? 1
    batches.push(items.slice(from, from + size))
    from += size
  }
  return batches
}

/** What is the same for two rebuilds of one list: everything but ids, paths and times. */
function contentOf(world: WatchedWorld): object {
  const [manifest] = world.watch.chain()
  if (manifest === undefined) throw new Error('nothing is visible')
  const { schema_version, watermarks, base_snapshot, l0_deltas, quarantine, publication_witness } = manifest
  const { last_processed_at: _at, ...ids } = watermarks
  const tables = base_snapshot.tables.map(({ table, org_id, ref }) => {
    if (typeof ref === 'string') throw new Error('a reference of an early version')
    return { table, org_id, checksum_sha256: ref.checksum_sha256, byte_size: ref.byte_size }
  })
  return { schema_version, ids, tables, l0_deltas, quarantine, publication_witness }
}

/** P14. */
function expectAccounted({ accounting }: Folded, listed: number): void {
  const { applied, no_effect, duplicate, below_floor, quarantined } = accounting
  expect(applied + no_effect + duplicate + below_floor + quarantined).toBe(listed)
}

/** The rows of the slow driver after some batches, each in the order of its ids. */
function modelOf(batches: readonly (readonly LedgerEvent[])[], terminal_run_days: number | null): string {
  const deltas: ModelDelta[] = []
  let last: string | null = null
  for (const batch of batches) {
    const events = batch.map(atStoredPrecision)
    deltas.push(foldBatch({ secret: SECRET, terminal_run_days }, deltas, events, last))
    const highest = batch.toSorted(compareEvents).at(-1)?.event_id ?? null
    if (highest !== null && (last === null || highest > last)) last = highest
  }
  return textOfModel(loadModel(SECRET, deltas))
}

describe('G6: a rebuild from scratch', () => {
  test(
    'P7, P18, Q7: two of one ledger have the same files, whatever the order, the repetitions and the chunks',
    LONG,
    forAll(
      fc.tuple(months, order, fc.integer({ min: 1, max: 15 })),
      1,
      async ([events, shuffle, chunk_events]) => {
        const plain = worldOf({ chunk_events: 1_000 })
        const paths = plain.append(events)
        expectAccounted(folded(await plain.rebuild(paths, { mode: 'full' })), paths.length)
        const other = worldOf({ chunk_events, reads_max: 3 }, { now_ms: 1_900_000_000_000 })
        other.append(events)
        const listed = reordered(paths, shuffle)
        expectAccounted(folded(await other.rebuild(listed, { mode: 'full' })), listed.length)
        expect(contentOf(other)).toEqual(contentOf(plain))
      },
    ),
  )

  test(
    'P3, P9: its rows are those of the slow fold, and a second one publishes nothing',
    LONG,
    forAll(fc.tuple(months, order), 0.1, async ([events, shuffle]) => {
      const world = worldOf({ chunk_events: 4 })
      const listed = reordered(world.append(events), shuffle)
      const first = folded(await world.rebuild(listed, { mode: 'full' }))
      expect(textOfDump(await world.rows())).toBe(modelOf([events], 5))
      const again = folded(await world.rebuild(listed, { mode: 'full' }))
      expect(again).toMatchObject({ revisions: 0, manifest_revision: first.manifest_revision })
    }),
  )

  test(
    'P3, P7: ids that are no ULIDs, in lower case or from another time fold by their bytes like all others',
    LONG,
    forAll(
      fc.tuple(strange, order, fc.integer({ min: 1, max: 5 })),
      0.1,
      async ([events, shuffle, chunk_events]) => {
        const full = worldOf({ chunk_events })
        folded(await full.rebuild(reordered(full.append(events), shuffle), { mode: 'full' }))
        const rows = textOfDump(await full.rows())
        expect(rows).toBe(modelOf([events], 5))
        const chunks = worldOf({ chunk_events })
        folded(await chunks.rebuild(reordered(chunks.append(events), shuffle)))
        expect(textOfDump(await chunks.rows())).toBe(rows)
      },
    ),
  )

  test(
    'Q10, P11: one that was killed on the way and went on has the same files as one that was not',
    LONG,
    forAll(
      fc.tuple(months, fc.integer({ min: 1, max: 5 }), fc.nat(3)),
      0.1,
      async ([events, chunk_events, stop]) => {
        const plain = worldOf({ chunk_events })
        const paths = plain.append(events)
        folded(await plain.rebuild(paths, { mode: 'full' }))
        const stopped = worldOf({ chunk_events })
        const rebuild_manifest_path = stopped.list(stopped.append(events))
        const budget = { mode: 'full' as const, time_budget_ms: 0 }
        // The budget is over after every chunk: each call adds one, until the last publishes.
        for (let calls = 0, remaining = 1; remaining > 0; calls++) {
          const options =
            calls < stop
              ? { ...budget, rebuild_manifest_path }
              : { mode: 'full' as const, rebuild_manifest_path }
          ;({ remaining } = folded(await stopped.rebuild([], options)))
        }
        expect(contentOf(stopped)).toEqual(contentOf(plain))
      },
    ),
  )
})

describe('increments', () => {
  test(
    'P3, P4, P6, P7, P8: incremental rebuilds in any chunks, with merges on the way, come to the rows of the slow fold',
    LONG,
    forAll(
      fc.tuple(months, sizes, order, fc.integer({ min: 1, max: 5 })),
      0.1,
      async ([events, batch_sizes, shuffle, chunk_events]) => {
        const world = worldOf({ chunk_events })
        const paths = world.append(events)
        let seen = 0
        for (const [at, batch] of inBatches(paths, batch_sizes).entries()) {
          // Every other list finds a delta of five minutes, and is merged.
          world.clock.now_ms += at % 2 === 0 ? 1_000 : 300_000
          seen += batch.length
          const listed = reordered(paths.slice(0, seen), shuffle)
          const answer = folded(await world.rebuild(listed))
          expectAccounted(answer, listed.length)
          expect(answer.watermark_after).toBe(events[seen - 1]?.event_id)
        }
        expect(textOfDump(await world.rows())).toBe(modelOf([events], 5))
        const again = folded(await world.rebuild(paths))
        expect(again).toMatchObject({ revisions: 0, events_processed: 0 })
      },
    ),
  )

  test(
    'P3, L9: in mode understand they come to what the slow driver comes to in the same batches',
    LONG,
    forAll(fc.tuple(hours, sizes), 0.1, async ([events, batch_sizes]) => {
      const world = worldOf({ tombstones: 'understand' })
      const batches = inBatches(events, batch_sizes)
      for (const batch of batches) folded(await world.compact(world.append(batch)))
      expect(textOfDump(await world.rows())).toBe(modelOf(batches, null))
      expect(world.watch.chain()[0]?.schema_version).toBe(1)
    }),
  )

  test(
    'P3: compactions in any order of batches, late events too, come to what the slow driver comes to',
    LONG,
    forAll(fc.tuple(hours, sizes, order), 0.1, async ([events, batch_sizes, { weights }]) => {
      const world = worldOf()
      const shuffled = events
        .map((event) => ({ event, weight: Number(weights.next().value) }))
        .toSorted((a, b) => a.weight - b.weight)
        .map(({ event }) => event)
      // One fewer than a merge takes: it keeps late events as they were folded, where a delta's older rows lose to newer ones.
      const all = inBatches(shuffled, batch_sizes)
      const batches = [...all.slice(0, 8), all.slice(8).flat()].filter((batch) => batch.length > 0)
      for (const batch of batches) folded(await world.compact(world.append(batch)))
      expect(textOfDump(await world.rows())).toBe(modelOf(batches, 5))
    }),
  )

  test(
    'P4, P5, P20: every applied event has its key and no other has, and what is visible stays',
    LONG,
    forAll(fc.tuple(hours, sizes), 0.1, async ([events, batch_sizes]) => {
      const world = worldOf()
      let applied = 0
      let visible: string[] = []
      for (const batch of inBatches(events, batch_sizes)) {
        applied += folded(await world.compact(world.append(batch))).accounting.applied
        const rows = (await world.rows())['idempotency_keys'] ?? []
        const keys = rows.map(([, row]) => row['event_id'] as string)
        expect(new Set(keys).size).toBe(keys.length)
        expect(keys).toEqual(expect.arrayContaining(visible))
        visible = keys
      }
      expect(visible).toHaveLength(applied)
    }),
  )
})

describe('a dry run', () => {
  const tombstones = fc.constantFrom('emit', 'understand' as const)
  const mode = fc.constantFrom('incremental', 'full' as const)
  test(
    'RB-10: says what the same call then does, and writes nothing',
    LONG,
    forAll(
      fc.tuple(hours, fc.nat(8), fc.integer({ min: 1, max: 5 }), tombstones, mode),
      0.1,
      async ([events, visible, chunk_events, how, which]) => {
        const world = worldOf({ chunk_events, tombstones: how })
        const paths = world.append(events)
        folded(await world.compact(paths.slice(0, visible)))
        const rebuild_manifest_path = world.list(paths)
        const request = { mode: which, rebuild_manifest_path }
        const before = world.store.dump()
        const said = folded(await world.rebuild([], { ...request, dry_run: true }))
        expect(withoutLists(world.store.dump())).toEqual(withoutLists(before))
        const [head] = world.pointer() === null ? [] : world.watch.chain()
        expect(said.manifest_revision).toBe(head?.revision_ulid)
        const done = folded(await world.rebuild([], request))
        const told = ({
          accounting,
          events_processed,
          watermark_before,
          watermark_after,
          remaining,
        }: Folded) => ({
          accounting,
          events_processed,
          watermark_before,
          watermark_after,
          remaining,
        })
        expect(told(said)).toEqual(told(done))
        expect([said.dry_run, said.revisions]).toEqual([true, 0])
      },
    ),
  )
})

/** Every call of a world stores a list, also one that is not used. */
function withoutLists(objects: ReadonlyMap<string, Uint8Array>): [string, Uint8Array][] {
  return [...objects].filter(([key]) => !key.includes('/rebuilds/list-'))
}
