/** What a reconcile and the repair automation add to the counters (spec/reconcile.md 8). */
import type { Automation, AutomationRun } from '../../lib/protocol/maintenance/projection/automation.ts'
import type { Reconciled } from '../../lib/protocol/maintenance/projection/reconcile.ts'
import type { Scope } from '../../lib/store/scoped.ts'
import type { AppMetrics } from './catalogue.ts'

const KINDS = ['manifest_snapshot', 'base_dir', 'l0_dir'] as const

/** Count one check, and the repair that came with it. */
export function countReconciled(metrics: AppMetrics, { report, by_kind }: Reconciled): void {
  const orphans = {
    manifest_snapshot: report.orphan_manifest_snapshots.length,
    base_dir: report.orphan_base_dirs.length,
    l0_dir: report.orphan_l0_dirs.length,
  }
  for (const reason of KINDS) {
    metrics.add('arco_flow_orch_reconciler_orphans_total', { reason }, orphans[reason])
    const repaired = by_kind?.[reason]
    if (repaired === undefined) continue
    metrics.add('arco_flow_orch_reconciler_deletes_total', { reason }, repaired.deleted_objects)
    metrics.add('arco_flow_orch_reconciler_deleted_bytes_total', { reason }, repaired.deleted_bytes)
    metrics.add('arco_flow_orch_reconciler_skipped_paths_total', { reason }, repaired.skipped_paths)
    metrics.add('arco_flow_orch_reconciler_deferred_paths_total', { reason }, repaired.deferred_paths)
  }
}

/** Count one run of the automation. A check that failed says nothing of the backlog, which stays as it was. */
export function countAutomation(
  metrics: AppMetrics,
  { mode, scope }: Automation,
  { tenant, workspace }: Scope,
  run: AutomationRun,
): void {
  const labels = { domain: 'orchestration', mode, scope } as const
  const backlog = { ...labels, tenant_id: tenant, workspace_id: workspace }
  metrics.add('arco_flow_orch_repair_automation_runs_total', { ...labels, status: run.status })
  metrics.add('arco_flow_orch_repair_automation_findings_total', labels, run.findings)
  if (run.backlog_count !== null) {
    metrics.set('arco_flow_orch_repair_backlog_count', backlog, run.backlog_count)
    metrics.set('arco_flow_orch_repair_backlog_age_seconds', backlog, run.backlog_age_ms / 1000)
  }
  if (run.is_repeat) metrics.add('arco_flow_orch_repair_repeat_findings_total', backlog)
  if (run.latency_ms !== null) {
    metrics.observe('arco_flow_orch_repair_completion_latency_seconds', labels, run.latency_ms / 1000)
  }
  if (run.reconciled !== null) countReconciled(metrics, run.reconciled)
}
