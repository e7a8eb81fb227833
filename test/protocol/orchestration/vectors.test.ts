/** The fold against the rows that the reference came to (../shared/vectors). */
import { expect, test } from 'vitest'
import { decodeEvent } from '../../../lib/protocol/orchestration/events/decode.ts'
import type { LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { rebuildGraphs } from '../../../lib/protocol/orchestration/fold/graph.ts'
import { compareEvents, fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { loadState, takeDelta } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { Layer } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { FoldSettings } from '../../../lib/protocol/orchestration/fold/state.ts'
import { compareBytes } from '../../../lib/protocol/orchestration/byte-order.ts'
import { stringifyJson } from '../../../lib/protocol/json.ts'
import type { JsonValue } from '../../../lib/protocol/json.ts'
import { textOfDump, textOfState } from '../../support/projection.ts'
import { readVectors } from '../../support/vectors.ts'

/** What a vector of events holds; the files are ours to trust. */
interface History {
  readonly name?: string
  readonly seed?: number
  readonly tenant_secret: string
  readonly reload_every?: number
  readonly events: readonly JsonValue[]
  readonly tables: Tables
}

interface Batches {
  readonly seed: number
  readonly tenant_secret: string
  readonly tombstones: boolean
  readonly terminal_run_retention_days: number
  readonly batches: readonly (readonly JsonValue[])[]
  readonly tables: Tables
}

type Tables = { readonly [table: string]: JsonValue }

const decoded = (events: readonly JsonValue[]): LedgerEvent[] =>
  events.map((event) => decodeEvent(stringifyJson(event)))

function historiesIn(name: string) {
  return (readVectors(name) as unknown as History[]).map((vector) => ({
    ...vector,
    what: vector.name ?? `seed ${vector.seed}`,
    events: decoded(vector.events),
    text: textOfDump(vector.tables),
  }))
}

const scenarios = historiesIn('fold-scenarios')
const random = historiesIn('fold-histories')
const batched = (readVectors('fold-batches') as unknown as Batches[]).map((vector) => ({
  ...vector,
  batches: vector.batches.map((batch) => decoded(batch).sort(compareEvents)),
  text: textOfDump(vector.tables),
}))

function settings(tenant_secret: string, terminal_run_days: number | null): FoldSettings {
  return { tenant_secret: new TextEncoder().encode(tenant_secret), terminal_run_days }
}

function expectHistory(vector: (typeof random)[number]): void {
  const state = loadState(settings(vector.tenant_secret, null))
  const every = vector.reload_every ?? 0
  for (const [index, event] of vector.events.entries()) {
    if (every > 0 && index % every === 0) rebuildGraphs(state)
    fold(state, event)
  }
  expect({ what: vector.what, text: textOfState(state) }).toEqual({ what: vector.what, text: vector.text })
}

test('fold.md: the 105 named scenarios come to the rows of the reference', () => {
  expect(scenarios).toHaveLength(105)
  for (const scenario of scenarios) expectHistory(scenario)
})

test('fold.md: 800 random histories come to the rows of the reference', { timeout: 60_000 }, () => {
  expect(random).toHaveLength(800)
  for (const history of random) expectHistory(history)
})

test('fold.md 10: 400 histories in batches come to the rows of the reference', { timeout: 60_000 }, () => {
  expect(batched).toHaveLength(400)
  for (const vector of batched) {
    const days = vector.tombstones ? vector.terminal_run_retention_days : null
    const options = settings(vector.tenant_secret, days)
    const layers: Layer[] = []
    let last_committed: string | null = null
    for (const events of vector.batches) {
      const state = loadState(options, layers, last_committed)
      for (const event of events) {
        fold(state, event)
        if (last_committed === null || compareBytes(event.event_id, last_committed) > 0)
          last_committed = event.event_id
      }
      const delta = takeDelta(state)
      layers.push(vector.tombstones ? delta : { ...delta, deletions: {} })
    }
    const text = textOfState(loadState(options, layers, last_committed))
    expect({ seed: vector.seed, text }).toEqual({ seed: vector.seed, text: vector.text })
  }
})
