/**
 * Verify a Delta table (spec/http-api.md 4.3): the coordinator's objects against each other, the log and every copy of it
 * against its replay, markers and staged payloads against the log and, when asked, the files that it refers to.
 *
 *     state -> log -> markers -> staged -> files (deep)
 *
 * Lists and reads, never writes. One call looks at about `limit` objects and says where the next one goes on.
 */
import { now, resolve } from '../../effects.ts'
import type { ResolutionFailure } from '../../delta/outcomes.ts'
import { checkpointHintPath } from '../../paths.ts'
import type { Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { checkCoordinator, lookAtState, type StateLook } from './coordinator.ts'
import { BEGINNING, encodeCursor, PARTS, type Cursor } from './cursor.ts'
import { checkFiles } from './files.ts'
import { TableFindings } from './findings.ts'
import { checkHint } from './hint.ts'
import { checkLog, hasTimestamps, latestSnapshot, type LogWork } from './log.ts'
import { checkNames } from './log-names.ts'
import { checkMarkers } from './markers.ts'
import { readObject, type ReadObject } from './read.ts'
import { checkStaged } from './staged.ts'
import { isComplete, latestVersion, surveyLog, type LogSurvey } from './survey.ts'

/** What to look at. */
export interface VerifyRequest {
  /** Canonical. */
  readonly table_id: string
  /** Look at the files that the table refers to, too. */
  readonly deep: boolean
  /** Objects to look at before the page ends; it ends between two versions or two batches. */
  readonly limit: number
  readonly cursor: Cursor | null
  /** TTL of reservations. */
  readonly ttl_ms: number
}

/** Findings of a page, the most severe first, and where to go on; `next` is null at the end. */
export interface Verified {
  readonly ok: true
  readonly root: string
  readonly findings: readonly Finding[]
  readonly next: string | null
  /** Of the state: null when there is none, or none that parses. */
  readonly latest_version: number | null
  readonly log: {
    /** Of the entries that are there; null without any. */
    readonly first_version: number | null
    readonly latest_version: number | null
    readonly entries: number
    readonly checkpoints: number
  }
}

/** What a look came to; a table without a root cannot be looked at. */
export type VerifyResult = Verified | ResolutionFailure

/** Findings after which a page ends early. */
const FINDINGS_MAX = 1000

/** Look at one page of a table. */
export function* verifyTable(request: VerifyRequest): Maintenance<VerifyResult> {
  const { table_id, limit, ttl_ms } = request
  const before = yield* lookAtState(table_id)
  const resolution = yield* resolve(table_id)
  if (!resolution.ok) return resolution
  const is_registered = resolution.source !== 'legacy'
  const findings = new TableFindings(table_id)
  // Before the listing, so that a checkpoint which is written meanwhile is no finding.
  const hint =
    request.cursor === null ? yield* readObject(checkpointHintPath(resolution.root), findings) : null
  const survey = yield* surveyLog(resolution.root)
  const { now_ms } = yield* now()
  const work: LogWork = {
    table_id,
    survey,
    findings,
    now_ms,
    finalized: before.state?.latest_version ?? Number.MAX_SAFE_INTEGER,
    last_commit: before.state?.last_commit?.version ?? null,
    // At least one, so that every page gets on.
    budget: { reads: Math.max(1, limit - survey.pages) },
  }
  let cursor: Cursor | null = request.cursor ?? BEGINNING
  let look = before
  while (cursor !== null && work.budget.reads > 0) {
    if (cursor.part === 'state') look = yield* checkState(work, { ttl_ms, is_registered, hint }, before)
    cursor = yield* nextCursor(work, cursor, request.deep)
    if (work.findings.kept > FINDINGS_MAX) break
  }
  return {
    ok: true,
    root: resolution.root,
    findings: work.findings.list(),
    next: cursor === null ? null : encodeCursor(cursor),
    latest_version: look.state?.latest_version ?? null,
    log: describeLog(survey),
  }
}

function describeLog(survey: LogSurvey): Verified['log'] {
  const latest = latestVersion(survey)
  return {
    first_version: survey.commits[0] ?? null,
    latest_version: latest === -1 ? null : latest,
    entries: survey.commits.length,
    checkpoints: survey.checkpoints.filter(isComplete).length,
  }
}

/** What needs the state and the names of the log, and nothing of its content but the hint. */
function* checkState(
  work: LogWork,
  table: { readonly ttl_ms: number; readonly is_registered: boolean; readonly hint: ReadObject | null },
  before: StateLook,
): Maintenance<StateLook> {
  const { table_id, survey, findings } = work
  const look = yield* checkCoordinator({ ...table, table_id, survey, findings }, before)
  const oldest = survey.checkpoints.find(isComplete)
  // Only a lost entry makes it worth a replay to find out about timestamps.
  const is_entry_lost = oldest !== undefined && !survey.commit_files.has(oldest.version)
  checkNames(survey, findings, is_entry_lost && hasTimestamps(yield* latestSnapshot(work)))
  if (table.hint?.is === 'there') checkHint(table.hint.bytes, survey, findings)
  work.budget.reads -= 8
  return look
}

/** Do a part, or as much of it as the budget allows; where to go on, or null when all is done. */
function* nextCursor(work: LogWork, { part, after }: Cursor, deep: boolean): Maintenance<Cursor | null> {
  const rest = part === 'state' ? null : yield* PART_CHECKS[part](work, after)
  if (rest !== null) return { part, after: rest }
  const next = PARTS[PARTS.indexOf(part) + 1]
  return next === undefined || (next === 'files' && !deep) ? null : { part: next, after: '' }
}

type PartCheck = (work: LogWork, after: string) => Maintenance<string | null>

const PART_CHECKS: Record<Exclude<Cursor['part'], 'state'>, PartCheck> = {
  *log(work, after) {
    const version = yield* checkLog(work, Number(after))
    return version === null ? null : String(version)
  },
  *markers(work, after) {
    return yield* checkMarkers(work, after === '' ? null : after)
  },
  *staged(work, after) {
    return yield* checkStaged(work, after === '' ? null : after)
  },
  *files(work, after) {
    return yield* checkFiles(work, after === '' ? null : after)
  },
}
