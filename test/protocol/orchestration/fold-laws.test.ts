/** Laws of one event (spec/fold-invariants.md 2). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { rebuildGraphs } from '../../../lib/protocol/orchestration/fold/graph.ts'
import { loadState } from '../../../lib/protocol/orchestration/fold/layers.ts'
import { histories } from '../../support/fold-histories.ts'
import { any, folded, forAll, LONG, UNDERSTAND } from '../../support/fold-laws.ts'
import { textOfState } from '../../support/projection.ts'

describe('laws of one event', () => {
  const short = histories({ length_max: 20, ids: 'any' })
  test(
    'P20, L5: a refused event takes no key, and changes only what it may',
    LONG,
    forAll(short, (events) => {
      const state = loadState(UNDERSTAND)
      let after = textOfState(state)
      for (const event of events) {
        const before = after
        const outcome = fold(state, event)
        after = textOfState(state)
        if (outcome === 'applied') continue
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
