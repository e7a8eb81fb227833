/**
 * The index of runs that catalogs read (spec/fold.md 4.3). Every event about a run refreshes the rows of *all* its
 * tasks, which would make one event of a run with 100 000 tasks write 100 000 rows. Nothing in the fold reads these
 * rows, and all but two of their columns follow from the run and the task as they are. So a refresh is only noted, in
 * constant time, and carried out when somebody asks for the rows: once a batch instead of once an event.
 *
 * The two columns are `row_version`, the later of the task's and the run's at the refresh, and `updated_at`, the time
 * of the refresh at which that last changed. For a task that did not change, it changed when the run's version did
 * and one of its two values was later than the task's own; `changes` keeps what is needed to tell when that was last.
 * A task that does change is settled first, and looked at again by the next refresh.
 */
import { compareBytes, laterVersion } from '../byte-order.ts'
import type { Instant } from '../events/instant.ts'
import type { LedgerEvent } from '../events/kinds.ts'
import type { CatalogRow, RunRow, TaskRow } from '../tables/runs.ts'
import { find, isFull, put, slotsOf } from './rows.ts'
import { catalogName } from './state.ts'
import type { FoldState, TaskSlot } from './state.ts'

/** Refreshes of one run's rows that have not been carried out. The first has number 1. */
export interface Refreshes {
  readonly org_id: string
  readonly workspace_id: string
  /** How many there were. */
  count: number
  readonly first: Refresh
  /** The run's version at the last one. */
  run_version: string
  /** Newest last. An older one is dropped when a newer one counts for every task that it counts for. */
  readonly changes: VersionChange[]
  /** Tasks that changed since the last refresh; one may be there more than once. */
  readonly changed: TaskSlot[]
}

type TaskKey = Pick<TaskRow, 'run_id' | 'task_key'>

interface Refresh {
  readonly run_version: string
  readonly at: Instant
}

/** A refresh that saw another version of the run than the one before it. */
interface VersionChange {
  readonly refresh: number
  /** The later of both versions: tasks whose own is at least as late did not notice. */
  readonly version: string
  readonly at: Instant
}

/** The two columns of a catalog row after a refresh; `row_version` is null while there is no row. */
export interface Settled {
  readonly refresh: number
  readonly row_version: string | null
  readonly updated_at: Instant
}

/**
 * Before an event about a run is folded: rows of another tenant or workspace keep what they are. One state belongs to
 * one scope, and then this never does anything.
 */
export function enterCatalogScope(state: FoldState, event: LedgerEvent, run_id: string): void {
  const pending = state.refreshes.get(run_id)
  if (pending === undefined) return
  if (pending.org_id !== event.tenant_id || pending.workspace_id !== event.workspace_id)
    writeCatalogRows(state, run_id, pending)
}

/** After an event about a run was applied: its catalog rows follow. */
export function refreshCatalog(state: FoldState, event: LedgerEvent, run_id: string): void {
  const run = find(state.rows.runs, run_id)
  if (run === null) return
  const pending = state.refreshes.get(run_id)
  if (pending === undefined) {
    state.refreshes.set(run_id, firstRefresh(event, run.row))
    return
  }
  pending.count += 1
  noteVersion(pending, run.row.row_version, event.timestamp)
  for (let task = pending.changed.pop(); task !== undefined; task = pending.changed.pop()) {
    refreshChanged(event, task, pending)
  }
}

/** Before a task changes or appears: what its catalog row is by now depends on what the task is by now. */
export function settleCatalogRow(state: FoldState, run_id: string, task_key: string, task: TaskSlot): void {
  const pending = state.refreshes.get(run_id)
  if (pending === undefined) return
  task.settled = settle(state, pending, { run_id, task_key }, task)
  pending.changed.push(task)
}

/** Carry out all refreshes: from here on the table is what the specification says. */
export function writeCatalog(state: FoldState): void {
  for (const [run_id, pending] of state.refreshes) writeCatalogRows(state, run_id, pending)
}

/** Forget the refreshes of a run that is no more. */
export function dropRefreshes(state: FoldState, run_id: string): void {
  for (const task of state.rows.tasks.groups.get(run_id)?.values() ?? []) task.settled = null
  state.refreshes.delete(run_id)
}

function writeCatalogRows(state: FoldState, run_id: string, pending: Refreshes): void {
  const run = find(state.rows.runs, run_id)
  for (const task of slotsOf(state.rows.tasks, run_id)) {
    const { updated_at, row_version } = settle(state, pending, task.row, task)
    task.settled = null
    if (run !== null && row_version !== null && task.row.asset_key !== null)
      put(state.rows.catalog_run_index, catalogRow(pending, run.row, task.row, { updated_at, row_version }))
  }
  state.refreshes.delete(run_id)
}

function firstRefresh(event: LedgerEvent, run: RunRow): Refreshes {
  const { tenant_id: org_id, workspace_id, timestamp: at } = event
  const run_version = run.row_version
  return {
    org_id,
    workspace_id,
    count: 1,
    first: { run_version, at },
    run_version,
    changes: [],
    changed: [],
  }
}

