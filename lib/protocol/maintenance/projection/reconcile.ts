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
import { collect, type Repair, type RepairResult } from './collect.ts'
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
  /** What is not as it should be, the worst first, and what the repair did not do. */
  readonly findings: readonly Finding[]
}

/** Report, and repair on request. Refusals are those of the lock and of a store that does not answer. */
export function* reconcile(
  settings: ReconcileSettings,
  request: ReconcileRequest,
): Maintenance<Reconciled | Failure> {
  try {
    return request.repair && request.scope === 'full'
      ? yield* repairUnderLock(settings)
      : reportOf(yield* checkProjection(settings), request.repair ? SKIP_ALL : null)
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

/** A repair that touches nothing. */
const SKIP_ALL = 'skip_all'

function reportOf(check: Check, repaired: Repair | typeof SKIP_ALL | null): Reconciled {
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
  if (repaired === SKIP_ALL) {
    const repair_result = { ...NOTHING_REPAIRED, skipped_paths: survey.orphans.length }
    return { ok: true, report, repair_result, findings: orphanFindings(check, new Set()) }
  }
  const findings = [...repaired.findings, ...orphanFindings(check, repaired.deleted)]
  return { ok: true, report, repair_result: repaired.result, findings }
}

const NOTHING_REPAIRED: RepairResult = {
  repaired_paths: 0,
  failed_repairs: 0,
  deleted_objects: 0,
  skipped_paths: 0,
  deferred_paths: 0,
  deleted_bytes: 0,
}
