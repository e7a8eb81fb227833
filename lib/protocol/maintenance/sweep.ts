/**
 * SWEEP: one bounded run of the health check over a scope (issue 7). It finds before a person does
 *
 *     tables      reservations past their TTL, states that do not parse     one page, from where the last run ended
 *     projection  what cannot be read, events that wait, orphans            every run
 *     lock        held for too long, or left by a holder that is gone       every run
 *     store       not certified, or not for a long time                     every run, from what the process knows
 *
 * and on request settles the first by the coordinator's own `recover`. It never deletes, and writes nothing of its own: where
 * to go on is kept by `keepPosition`. Two runs over the same page see the same and settle it once.
 */
import { note, now } from '../effects.ts'
import type { Maintenance } from './effects.ts'
import { bySeverity, type Finding } from './finding.ts'
import { sweepProjection } from './health/projection.ts'
import { healthFinding } from './health/rules.ts'
import type { HealthLimits, SweepSettings } from './health/settings.ts'
import { sweepTables, type TablesRequest, type TablesSeen } from './health/tables.ts'

/** What the process knows of its store. */
export interface StoreStanding {
  /** Why it may not be written to; null when it may. */
  readonly refusal: string | null
  /** When it was certified, epoch ms; null when nobody said, or it needs none. */
  readonly certified_at_ms: number | null
}

/** What a run came to. */
export interface Swept extends Omit<TablesSeen, 'findings'> {
  readonly checked_at_ms: number
  /** The worst first. */
  readonly findings: readonly Finding[]
}

/** Run once. Throws the StoreError of a listing that failed: then nobody looked. */
export function* sweep(
  settings: SweepSettings,
  request: TablesRequest,
  standing: StoreStanding,
): Maintenance<Swept> {
  const { now_ms } = yield* now()
  const recovers = request.recovers && standing.refusal === null
  const tables = yield* sweepTables(settings, { ...request, recovers })
  const projection = yield* sweepProjection(settings.limits)
  const findings = [...storeFindings(standing, settings.limits, now_ms), ...projection, ...tables.findings]
  findings.sort(bySeverity)
  for (const { means: _means, ...finding } of findings) yield* note({ note: 'finding', ...finding })
  return { ...tables, checked_at_ms: now_ms, findings }
}

function storeFindings(
  { refusal, certified_at_ms }: StoreStanding,
  { certification_ms }: HealthLimits,
  now_ms: number,
): Finding[] {
  if (refusal !== null) return [healthFinding('HC-401', { detail: refusal })]
  if (certified_at_ms === null || now_ms - certified_at_ms < certification_ms) return []
  const days = (ms: number): number => Math.floor(ms / 86_400_000)
  const detail = `expected it within ${days(certification_ms)} days, it was ${days(now_ms - certified_at_ms)} days ago`
  const today = new Date(now_ms).toISOString().slice(0, 10)
  return [healthFinding('HC-402', { detail }, { today })]
}