function noteVersion(pending: Refreshes, run_version: string, at: Instant): void {
  if (run_version === pending.run_version) return
  const version = laterVersion(run_version, pending.run_version)
  pending.run_version = run_version
  const { changes } = pending
  for (let last = changes.at(-1); last !== undefined; last = changes.at(-1)) {
    if (compareBytes(last.version, version) > 0) break
    changes.pop()
  }
  changes.push({ refresh: pending.count, version, at })
}

/** The columns of a task's row after the last refresh. */
function settle(state: FoldState, pending: Refreshes, key: TaskKey, task: TaskSlot): Settled {
  const known = task.settled ?? settledBefore(state, pending, key)
  // Settled by an earlier change since the last refresh, before which the task was another one.
  if (known.refresh === pending.count) return known
  if (!isFull(task) || task.row.asset_key === null) return { ...known, refresh: pending.count }
  const { row_version } = task.row
  const missed_first =
    known.refresh === 0 && known.row_version !== laterVersion(row_version, pending.first.run_version)
  const change = lastChangeAbove(pending.changes, row_version)
  const has_change = change !== null && change.refresh > known.refresh
  return {
    refresh: pending.count,
    row_version: laterVersion(row_version, pending.run_version),
    updated_at: has_change ? change.at : missed_first ? pending.first.at : known.updated_at,
  }
}

/** What the table still says: the row before the first of these refreshes. */
function settledBefore(state: FoldState, pending: Refreshes, { run_id, task_key }: TaskKey): Settled {
  const stored = state.rows.catalog_run_index.groups.get(run_id)
  const row = stored?.get(catalogName(pending.org_id, pending.workspace_id, task_key))?.row ?? null
  return row === null
    ? { refresh: 0, row_version: null, updated_at: pending.first.at }
    : { refresh: 0, row_version: row.row_version, updated_at: row.updated_at }
}

/** The newest change that a task of this version noticed: versions fall from one to the next, so this is a bisection. */
function lastChangeAbove(changes: readonly VersionChange[], version: string): VersionChange | null {
  let low = 0
  let high = changes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const change = changes[middle]
    if (change !== undefined && compareBytes(change.version, version) > 0) low = middle + 1
    else high = middle
  }
  return changes[low - 1] ?? null
}

function refreshChanged(event: LedgerEvent, task: TaskSlot, pending: Refreshes): void {
  const known = task.settled
  if (known === null || !isFull(task) || task.row.asset_key === null) return
  const row_version = laterVersion(task.row.row_version, pending.run_version)
  const updated_at = row_version === known.row_version ? known.updated_at : event.timestamp
  task.settled = { refresh: pending.count, row_version, updated_at }
}

function catalogRow(
  pending: Refreshes,
  run: RunRow,
  task: TaskRow,
  { updated_at, row_version }: { updated_at: Instant; row_version: string },
): CatalogRow {
  const target = splitAssetKey(task.asset_key ?? '')
  return {
    schema_version: 1,
    org_id: pending.org_id,
    workspace_id: pending.workspace_id,
    run_id: run.run_id,
    task_key: task.task_key,
    plan_id: run.plan_id,
    run_key: run.run_key,
    kind: label(run, 'kind', 'run_kind'),
    reference_id: label(run, 'reference_id', 'referenceId'),
    source_type: label(run, 'source_type', 'sourceType'),
    run_status: run.state,
    cancel_requested: run.cancel_requested,
    task_status: task.state,
    asset_key: task.asset_key,
    target_namespace: target.namespace,
    target_table: target.table,
    partition_key: task.partition_key,
    attempt: task.attempt,
    attempt_id: task.attempt_id,
    requires_visible_output: task.requires_visible_output,
    materialization_id: task.materialization_id,
    output_visibility_state: task.output_visibility_state,
    published_at: task.published_at,
    publish_error: task.publish_error,
    delta_table: task.delta_table,
    delta_version: task.delta_version,
    delta_partition: task.delta_partition,
    execution_lineage_ref: task.execution_lineage_ref,
    started_at: task.started_at,
    last_heartbeat_at: task.last_heartbeat_at,
    triggered_at: run.triggered_at,
    completed_at: run.completed_at,
    updated_at,
    code_version: run.code_version,
    error_message: task.error_message,
    row_version,
  }
}

/** The first label that is there, even when it is empty. */
function label({ labels }: RunRow, name: string, other_name: string): string | null {
  return labels.get(name) ?? labels.get(other_name) ?? null
}

/** At the first slash, else at the first dot; without either, all of it is the table's name, even nothing. */
function splitAssetKey(asset_key: string): { namespace: string | null; table: string | null } {
  const slash = asset_key.indexOf('/')
  const at = slash === -1 ? asset_key.indexOf('.') : slash
  if (at === -1) return { namespace: null, table: asset_key }
  return { namespace: unlessEmpty(asset_key.slice(0, at)), table: unlessEmpty(asset_key.slice(at + 1)) }
}

function unlessEmpty(text: string): string | null {
  return text === '' ? null : text
}
