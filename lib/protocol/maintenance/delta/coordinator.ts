/**
 * The coordinator's own objects against each other and against the log (spec/coordinator.md 3, 7.1, 10, 11.3). The state is
 * read before and after the log is listed: what it promised before must be in the listing, what the listing shows must be
 * explained after. So a commit that goes on meanwhile is never a finding.
 */
import { get, now, sha256 } from '../../effects.ts'
import { STATE_BYTES_MAX } from '../../delta/limits.ts'
import { markerKey } from '../../delta/objects.ts'
import { parseState, type CoordinatorState, type LastCommit } from '../../delta/state.ts'
import { logPath, markerPath, rootOfLogPath, statePath } from '../../paths.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { StoreError, type Token } from '../../../store/types.ts'
import { head, list, type Maintenance } from '../effects.ts'
import type { Occurrence } from '../finding.ts'
import type { TableFindings, TableRuleId } from './findings.ts'
import { readObject } from './read.ts'
import { checkReservation } from './reservation.ts'
import { latestVersion, type LogSurvey } from './survey.ts'

/** The state as one read showed it. */
export interface StateLook {
  readonly state: CoordinatorState | null
  readonly token: Token | null
  /** How old this generation is by the store's clock, where it tells. */
  readonly age_ms: number | null
  /** The rule that the bytes break; such a state says nothing. */
  readonly broken: { readonly rule: 'TM-101' | 'TM-102'; readonly why: string } | null
}

/** Read the state; one that does not parse is a value here. */
export function* lookAtState(table_id: string): Maintenance<StateLook> {
  const nothing = { state: null, token: null, age_ms: null, broken: null }
  try {
    const object = yield* get(statePath(table_id), STATE_BYTES_MAX)
    if (object.outcome === 'not_found') return nothing
    const { token, server_date_ms, last_modified_ms } = object
    const has_times = server_date_ms !== undefined && last_modified_ms !== undefined
    const age_ms = has_times ? server_date_ms - last_modified_ms : null
    return { state: parseState(table_id, object.bytes), token, age_ms, broken: null }
  } catch (error) {
    if (error instanceof StoredObjectError) {
      const rule = error.reason === 'state_invariant' ? 'TM-102' : 'TM-101'
      return { ...nothing, broken: { rule, why: error.message } }
    }
    if (error instanceof StoreError && (error.code === 'too_large' || error.code === 'corrupt')) {
      return { ...nothing, broken: { rule: 'TM-101', why: error.code } }
    }
    throw error
  }
}

/** What the coordinator's objects are checked with. */
export interface CoordinatorWork {
  readonly table_id: string
  readonly ttl_ms: number
  /** A catalog knows the table, so that one without a version is empty and not a mistake. */
  readonly is_registered: boolean
  readonly survey: LogSurvey
  readonly findings: TableFindings
}

/** Check state, last commit and reservation. `before` was read before the log was listed. */
export function* checkCoordinator(work: CoordinatorWork, before: StateLook): Maintenance<StateLook> {
  const { table_id, survey, findings } = work
  const path = statePath(table_id)
  const after = yield* lookAtState(table_id)
  if (after.broken !== null) {
    findings.report(after.broken.rule, { path, detail: after.broken.why })
    return after
  }
  const latest = latestVersion(survey)
  if (before.state !== null && before.state.latest_version > latest) {
    findings.report('TM-104', {
      version: before.state.latest_version,
      path: logPath(survey.root, before.state.latest_version),
      detail: `expected the log to reach version ${before.state.latest_version}, saw it end at ${latest}`,
    })
  }
  if (after.state === null) yield* checkMissingState(work)
  else yield* checkState(work, after, after.state)
  return after
}

