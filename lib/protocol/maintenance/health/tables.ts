/**
 * One page of tables: which of them have a reservation that nobody finished in time, and, on request, the end of it by
 * the coordinator's own `recover`. What a stuck table is called is what verify calls it (TM-2xx).
 */
import { StoreError } from '../../../store/types.ts'
import { now, resolve, type ReadAnswer } from '../../effects.ts'
import { stateOp } from '../../delta/objects.ts'
import type { RecoverAction } from '../../delta/outcomes.ts'
import { recover } from '../../delta/recover.ts'
import { readVersionOf, type CoordinatorState, type Inflight } from '../../delta/state.ts'
import { parseTableId } from '../../ids.ts'
import { isValidKey, rootOfLogPath, statePath } from '../../paths.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { TABLE_RULES, type TableRuleId } from '../delta/findings.ts'
import { lookAtState, stateLookOf, type StateLook } from '../delta/coordinator.ts'
import { checkReservation } from '../delta/reservation.ts'
import { allOf, list, type Maintenance } from '../effects.ts'
import { findingOf, type Finding, type Occurrence } from '../finding.ts'
import { healthFinding } from './rules.ts'
import { READS_MAX, RUN_MS_MAX, STUCK_MAX, type SweepSettings } from './settings.ts'

/** What a page of tables is asked for. */
export interface TablesRequest {
  /** Keys of states up to this one are left out; null to begin. */
  readonly after: string | null
  /** Tables that are looked at, 1 to `TABLES_MAX`. */
  readonly limit: number
  /** Settle what is past its TTL. */
  readonly recovers: boolean
}

/** A table that this run brought to rest. */
export interface RecoveredTable {
  readonly table_id: string
  readonly action: RecoverAction
  readonly latest_version: number
}

/** What a page came to. */
export interface TablesSeen {
  readonly findings: readonly Finding[]
  readonly recovered: readonly RecoveredTable[]
  /** Keys that were looked at. */
  readonly looked_at: number
  /** `after` of the next page; null when this was the last one. */
  readonly next: string | null
}

const PREFIX = 'delta/coordinator/'

/** Whether a text may be `after`. */
export function isPlace(text: string): boolean {
  return text.startsWith(PREFIX) && isValidKey(text)
}

/** Look at one page of tables. */
export function* sweepTables(settings: SweepSettings, request: TablesRequest): Maintenance<TablesSeen> {
  const { monotonic_ms: started_ms } = yield* now()
  const { after, limit, recovers } = request
  const page = yield* list({
    prefix: PREFIX,
    limit,
    ...(after === null ? {} : { start_after: after }),
  })
  const findings: Finding[] = []
  const recovered: RecoveredTable[] = []
  const keys = page.objects.map(({ key }) => key)
  let stuck = 0
  let looked_at = 0
  let last = after
  for (let from = 0; from < keys.length; from += READS_MAX) {
    const batch = keys.slice(from, from + READS_MAX).map((path) => ({ path, table_id: tableIdOf(path) }))
    const ids = batch.flatMap(({ table_id }) => (table_id === null ? [] : [table_id]))
    const answers = yield* allOf(ids.map(stateOp))
    const states = new Map(ids.map((id, at) => [id, answers[at]]))
    for (const { path, table_id } of batch) {
      const is_over = (yield* now()).monotonic_ms - started_ms >= RUN_MS_MAX
      if (looked_at > 0 && (stuck >= STUCK_MAX || is_over)) {
        return { findings, recovered, looked_at, next: last }
      }
      looked_at += 1
      last = path
      if (table_id === null) {
        findings.push(healthFinding('HC-102', { path, detail: 'expected the state of a table' }))
        continue
      }
      const seen = yield* sweepTable(settings, table_id, { answer: states.get(table_id), recovers })
      if (seen.is_stuck) stuck += 1
      findings.push(...seen.findings)
      if (seen.recovered !== undefined) recovered.push(seen.recovered)
    }
  }
  return { findings, recovered, looked_at, next: page.next_start_after === undefined ? null : last }
}

/** The table whose state lies there; null for a key that is none. */
function tableIdOf(path: string): string | null {
  const table_id = parseTableId(path.slice(PREFIX.length, -'.json'.length))
  return table_id !== null && path === statePath(table_id) ? table_id : null
}

interface TableSeen {
  readonly findings: readonly Finding[]
  /** It has a reservation that others may settle, or one that claims an impossible time. */
  readonly is_stuck: boolean
  readonly recovered?: RecoveredTable
}

/** One table; that it cannot be read is a finding, and the others are gone on with. */
function* sweepTable(
  settings: SweepSettings,
  table_id: string,
  { answer, recovers }: { readonly answer: ReadAnswer | undefined; readonly recovers: boolean },
): Maintenance<TableSeen> {
  try {
    const seen = yield* lookAtTable(settings, table_id, answer)
    if (!seen.is_stuck || !recovers) return seen
    return { is_stuck: true, ...(yield* settle(settings, table_id, seen.findings)) }
  } catch (error) {
    if (error instanceof StoreError) return unread(table_id, error.code)
    if (error instanceof StoredObjectError) return unread(table_id, error.reason)
    throw error
  }
}

