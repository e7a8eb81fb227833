/** What wrote a partition last, and what tried to (spec/fold.md 4.11, 5.6 step 8). */
import { compareBytes } from '../byte-order.ts'
import type { LedgerEvent } from '../events/kinds.ts'
import { EMPTY_MAP } from '../events/schema.ts'
import type { PartitionRow } from '../tables/partitions.ts'
import { joinKey, replace, slotAt } from './rows.ts'
import type { FoldState } from './state.ts'
import type { Completion, Written } from './written.ts'

const OUTCOMES = {
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  skipped: 'SKIPPED',
  cancelled: 'CANCELLED',
} as const

/**
 * Every attempt that names an asset and a partition counts, a failed one that will be retried too; what the task row
 * says about them does not. An event with an older id than the row's is too late.
 */
export function recordAttempt(
  state: FoldState,
  event: LedgerEvent,
  data: Completion,
  written: Written,
): void {
  const { asset_key } = data
  const { partition_key } = written
  if (asset_key === null || partition_key === null) return
  const slot = slotAt(state.rows.partition_status, joinKey([asset_key, partition_key]))
  const row = slot.row ?? newPartition(event, asset_key, partition_key)
  if (compareBytes(event.event_id, row.row_version) < 0) return
  const materialized = data.outcome === 'succeeded' ? materializedBy(row, event, data, written) : row
  replace(state.rows.partition_status, slot, {
    ...materialized,
    last_attempt_run_id: data.run_id,
    last_attempt_at: event.timestamp,
    last_attempt_outcome: OUTCOMES[data.outcome],
    row_version: event.event_id,
  })
}

function materializedBy(
  row: PartitionRow,
  event: LedgerEvent,
  data: Completion,
  written: Written,
): PartitionRow {
  return {
    ...row,
    last_materialization_run_id: data.run_id,
    last_materialization_at: event.timestamp,
    last_materialization_code_version: data.code_version,
    stale_since: null,
    stale_reason_code: null,
    delta_table: written.delta_table,
    delta_version: written.delta_version,
    delta_partition: written.delta_partition,
    execution_lineage_ref: written.execution_lineage_ref,
  }
}

function newPartition(event: LedgerEvent, asset_key: string, partition_key: string): PartitionRow {
  return {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    asset_key,
    partition_key,
    last_materialization_run_id: null,
    last_materialization_at: null,
    last_materialization_code_version: null,
    last_attempt_run_id: null,
    last_attempt_at: null,
    last_attempt_outcome: null,
    stale_since: null,
    stale_reason_code: null,
    partition_values: EMPTY_MAP,
    delta_table: null,
    delta_version: null,
    delta_partition: null,
    execution_lineage_ref: null,
    row_version: '',
  }
}
