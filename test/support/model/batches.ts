/** The slow driver: layers, deltas and retention (spec/fold.md 6 and 10). */
import { isDeepStrictEqual } from 'node:util'
import type { LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { foldModel } from './fold.ts'
import { bytes, emptyModel, table, ulidMs } from './tables.ts'
import type { Model, ModelRow } from './tables.ts'

/** What a batch changed: rows by table and key, and keys that are gone. */
export interface ModelDelta {
  readonly rows: Record<string, Map<string, ModelRow>>
  readonly deletions: Record<string, readonly string[]>
}

/** How batches are folded. */
export interface ModelSettings {
  readonly secret: string
  /** Null when deletions are not recorded and nothing expires. */
  readonly terminal_run_days: number | null
}

const RANK: Readonly<Record<string, number>> = {
  PLANNED: 0,
  BLOCKED: 1,
  READY: 2,
  DISPATCHED: 3,
  RUNNING: 4,
  RETRY_WAIT: 5,
  SKIPPED: 10,
  CANCELLED: 11,
  FAILED: 12,
  SUCCEEDED: 13,
}

const DAY_MS = 86_400_000

/** One event in emit mode: retention, then the fold. Returns the frontier. */
export function foldWithRetention(
  model: Model,
  event: LedgerEvent,
  frontier: number | null,
  terminal_run_days: number,
): number | null {
  const now = ulidMs(event.event_id)
  const advances = now !== null && (frontier === null || now > frontier)
  if (advances) expire(model, now, terminal_run_days)
  foldModel(model, event)
  return advances ? now : frontier
}

/** 10.1: load, sort, fold, and what came of it. */
export function foldBatch(
  settings: ModelSettings,
  deltas: readonly ModelDelta[],
  events: readonly LedgerEvent[],
  last_committed: string | null,
): ModelDelta {
  const loaded = loadModel(settings.secret, deltas)
  const model = loadModel(settings.secret, deltas)
  let frontier = last_committed === null ? null : ulidMs(last_committed)
  for (const event of events.toSorted((a, b) => bytes(a.event_id, b.event_id))) {
    if (settings.terminal_run_days === null) foldModel(model, event)
    else frontier = foldWithRetention(model, event, frontier, settings.terminal_run_days)
  }
  const rows: Record<string, Map<string, ModelRow>> = {}
  const deletions: Record<string, readonly string[]> = {}
  for (const [name, after] of Object.entries(model.tables)) {
    const before = table(loaded, name)
    rows[name] = new Map([...after].filter(([key, row]) => !isDeepStrictEqual(row, before.get(key))))
    if (settings.terminal_run_days !== null)
      deletions[name] = [...before.keys()].filter((key) => !after.has(key))
  }
  return { rows, deletions }
}

/** Merge deltas in order, each with its deletions. */
export function loadModel(secret: string, deltas: readonly ModelDelta[]): Model {
  const model = emptyModel(secret)
  for (const delta of deltas) {
    for (const [name, rows] of Object.entries(delta.rows)) {
      for (const [key, row] of rows) {
        const existing = table(model, name).get(key)
        if (existing === undefined || wins(name, row, existing)) table(model, name).set(key, row)
      }
    }
    for (const [name, keys] of Object.entries(delta.deletions))
      for (const key of keys) table(model, name).delete(key)
  }
  return model
}

/** 6. */
function wins(name: string, incoming: ModelRow, existing: ModelRow): boolean {
  const order = bytes(incoming.row_version, existing.row_version)
  switch (name) {
    case 'tasks':
      return order > 0 || (order === 0 && rank(incoming) >= rank(existing))
    case 'backfills':
      return (
        Number(incoming.state_version) > Number(existing.state_version) ||
        (incoming.state_version === existing.state_version && order >= 0)
      )
    case 'run_key_index':
      return order > 0
    case 'run_key_conflicts':
      return false
  }
  return order >= 0
}

function rank(row: ModelRow): number {
  return RANK[String(row.state)] ?? -1
}

/** 10.4. */
function expire(model: Model, now: number, terminal_run_days: number): void {
  const old = BigInt(now - 30 * DAY_MS) * 1_000_000n
  removeWhere(model, 'sensor_evals', (row) => (row.evaluated_at as bigint) < old)
  removeWhere(model, 'idempotency_keys', (row) => (row.recorded_at as bigint) < old)
  const cutoff = now - terminal_run_days * DAY_MS
  if (terminal_run_days === 0 || cutoff < -8_334_601_228_800_000) return
  const expired = new Set(
    [...table(model, 'runs').values()].filter((run) => isExpired(run, cutoff)).map((run) => run.run_id),
  )
  const run_keys = new Set(
    [...table(model, 'run_key_index').values()]
      .filter((row) => expired.has(row.run_id))
      .map((row) => row.run_key),
  )
  const byRun = [
    'runs',
    'tasks',
    'catalog_run_index',
    'dep_satisfaction',
    'timers',
    'dispatch_outbox',
    'run_key_index',
  ]
  for (const name of byRun) removeWhere(model, name, (row) => expired.has(row.run_id))
  removeWhere(model, 'run_key_conflicts', (row) => run_keys.has(row.run_key))
}

function isExpired(run: ModelRow, cutoff: number): boolean {
  if (!['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(String(run.state))) return false
  const id_ms = ulidMs(String(run.row_version))
  if (id_ms !== null) return id_ms < cutoff
  return ((run.completed_at ?? run.triggered_at) as bigint) < BigInt(cutoff) * 1_000_000n
}

function removeWhere(model: Model, name: string, matches: (row: ModelRow) => boolean): void {
  for (const [key, row] of table(model, name)) if (matches(row)) table(model, name).delete(key)
}
