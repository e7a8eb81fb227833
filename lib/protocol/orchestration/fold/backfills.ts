/** Backfills and their chunks (spec/fold.md 5.18–5.20). */
import { compareBytes } from '../byte-order.ts'
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import type { BackfillState } from '../tables/values.ts'
import { find, put, replace } from './rows.ts'
import type { FoldState } from './state.ts'

const TRANSITIONS: Readonly<Record<BackfillState, readonly BackfillState[]>> = {
  PENDING: ['RUNNING', 'CANCELLED'],
  RUNNING: ['PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  PAUSED: ['RUNNING', 'CANCELLED'],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
}

const U32_MAX = 0xffff_ffff

/** 5.18. Chunks may be planned before their backfill is there. */
export function createBackfill(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'backfill_created'>,
): boolean {
  if (find(state.rows.backfills, data.backfill_id) !== null) return false
  put(state.rows.backfills, {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    backfill_id: data.backfill_id,
    asset_selection: data.asset_selection,
    code_version: data.code_version,
    partition_selector: data.partition_selector,
    chunk_size: data.chunk_size,
    max_concurrent_runs: data.max_concurrent_runs,
    state: 'RUNNING',
    state_version: 1,
    total_partitions: data.total_partitions,
    planned_chunks: data.chunk_size > 0 ? contiguousChunks(state, data.backfill_id, 0) : 0,
    completed_chunks: 0,
    failed_chunks: 0,
    parent_backfill_id: data.parent_backfill_id,
    created_at: event.timestamp,
    row_version: event.event_id,
  })
  return true
}

/** 5.19. A chunk that is planned again keeps the run that was asked for it. */
export function planChunk(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'backfill_chunk_planned'>,
): boolean {
  const known = find(state.rows.backfill_chunks, data.chunk_id)
  if (known !== null && compareBytes(event.event_id, known.row.row_version) <= 0) return false
  put(state.rows.backfill_chunks, {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    chunk_id: data.chunk_id,
    backfill_id: data.backfill_id,
    chunk_index: data.chunk_index,
    partition_keys: data.partition_keys,
    run_key: data.run_key,
    run_id: known?.row.run_id ?? null,
    state: 'PLANNED',
    row_version: event.event_id,
  })
  countChunks(state, event, data.backfill_id)
  return true
}

/** 5.20. Both the state and the number that the writer saw must still hold. */
export function changeBackfill(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'backfill_state_changed'>,
): boolean {
  const known = find(state.rows.backfills, data.backfill_id)
  if (known === null || compareBytes(event.event_id, known.row.row_version) <= 0) return false
  const { row } = known
  if (row.state !== data.from_state || !TRANSITIONS[data.from_state].includes(data.to_state)) return false
  if (data.state_version !== Math.min(row.state_version + 1, U32_MAX)) return false
  replace(state.rows.backfills, known, {
    ...row,
    state: data.to_state,
    state_version: data.state_version,
    row_version: event.event_id,
  })
  return true
}

function countChunks(state: FoldState, event: LedgerEvent, backfill_id: string): void {
  const backfill = find(state.rows.backfills, backfill_id)
  if (backfill === null) return
  const planned_chunks = contiguousChunks(state, backfill_id, backfill.row.planned_chunks)
  if (planned_chunks === backfill.row.planned_chunks) return
  replace(state.rows.backfills, backfill, { ...backfill.row, planned_chunks, row_version: event.event_id })
}

/** How many chunks there are without a gap, `from` of them already counted. Told by their keys, not their numbers. */
function contiguousChunks(state: FoldState, backfill_id: string, from: number): number {
  let count = from
  while (find(state.rows.backfill_chunks, `${backfill_id}:${count}`) !== null) count += 1
  return count
}
