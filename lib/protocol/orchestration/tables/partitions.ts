/** Partitions of assets. */
import { EMPTY_MAP, textMap } from '../events/schema.ts'
import {
  addedLater,
  i64,
  isNotOlder,
  jsonUnlessEmpty,
  maybeText,
  maybeTime,
  nullable,
  oneOf,
  table,
  text,
} from './columns.ts'
import type { RowOf } from './columns.ts'
import { TASK_OUTCOMES } from './values.ts'

/** One row a partition of an asset: what wrote it last, and what tried to last. */
export const partitionStatus = table({
  name: 'partition_status',
  key: ['asset_key', 'partition_key'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    asset_key: text,
    partition_key: text,
    last_materialization_run_id: maybeText,
    last_materialization_at: maybeTime,
    last_materialization_code_version: maybeText,
    last_attempt_run_id: maybeText,
    last_attempt_at: maybeTime,
    last_attempt_outcome: addedLater(nullable(oneOf(TASK_OUTCOMES)), null),
    stale_since: maybeTime,
    stale_reason_code: maybeText,
    partition_values: jsonUnlessEmpty(textMap, EMPTY_MAP),
    delta_table: maybeText,
    delta_version: addedLater(nullable(i64), null),
    delta_partition: maybeText,
    execution_lineage_ref: maybeText,
    row_version: text,
  },
})
/** A row of `partition_status`. */
export type PartitionRow = RowOf<typeof partitionStatus>
