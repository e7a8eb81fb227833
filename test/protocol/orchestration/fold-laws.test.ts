import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { compareEvents, fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { rebuildGraphs } from '../../../lib/protocol/orchestration/fold/graph.ts'
import { allRows, loadState, takeDelta } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { Layer } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { FoldSettings, FoldState } from '../../../lib/protocol/orchestration/fold/state.ts'
import { compareBytes } from '../../../lib/protocol/orchestration/byte-order.ts'
import { newEvent } from '../../../lib/protocol/orchestration/events/encode.ts'
import type { TaskDefinition } from '../../../lib/protocol/orchestration/events/nested.ts'
import { TABLE_NAMES } from '../../../lib/protocol/orchestration/tables/all.ts'
import type { TableName } from '../../../lib/protocol/orchestration/tables/all.ts'
import { stringifyJson } from '../../../lib/protocol/json.ts'
import type { JsonValue } from '../../../lib/protocol/json.ts'
import { histories, ulidAt } from '../../support/fold-histories.ts'
import { foldBatch, loadModel } from '../../support/model/batches.ts'
import type { ModelDelta } from '../../support/model/batches.ts'
import { foldModel } from '../../support/model/fold.ts'
import { emptyModel, KEY_COLUMNS } from '../../support/model/tables.ts'
import { dumpTable, textOfModel, textOfState } from '../../support/projection.ts'

/** Cases a law; `npm run prove:fold` asks for a hundred times as many. */
const CASES = Number(process.env['TIDEMARK_CASES'] ?? 1000)
const LONG = { timeout: 30_000 + CASES * 50 }

const SECRET = 'secret'
const EMIT: FoldSettings = { tenant_secret: new TextEncoder().encode(SECRET), terminal_run_days: 5 }
const UNDERSTAND: FoldSettings = { ...EMIT, terminal_run_days: null }

const any = histories({ length_max: 30, ids: 'any' })
const ascending = histories({ length_max: 25, ids: 'ascending' })
/** Months from the first event to the last, so that runs, evaluations and keys expire on the way. */
const months = histories({ length_max: 25, ids: 'ascending', step_s_max: 400_000, fresh_runs: true })

/** A test body: the law holds of every value. */
function forAll<T>(values: fc.Arbitrary<T>, holds: (value: T) => void): () => void {
  return () => fc.assert(fc.property(values, holds), { numRuns: CASES })
}

function folded(events: readonly LedgerEvent[], settings = UNDERSTAND): FoldState {
  const state = loadState(settings)
  for (const event of events) fold(state, event)
  return state
}

/** Fold in batches of these sizes, each loading what the ones before it stored. */
function foldedInBatches(events: readonly LedgerEvent[], sizes: readonly number[]): FoldState {
  const layers: Layer[] = []
  let last: string | null = null
  for (const batch of inBatches(events, sizes)) {
    const state = loadState(EMIT, layers, last)
    for (const event of batch) fold(state, event)
    layers.push(takeDelta(state))
    last = batch.at(-1)?.event_id ?? last
  }
  return loadState(EMIT, layers, last)
}

function inBatches(events: readonly LedgerEvent[], sizes: readonly number[]): LedgerEvent[][] {
  const batches: LedgerEvent[][] = []
  for (let from = 0, at = 0; from < events.length; at += 1) {
    const size = sizes[at % sizes.length] ?? 1
    batches.push(events.slice(from, from + size))
    from += size
  }
  return batches
}

const batch_sizes = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 8 })

describe('the fold and the slow fold come to the same rows', () => {
  test(
    'P3: for any events in any order',
    LONG,
    forAll(any, (events) => {
      const model = emptyModel(SECRET)
      const state = loadState(UNDERSTAND)
      for (const event of events) expect(fold(state, event)).toBe(foldModel(model, event))
      expect(textOfState(state)).toBe(textOfModel(model))
    }),
  )

  const mixed = histories({ length_max: 30, ids: 'any', mixed_scopes: true })
  test(
    'P3: for several tenants in one state, read at any time',
    LONG,
    forAll(fc.tuple(mixed, fc.nat(30)), ([events, at]) => {
      const model = emptyModel(SECRET)
      const state = loadState(UNDERSTAND)
      for (const [index, event] of events.entries()) {
        if (index === at) takeDelta(state)
        fold(state, event)
        foldModel(model, event)
      }
      expect(textOfState(state)).toBe(textOfModel(model))
    }),
  )

  test(
    'P3: in batches with deletions and retention',
    LONG,
    forAll(fc.tuple(months, batch_sizes), ([events, sizes]) => {
      const deltas: ModelDelta[] = []
      let last: string | null = null
      for (const batch of inBatches(events, sizes)) {
        deltas.push(foldBatch({ secret: SECRET, terminal_run_days: 5 }, deltas, batch, last))
        last = batch.at(-1)?.event_id ?? last
      }
      expect(textOfState(foldedInBatches(events, sizes))).toBe(textOfModel(loadModel(SECRET, deltas)))
    }),
  )

  test(
    'P3: in batches without deletions, of any ids',
    LONG,
    forAll(fc.tuple(any, batch_sizes), ([events, sizes]) => {
      const deltas: ModelDelta[] = []
      const layers: Layer[] = []
      for (const batch of inBatches(events, sizes)) {
        deltas.push(foldBatch({ secret: SECRET, terminal_run_days: null }, deltas, batch, null))
        const state = loadState(UNDERSTAND, layers)
        for (const event of batch.toSorted(compareEvents)) fold(state, event)
        layers.push({ ...takeDelta(state), deletions: {} })
      }
      expect(textOfState(loadState(UNDERSTAND, layers))).toBe(textOfModel(loadModel(SECRET, deltas)))
    }),
  )
})

