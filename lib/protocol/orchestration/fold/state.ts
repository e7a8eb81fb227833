/**
 * The state that the fold works on (spec/fold.md 1 and 2): rows of the 17 tables, and indexes that follow from them.
 * It is a plain value of the process that folds; nothing in it refers to a store, a clock or a runtime.
 */
import type { RunIdFor } from '../ids.ts'
import { TABLES } from '../tables/all.ts'
import type { RowIn, TableName } from '../tables/all.ts'
import type { DependencyRow, TaskRow } from '../tables/runs.ts'
import type { Refreshes, Settled } from './catalog.ts'
import type { Retention } from './expiry.ts'
import { emptyRows, emptyRowsIn, joinKey } from './rows.ts'
import type { Placement, Rows, Slot } from './rows.ts'

/** Everything that the fold knows. */
export interface FoldState {
  readonly rows: TableRows
  /** Refreshes of the catalog rows of a run that have not been carried out yet. */
  readonly refreshes: Map<string, Refreshes>
  /** What expires when; null when deletions are not recorded, because nothing may expire then. */
  readonly retention: Retention | null
  readonly runIdFor: RunIdFor
}

/** Rows of every table. */
export type TableRows = {
  readonly [N in Exclude<TableName, 'tasks' | 'dep_satisfaction'>]: Rows<RowIn<N>>
} & {
  readonly tasks: Rows<TaskRow, TaskSlot>
  readonly dep_satisfaction: Rows<DependencyRow, DependencySlot>
}

/** A task in its run's dependency graph. A task that others only name has a slot without a row. */
export interface TaskSlot extends Slot<TaskRow> {
  /** First of the edges to the tasks that wait for this one. */
  downstream: DependencySlot | null
  /** First of the edges from the tasks that this one waits for. */
  upstream: DependencySlot | null
  /** Where its catalog row stands; null when nobody has looked since the rows were written. */
  settled: Settled | null
}

/** An edge of the graph: the task that waits, and the next edge of the same task in either direction. */
export interface DependencySlot extends Slot<DependencyRow> {
  to: TaskSlot | null
  next_downstream: DependencySlot | null
  next_upstream: DependencySlot | null
}

/** What a fold depends on besides its events. */
export interface FoldSettings {
  /** Under which run ids are derived from run keys; the same ledger under another secret has other run ids. */
  readonly tenant_secret: Uint8Array
  /**
   * Given when deletions are recorded (manifests.md 10, mode emit): days after which a terminal run expires, 0 for
   * never. Null in mode understand, where nothing expires.
   */
  readonly terminal_run_days: number | null
}

/** No rows. */
export function emptyTables(): TableRows {
  return {
    runs: emptyRows(TABLES.runs),
    tasks: emptyRowsIn(TABLES.tasks, BY_RUN, newTaskSlot),
    catalog_run_index: emptyRows(TABLES.catalog_run_index, {
      groupOf: ([, , run_id = '']) => run_id,
      nameOf: ([org_id = '', workspace_id = '', , task_key = '']) =>
        catalogName(org_id, workspace_id, task_key),
    }),
    dep_satisfaction: emptyRowsIn(TABLES.dep_satisfaction, BY_RUN, newDependencySlot),
    timers: emptyRows(TABLES.timers, { indexOf: (row) => row.run_id }),
    dispatch_outbox: emptyRows(TABLES.dispatch_outbox, { indexOf: (row) => row.run_id }),
    sensor_state: emptyRows(TABLES.sensor_state),
    sensor_evals: emptyRows(TABLES.sensor_evals),
    run_key_index: emptyRows(TABLES.run_key_index, { indexOf: (row) => row.run_id }),
    run_key_conflicts: emptyRows(TABLES.run_key_conflicts, { indexOf: (row) => row.run_key }),
    partition_status: emptyRows(TABLES.partition_status),
    idempotency_keys: emptyRows(TABLES.idempotency_keys),
    schedule_definitions: emptyRows(TABLES.schedule_definitions),
    schedule_state: emptyRows(TABLES.schedule_state),
    schedule_ticks: emptyRows(TABLES.schedule_ticks),
    backfills: emptyRows(TABLES.backfills),
    backfill_chunks: emptyRows(TABLES.backfill_chunks),
  }
}

/** Under what a catalog row is found among those of its run. */
export function catalogName(org_id: string, workspace_id: string, task_key: string): string {
  return joinKey([org_id, workspace_id, task_key])
}

/** Under what an edge is found among those of its run. */
export function edgeName(upstream_task_key: string, downstream_task_key: string): string {
  return joinKey([upstream_task_key, downstream_task_key])
}

/** Keys that begin with a run id. */
const BY_RUN: Placement<never> = {
  groupOf: ([run_id = '']) => run_id,
  nameOf: ([, ...rest]) => joinKey(rest),
}

function newTaskSlot(): TaskSlot {
  return { row: null, before: undefined, downstream: null, upstream: null, settled: null }
}

function newDependencySlot(): DependencySlot {
  return { row: null, before: undefined, to: null, next_downstream: null, next_upstream: null }
}
