/**
 * POST /internal/health-check: one run of the health check (issue 7), for schedulers and for the runtimes' own triggers. Sweep,
 * tell, keep the place, in this order: a place is kept only when what was found before it has been told, or is kept with it.
 */
import type * as z from 'zod'
import { parseShape } from '../lib/protocol/delta/commit-input.ts'
import { bySeverity, exitCodeOf, type Finding } from '../lib/protocol/maintenance/finding.ts'
import { keepPosition, readPosition, type Position } from '../lib/protocol/maintenance/health/position.ts'
import { healthFinding } from '../lib/protocol/maintenance/health/rules.ts'
import { TABLES_DEFAULT } from '../lib/protocol/maintenance/health/settings.ts'
import { isPlace } from '../lib/protocol/maintenance/health/tables.ts'
import { sweep, type Swept } from '../lib/protocol/maintenance/sweep.ts'
import { COMPACTOR_BODY_BYTES_MAX } from './body.ts'
import { bodyOf, json, refuse, type Call } from './handler.ts'
import { HealthCheckBody, type HealthReport } from './health-check-body.ts'
import type { RunMaintenance } from './maintenance.ts'
import { deliver } from './webhook.ts'

/** Run once and answer with the report. */
export async function handleHealthCheck(call: Call, run: RunMaintenance): Promise<Response> {
  const body = await bodyOf(call, COMPACTOR_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const shape = parseShape(HealthCheckBody, body)
  if (!shape.ok) return refuse(call, shape)
  const { cursor, recover = false, limit = TABLES_DEFAULT } = shape.value
  if (typeof cursor === 'string' && !isPlace(cursor)) {
    return refuse(call, {
      reason: 'bad_request',
      detail: 'expected cursor to be the next of an earlier answer',
    })
  }
  const { settings, health, store, writeRefusal, certified_at_ms = null } = call.service
  const standing = { refusal: writeRefusal?.() ?? null, certified_at_ms }
  const seen: Position =
    cursor === undefined ? await run(readPosition()) : { after: cursor, undelivered: [], token: null }
  const swept = await run(
    sweep(
      { limits: health.limits, delta: settings, capabilities: store.capabilities },
      { after: seen.after, limit, recovers: recover },
      standing,
    ),
  )
  const told = await tell(call, swept, seen.undelivered)
  const keeps = cursor === undefined && standing.refusal === null
  const is_kept =
    keeps && (await run(keepPosition(seen, { after: swept.next, undelivered: told.undelivered })))
  const place = cursor !== undefined ? 'callers' : is_kept ? 'kept' : 'not_kept'
  return json(reportOf(call, { swept, told, place }))
}

interface Told {
  readonly webhook: z.infer<typeof HealthReport>['webhook']
  /** What the webhook has to be told next time. */
  readonly undelivered: readonly Finding[]
  /** What came of telling. */
  readonly findings: readonly Finding[]
}

/** Send what is worth it. A receiver that is down is a finding, not an error. */
async function tell(call: Call, swept: Swept, before: readonly Finding[]): Promise<Told> {
  const { service, request_id } = call
  const { webhook } = service.health
  const { findings, recovered } = swept
  const is_worth_it = exitCodeOf(findings) === 1 || recovered.length > 0 || before.length > 0
  if (webhook === null || !is_worth_it) return { webhook: 'none', undelivered: [], findings: [] }
  const { tenant, workspace } = service.scope
  const result = await deliver(webhook, {
    id: request_id,
    body: JSON.stringify({
      type: 'tidemark.health_check',
      delivery: request_id,
      tenant,
      workspace,
      conclusion: conclusionOf(findings),
      checked_at: new Date(swept.checked_at_ms).toISOString(),
      findings,
      recovered,
      undelivered: before,
    }),
    now: service.overrides?.now ?? Date.now,
    sleep: service.overrides?.sleep ?? (async (ms) => new Promise((resolve) => setTimeout(resolve, ms))),
  })
  if (result.ok) return { webhook: 'delivered', undelivered: [], findings: [] }
  const failure = healthFinding('HC-501', { detail: `expected 2xx, ${result.why}` })
  const { rule, severity, detail, next } = failure
  call.note({ note: 'finding', rule, severity, detail, next })
  return { webhook: 'failed', undelivered: withoutRepeats([...before, ...findings]), findings: [failure] }
}

/** What persists is found by every run, and told once. */
function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const kept = new Map<string, Finding>()
  for (const finding of findings) {
    const { rule, path = '', version = '', next } = finding
    kept.set(`${rule} ${path} ${version} ${next}`, finding)
  }
  return [...kept.values()]
}

function conclusionOf(findings: readonly Finding[]): 'clean' | 'findings' {
  return exitCodeOf(findings) === 0 ? 'clean' : 'findings'
}

function reportOf(
  { facts, metrics }: Call,
  {
    swept,
    told,
    place,
  }: {
    readonly swept: Swept
    readonly told: Told
    readonly place: z.infer<typeof HealthReport>['place']
  },
): z.infer<typeof HealthReport> {
  const { recovered, looked_at: tables, next, checked_at_ms } = swept
  const findings = [...told.findings, ...swept.findings].toSorted(bySeverity)
  const conclusion = conclusionOf(findings)
  facts['findings'] = findings.length
  facts['recovered'] = recovered.length
  facts['tables'] = tables
  facts['webhook'] = told.webhook
  metrics.add('tidemark_health_runs_total', { conclusion })
  metrics.set('tidemark_health_last_run_timestamp_seconds', {}, checked_at_ms / 1_000)
  for (const severity of ['error', 'warn', 'info'] as const) {
    const count = findings.filter((finding) => finding.severity === severity).length
    metrics.set('tidemark_health_findings', { severity }, count)
  }
  return {
    conclusion,
    checked_at: new Date(checked_at_ms).toISOString(),
    findings,
    recovered: [...recovered],
    tables,
    next,
    place,
    webhook: told.webhook,
  }
}
