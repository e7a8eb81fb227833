/**
 * The repair automation (spec/reconcile.md 7): what one run does, and what it remembers for the next. The loop around it is
 * the entry file's. Overlapping runs of several processes are harmless: a repair holds the lock.
 */
import { StoreError } from '../../../store/types.ts'
import { now } from '../../effects.ts'
import { compareBytes } from '../../orchestration/byte-order.ts'
import type { Failure } from '../../orchestration/projection/outcomes.ts'
import type { Maintenance } from '../effects.ts'
import {
  reconcile,
  type Reconciled,
  type ReconcileReport,
  type ReconcileRequest,
  type RepairScope,
} from './reconcile.ts'
import type { ReconcileSettings } from './settings.ts'

/** `dry_run` reports; `enforce` deletes what is old enough. */
export interface Automation {
  readonly mode: 'dry_run' | 'enforce'
  readonly scope: RepairScope
}

/** How one run ended (reconcile.md 8). */
export type AutomationStatus =
  | 'clean'
  | 'repair_needed'
  | 'repaired'
  | 'repair_failed'
  | 'check_failed'
  | 'recheck_failed'

/** Findings that the runs of this process have seen and that are still there; in memory, lost on restart. */
export interface Backlog {
  readonly fingerprint: string
  /** When these findings were first seen together, ms by the monotonic clock. */
  readonly since_ms: number
}

/** One run. */
export interface AutomationRun {
  readonly status: AutomationStatus
  /** Found by the first check; 0 when it failed. */
  readonly findings: number
  /** Left after it; null when a check failed and nobody knows. */
  readonly backlog_count: number | null
  readonly backlog_age_ms: number
  /** The same findings as those of the run before. */
  readonly is_repeat: boolean
  /** How long it took, ms; null when a check failed (reconcile.md 7). */
  readonly latency_ms: number | null
  /** The repair, or the check of a run without one; null when it failed. */
  readonly reconciled: Reconciled | null
  /** Why it failed, as a reason of spec/http-api.md 6.2 or the code of a store error. */
  readonly failure: string | null
}

/** Run once. */
export function* automationRun(
  settings: ReconcileSettings,
  { mode, scope }: Automation,
  before: Backlog | null,
): Maintenance<{ readonly run: AutomationRun; readonly backlog: Backlog | null }> {
  const started_ms = (yield* now()).monotonic_ms
  const first = yield* attempt(settings, { repair: false, scope })
  if (!first.ok) return { run: failedRun('check_failed', 0, first.failure), backlog: before }
  const findings = countOf(first.report, scope)
  let last: Reconciled = first
  let reconciled: Reconciled = first
  let status: AutomationStatus = findings > 0 ? 'repair_needed' : 'clean'
  let failure: string | null = null
  if (mode === 'enforce' && findings > 0) {
    const repair = yield* attempt(settings, { repair: true, scope })
    if (repair.ok) {
      reconciled = repair
      const second = yield* attempt(settings, { repair: false, scope })
      if (!second.ok) return { run: failedRun('recheck_failed', findings, second.failure), backlog: before }
      last = second
      status = countOf(second.report, scope) > 0 ? 'repair_needed' : 'repaired'
    } else {
      status = 'repair_failed'
      failure = repair.failure
    }
  }
  const ended_ms = (yield* now()).monotonic_ms
  const fingerprint = fingerprintOf(last.report, scope)
  const is_repeat = fingerprint !== '' && fingerprint === before?.fingerprint
  const since_ms = is_repeat ? before.since_ms : ended_ms
  return {
    backlog: fingerprint === '' ? null : { fingerprint, since_ms },
    run: {
      status,
      findings,
      backlog_count: countOf(last.report, scope),
      backlog_age_ms: fingerprint === '' ? 0 : ended_ms - since_ms,
      is_repeat,
      latency_ms: ended_ms - started_ms,
      reconciled,
      failure,
    },
  }
}

function failedRun(status: AutomationStatus, findings: number, failure: string): AutomationRun {
  return {
    status,
    findings,
    failure,
    backlog_count: null,
    backlog_age_ms: 0,
    is_repeat: false,
    latency_ms: null,
    reconciled: null,
  }
}

type Attempt = Reconciled | { readonly ok: false; readonly failure: string }

/** A store that does not answer ends the run, not the loop. */
function* attempt(settings: ReconcileSettings, request: ReconcileRequest): Maintenance<Attempt> {
  try {
    const result: Reconciled | Failure = yield* reconcile(settings, request)
    return result.ok ? result : { ok: false, failure: result.reason }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return { ok: false, failure: error.code }
  }
}

/** Entries that a repair of this scope could do something about. */
function countOf(report: ReconcileReport, scope: RepairScope): number {
  return namesOf(report, scope).length
}

/** Equal for equal findings; empty when there are none. */
function fingerprintOf(report: ReconcileReport, scope: RepairScope): string {
  return namesOf(report, scope).toSorted(compareBytes).join('|')
}

function namesOf(report: ReconcileReport, scope: RepairScope): string[] {
  if (scope === 'current_head_only') return []
  return [
    ...report.orphan_manifest_snapshots.map((path) => `manifest:${path}`),
    ...report.orphan_base_dirs.map((path) => `base:${path}`),
    ...report.orphan_l0_dirs.map((path) => `l0:${path}`),
  ]
}
