/** Run keys: what a caller names a run by, before there is one (spec/fold.md 5.17). */
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import type { RunKeyRow } from '../tables/keys.ts'
import { find, put, replace } from './rows.ts'
import type { FoldState } from './state.ts'

/**
 * The first request of a run key wins. One that asks for something else under the key is kept as a conflict; it counts
 * as applied all the same, and so does a repetition.
 */
export function requestRun(state: FoldState, event: LedgerEvent, data: Payload<'run_requested'>): boolean {
  if (isFromStaleEvaluation(state, data)) return false
  const known = find(state.rows.run_key_index, data.run_key)
  if (known !== null) {
    if (known.row.request_fingerprint !== data.request_fingerprint) putConflict(state, event, data, known.row)
    return true
  }
  const { tenant_id, workspace_id } = event
  const run_id = state.runIdFor(tenant_id, workspace_id, data.run_key)
  put(state.rows.run_key_index, {
    tenant_id,
    workspace_id,
    run_key: data.run_key,
    run_id,
    request_fingerprint: data.request_fingerprint,
    code_version: data.code_version,
    created_at: event.timestamp,
    row_version: event.event_id,
  })
  correlate(state, data, run_id)
  return true
}

/** Only what is recorded as stale is dropped: an evaluation that is not there yet drops nothing. */
function isFromStaleEvaluation(state: FoldState, { trigger_source_ref }: Payload<'run_requested'>): boolean {
  if (trigger_source_ref.type !== 'sensor') return false
  const evaluation = find(state.rows.sensor_evals, trigger_source_ref.eval_id)
  return evaluation?.row.status.status === 'skipped_stale_cursor'
}

function putConflict(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'run_requested'>,
  existing: RunKeyRow,
): void {
  put(state.rows.run_key_conflicts, {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    run_key: data.run_key,
    existing_fingerprint: existing.request_fingerprint,
    conflicting_fingerprint: data.request_fingerprint,
    conflicting_event_id: event.event_id,
    detected_at: event.timestamp,
  })
}

/** What asked learns the run's id. Its version stays, and its own run key is not compared. */
function correlate(
  state: FoldState,
  { trigger_source_ref: source }: Payload<'run_requested'>,
  run_id: string,
): void {
  switch (source.type) {
    case 'schedule': {
      const tick = find(state.rows.schedule_ticks, source.tick_id)
      if (tick !== null) replace(state.rows.schedule_ticks, tick, { ...tick.row, run_id })
      return
    }
    case 'backfill': {
      const chunk = find(state.rows.backfill_chunks, source.chunk_id)
      if (chunk !== null) replace(state.rows.backfill_chunks, chunk, { ...chunk.row, run_id })
      return
    }
    case 'sensor':
    case 'manual':
      return
  }
}
