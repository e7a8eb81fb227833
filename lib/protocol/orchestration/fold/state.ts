/**
 * The state that the fold works on (spec/fold.md 1 and 2): rows of the 17 tables, and indexes that follow from them.
 * It is a plain value of the process that folds; nothing in it refers to a store, a clock or a runtime.
 */
import type { RunIdFor } from '../ids.ts'
import { TABLES } from '../tables/all.ts'
import type { RowIn, TableName } from '../tables/all.ts'
import type { DependencyRow } from '../tables/runs.ts'
import type { Refreshes } from './catalog.ts'
import type { Retention } from './retention.ts'
import { emptyRows, joinKey } from './rows.ts'
import type { Address, Rows, Slot } from './rows.ts'

/** Everything that the fold knows. */
export interface FoldState {
  readonly rows: { readonly [N in TableName]: Rows<RowIn<N>> }
  /** Edges of each run's dependency graph, from both ends. */
  readonly graphs: Map<string, DependencyGraph>
  /** Refreshes of the catalog rows of a run that have not been carried out yet. */
  readonly refreshes: Map<string, Refreshes>
  /** What expires when; null when deletions are not recorded, because nothing may expire then. */
  readonly retention: Retention | null
  readonly runIdFor: RunIdFor
}

/** The dependencies of one run's tasks. An edge is in both maps. */
export interface DependencyGraph {
  /** Edges to the tasks that wait for this one. */
  readonly downstream: Map<string, Slot<DependencyRow>[]>
  /** Edges from the tasks that this one waits for. */
  readonly upstream: Map<string, Slot<DependencyRow>[]>
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
export function emptyTables(): FoldState['rows'] {
  return {
    runs: emptyRows(TABLES.runs),
    tasks: emptyRows(TABLES.tasks, byRun),
    catalog_run_index: emptyRows(
      TABLES.catalog_run_index,
      ([org_id = '', workspace_id = '', run_id = '', task_key = '']) => ({
        group: run_id,
        key: joinKey([org_id, workspace_id, task_key]),
      }),
    ),
    dep_satisfaction: emptyRows(TABLES.dep_satisfaction, byRun),
    timers: emptyRows(TABLES.timers, undefined, (row) => row.run_id),
    dispatch_outbox: emptyRows(TABLES.dispatch_outbox, undefined, (row) => row.run_id),
    sensor_state: emptyRows(TABLES.sensor_state),
    sensor_evals: emptyRows(TABLES.sensor_evals),
    run_key_index: emptyRows(TABLES.run_key_index, undefined, (row) => row.run_id),
    run_key_conflicts: emptyRows(TABLES.run_key_conflicts, undefined, (row) => row.run_key),
    partition_status: emptyRows(TABLES.partition_status),
    idempotency_keys: emptyRows(TABLES.idempotency_keys),
    schedule_definitions: emptyRows(TABLES.schedule_definitions),
    schedule_state: emptyRows(TABLES.schedule_state),
    schedule_ticks: emptyRows(TABLES.schedule_ticks),
    backfills: emptyRows(TABLES.backfills),
    backfill_chunks: emptyRows(TABLES.backfill_chunks),
  }
}

/** Keys that begin with a run id. */
function byRun([run_id = '', ...rest]: readonly string[]): Address {
  return { group: run_id, key: joinKey(rest) }
}
