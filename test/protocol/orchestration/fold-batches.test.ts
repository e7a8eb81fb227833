/** Laws of the driver around the fold: order, batches, layers (spec/fold-invariants.md 2). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareBytes } from '../../../lib/protocol/orchestration/byte-order.ts'
import { newEvent } from '../../../lib/protocol/orchestration/events/encode.ts'
import type { TaskDefinition } from '../../../lib/protocol/orchestration/events/nested.ts'
import { compareEvents, fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { allRows, loadState, takeDelta } from '../../../lib/protocol/orchestration/fold/layers.ts'
import { TABLE_NAMES } from '../../../lib/protocol/orchestration/tables/all.ts'
import type { TableName } from '../../../lib/protocol/orchestration/tables/all.ts'
import { stringifyJson } from '../../../lib/protocol/json.ts'
import type { JsonValue } from '../../../lib/protocol/json.ts'
import { histories, ulidAt } from '../../support/fold-histories.ts'
import {
  any,
  batch_sizes,
  EMIT,
  folded,
  foldedInBatches,
  forAll,
  LONG,
  months,
  UNDERSTAND,
} from '../../support/fold-laws.ts'
import { KEY_COLUMNS } from '../../support/model/tables.ts'
import { dumpTable, textOfState } from '../../support/projection.ts'

const ascending = histories({ length_max: 25, ids: 'ascending' })

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
