/** Runs, their tasks, the dependencies between these, and the index of runs that catalogs read. */
import { EMPTY_MAP, textMap } from '../events/schema.ts'
import { compareBytes } from '../byte-order.ts'
import {
  addedLater,
  bool,
  i64,
  isNotOlder,
  jsonUnlessEmpty,
  maybeText,
  maybeTime,
  nullable,
  oneOf,
  table,
  text,
  time,
  u32,
} from './columns.ts'
import type { RowOf } from './columns.ts'
import { DEP_RESOLUTIONS, RUN_STATES, TASK_STATES, VISIBILITY_STATES } from './values.ts'
import type { TaskState } from './values.ts'

/** One row a run; counters are of its tasks. */
export const runs = table({
  name: 'runs',
  key: ['run_id'],
  replaces: isNotOlder,
  columns: {
    run_id: text,
    plan_id: text,
    state: oneOf(RUN_STATES),
    run_key: maybeText,
    cancel_requested: addedLater(bool, false),
    tasks_total: u32,
    tasks_completed: u32,
    tasks_succeeded: u32,
    tasks_failed: u32,
    tasks_skipped: u32,
    tasks_cancelled: u32,
    triggered_at: time,
    completed_at: nullable(time),
    labels: jsonUnlessEmpty(textMap, EMPTY_MAP),
    code_version: maybeText,
    row_version: text,
  },
})
/** A row of `runs`. */
export type RunRow = RowOf<typeof runs>

/** One row a task of a plan. */
export const tasks = table({
  name: 'tasks',
  key: ['run_id', 'task_key'],
  replaces: replacesTask,
  columns: {
    run_id: text,
    task_key: text,
    state: oneOf(TASK_STATES),
    attempt: u32,
    attempt_id: nullable(text),
    started_at: maybeTime,
    completed_at: maybeTime,
    error_message: maybeText,
    deps_total: u32,
    deps_satisfied_count: u32,
    max_attempts: u32,
    heartbeat_timeout_sec: u32,
    last_heartbeat_at: nullable(time),
    ready_at: nullable(time),
    asset_key: maybeText,
    partition_key: maybeText,
    // Never absent in memory; OPTIONAL in files because columns that came later have to be (projections.md 13).
    requires_visible_output: { ...addedLater(bool, false), nullable: true },
    materialization_id: maybeText,
    output_visibility_state: addedLater(nullable(oneOf(VISIBILITY_STATES)), null),
    published_at: maybeTime,
    publish_error: maybeText,
    retry_not_before: maybeTime,
    delta_table: maybeText,
    delta_version: addedLater(nullable(i64), null),
    delta_partition: maybeText,
    execution_lineage_ref: maybeText,
    row_version: text,
  },
})
/** A row of `tasks`. */
export type TaskRow = RowOf<typeof tasks>

/** One row a task with an asset, joined with its run; derived from both and never read by the fold. */
export const catalogRunIndex = table({
  name: 'catalog_run_index',
  key: ['org_id', 'workspace_id', 'run_id', 'task_key'],
  replaces: isNotOlder,
  columns: {
    schema_version: u32,
    org_id: text,
    workspace_id: text,
    run_id: text,
    task_key: text,
    plan_id: text,
    run_key: nullable(text),
    kind: nullable(text),
    reference_id: nullable(text),
    source_type: nullable(text),
    run_status: oneOf(RUN_STATES),
    cancel_requested: bool,
    task_status: oneOf(TASK_STATES),
    asset_key: nullable(text),
    target_namespace: nullable(text),
    target_table: nullable(text),
    partition_key: nullable(text),
    attempt: u32,
    attempt_id: nullable(text),
    requires_visible_output: bool,
    materialization_id: nullable(text),
    output_visibility_state: nullable(oneOf(VISIBILITY_STATES)),
    published_at: nullable(time),
    publish_error: nullable(text),
    delta_table: nullable(text),
    delta_version: nullable(i64),
    delta_partition: nullable(text),
    execution_lineage_ref: nullable(text),
    started_at: nullable(time),
    last_heartbeat_at: nullable(time),
    triggered_at: time,
    completed_at: nullable(time),
    updated_at: time,
    code_version: nullable(text),
    error_message: nullable(text),
    row_version: text,
  },
})
/** A row of `catalog_run_index`. */
export type CatalogRow = RowOf<typeof catalogRunIndex>

/** One row a dependency of a task on another; `resolution` is null until the upstream task has ended. */
export const depSatisfaction = table({
  name: 'dep_satisfaction',
  key: ['run_id', 'upstream_task_key', 'downstream_task_key'],
  replaces: isNotOlder,
  columns: {
    run_id: text,
    upstream_task_key: text,
    downstream_task_key: text,
    satisfied: bool,
    resolution: nullable(oneOf(DEP_RESOLUTIONS)),
    satisfied_at: nullable(time),
    satisfying_attempt: nullable(u32),
    row_version: text,
  },
})
/** A row of `dep_satisfaction`. */
export type DependencyRow = RowOf<typeof depSatisfaction>

/** Of one version, the state that is further on wins; the later layer if there is none. */
function replacesTask(
  incoming: { readonly row_version: string; readonly state: TaskState },
  existing: { readonly row_version: string; readonly state: TaskState },
): boolean {
  const order = compareBytes(incoming.row_version, existing.row_version)
  if (order !== 0) return order > 0
  return TASK_STATES.indexOf(incoming.state) >= TASK_STATES.indexOf(existing.state)
}