describe('laws of the driver', () => {
  test(
    'L2, P7: the order in which events are listed does not matter',
    LONG,
    forAll(fc.tuple(ascending, fc.infiniteStream(fc.nat())), ([events, weights]) => {
      const shuffled = events
        .map((event) => ({ event, weight: weights.next().value }))
        .toSorted((a, b) => a.weight - b.weight)
        .map(({ event }) => event)
      expect(textOfState(folded(shuffled.toSorted(compareEvents)))).toBe(textOfState(folded(events)))
    }),
  )

  test(
    'L3, P4: an applied event that comes again changes nothing',
    LONG,
    forAll(fc.tuple(any, fc.nat(30)), ([events, at]) => {
      const state = loadState(UNDERSTAND)
      const outcomes = events.map((event) => fold(state, event))
      const again = events.filter((_, index) => outcomes[index] === 'applied')[at]
      const before = textOfState(state)
      expect(again === undefined ? 'duplicate' : fold(state, again)).toBe('duplicate')
      expect(textOfState(state)).toBe(before)
    }),
  )

  test(
    'L8, P7, P8: batch boundaries do not matter',
    LONG,
    forAll(fc.tuple(months, batch_sizes), ([events, sizes]) => {
      expect(textOfState(foldedInBatches(events, sizes))).toBe(textOfState(folded(events, EMIT)))
    }),
  )

  test(
    'P8: a rebuild in one go is the sum of all increments',
    LONG,
    forAll(months, (events) => {
      const rebuilt = loadState(EMIT, [takeDelta(folded(events, EMIT))])
      expect(textOfState(rebuilt)).toBe(textOfState(foldedInBatches(events, [1])))
    }),
  )

  test(
    'P9: without events there is nothing to publish',
    LONG,
    forAll(months, (events) => {
      const state = folded(events, EMIT)
      takeDelta(state)
      expect(takeDelta(state)).toEqual({ rows: {}, deletions: {} })
    }),
  )

  test(
    'Q7: a delta has each key once, in the order of bytes',
    LONG,
    forAll(any, (events) => {
      const { rows } = takeDelta(folded(events))
      for (const name of TABLE_NAMES) {
        const keys = dumpTable(name, rows[name] ?? []).map(([, row]) => keyOf(name, row))
        expect(keys).toEqual([...new Set(keys)].toSorted(compareBytes))
      }
    }),
  )
})

describe('laws of one event', () => {
  const short = histories({ length_max: 20, ids: 'any' })
  test(
    'P20, L5: a refused event takes no key, and changes only what it may',
    LONG,
    forAll(short, (events) => {
      const state = loadState(UNDERSTAND)
      for (const event of events) {
        const before = textOfState(state)
        if (fold(state, event) === 'applied') continue
        const after = textOfState(state)
        const rest = (text: string): string => (after === before ? '' : withoutAllowed(text))
        expect(rest(after)).toBe(rest(before))
      }
    }),
  )

  test(
    'L6: an applied event changes the state',
    LONG,
    forAll(any, (events) => {
      const state = loadState(UNDERSTAND)
      for (const event of events) {
        const size = state.rows.idempotency_keys.size
        const outcome = fold(state, event)
        expect(state.rows.idempotency_keys.size).toBe(outcome === 'applied' ? size + 1 : size)
      }
    }),
  )

  test(
    'L7: building the graphs anew at any time changes nothing',
    LONG,
    forAll(fc.tuple(any, fc.nat(5)), ([events, every]) => {
      const state = loadState(UNDERSTAND)
      for (const [index, event] of events.entries()) {
        if (index % (every + 1) === 0) rebuildGraphs(state)
        fold(state, event)
      }
      expect(textOfState(state)).toBe(textOfState(folded(events)))
    }),
  )

  test(
    'L13: an unknown event changes nothing, wherever it is',
    LONG,
    forAll(fc.tuple(any, fc.nat(30)), ([events, at]) => {
      const [first] = events
      if (first === undefined) return
      const unknown: LedgerEvent = { ...first, data: { type: 'unknown' } }
      expect(textOfState(folded(events.toSpliced(at, 0, unknown)))).toBe(textOfState(folded(events)))
    }),
  )

  test(
    'L15: timestamps decide nothing but times',
    LONG,
    forAll(fc.tuple(any, fc.bigInt(0n, 10n ** 18n)), ([events, shift]) => {
      const shifted = events.map((event) => ({ ...event, timestamp: event.timestamp + shift }))
      expect(withoutTimes(textOfState(folded(shifted)))).toBe(withoutTimes(textOfState(folded(events))))
    }),
  )
})

