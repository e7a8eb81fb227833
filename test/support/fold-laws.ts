/** What the laws of the fold have in common (spec/fold-invariants.md 2): how many cases, which histories, how they are folded. */
import fc from 'fast-check'
import type { LedgerEvent } from '../../lib/protocol/orchestration/events/kinds.ts'
import { fold } from '../../lib/protocol/orchestration/fold/fold.ts'
import { loadState, takeDelta } from '../../lib/protocol/orchestration/fold/layers.ts'
import type { Layer } from '../../lib/protocol/orchestration/fold/layers.ts'
import type { FoldSettings, FoldState } from '../../lib/protocol/orchestration/fold/state.ts'
import { histories } from './fold-histories.ts'

/** Cases a law; `npm run prove:fold` asks for a hundred times as many. */
const CASES = Number(process.env['TIDEMARK_CASES'] ?? 1000)

/** Options of a test that is a law: time for all its cases. */
export const LONG = { timeout: 30_000 + CASES * 50 }

/** Under which run ids are derived, here and in the slow fold. */
export const SECRET = 'secret'

/** Deletions are recorded, and runs expire after days. */
export const EMIT: FoldSettings = { tenant_secret: new TextEncoder().encode(SECRET), terminal_run_days: 5 }

/** Nothing is deleted and nothing expires. */
export const UNDERSTAND: FoldSettings = { ...EMIT, terminal_run_days: null }

/** Histories in which anything goes. */
export const any = histories({ length_max: 30, ids: 'any' })

/** Months from the first event to the last, so that runs, evaluations and keys expire on the way. */
export const months = histories({ length_max: 25, ids: 'ascending', step_s_max: 400_000, fresh_runs: true })

/** Sizes of batches, over and over. */
export const batch_sizes = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 8 })

/** A test body: the law holds of every value. */
export function forAll<T>(values: fc.Arbitrary<T>, holds: (value: T) => void): () => void {
  return () => fc.assert(fc.property(values, holds), { numRuns: CASES })
}

/** The state after these events, in this order. */
export function folded(events: readonly LedgerEvent[], settings = UNDERSTAND): FoldState {
  const state = loadState(settings)
  for (const event of events) fold(state, event)
  return state
}

/** Fold in batches of these sizes, each loading what the ones before it stored. */
export function foldedInBatches(events: readonly LedgerEvent[], sizes: readonly number[]): FoldState {
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

/** Events in batches of these sizes. */
export function inBatches(events: readonly LedgerEvent[], sizes: readonly number[]): LedgerEvent[][] {
  const batches: LedgerEvent[][] = []
  for (let from = 0, at = 0; from < events.length; at += 1) {
    const size = sizes[at % sizes.length] ?? 1
    batches.push(events.slice(from, from + size))
    from += size
  }
  return batches
}
