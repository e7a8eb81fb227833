/**
 * One request at work: its budget (R22) and the only ways in which the Delta operations touch the store. Every
 * batch is counted before it is issued, and a put that may have taken effect is remembered, because it decides
 * between "this attempt wrote nothing" and `outcome_unknown`.
 */
import { StoreError, type GetResult, type PutResult } from '../../store/types.ts'
import {
  all,
  note,
  now,
  pause,
  readable,
  type Answer,
  type GetOp,
  type Op,
  type Protocol,
  type PutOp,
} from '../effects.ts'
import { StoredObjectError } from '../stored-error.ts'
import { ATTEMPTS_MAX, BACKOFF_MAX_MS, BACKOFF_MIN_MS, OPERATIONS_MAX } from './limits.ts'
import type { SharedFailure } from './outcomes.ts'
import type { DeltaSettings } from './settings.ts'

/** What the store can do beyond the minimum. */
export interface WorkCapabilities {
  /** Owner metadata on log entries (R25). */
  readonly meta: boolean
}

/** One request at work on one table. */
export interface Work {
  readonly table_id: string
  readonly settings: DeltaSettings
  readonly meta: boolean
  readonly budget: Budget
}

/** What is left of a request's attempts, operations and time. Mutable: it lives as long as the request. */
export interface Budget {
  readonly deadline_at_ms: number
  attempts: number
  operations: number
  /** A put of this request answered `ok` or `unknown`. */
  may_have_written: boolean
  /** The key is reserved for this request: anybody may complete it, so giving up on a write is `outcome_unknown` (6.4). */
  drives_own: boolean
  /** The latest put was refused without effect: the store is throttling. */
  throttled: boolean
}

/** The budget ran out. Never leaves the operation: `refusalOf` turns it into an answer. */
export class Exhausted extends Error {
  readonly what: 'attempts' | 'operations' | 'time' | 'resends'

  constructor(what: 'attempts' | 'operations' | 'time' | 'resends') {
    super(`budget used up: ${what}`)
    this.name = 'Exhausted'
    this.what = what
  }
}

/** How long a client should wait before it repeats a request that ended in a 503 or in contention. */
const RETRY_AFTER_MS = 1000

/** Start the clock of one request. */
export function* beginWork(
  table_id: string,
  settings: DeltaSettings,
  capabilities: WorkCapabilities,
): Protocol<Work> {
  const { monotonic_ms } = yield* now()
  return {
    table_id,
    settings,
    meta: capabilities.meta,
    budget: {
      deadline_at_ms: monotonic_ms + settings.deadline_ms,
      attempts: 0,
      operations: 0,
      may_have_written: false,
      drives_own: false,
      throttled: false,
    },
  }
}

/** Count one decision, or one repeat of a CAS. Throws Exhausted after the eighth. */
export function countAttempt(work: Work): void {
  if (work.budget.attempts >= ATTEMPTS_MAX) throw new Exhausted('attempts')
  work.budget.attempts += 1
}

/** One more operation fits into the budget, and `reserved` more after it. */
export function hasRoom(work: Work, reserved: number): boolean {
  return work.budget.operations + 1 + reserved <= OPERATIONS_MAX
}

/** Operations by name; an undefined one is left out. */
export type NamedOps = Readonly<Record<string, Op | undefined>>

/** The answers under the same names; undefined where the operation was left out. */
export type NamedAnswers<Ops extends NamedOps> = {
  [Name in keyof Ops]: Ops[Name] extends Op ? Answer<Ops[Name]> : Answer<NonNullable<Ops[Name]>> | undefined
}

/** Reads of the catalog that one `resolve` may need: pointer, manifest, tables. */
const RESOLVE_OPERATIONS = 3

/** Issue operations together: one sequential round trip, counted against the budget. */
export function* issue<Ops extends NamedOps>(work: Work, ops: Ops): Protocol<NamedAnswers<Ops>> {
  const named = Object.entries(ops).flatMap(([name, op]) => (op === undefined ? [] : [{ name, op }]))
  const { budget } = work
  for (const { op } of named) budget.operations += op.kind === 'resolve' ? RESOLVE_OPERATIONS : 1
  if (budget.operations > OPERATIONS_MAX) throw new Exhausted('operations')
  const { monotonic_ms } = yield* now()
  if (monotonic_ms > budget.deadline_at_ms) throw new Exhausted('time')
  const answers = yield* all(named.map(({ op }) => op))
  const result: Record<string, Answer> = {}
  for (const [index, { name, op }] of named.entries()) {
    const answer = answers[index]
    if (op.kind === 'put') remember(budget, answer as PutResult)
    result[name] = answer
  }
  return result as NamedAnswers<Ops>
}

