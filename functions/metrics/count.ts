/** What a request and the facts that the protocol notes add to the counters (spec/http-api.md 8). */
import type { Note } from '../../lib/protocol/effects.ts'
import { OPERATIONS } from '../operations.ts'
import type { Reason } from '../problem.ts'
import { METHODS, UNMATCHED, type AppMetrics, type METRICS } from './catalogue.ts'
import { OTHER, type LabelsOf } from './registry.ts'

/** One request that was answered. */
export interface Answered {
  /** Template as the router has it: `/a/:table_id`; or `unmatched`. */
  readonly route: string
  readonly method: string
  readonly status: number
  readonly seconds: number
  /** The facts of its log line. */
  readonly facts: Readonly<Record<string, string | number | boolean>>
}

/** Count one request. */
export function countRequest(metrics: AppMetrics, answered: Answered): void {
  const { route, method, status, seconds, facts } = answered
  const endpoint = endpointOf(route)
  const status_class = `${Math.floor(status / 100)}xx` as Labels<'api_request_total'>['status_class']
  const labels = { endpoint, method: methodLabel(method), status_class }
  metrics.add('api_request_total', labels)
  metrics.observe('api_request_duration_seconds', labels, seconds)
  if (status === 429) metrics.add('rate_limit_hits_total', { endpoint })
  if (method !== 'POST') return
  if (endpoint === OPERATIONS.compact.path || endpoint === OPERATIONS.rebuild.path) {
    countCompaction(metrics, answered, endpoint)
  }
  if (endpoint === OPERATIONS.commit.path) {
    const outcome = String(
      facts['outcome'] ?? facts['reason'],
    ) as Labels<'arco_delta_commits_total'>['outcome']
    metrics.add('arco_delta_commits_total', { outcome })
  }
  const rounds = Number(facts['store_rounds'] ?? 0)
  const kind = caseOf(endpoint, facts['outcome'])
  if (rounds > 0 && kind !== null) metrics.observe('arco_delta_storage_round_trips', { case: kind }, rounds)
}

/** What a compaction or a rebuild came to (spec/rebuild.md 14); a dry run is none. */
function countCompaction(
  metrics: AppMetrics,
  { seconds, facts }: Answered,
  endpoint: '/compact' | '/rebuild',
): void {
  const { contract_rejection } = facts
  if (contract_rejection !== undefined) {
    const reason = String(contract_rejection) as Labels<typeof REJECTIONS>['reason']
    metrics.add(REJECTIONS, { endpoint, reason })
  }
  const has_published = facts['events_processed'] !== undefined
  if (facts['dry_run'] === true || !(has_published || PUBLISH_FAILURES.has(String(facts['reason'])))) return
  const labels = { durability_mode: 'visible' } as const
  metrics.add('arco_flow_orch_compactions_total', { ...labels, result: has_published ? 'success' : 'error' })
  metrics.observe('arco_flow_orch_compactor_ack_latency_seconds', labels, seconds)
  metrics.set('arco_flow_orch_compactor_visibility_lag_events', labels, has_published ? 0 : 1)
}

const REJECTIONS = 'arco_flow_orch_compactor_request_contract_rejections_total'

/** Failures to read, to decode or to hold the lock are none of a publish. */
const PUBLISH_FAILURES: ReadonlySet<string> = new Set([
  'contention',
  'throttled',
  'outcome_unknown',
] satisfies Reason[])

type Labels<N extends keyof typeof METRICS> = LabelsOf<(typeof METRICS)[N]>

/** What kind of request its rounds are those of, or null. */
function caseOf(
  endpoint: string,
  outcome: string | number | boolean | undefined,
): Labels<'arco_delta_storage_round_trips'>['case'] | null {
  switch (endpoint) {
    case OPERATIONS.stage.path:
      return 'stage'
    case OPERATIONS.recover.path:
      return 'recover'
    case OPERATIONS.commit.path:
      return outcome === 'committed' || outcome === 'replayed' ? outcome : 'commit_refused'
  }
  return null
}

/** A method of the API, or `other`. */
export function methodLabel(method: string): Labels<'api_request_total'>['method'] {
  return METHODS.find((each) => each === method) ?? OTHER
}

/** The path as the API describes it. */
export function endpointOf(route: string): string {
  return route === UNMATCHED ? UNMATCHED : route.replaceAll(/:(\w+)/g, '{$1}')
}

/** Count a fact of the protocol. */
export function countNote(metrics: AppMetrics, note: Note): void {
  switch (note.note) {
    case 'recovered':
      metrics.add('arco_delta_recoveries_total', { window: note.window, action: note.action })
      return
    case 'finalize_failed':
      metrics.add('arco_delta_finalize_failures_total', {})
      return
    case 'alert':
      metrics.add('arco_delta_alerts_total', {})
      return
    case 'fenced':
      metrics.add('arco_flow_orch_compactor_stale_fencing_rejects_total', { reason: note.reason })
      return
    case 'publish_retried':
      metrics.add('arco_flow_orch_compactor_publish_retries_total', {
        durability_mode: 'visible',
        reason: 'snapshot_conflict',
        attempt: ATTEMPTS[note.attempt - 1] ?? '3',
      })
      return
    case 'artifact_exists':
      metrics.add('arco_flow_orch_compactor_overwrite_rejects_total', { reason: 'artifact_exists' })
      return
    case 'finding':
      metrics.add('tidemark_health_findings_total', {
        // One of another part is counted as `other`.
        rule: note.rule as Labels<'tidemark_health_findings_total'>['rule'],
        severity: note.severity,
      })
      return
    // The automation counts its runs itself (reconciled.ts).
    case 'repair_automation':
    case 'rebuild_progress':
    // For the log.
    case 'release_failed':
  }
}

const ATTEMPTS = ['1', '2', '3'] as const