function unread(table_id: string, what: string): TableSeen {
  const detail = `expected to read what belongs to its state, saw ${what}`
  return {
    is_stuck: false,
    findings: [healthFinding('HC-101', { path: statePath(table_id), detail }, { table_id })],
  }
}

function* lookAtTable(
  settings: SweepSettings,
  table_id: string,
  answer: ReadAnswer | undefined,
): Maintenance<TableSeen> {
  const path = statePath(table_id)
  const found = (rule: TableRuleId, occurrence: Occurrence): Finding =>
    findingOf(TABLE_RULES, rule, { path, ...occurrence }, { table_id })
  if (answer === undefined) return AT_REST
  const look = stateLookOf(table_id, answer)
  const { state, broken } = look
  if (broken !== null) return { is_stuck: false, findings: [found(broken.rule, { detail: broken.why })] }
  const inflight = state?.inflight ?? null
  if (state === null || inflight === null) return AT_REST
  const { now_ms } = yield* now()
  if (!isStuck(inflight, look, now_ms, settings.delta.ttl_ms)) return AT_REST
  return yield* lookAtStuck(settings, { table_id, look, state, inflight, now_ms }, found)
}

const AT_REST: TableSeen = { is_stuck: false, findings: [] }

/** Clocks of processes may differ by so much before a TTL is called wrong, in TTLs. */
const SKEW_TTLS = 2

/** Others may settle it by now (spec/coordinator.md 6.5); or its time is one that no process of ours gives. */
function isStuck(
  { expires_at_ms }: Inflight,
  { age_ms }: StateLook,
  now_ms: number,
  ttl_ms: number,
): boolean {
  const is_expired = now_ms >= expires_at_ms || (age_ms !== null && age_ms >= ttl_ms)
  return is_expired || expires_at_ms > now_ms + SKEW_TTLS * ttl_ms
}

interface StuckTable {
  readonly table_id: string
  readonly look: StateLook
  readonly state: CoordinatorState
  readonly inflight: Inflight
  readonly now_ms: number
}

function* lookAtStuck(
  { delta: { ttl_ms } }: SweepSettings,
  { table_id, look, state, inflight, now_ms }: StuckTable,
  found: (rule: TableRuleId, occurrence: Occurrence) => Finding,
): Maintenance<TableSeen> {
  const pinned = inflight.delta_log_path
  const pinned_root = pinned === undefined ? null : rootOfLogPath(pinned, inflight.version)
  const resolution = yield* resolve(table_id)
  const root = resolution.ok ? resolution.root : pinned_root
  const findings: Finding[] = []
  if (root === null) {
    const why = resolution.ok ? '' : `: ${resolution.reason}`
    const detail = `version ${inflight.version} on top of ${readVersionOf(inflight)} is reserved since ${age(inflight, now_ms)}${why}`
    findings.push(healthFinding('HC-103', { path: statePath(table_id), detail }, { table_id }))
  } else {
    const about = { table_id, ttl_ms, root, state, inflight, now_ms, age_ms: look.age_ms }
    yield* checkReservation(about, (rule, occurrence) => {
      findings.push(found(rule, { version: inflight.version, ...occurrence }))
    })
  }
  // Somebody may have gone on with it while it was looked at: then nothing of this is so any more.
  const { state: still } = yield* lookAtState(table_id)
  const is_unchanged =
    still?.inflight?.commit_id === inflight.commit_id && still.inflight.version === inflight.version
  return is_unchanged ? { is_stuck: true, findings } : AT_REST
}

function age({ started_at_ms }: Inflight, now_ms: number): string {
  return `${Math.max(0, Math.floor((now_ms - started_at_ms) / 1_000))} s`
}

/** Recover, and say of each finding what became of it. */
function* settle(
  { delta, capabilities }: SweepSettings,
  table_id: string,
  findings: readonly Finding[],
): Maintenance<{ readonly findings: readonly Finding[]; readonly recovered?: RecoveredTable }> {
  const result = yield* recover({ table_id }, delta, capabilities)
  if (!result.ok) return { findings: findings.map((each) => withDetail(each, `recover: ${result.reason}`)) }
  const { state, action } = result
  const { inflight, latest_version } = state
  if (inflight !== null) return { findings: findings.map((each) => withDetail(each, `recover: ${action}`)) }
  const next =
    action === 'none'
      ? 'Nothing: somebody else has settled it meanwhile.'
      : `Nothing: it was recovered (${action}), and the table is at version ${latest_version}.`
  return {
    findings: findings.map((each) => ({ ...each, severity: 'info', next })),
    ...(action === 'none' ? {} : { recovered: { table_id, action, latest_version } }),
  }
}

function withDetail(finding: Finding, more: string): Finding {
  return { ...finding, detail: `${finding.detail}; ${more}` }
}
