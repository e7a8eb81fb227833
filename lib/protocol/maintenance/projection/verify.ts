/**
 * VERIFY of the projection (spec/reconcile.md RC-6, RC-10, RC-13): what is stored against what it says of itself, from the
 * pointer down to every row, and against the ledger. Reads and lists; writes nothing. Bounded work a call; the cursor of one
 * call begins the next, which stays with the revision that the first one saw.
 *
 *     head → chain → artifacts → ledger → orphans
 *
 * What is broken is told first and gone on from: a stage that needs it is left out.
 */
import { failureOf } from '../../orchestration/projection/answer.ts'
import type { Failure } from '../../orchestration/projection/outcomes.ts'
import type { Maintenance } from '../effects.ts'
import { bySeverity, type Finding } from '../finding.ts'
import { checkProjection } from './check.ts'
import { orphanFindings } from './orphan-findings.ts'
import type { ReconcileSettings } from './settings.ts'
import { verifyArtifacts } from './verify-artifacts.ts'
import { verifyChain } from './verify-chain.ts'
import { parseCursor, printCursor, type Position } from './verify-cursor.ts'
import { verifyHead } from './verify-head.ts'
import { verifyLedger } from './verify-ledger.ts'

/** One page of a verification. */
export interface VerifyRequest {
  /** `next_cursor` of the page before; null to begin. */
  readonly cursor: string | null
  /** Objects that are looked at in one call, about. */
  readonly limit: number
}

/** The 200 of `GET /internal/verify/projection`. */
export interface VerifiedPage {
  readonly ok: true
  /** The worst first. */
  readonly findings: readonly Finding[]
  /** Objects that were looked at. */
  readonly objects: number
  /** Null when everything was looked at. */
  readonly next_cursor: string | null
}

/** What one stage saw, and where to go on. */
export interface Stage {
  readonly findings: readonly Finding[]
  readonly objects: number
  readonly next: Position | null
}

/** Verify one page. */
export function* verifyProjection(
  settings: ReconcileSettings,
  { cursor, limit }: VerifyRequest,
): Maintenance<VerifiedPage | Failure> {
  let at: Position | null = cursor === null ? { stage: 'head' } : parseCursor(cursor)
  if (at === null) {
    return {
      ok: false,
      reason: 'bad_request',
      detail: 'cursor: expected the next_cursor of an earlier answer',
    }
  }
  const findings: Finding[] = []
  let objects = 0
  try {
    while (at !== null && objects < limit) {
      const stage: Stage = yield* verifyStage(settings, at, limit - objects)
      findings.push(...stage.findings)
      objects += stage.objects
      at = stage.next
    }
  } catch (error) {
    return failureOf(error)
  }
  return {
    ok: true,
    findings: findings.toSorted(bySeverity),
    objects,
    next_cursor: at === null ? null : printCursor(at),
  }
}

function* verifyStage(settings: ReconcileSettings, at: Position, limit: number): Maintenance<Stage> {
  switch (at.stage) {
    case 'head':
      return yield* verifyHead()
    case 'chain':
      return yield* verifyChain(settings, at, limit)
    case 'artifacts':
      return yield* verifyArtifacts(at, limit)
    case 'ledger':
      return yield* verifyLedger(settings, at, limit)
    case 'orphans':
      return yield* verifyOrphans(settings)
  }
}

/** What a reconcile reports; the chain was looked at by a stage of its own. */
function* verifyOrphans(settings: ReconcileSettings): Maintenance<Stage> {
  const check = yield* checkProjection(settings)
  const own = orphanFindings(check, new Set()).filter(
    ({ rule }) => rule.startsWith('RC-') || rule === 'PJ-102',
  )
  return { findings: own, objects: check.survey.listed, next: null }
}
