/**
 * From stored layers to a state, and from a state to the next layer (spec/fold.md 6 and 10.1, spec/manifests.md 9). A
 * layer is a base snapshot or a delta: rows of any tables, then keys that are gone.
 */
import { runIdsUnder } from '../ids.ts'
import { TABLE_NAMES } from '../tables/all.ts'
import type { RowIn, TableName } from '../tables/all.ts'
import { writeCatalog } from './catalog.ts'
import { newRetention } from './expiry.ts'
import { rebuildGraphs } from './graph.ts'
import { expireLoadedLater } from './retention.ts'
import { allSlots, findByKey, put, remove, sortedByKey, takeChanges } from './rows.ts'
import type { Rows } from './rows.ts'
import { emptyTables } from './state.ts'
import type { FoldSettings, FoldState } from './state.ts'

/** One layer. In memory its times are whole: files floor them to milliseconds. */
export interface Layer {
  readonly rows: { readonly [N in TableName]?: readonly RowIn<N>[] }
  /** Keys that are gone once the rows are merged, as `Table.key` gives them. */
  readonly deletions: { readonly [N in TableName]?: readonly (readonly string[])[] }
}

/** The rows of one table with their type, for code that treats all tables alike. */
type AnyRows = Rows<object>

/**
 * The state that some layers come to, the oldest first. `last_committed_event_id` is the manifest's: what is too old
 * by its time has been let go of already.
 */
export function loadState(
  settings: FoldSettings,
  layers: Iterable<Layer> = [],
  last_committed_event_id: string | null = null,
): FoldState {
  const state = emptyState(settings, last_committed_event_id)
  for (const layer of layers) mergeLayer(state, layer)
  settle(state)
  return state
}

/**
 * The state at the end of one unbroken fold of which the layers are the pieces, as `takeDelta` gave them: the later
 * layer counts, whatever the versions of its rows. Pieces are taken one at a time with `next`.
 */
export interface Replay {
  next(piece: Layer): void
  /** `frontier_ms` is that of the fold when the last piece was taken. */
  end(frontier_ms: number | null): FoldState
}

/** Begin with an empty state. */
export function replayFold(settings: FoldSettings): Replay {
  const state = emptyState(settings, null)
  return {
    next(piece) {
      for (const name of TABLE_NAMES) {
        const rows = state.rows[name] as unknown as AnyRows
        for (const row of piece.rows[name] ?? []) put(rows, row)
        for (const key of piece.deletions[name] ?? []) removeKey(rows, key)
        // Changes are not wanted: a slot that remembers one would hold a row more.
        takeChanges(rows)
      }
    },
    end(frontier_ms) {
      settle(state)
      if (state.retention !== null) state.retention.frontier_ms = frontier_ms
      return state
    },
  }
}

function emptyState(settings: FoldSettings, last_committed_event_id: string | null): FoldState {
  const days = settings.terminal_run_days
  return {
    rows: emptyTables(),
    refreshes: new Map(),
    retention: days === null ? null : newRetention(days, last_committed_event_id),
    runIdFor: runIdsUnder(settings.tenant_secret),
  }
}

/** What follows from the rows, and nothing counts as changed. */
function settle(state: FoldState): void {
  for (const name of TABLE_NAMES) takeChanges(state.rows[name] as unknown as AnyRows)
  rebuildGraphs(state)
  expireLoadedLater(state)
}

/** What changed since the state was loaded, or since the last delta: rows and keys in the order of their keys. */
export function takeDelta(state: FoldState): Layer {
  writeCatalog(state)
  const rows: Record<string, readonly object[]> = {}
  const deletions: Record<string, readonly (readonly string[])[]> = {}
  for (const name of TABLE_NAMES) {
    const changes = takeChanges(state.rows[name] as unknown as AnyRows)
    if (changes.rows.length > 0) rows[name] = changes.rows
    if (changes.deletions.length > 0) deletions[name] = changes.deletions
  }
  return { rows: rows as Layer['rows'], deletions }
}

/** All of a state as one layer. */
export function wholeLayer(state: FoldState): Layer {
  const rows = TABLE_NAMES.map((name) => [name, allRows(state, name)] as const)
  return { rows: Object.fromEntries(rows) as Layer['rows'], deletions: {} }
}

/** Every row of a table in the order of its key, as a base snapshot has them. */
export function allRows<N extends TableName>(state: FoldState, name: N): readonly RowIn<N>[] {
  writeCatalog(state)
  const rows = state.rows[name] as unknown as Rows<RowIn<N>>
  return sortedByKey(
    rows.table,
    Array.from(allSlots(rows), (slot) => slot.row),
  )
}

function mergeLayer(state: FoldState, layer: Layer): void {
  for (const name of TABLE_NAMES) {
    const rows = state.rows[name] as unknown as AnyRows
    for (const row of lastOfEachKey(rows, layer.rows[name] ?? [])) mergeRow(rows, row)
    for (const key of layer.deletions[name] ?? []) removeKey(rows, key)
  }
}

/** Of rows with one key in one file the last counts, whatever their versions (projections.md 4). */
function lastOfEachKey(rows: AnyRows, given: readonly object[]): Iterable<object> {
  const byKey = new Map<string, object>()
  for (const row of given) byKey.set(JSON.stringify(rows.table.key(row)), row)
  return byKey.size === given.length ? given : byKey.values()
}

function mergeRow(rows: AnyRows, incoming: object): void {
  const existing = findByKey(rows, rows.table.key(incoming))
  if (existing === null || rows.table.replaces(incoming, existing.row)) put(rows, incoming)
}

function removeKey(rows: AnyRows, key: readonly string[]): void {
  const slot = findByKey(rows, key)
  if (slot !== null) remove(rows, slot)
}
