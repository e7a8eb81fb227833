/** The catalogue of metrics, http-api.md 8: names and labels as the specification has them, and the document made of it. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { METRICS } from '../../../functions/metrics/catalogue.ts'
import type { MetricSpec } from '../../../functions/metrics/registry.ts'
import { METRICS_DOCUMENT, metricsDocument } from '../../../scripts/docs-metrics.ts'

/** Tables of http-api.md 8, rebuild.md 14 and reconcile.md 8, copied by hand. */
const OF_THE_SPECIFICATION: Readonly<Record<string, readonly [type: string, ...labels: string[]]>> = {
  api_request_duration_seconds: ['histogram', 'endpoint', 'method', 'status_class'],
  api_request_total: ['counter', 'endpoint', 'method', 'status_class'],
  rate_limit_hits_total: ['counter', 'endpoint'],
  arco_flow_orch_compactions_total: ['counter', 'durability_mode', 'result'],
  arco_flow_orch_compactor_ack_latency_seconds: ['histogram', 'durability_mode'],
  arco_flow_orch_compactor_visibility_lag_events: ['gauge', 'durability_mode'],
  arco_flow_orch_compactor_publish_retries_total: ['counter', 'durability_mode', 'reason', 'attempt'],
  arco_flow_orch_compactor_overwrite_rejects_total: ['counter', 'reason'],
  arco_flow_orch_compactor_stale_fencing_rejects_total: ['counter', 'reason'],
  arco_flow_orch_compactor_request_contract_rejections_total: ['counter', 'endpoint', 'reason'],
  arco_orch_compaction_lag_seconds: ['gauge'],
  arco_flow_orch_reconciler_orphans_total: ['counter', 'reason'],
  arco_flow_orch_reconciler_repairs_total: ['counter', 'reason', 'status'],
  arco_flow_orch_reconciler_deletes_total: ['counter', 'reason'],
  arco_flow_orch_reconciler_deleted_bytes_total: ['counter', 'reason'],
  arco_flow_orch_reconciler_skipped_paths_total: ['counter', 'reason'],
  arco_flow_orch_reconciler_deferred_paths_total: ['counter', 'reason'],
  arco_flow_orch_repair_automation_runs_total: ['counter', 'domain', 'mode', 'scope', 'status'],
  arco_flow_orch_repair_automation_findings_total: ['counter', 'domain', 'mode', 'scope'],
  arco_flow_orch_repair_backlog_count: ['gauge', 'domain', 'mode', 'scope', 'tenant_id', 'workspace_id'],
  arco_flow_orch_repair_backlog_age_seconds: [
    'gauge',
    'domain',
    'mode',
    'scope',
    'tenant_id',
    'workspace_id',
  ],
  arco_flow_orch_repair_completion_latency_seconds: ['histogram', 'domain', 'mode', 'scope'],
  arco_flow_orch_repair_repeat_findings_total: [
    'counter',
    'domain',
    'mode',
    'scope',
    'tenant_id',
    'workspace_id',
  ],
  arco_delta_commits_total: ['counter', 'outcome'],
  arco_delta_recoveries_total: ['counter', 'window', 'action'],
  arco_delta_storage_round_trips: ['histogram', 'case'],
  arco_delta_finalize_failures_total: ['counter'],
}

const metrics = Object.entries<MetricSpec>(METRICS)

describe('the catalogue', () => {
  test.each(Object.entries(OF_THE_SPECIFICATION))('%s', (name, [type, ...labels]) => {
    const spec = metrics.find(([each]) => each === name)?.[1]
    expect({ type: spec?.type, labels: Object.keys(spec?.labels ?? {}) }).toEqual({ type, labels })
  })

  test('has closed label values, but for the backlog of the single-scope compactor', () => {
    const open = metrics.flatMap(([name, { labels }]) =>
      Object.entries(labels).flatMap(([label, values]) => (values === null ? [`${name} ${label}`] : [])),
    )
    const backlog = ['backlog_count', 'backlog_age_seconds', 'repeat_findings_total']
    expect(open).toEqual(
      backlog.flatMap((name) =>
        ['tenant_id', 'workspace_id'].map((label) => `arco_flow_orch_repair_${name} ${label}`),
      ),
    )
  })

  test('has names as Prometheus wants them, a sentence each, and ascending buckets exactly for histograms', () => {
    for (const [name, { type, help, labels, buckets }] of metrics) {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(help).toMatch(/^[A-Z/].*\.$/)
      for (const label of Object.keys(labels)) expect(label).toMatch(/^(?!le$)[a-z][a-z0-9_]*$/)
      expect(buckets !== undefined).toBe(type === 'histogram')
      expect([...(buckets ?? [])].toSorted((a, b) => a - b)).toEqual([...(buckets ?? [])])
    }
  })

  test('is what docs/metrics.md says; `npm run docs:metrics` writes it', () => {
    expect(readFileSync(METRICS_DOCUMENT, 'utf8')).toBe(metricsDocument())
  })
})