/** What a put came to decides which answer an exhausted request may give. */
function remember(budget: Budget, answer: PutResult): void {
  if (answer.outcome === 'ok' || answer.outcome === 'unknown') budget.may_have_written = true
  budget.throttled = answer.outcome === 'no_effect'
}

/** Read one key, counted. */
export function* readOne(work: Work, path: string, bytes_max: number): Protocol<GetResult> {
  const { object } = yield* issue(work, { object: getOp(path, bytes_max) })
  return readable(object)
}

/** Put one key, counted. */
export function* putOne(work: Work, op: Omit<PutOp, 'kind'>): Protocol<PutResult> {
  const { written } = yield* issue(work, { written: putOp(op) })
  return written
}

/** A read, to be issued with others. */
export function getOp(path: string, bytes_max: number): GetOp {
  return { kind: 'get', path, bytes_max }
}

/** A conditional put, to be issued with others. */
export function putOp(op: Omit<PutOp, 'kind'>): PutOp {
  return { kind: 'put', ...op }
}

/** Wait after a lost CAS or a `no_effect`: full jitter, longer when the store asked for it. */
export function* backOff(work: Work, result: PutResult): Protocol<void> {
  const asked_ms = result.outcome === 'no_effect' ? (result.retry_after_ms ?? 0) : 0
  const { monotonic_ms } = yield* now()
  const left_ms = Math.max(0, work.budget.deadline_at_ms - monotonic_ms)
  const min_ms = Math.min(Math.max(BACKOFF_MIN_MS, asked_ms), left_ms)
  yield* pause(min_ms, Math.min(Math.max(BACKOFF_MAX_MS, asked_ms + BACKOFF_MAX_MS), left_ms))
}

/** Log and count something that a person must look at. */
export function* alert(what: string, version: number): Protocol<void> {
  yield* note({ note: 'alert', what, version })
}

/** `outcome_unknown`: may or may not be committed; the same request again resolves it. */
export function outcomeUnknown(): SharedFailure {
  return { ok: false, reason: 'outcome_unknown', retry_after_ms: RETRY_AFTER_MS }
}

/**
 * The answer of a request that ended in an error instead of a decision (spec/coordinator.md 6.3, spec/http-api.md
 * 11). Anything that is not a known failure is rethrown.
 */
export function refusalOf(work: Work, error: unknown, contention_detail: string): SharedFailure {
  if (error instanceof StoredObjectError && error.reason !== 'lock_corrupt') {
    return error.reason === 'object_corrupt'
      ? { ok: false, reason: 'object_corrupt', object_class: error.object_class }
      : { ok: false, reason: error.reason }
  }
  const { may_have_written, drives_own, throttled } = work.budget
  if (error instanceof Exhausted) {
    if (may_have_written || (error.what === 'resends' && drives_own)) return outcomeUnknown()
    if (error.what === 'time') return unavailable()
    return throttled
      ? { ok: false, reason: 'throttled', retry_after_ms: RETRY_AFTER_MS }
      : { ok: false, reason: 'contention', detail: contention_detail, retry_after_ms: RETRY_AFTER_MS }
  }
  if (error instanceof StoreError && error.code === 'unavailable') {
    return may_have_written ? outcomeUnknown() : unavailable()
  }
  throw error
}

/** `storage_unavailable` says that this attempt wrote nothing; when it may have, as a helper, that would not be true. */
export function withoutFalseClaim<F extends { readonly reason: string }>(
  work: Work,
  failure: F,
): F | SharedFailure {
  return failure.reason === 'storage_unavailable' && work.budget.may_have_written ? outcomeUnknown() : failure
}

/** `storage_unavailable`: the store did not answer, and this attempt wrote nothing that matters. */
export function unavailable(): SharedFailure {
  return { ok: false, reason: 'storage_unavailable', retry_after_ms: RETRY_AFTER_MS }
}
