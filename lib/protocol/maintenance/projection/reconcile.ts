/**
 * RECONCILE (spec/reconcile.md 2–5, spec/http-api.md 5.4): report what nobody names, and on request delete what is old
 * enough. The order of a repair is that of spec/correctness.md Q8:
 *
 *     take the lock → list → touch the pointer → see what is reachable from it → delete what is not, and is old
 *
 * A publisher that read the pointer before the touch loses its CAS, whatever it believes about the lock; one that reads it
 * afterwards writes under fresh names. So nothing that is deleted can become reachable.
 */
import { all } from '../../effects.ts'
import { lockOp } from '../../lock.ts'
import { compareBytes } from '../../orchestration/byte-order.ts'
import { LOCK_PATH } from '../../orchestration/paths.ts'
import { failureOf } from '../../orchestration/projection/answer.ts'
import {
  endAuthority,
  keepAlive,
  ownLease,
  type Authority,
} from '../../orchestration/projection/authority.ts'
import { timeText } from '../../orchestration/projection/document-parts.ts'
import { epochOf, POINTER_OP } from '../../orchestration/projection/head.ts'
import type { Failure } from '../../orchestration/projection/outcomes.ts'
import type { Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { collect, skipEverything, type Repair, type RepairCounts, type RepairResult } from './collect.ts'
import type { EntryKind } from './entries.ts'
import { checkProjection, type Check } from './check.ts'
import { orphanFindings } from './orphan-findings.ts'
import type { ReconcileSettings } from './settings.ts'

/** What is asked for. */
export interface ReconcileRequest {
  readonly repair: boolean
  /** `current_head_only` deletes nothing: the work that it once stood for does not exist any more (reconcile.md 5). */
  readonly scope: RepairScope
}

/** How far a repair goes. */
export type RepairScope = 'full' | 'current_head_only'

/** The report (reconcile.md 2), in the order of its members; lists are sorted by bytes. */
export interface ReconcileReport {
  readonly checked_at: string
  readonly current_manifest_path: string | null
  readonly missing_current_head_legacy_manifest_path: null
  readonly current_head_legacy_manifest_issue: null
  readonly orphan_manifest_snapshots: readonly string[]
  readonly orphan_base_dirs: readonly string[]
  readonly orphan_l0_dirs: readonly string[]
}

/** The 200 of `POST /internal/reconcile`. */
export interface Reconciled {
  readonly ok: true
  readonly report: ReconcileReport
  /** Only when a repair was asked for. */
  readonly repair_result?: RepairResult
  /** The same by kind of entry, for metrics. */
  readonly by_kind?: RepairCounts
  /** What is not as it should be, the worst first, and what the repair did not do. */
  readonly findings: readonly Finding[]
}

/** Report, and repair on request. Refusals are those of the lock and of a store that does not answer. */
export function* reconcile(
  settings: ReconcileSettings,
  request: ReconcileRequest,
): Maintenance<Reconciled | Failure> {
  try {
    if (request.repair && request.scope === 'full') return yield* repairUnderLock(settings)
    const check = yield* checkProjection(settings)
    return reportOf(check, request.repair ? skipEverything(check.survey.orphans) : null)
  } catch (error) {
    return failureOf(error)
  }
}

function* repairUnderLock(settings: ReconcileSettings): Maintenance<Reconciled> {
  const [lock, answer] = yield* all([lockOp(LOCK_PATH), POINTER_OP])
  const floor = yield* epochOf(answer)
  const { authority } = yield* ownLease(settings.projection, 'reconcile', floor, lock)
  try {
    return yield* repair(settings, authority)
  } finally {
    yield* endAuthority(authority)
  }
}

function* repair(settings: ReconcileSettings, authority: Authority): Maintenance<Reconciled> {
  const check = yield* checkProjection(settings, () => keepAlive(authority))
  return reportOf(check, yield* collect(settings, check, authority))
}

function reportOf(check: Check, repaired: Repair | null): Reconciled {
  const { lineage, survey } = check
  const pathsOf = (kind: EntryKind): string[] =>
    survey.orphans
      .filter((orphan) => orphan.kind === kind)
      .map(({ path }) => path)
      .toSorted(compareBytes)
  const report: ReconcileReport = {
    checked_at: timeText(check.checked_at_ms),
    current_manifest_path: lineage.current_manifest_path,
    missing_current_head_legacy_manifest_path: null,
    current_head_legacy_manifest_issue: null,
    orphan_manifest_snapshots: pathsOf('manifest_snapshot'),
    orphan_base_dirs: pathsOf('base_dir'),
    orphan_l0_dirs: pathsOf('l0_dir'),
  }
  if (repaired === null) return { ok: true, report, findings: orphanFindings(check, new Set()) }
  const findings = [...repaired.findings, ...orphanFindings(check, repaired.deleted)]
  const { result: repair_result, by_kind } = repaired
  return { ok: true, report, repair_result, by_kind, findings }
}
