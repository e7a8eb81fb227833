/**
 * Every metric of Tidemark in one table (spec/http-api.md 8, spec/rebuild.md 14, spec/reconcile.md 8): what is counted, what
 * `/metrics` shows, and docs/metrics.md are made from it. Names and labels are the reference's where it has them.
 */
import { OPERATIONS, type Operation } from '../operations.ts'
import { PROBLEMS, type Reason } from '../problem.ts'
import { createRegistry, type Catalogue, type Registry } from './registry.ts'

/** For requests that met no route, or never became a request. */
export const UNMATCHED = 'unmatched'

/** Route templates, as the API describes them, so that no id of a path becomes a label. */
const ENDPOINTS: readonly string[] = [
  ...new Set(Object.values<Operation>(OPERATIONS).map(({ path }) => path)),
  UNMATCHED,
]
/** Methods of the API; others are one. */
export const METHODS = ['GET', 'HEAD', 'POST', 'other'] as const
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** The only mode there is: an event is acknowledged when readers see it. */
const DURABILITY = ['visible'] as const
const RECONCILED = ['manifest_snapshot', 'base_dir', 'l0_dir'] as const
const AUTOMATION = {
  domain: ['orchestration'],
  mode: ['disabled', 'dry_run', 'enforce'],
  scope: ['current_head_only', 'full'],
} as const
/** Of the single-scope compactor's own configuration: the one exception to "no tenant labels" (spec/http-api.md 8). */
const BACKLOG = { ...AUTOMATION, tenant_id: null, workspace_id: null } as const

const LATENCY_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const
const WORK_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const

