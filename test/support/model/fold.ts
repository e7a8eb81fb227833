/** The slow fold: one event (spec/fold.md 3 and 5). */
import type { EventData, LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { foldPlanning } from './planning.ts'
import { foldRunEvent } from './run-events.ts'
import { get, insert, table } from './tables.ts'
import type { Model, ModelRow } from './tables.ts'

/** Kinds marked R in the table of section 3. */
const REFRESHING: readonly string[] = [
  'run_triggered',
  'plan_created',
  'run_cancel_requested',
  'task_started',
  'task_heartbeat',
  'task_finished',
  'task_completion_recorded',
  'task_output_visibility_changed',
  'dispatch_requested',
]

/** Section 3, steps 1 to 4. */
export function foldModel(model: Model, event: LedgerEvent): 'applied' | 'no_effect' | 'duplicate' {
  if (get(model, 'idempotency_keys', event.idempotency_key) !== undefined) return 'duplicate'
  const applied = foldRunEvent(model, event) ?? foldPlanning(model, event) ?? false
  if (!applied) return 'no_effect'
  if (REFRESHING.includes(event.data.type)) refreshCatalog(model, event, event.data)
  insert(model, 'idempotency_keys', {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    idempotency_key: event.idempotency_key,
    event_id: event.event_id,
    event_type: event.event_type,
    recorded_at: event.timestamp,
    row_version: event.event_id,
  })
  return 'applied'
}

/** 4.3, row by row. */
function refreshCatalog(model: Model, event: LedgerEvent, data: EventData): void {
  const run_id = 'run_id' in data ? String(data.run_id) : ''
  const run = get(model, 'runs', run_id)
  if (run === undefined) return
  for (const task of table(model, 'tasks').values()) {
    if (task.run_id === run_id && task.asset_key !== null) refreshRow(model, event, run, task)
  }
}

function refreshRow(model: Model, event: LedgerEvent, run: ModelRow, task: ModelRow): void {
  const [task_version, run_version] = [String(task.row_version), String(run.row_version)]
  const row_version =
    Buffer.compare(Buffer.from(task_version), Buffer.from(run_version)) >= 0 ? task_version : run_version
  const existing = get(
    model,
    'catalog_run_index',
    event.tenant_id,
    event.workspace_id,
    String(task.run_id),
    String(task.task_key),
  )
  const labels = run.labels as ReadonlyMap<string, string>
  const [target_namespace, target_table] = split(String(task.asset_key))
  const copied = [
    'run_id task_key asset_key partition_key attempt attempt_id requires_visible_output materialization_id',
    'output_visibility_state published_at publish_error delta_table delta_version delta_partition',
    'execution_lineage_ref started_at last_heartbeat_at error_message',
  ].flatMap((names) => names.split(' '))
  insert(model, 'catalog_run_index', {
    ...Object.fromEntries(copied.map((name) => [name, task[name]])),
    schema_version: 1,
    org_id: event.tenant_id,
    workspace_id: event.workspace_id,
    plan_id: run.plan_id,
    run_key: run.run_key,
    kind: labels.get('kind') ?? labels.get('run_kind') ?? null,
    reference_id: labels.get('reference_id') ?? labels.get('referenceId') ?? null,
    source_type: labels.get('source_type') ?? labels.get('sourceType') ?? null,
    run_status: run.state,
    cancel_requested: run.cancel_requested,
    task_status: task.state,
    target_namespace,
    target_table,
    triggered_at: run.triggered_at,
    completed_at: run.completed_at,
    code_version: run.code_version,
    updated_at: existing?.row_version === row_version ? existing.updated_at : event.timestamp,
    row_version,
  })
}

function split(asset_key: string): [string | null, string | null] {
  for (const separator of ['/', '.']) {
    const at = asset_key.indexOf(separator)
    if (at >= 0) return [asset_key.slice(0, at) || null, asset_key.slice(at + 1) || null]
  }
  return [null, asset_key]
}
