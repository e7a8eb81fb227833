/** The 17 tables of the projection, in the order in which a delta is written (spec/projections.md 11). */
import { backfillChunks, backfills } from './backfills.ts'
import type { RowOf, Table } from './columns.ts'
import { dispatchOutbox, timers } from './dispatch.ts'
import { idempotencyKeys, runKeyConflicts, runKeyIndex } from './keys.ts'
import { partitionStatus } from './partitions.ts'
import { catalogRunIndex, depSatisfaction, runs, tasks } from './runs.ts'
import { scheduleDefinitions, scheduleState, scheduleTicks } from './schedules.ts'
import { sensorEvals, sensorState } from './sensors.ts'

/** Every table by its name. */
export const TABLES = {
  runs,
  tasks,
  catalog_run_index: catalogRunIndex,
  dep_satisfaction: depSatisfaction,
  timers,
  dispatch_outbox: dispatchOutbox,
  sensor_state: sensorState,
  sensor_evals: sensorEvals,
  run_key_index: runKeyIndex,
  run_key_conflicts: runKeyConflicts,
  partition_status: partitionStatus,
  idempotency_keys: idempotencyKeys,
  schedule_definitions: scheduleDefinitions,
  schedule_state: scheduleState,
  schedule_ticks: scheduleTicks,
  backfills,
  backfill_chunks: backfillChunks,
} as const

/** Name of a table, the same in paths, manifests and deletions. */
export type TableName = keyof typeof TABLES

/** All names, in the order of `TABLES`. */
export const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[]

/** A row of the table with this name. */
export type RowIn<N extends TableName> = RowOf<(typeof TABLES)[N]>

/** Rows of any tables, as a layer of a projection has them. */
export type RowsByTable = { readonly [N in TableName]?: readonly RowIn<N>[] }

/** The table with this name, for code that works on any of them. */
export function tableNamed<N extends TableName>(name: N): Table<RowIn<N>> {
  return TABLES[name] as unknown as Table<RowIn<N>>
}