/** The table. */
export const METRICS = {
  api_request_duration_seconds: {
    type: 'histogram',
    help: 'Time from the arrival of a request to its answer, or to its end where work goes on behind the answer.',
    labels: { endpoint: ENDPOINTS, method: METHODS, status_class: STATUS_CLASSES },
    buckets: LATENCY_SECONDS,
  },
  api_request_total: {
    type: 'counter',
    help: 'Requests answered.',
    labels: { endpoint: ENDPOINTS, method: METHODS, status_class: STATUS_CLASSES },
  },
  rate_limit_hits_total: {
    type: 'counter',
    help: 'Requests refused with 429.',
    labels: { endpoint: ENDPOINTS },
  },
  arco_delta_commits_total: {
    type: 'counter',
    help: 'Commit requests by what they came to.',
    labels: { outcome: ['committed', 'replayed', ...(Object.keys(PROBLEMS) as Reason[])] },
  },
  arco_delta_recoveries_total: {
    type: 'counter',
    help: 'Half-done commits that were finished or dropped, by the crash window they were found in.',
    labels: {
      window: ['W1', 'W2', 'W3'],
      action: ['rolled_forward', 'finalized', 'abandoned', 'sealed', 'foreign'],
    },
  },
  arco_delta_storage_round_trips: {
    type: 'histogram',
    help: 'Sequential rounds of store operations that one request took.',
    labels: { case: ['stage', 'committed', 'replayed', 'commit_refused', 'recover'] },
    buckets: [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32],
  },
  arco_delta_finalize_failures_total: {
    type: 'counter',
    help: 'Commits that are durable and whose reservation could not be cleared: answered outcome_unknown, and cleared by the replay or the next commit.',
    labels: {},
  },
  arco_delta_alerts_total: {
    type: 'counter',
    help: 'Facts about a table that ask for a person; the log has what and where.',
    labels: {},
  },
  arco_flow_orch_compactions_total: {
    type: 'counter',
    help: 'Calls of /compact and /rebuild: all that ended well, and of the refused ones those whose publish failed.',
    labels: { durability_mode: DURABILITY, result: ['success', 'error'] },
  },
  arco_flow_orch_compactor_ack_latency_seconds: {
    type: 'histogram',
    help: 'Time from the arrival of such a call to its end.',
    labels: { durability_mode: DURABILITY },
    buckets: WORK_SECONDS,
  },
  arco_flow_orch_compactor_visibility_lag_events: {
    type: 'gauge',
    help: 'Whether the last such call left events that are stored and not visible: 1 or 0.',
    labels: { durability_mode: DURABILITY },
  },
  arco_flow_orch_compactor_publish_retries_total: {
    type: 'counter',
    help: 'Publishes that began again because another publisher was faster.',
    labels: { durability_mode: DURABILITY, reason: ['snapshot_conflict'], attempt: ['1', '2', '3'] },
  },
  arco_flow_orch_compactor_overwrite_rejects_total: {
    type: 'counter',
    help: 'Immutable objects whose key already held other bytes.',
    labels: { reason: ['artifact_exists'] },
  },
  arco_flow_orch_compactor_stale_fencing_rejects_total: {
    type: 'counter',
    help: 'Calls that were fenced: their lock was gone, over, about to be over, or somebody newer had published.',
    labels: { reason: ['lock_missing', 'lock_expired', 'lock_expiring', 'stale_token', 'epoch_regression'] },
  },
  arco_flow_orch_compactor_request_contract_rejections_total: {
    type: 'counter',
    help: 'Requests that break the contract of fencing_token and lock_path.',
    labels: {
      endpoint: ['/compact', '/rebuild'],
      reason: [
        'legacy_epoch_alias',
        'missing_fencing_token',
        'missing_lock_path',
        'missing_fencing_token_and_lock_path',
      ],
    },
  },
  arco_orch_compaction_lag_seconds: {
    type: 'gauge',
    help: 'Age of the last visible event when the projection was last looked at.',
    labels: {},
  },
  arco_flow_orch_reconciler_orphans_total: {
    type: 'counter',
    help: 'Orphans found, counted again by every check.',
    labels: { reason: RECONCILED },
  },
  arco_flow_orch_reconciler_repairs_total: {
    type: 'counter',
    help: 'Orphans that a repair looked at and left because of its scope.',
    labels: { reason: RECONCILED, status: ['skipped'] },
  },
  arco_flow_orch_reconciler_deletes_total: {
    type: 'counter',
    help: 'Objects deleted.',
    labels: { reason: RECONCILED },
  },
  arco_flow_orch_reconciler_deleted_bytes_total: {
    type: 'counter',
    help: 'Bytes of objects deleted.',
    labels: { reason: RECONCILED },
  },
  arco_flow_orch_reconciler_skipped_paths_total: {
    type: 'counter',
    help: 'Orphans of the report that were not orphans any more.',
    labels: { reason: RECONCILED },
  },
  arco_flow_orch_reconciler_deferred_paths_total: {
    type: 'counter',
    help: 'Orphans too young to delete.',
    labels: { reason: RECONCILED },
  },
  arco_flow_orch_repair_automation_runs_total: {
    type: 'counter',
    help: 'Runs of the scheduled reconcile, by how they ended.',
    labels: {
      ...AUTOMATION,
      status: ['clean', 'repair_needed', 'repaired', 'repair_failed', 'check_failed', 'recheck_failed'],
    },
  },
  arco_flow_orch_repair_automation_findings_total: {
    type: 'counter',
    help: 'What these runs found.',
    labels: AUTOMATION,
  },
  arco_flow_orch_repair_backlog_count: {
    type: 'gauge',
    help: 'Findings that are left after the last run.',
    labels: BACKLOG,
  },
  arco_flow_orch_repair_backlog_age_seconds: {
    type: 'gauge',
    help: 'For how long there has been something left.',
    labels: BACKLOG,
  },
  arco_flow_orch_repair_completion_latency_seconds: {
    type: 'histogram',
    help: 'Time from the first finding to a clean run.',
    labels: AUTOMATION,
    buckets: WORK_SECONDS,
  },
  arco_flow_orch_repair_repeat_findings_total: {
    type: 'counter',
    help: 'Findings that the run before had as well.',
    labels: BACKLOG,
  },
  tidemark_counting_info: {
    type: 'gauge',
    help: 'Always 1. What these numbers are about: one process, or one isolate of a Worker, of which the platform runs many and ends them at will.',
    labels: { counted_by: ['process', 'isolate'] },
  },
} as const satisfies Catalogue

/** Where one app counts. */
export type AppMetrics = Registry<typeof METRICS>

/** Fresh counters, all at zero. */
export function createMetrics(counted_by: 'process' | 'isolate' = 'process'): AppMetrics {
  const metrics = createRegistry(METRICS)
  metrics.set('tidemark_counting_info', { counted_by }, 1)
  return metrics
}
