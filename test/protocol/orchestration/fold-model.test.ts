/** The fold against the slow and obvious one of test/support/model (P3). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareEvents, fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { loadState, takeDelta } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { Layer } from '../../../lib/protocol/orchestration/fold/layers.ts'
import { histories } from '../../support/fold-histories.ts'
import {
  any,
  batch_sizes,
  foldedInBatches,
  forAll,
  inBatches,
  LONG,
  months,
  SECRET,
  UNDERSTAND,
} from '../../support/fold-laws.ts'
import { foldBatch, loadModel } from '../../support/model/batches.ts'
import type { ModelDelta } from '../../support/model/batches.ts'
import { foldModel } from '../../support/model/fold.ts'
import { emptyModel } from '../../support/model/tables.ts'
import { textOfModel, textOfState } from '../../support/projection.ts'

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
