/** What Arco says about its orchestration workspaces, and comparing with it (`vectors/workspaces/README.md`). */
import { canonicalText } from '../../lib/protocol/orchestration/events/encode.ts'
import { compareBytes } from '../../lib/protocol/orchestration/byte-order.ts'
import type { JsonValue } from '../../lib/protocol/json.ts'
import { parseJson } from '../../lib/protocol/json.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SHARED } from './workspace.ts'

/** Tables as Arco shows them. */
export type Tables = { readonly [table: string]: readonly (readonly [string, JsonValue])[] }

/** Watermarks as Arco shows them. */
export interface ArcoWatermarks {
  readonly last_committed_event_id?: string
  readonly last_visible_event_id?: string
  readonly last_processed_at?: string
}

/** What Arco answers next on a copy of the tree. */
export interface ArcoAsk {
  readonly ask:
    | 'compact_nothing'
    | 'compact_whole_ledger'
    | 'compact_whole_ledger_emit'
    | 'rebuild_whole_ledger'
    | 'one_batch_from_empty'
  readonly emit_tombstones: boolean
  readonly answer: { readonly ok?: ArcoAnswer; readonly error?: string }
  readonly tables_after?: 'unchanged' | Tables
  readonly watermarks_after?: ArcoWatermarks
  readonly schema_version_after?: number
}

/** Arco's 200. */
export interface ArcoAnswer {
  readonly events_processed: number
  readonly manifest_id: string
  readonly delta_id?: string | null
  readonly manifest_revision?: string
}

/** One scope of a workspace. */
export interface ArcoScope {
  readonly tenant: string
  readonly workspace: string
  readonly pointer: { readonly manifest_id: string; readonly epoch: number } | null
  readonly manifest: {
    readonly manifest_id: string
    readonly revision_ulid: string
    readonly published_at: string
    readonly schema_version: number
  }
  readonly watermarks: ArcoWatermarks
  readonly tables: Tables
  readonly row_counts: { readonly [table: string]: number }
  readonly delete_channel_check: string
  /** Not of a state before the last step. */
  readonly then?: readonly ArcoAsk[]
}

/** `expect.json` of an orchestration workspace. */
export interface ArcoWorkspace {
  readonly emit_tombstones: boolean
  readonly terminal_run_retention_days: number
  readonly tenant_secret_hex: string
  readonly scopes: readonly ArcoScope[]
  readonly before?: ArcoScope
  readonly steps: readonly {
    readonly do: string
    readonly rebuild_manifest_path?: string
    readonly answer?: ArcoAsk['answer']
  }[]
}

/** Read it, every digit of it. */
export function arcoWorkspace(name: string): ArcoWorkspace {
  const bytes = readFileSync(join(SHARED, 'vectors/workspaces', name, 'expect.json'))
  return parseJson(new Uint8Array(bytes), { members_max: 100_000 }) as unknown as ArcoWorkspace
}

/** One text for equal tables. Arco sorts keys as texts, we sort by the parts of a key; tables without rows are left out. */
export function plainTables(tables: unknown): string {
  const sorted = Object.entries(tables as Tables)
    .filter(([, rows]) => rows.length > 0)
    .map(([name, rows]): [string, JsonValue] => [
      name,
      rows.map(([key, row]): JsonValue => [key, row]).toSorted((a, b) => compareBytes(keyOf(a), keyOf(b))),
    ])
  return canonicalText(Object.fromEntries(sorted))
}

function keyOf(entry: JsonValue): string {
  const [key] = entry as [string, JsonValue]
  return key
}