describe('merging', () => {
  test(
    'L14: a layer merged with itself is itself',
    LONG,
    forAll(any, (events) => {
      const delta = takeDelta(folded(events))
      expect(textOfState(loadState(UNDERSTAND, [delta, delta]))).toBe(
        textOfState(loadState(UNDERSTAND, [delta])),
      )
    }),
  )

  test(
    'P8: a base written from the state is the sum of its deltas',
    LONG,
    forAll(fc.tuple(months, batch_sizes), ([events, sizes]) => {
      const state = foldedInBatches(events, sizes)
      const rows = Object.fromEntries(TABLE_NAMES.map((name) => [name, allRows(state, name)]))
      expect(textOfState(loadState(EMIT, [{ rows, deletions: {} }]))).toBe(textOfState(state))
    }),
  )
})

test('L9: without deletions a dispatch that was stored and then pruned comes back', () => {
  const at = (second: number) => ulidAt(Date.UTC(2026, 0, 1) + second * 1000, second)
  const attempt = { run_id: 'r', task_key: 'a', attempt: 1, attempt_id: 'a1' }
  const scope = { timestamp: 0n, tenant_id: 'acme', workspace_id: 'prod' }
  const plan = newEvent({
    ...scope,
    event_id: at(1),
    data: { type: 'plan_created', run_id: 'r', plan_id: 'p', tasks: [taskNamed('a')] },
  })
  const requested = newEvent({
    ...scope,
    event_id: at(2),
    data: { type: 'dispatch_requested', ...attempt, worker_queue: 'q', dispatch_id: 'dispatch:r:a:1' },
  })
  const started = newEvent({
    ...scope,
    event_id: at(3),
    data: { type: 'task_started', ...attempt, worker_id: 'w' },
  })
  const stored = takeDelta(folded([plan, requested]))
  const state = loadState(UNDERSTAND, [stored])
  fold(state, started)
  const delta = takeDelta(state)
  expect(delta.deletions).toEqual({ dispatch_outbox: [['dispatch:r:a:1']] })
  const kept = loadState(UNDERSTAND, [stored, { ...delta, deletions: {} }])
  expect(kept.rows.dispatch_outbox.size).toBe(1)
  expect(loadState(UNDERSTAND, [stored, delta]).rows.dispatch_outbox.size).toBe(0)
})

/** Rows that a refused event may touch: a pruned dispatch, the default rows of a sensor and of a schedule. */
function withoutAllowed(text: string): string {
  const tables = JSON.parse(text) as Record<string, [string, { row_version: string }][]>
  const { dispatch_outbox: _, sensor_state, schedule_state, ...others } = tables
  const used = (rows: [string, { row_version: string }][] | undefined) =>
    rows?.filter(([, row]) => row.row_version !== '')
  return JSON.stringify({ ...others, sensor_state: used(sensor_state), schedule_state: used(schedule_state) })
}

function withoutTimes(text: string): string {
  return text.replaceAll(/"[a-z_]+_at":"[^"]*"|"retry_not_before":"[^"]*"/g, '')
}

/** The parts of a key, joined by what sorts before everything else. */
function keyOf(name: TableName, row: { readonly [column: string]: JsonValue }): string {
  return (KEY_COLUMNS[name] ?? []).map((column) => stringifyJson(row[column])).join('\u0000')
}

function taskNamed(key: string): TaskDefinition {
  return {
    key,
    depends_on: [],
    asset_key: null,
    partition_key: null,
    max_attempts: 1,
    heartbeat_timeout_sec: 1,
    requires_visible_output: false,
  }
}
