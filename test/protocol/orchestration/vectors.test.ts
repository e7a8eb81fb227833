import { expect, test } from 'vitest'
import { decodeEvent } from '../../../lib/protocol/orchestration/events/decode.ts'
import type { LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { rebuildGraphs } from '../../../lib/protocol/orchestration/fold/graph.ts'
import { compareEvents, fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { loadState, takeDelta } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { Layer } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { FoldSettings, FoldState } from '../../../lib/protocol/orchestration/fold/state.ts'
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
  readonly tables: JsonValue
}

interface Batches {
  readonly seed: number
  readonly tenant_secret: string
  readonly tombstones: boolean
  readonly terminal_run_retention_days: number
  readonly batches: readonly (readonly JsonValue[])[]
  readonly tables: JsonValue
}

const decoded = (events: readonly JsonValue[]): LedgerEvent[] =>
  events.map((event) => decodeEvent(stringifyJson(event)))

function settings(tenant_secret: string, terminal_run_days: number | null): FoldSettings {
  return { tenant_secret: new TextEncoder().encode(tenant_secret), terminal_run_days }
}

type Tables = { [table: string]: JsonValue }

function expectTables(state: FoldState, tables: JsonValue, what: string): void {
  expect({ what, text: textOfState(state) }).toEqual({ what, text: textOfDump(tables as Tables) })
}

function expectHistory(vector: History): void {
  const state = loadState(settings(vector.tenant_secret, null))
  const every = vector.reload_every ?? 0
  for (const [index, event] of decoded(vector.events).entries()) {
    if (every > 0 && index % every === 0) rebuildGraphs(state)
    fold(state, event)
  }
  expectTables(state, vector.tables, vector.name ?? `seed ${vector.seed}`)
}

test('fold.md: the 105 named scenarios come to the rows of the reference', () => {
  const scenarios = readVectors('fold-scenarios') as unknown as History[]
  expect(scenarios).toHaveLength(105)
  for (const scenario of scenarios) expectHistory(scenario)
})

test('fold.md: 800 random histories come to the rows of the reference', { timeout: 60_000 }, () => {
  const histories = readVectors('fold-histories') as unknown as History[]
  expect(histories).toHaveLength(800)
  for (const history of histories) expectHistory(history)
})

test('fold.md 10: 400 histories in batches come to the rows of the reference', { timeout: 60_000 }, () => {
  const all = readVectors('fold-batches') as unknown as Batches[]
  expect(all).toHaveLength(400)
  for (const vector of all) {
    const options = settings(
      vector.tenant_secret,
      vector.tombstones ? vector.terminal_run_retention_days : null,
    )
    const layers: Layer[] = []
    let last_committed: string | null = null
    for (const batch of vector.batches) {
      const state = loadState(options, layers, last_committed)
      const events = decoded(batch).sort(compareEvents)
      for (const event of events) {
        fold(state, event)
        if (last_committed === null || compareBytes(event.event_id, last_committed) > 0)
          last_committed = event.event_id
      }
      const delta = takeDelta(state)
      layers.push(vector.tombstones ? delta : { ...delta, deletions: {} })
    }
    const state = loadState(options, layers, last_committed)
    expectTables(state, vector.tables, `seed ${vector.seed}`)
  }
})