/** A table that this coordinator never committed to has no state, and nothing is missing. */
function* checkMissingState({
  table_id,
  survey,
  findings,
  is_registered,
}: CoordinatorWork): Maintenance<void> {
  const latest = latestVersion(survey)
  if (latest === -1) {
    findings.report('TM-301', {
      severity: is_registered ? 'info' : 'warn',
      path: `${survey.root}/_delta_log`,
      detail: 'expected log entries, saw none',
    })
    return
  }
  const markers = yield* list({ prefix: `delta/idempotency/${table_id}/`, limit: 1 })
  if (markers.objects.length === 0) return
  findings.report('TM-103', {
    path: statePath(table_id),
    detail: `expected a state, because the table has markers and version ${latest}; saw none`,
    next: `Send the next commit with read_version = ${latest}: it creates the state again.`,
  })
}

function* checkState(work: CoordinatorWork, look: StateLook, state: CoordinatorState): Maintenance<void> {
  const { survey, findings, table_id } = work
  const inflight = state.inflight ?? null
  const explained = Math.max(state.latest_version, inflight?.version ?? -1)
  const latest = latestVersion(survey)
  if (latest > explained) {
    findings.report('TM-105', {
      version: latest,
      path: statePath(table_id),
      detail: `expected latest_version ${latest}, saw ${state.latest_version}`,
    })
  }
  if (latest === -1 && state.latest_version === -1 && inflight === null) {
    findings.report('TM-301', { path: `${survey.root}/_delta_log`, detail: 'expected log entries, saw none' })
  }
  if (state.last_commit) yield* checkLastCommit(work, state.last_commit)
  if (inflight === null) return
  const { now_ms } = yield* now()
  const found: (readonly [TableRuleId, Occurrence])[] = []
  yield* checkReservation({ ...work, state, inflight, now_ms, age_ms: look.age_ms }, (rule, occurrence) => {
    found.push([rule, { version: inflight.version, path: statePath(table_id), ...occurrence }])
  })
  // Somebody may have gone on with it while it was looked at: then nothing of this is so any more.
  const { state: still } = yield* lookAtState(table_id)
  const is_unchanged =
    still?.inflight?.commit_id === inflight.commit_id && still.inflight.version === inflight.version
  if (is_unchanged) for (const [rule, occurrence] of found) findings.report(rule, occurrence)
}

function* checkLastCommit(work: CoordinatorWork, last: LastCommit): Maintenance<void> {
  const { survey, findings } = work
  const { version, delta_log_path: path } = last
  const root = rootOfLogPath(path, version)
  if (root !== survey.root) {
    findings.report('TM-106', {
      version,
      path,
      detail: `expected the last commit below ${survey.root}, saw it below ${root ?? 'no root'}`,
    })
  }
  const log = yield* readObject(path, findings)
  if (log.is === 'absent') {
    findings.report('TM-107', { version, path, detail: `expected entry ${version}, saw none` })
  } else if (log.is === 'there' && (yield* sha256(log.bytes)) !== last.payload_sha256) {
    findings.report('DL-502', {
      version,
      path,
      detail: 'expected the bytes whose SHA-256 the state holds, saw others',
    })
  }
  yield* checkLastMarker(work, last)
}

/** The owner's replay writes a lost marker from `last_commit` (spec/coordinator.md 6.3 D-9). */
function* checkLastMarker({ table_id, findings }: CoordinatorWork, last: LastCommit): Maintenance<void> {
  const { key_hash } = yield* markerKey(table_id, last.commit_id)
  const path = markerPath(table_id, key_hash)
  if ((yield* head(path)).outcome === 'ok') return
  const staged = yield* head(last.staged_path)
  const token = staged.outcome === 'ok' ? staged.token : null
  const request =
    token === null
      ? null
      : JSON.stringify({
          read_version: last.read_version,
          staged_path: last.staged_path,
          staged_version: token,
          idempotency_key: last.commit_id,
        })
  findings.report('TM-402', {
    version: last.version,
    path,
    detail: `expected the marker of version ${last.version}, saw none`,
    ...(request === null ? {} : { next: `POST /api/v1/delta/tables/{table_id}/commits ${request}` }),
  })
}
