/** Backfills and the chunks that they are planned in. */
import { compareBytes } from '../byte-order.ts'
import { partitionSelector } from '../events/nested.ts'
import { list, text as textCodec } from '../events/schema.ts'
import { isNotOlder, json, maybeText, oneOf, table, text, time, u32 } from './columns.ts'
import type { RowOf } from './columns.ts'
import { BACKFILL_STATES, CHUNK_STATES } from './values.ts'

/** One row a backfill. */
export const backfills = table({
  name: 'backfills',
  key: ['backfill_id'],
  replaces: replacesBackfill,
  columns: {
    tenant_id: text,
    workspace_id: text,
    backfill_id: text,
    asset_selection: json(list(textCodec)),
    code_version: maybeText,
    partition_selector: json(partitionSelector),
    chunk_size: u32,
    max_concurrent_runs: u32,
    state: oneOf(BACKFILL_STATES),
    state_version: u32,
    total_partitions: u32,
    planned_chunks: u32,
    completed_chunks: u32,
    failed_chunks: u32,
    parent_backfill_id: maybeText,
    created_at: time,
    row_version: text,
  },
})
/** A row of `backfills`. */
export type BackfillRow = RowOf<typeof backfills>

/** One row a planned chunk. */
export const backfillChunks = table({
  name: 'backfill_chunks',
  key: ['chunk_id'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    chunk_id: text,
    backfill_id: text,
    chunk_index: u32,
    partition_keys: json(list(textCodec)),
    run_key: text,
    run_id: maybeText,
    state: oneOf(CHUNK_STATES),
    row_version: text,
  },
})
/** A row of `backfill_chunks`. */
export type BackfillChunkRow = RowOf<typeof backfillChunks>

/** A state that counts further wins over a later version. */
function replacesBackfill(
  incoming: { readonly row_version: string; readonly state_version: number },
  existing: { readonly row_version: string; readonly state_version: number },
): boolean {
  if (incoming.state_version !== existing.state_version)
    return incoming.state_version > existing.state_version
  return compareBytes(incoming.row_version, existing.row_version) >= 0
}
