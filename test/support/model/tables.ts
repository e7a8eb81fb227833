/**
 * The slow fold (spec/fold.md), written from the specification and nothing else, to compare the real one with. It
 * scans where that one has indexes, copies where that one remembers, and refreshes every catalog row at every event.
 */
import { createHmac } from 'node:crypto'
import type { LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'

/** A row: column by column, absent ones null. */
export type ModelRow = Record<string, unknown>

/** Tables by name; rows by the JSON text of their key. */
export interface Model {
  readonly secret: string
  readonly tables: Record<string, Map<string, ModelRow>>
}

/** Columns of the primary keys (spec/fold.md 1). */
export const KEY_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  runs: ['run_id'],
  tasks: ['run_id', 'task_key'],
  catalog_run_index: ['org_id', 'workspace_id', 'run_id', 'task_key'],
  dep_satisfaction: ['run_id', 'upstream_task_key', 'downstream_task_key'],
  timers: ['timer_id'],
  dispatch_outbox: ['dispatch_id'],
  sensor_state: ['sensor_id'],
  sensor_evals: ['eval_id'],
  run_key_index: ['run_key'],
  run_key_conflicts: ['run_key', 'conflicting_event_id'],
  partition_status: ['asset_key', 'partition_key'],
  idempotency_keys: ['idempotency_key'],
  schedule_definitions: ['schedule_id'],
  schedule_state: ['schedule_id'],
  schedule_ticks: ['tick_id'],
  backfills: ['backfill_id'],
  backfill_chunks: ['chunk_id'],
}

/** No rows. */
export function emptyModel(secret: string): Model {
  return { secret, tables: Object.fromEntries(Object.keys(KEY_COLUMNS).map((name) => [name, new Map()])) }
}

/** The rows of one table. */
export function table(model: Model, name: string): Map<string, ModelRow> {
  const rows = model.tables[name]
  if (rows === undefined) throw new Error(`no table ${name}`)
  return rows
}

/** A row by its key. */
export function get(model: Model, name: string, ...key: readonly string[]): ModelRow | undefined {
  return table(model, name).get(keyText(name, key))
}

/** Insert or replace a row. */
export function insert(model: Model, name: string, row: ModelRow): void {
  const key = (KEY_COLUMNS[name] ?? []).map((column) => String(row[column]))
  table(model, name).set(keyText(name, key), row)
}

/** Take a row away. */
export function drop(model: Model, name: string, ...key: readonly string[]): void {
  table(model, name).delete(keyText(name, key))
}

/** A conflict's key is one text, joined without escaping (1.16). */
export function keyText(name: string, key: readonly string[]): string {
  return name === 'run_key_conflicts' ? `conflict:${key.join(':')}` : JSON.stringify(key)
}

/** `a <ᵇ b`, `a ≤ᵇ b` … by UTF-8 bytes. */
export function bytes(a: unknown, b: unknown): number {
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))
}

/** Milliseconds in a ULID, or null (events.md 2.4). */
export function ulidMs(text: string): number | null {
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  if (Buffer.byteLength(text) !== 26) return null
  let value = 0n
  for (const character of text.toUpperCase()) {
    const digit = alphabet.indexOf(character)
    if (digit < 0) return null
    value = (value * 32n + BigInt(digit)) % 2n ** 128n
  }
  return Number(value >> 80n)
}

/** 8.1. */
export function runIdFor(model: Model, event: LedgerEvent, run_key: string): string {
  const message = `${event.tenant_id}:${event.workspace_id}:${run_key}`
  const mac = createHmac('sha256', Buffer.from(model.secret)).update(message).digest()
  const bits = Array.from(mac.subarray(0, 16), (byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.padEnd(130, '0').match(/.{5}/g) ?? []
  return `run_${groups.map((group) => 'abcdefghijklmnopqrstuvwxyz234567'[parseInt(group, 2)]).join('')}`
}
