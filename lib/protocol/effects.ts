/**
 * What a protocol generator may ask of the world (spec/correctness.md 9.1). A generator yields one step, a
 * single operation or an array issued together, and is resumed with the answers; `run.ts` awaits them on a real
 * store, tests answer the very same generators synchronously and choose the order.
 *
 * Use the helpers with `yield*`: `const state = yield* get(path, limit)`. No clock, randomness or store is
 * reachable in any other way.
 */
import type { GetResult, Meta, Precondition, PutResult, StoreError } from '../store/types.ts'
import type { Resolution, ResolvedRoot } from './delta/resolve.ts'
import type { Severity } from './maintenance/finding.ts'
import type { DeleteAnswer, HeadAnswer, ListAnswer } from './maintenance/effects.ts'

/** Read one known key. A failed read resumes as `{ outcome: 'failed' }`, and `get` throws its error. */
export interface GetOp {
  readonly kind: 'get'
  readonly path: string
  readonly bytes_max: number
}

/** One conditional put, one wire attempt. There is no unconditional put in the protocol (spec/style.md, Never). */
export interface PutOp {
  readonly kind: 'put'
  readonly path: string
  readonly bytes: Uint8Array
  readonly precondition: Exclude<Precondition, 'none'>
  readonly meta?: Meta
}

/** Find the root of a table (spec/coordinator.md 11). Never fails: an unreachable catalog is an answer too. */
export interface ResolveOp {
  readonly kind: 'resolve'
  readonly table_id: string
}

/** The root of a table if it is known without touching the store, else null. */
export interface KnownRootOp {
  readonly kind: 'known_root'
  readonly table_id: string
}

/** Wall clock, and a monotonic one for deadlines, both in ms. */
export interface NowOp {
  readonly kind: 'now'
}

/** A fresh ULID from the platform's CSPRNG. */
export interface UlidOp {
  readonly kind: 'ulid'
}

/** Wait a random time between `min_ms` and `max_ms` (full jitter). */
export interface PauseOp {
  readonly kind: 'pause'
  readonly min_ms: number
  readonly max_ms: number
}

/** Lower-case hex SHA-256. An effect because Web Crypto is asynchronous. */
export interface Sha256Op {
  readonly kind: 'sha256'
  readonly bytes: Uint8Array
}

/** Rows of a Parquet object, as plain records. */
export interface ParquetRowsOp {
  readonly kind: 'parquet_rows'
  readonly bytes: Uint8Array
  readonly columns: readonly string[]
  readonly nesting: Nesting
}

/**
 * `flat`: plain columns of any file, read within the bounds of S20. `nested`: structs, lists and maps of a file whose pages
 * were walked before, because the reader of these takes a file at its word.
 */
export type Nesting = 'flat' | 'nested'

/** Something an operator wants to know; never changes the outcome. */
export interface NoteOp {
  readonly kind: 'note'
  readonly note: Note
}

/** The closed list of what a protocol operation may ask for. */
export type Op =
  | GetOp
  | PutOp
  | ResolveOp
  | KnownRootOp
  | NowOp
  | UlidOp
  | PauseOp
  | Sha256Op
  | ParquetRowsOp
  | NoteOp

/** Both clocks at one moment, ms. Only `monotonic_ms` may be subtracted for a deadline. */
export interface Clock {
  readonly now_ms: number
  readonly monotonic_ms: number
}

/** A read that failed, or an object that does not decode; `error.code` is one of the closed list. */
export interface ReadFailed {
  readonly outcome: 'failed'
  readonly error: StoreError
}

/** What a `get` is answered with. */
export type ReadAnswer = GetResult | ReadFailed

/** Rows of a Parquet object; one that does not decode is an answer, too. */
export type RowsAnswer =
  | { readonly outcome: 'ok'; readonly rows: readonly Readonly<Record<string, unknown>>[] }
  | ReadFailed

/** What each operation is answered with; the last three are asked by maintenance only (maintenance/effects.ts). */
export interface AnswerOf {
  get: ReadAnswer
  put: PutResult
  resolve: Resolution
  known_root: ResolvedRoot | null
  now: Clock
  ulid: string
  pause: undefined
  sha256: string
  parquet_rows: RowsAnswer
  note: undefined
  list: ListAnswer
  head: HeadAnswer
  delete: DeleteAnswer
}

/** What an operation is answered with. */
export type Answer<O extends { readonly kind: keyof AnswerOf } = { readonly kind: keyof AnswerOf }> =
  AnswerOf[O['kind']]

/** One step: a single operation, or several issued together. */
export type Step = Op | readonly Op[]

/** A protocol operation that ends with `R`. */
export type Protocol<R> = Generator<Step, R, Answer | readonly Answer[]>

/**
 * Facts for the operator's log and metrics: which crash window was found and what was done about it. `alert` asks
 * for a person (a foreign log entry, a key that was committed twice by an older system).
 */
export type Note =
  | {
      readonly note: 'recovered'
      readonly window: 'W1' | 'W2' | 'W3'
      readonly action: 'rolled_forward' | 'finalized' | 'abandoned' | 'sealed' | 'foreign'
      readonly version: number
    }
  | { readonly note: 'alert'; readonly what: string; readonly version: number }
  | { readonly note: 'finalize_failed'; readonly version: number }
  /** A call with a caller's token may not publish (spec/locks-and-fencing.md 6.3). */
  | {
      readonly note: 'fenced'
      readonly reason: 'lock_missing' | 'lock_expired' | 'lock_expiring' | 'stale_token' | 'epoch_regression'
    }
  /** A lease could not be given back (4.3): the work is done, and others wait until it ends by itself. */
  | { readonly note: 'release_failed'; readonly path: string; readonly outcome: 'no_effect' | 'unknown' }
  /** Another publisher was faster, and the revision is made again; `attempt` counts from 1. */
  | { readonly note: 'publish_retried'; readonly attempt: number }
  /** The key of an immutable object holds other bytes. */
  | { readonly note: 'artifact_exists'; readonly path: string }
  /** The health check found something (maintenance/finding.ts); what it means is in its report. */
  | {
      readonly note: 'finding'
      readonly rule: string
      readonly severity: Severity
      readonly path?: string
      readonly version?: number
      readonly detail: string
      readonly next: string
    }
  | RebuildProgress
  | AutomationNote

/** How one run of the repair automation ended (spec/reconcile.md 7); `backlog_count` -1 when nobody knows. */
export interface AutomationNote {
  readonly note: 'repair_automation'
  readonly mode: 'dry_run' | 'enforce'
  readonly scope: 'full' | 'current_head_only'
  readonly status:
    | 'clean'
    | 'repair_needed'
    | 'repaired'
    | 'repair_failed'
    | 'check_failed'
    | 'recheck_failed'
  readonly findings: number
  readonly backlog_count: number
  readonly backlog_age_ms: number
  readonly is_repeat: boolean
  readonly deleted_objects: number
  readonly failed_repairs: number
  readonly failure: string
}

/** How far a rebuild of the projection has come; one before the first chunk and one after every chunk. */
export interface RebuildProgress {
  readonly note: 'rebuild_progress'
  readonly rebuild_id: string
  readonly mode: 'incremental' | 'full'
  /** Paths as listed, and distinct events among them. */
  readonly listed: number
  readonly events_total: number
  /** Events that this call has read. */
  readonly events_read: number
  /** Events from the beginning of the list that are folded, and that readers see. */
  readonly events_folded: number
  readonly events_published: number
  readonly elapsed_ms: number
}

/** Issue one operation. */
function* perform<O extends Op>(op: O): Protocol<Answer<O>> {
  return (yield op) as Answer<O>
}

/** Issue several operations together and wait for all of them: one sequential round trip. */
export function* all<const Ops extends readonly Op[]>(
  ops: Ops,
): Protocol<{ -readonly [I in keyof Ops]: Answer<Ops[I]> }> {
  return (yield ops) as unknown as { -readonly [I in keyof Ops]: Answer<Ops[I]> }
}

/**
 * Run two operations side by side: what they ask of the store goes out together, as one round trip. The first that
 * throws ends both.
 */
export function* together<A, B>(first: Protocol<A>, second: Protocol<B>): Protocol<[A, B]> {
  try {
    let left = yield* toStore(first, first.next())
    let right = yield* toStore(second, second.next())
    while (left.done !== true || right.done !== true) {
      const left_ops = left.done === true ? [] : opsOf(left.value)
      const right_ops = right.done === true ? [] : opsOf(right.value)
      const answers = (yield [...left_ops, ...right_ops]) as readonly Answer[]
      if (left.done !== true) {
        left = yield* toStore(first, resume(first, left.value, answers.slice(0, left_ops.length)))
      }
      if (right.done !== true) {
        right = yield* toStore(second, resume(second, right.value, answers.slice(left_ops.length)))
      }
    }
    return [left.value, right.value]
  } finally {
    first.return(undefined as never)
    second.return(undefined as never)
  }
}

type Next<R> = IteratorResult<Step, R>

/** Answer what an operation asks of its own process, until it asks something of the store, or ends. */
function* toStore<R>(protocol: Protocol<R>, from: Next<R>): Protocol<Next<R>> {
  let next = from
  while (next.done !== true && opsOf(next.value).every(({ kind }) => !ROUND_TRIPS.has(kind))) {
    next = protocol.next((yield next.value) as Answer | readonly Answer[])
  }
  return next
}

const ROUND_TRIPS: ReadonlySet<Op['kind']> = new Set(['get', 'put', 'resolve'])

function resume<R>(protocol: Protocol<R>, step: Step, answers: readonly Answer[]): Next<R> {
  return protocol.next(Array.isArray(step) ? answers : answers[0])
}

function opsOf(step: Step): readonly Op[] {
  return Array.isArray(step) ? (step as readonly Op[]) : [step as Op]
}

/** Read one key; a failed read is thrown into the protocol as its StoreError. */
export function* get(path: string, bytes_max: number): Protocol<GetResult> {
  return readable(yield* perform({ kind: 'get', path, bytes_max }))
}

/** The value of a read answer, or its StoreError thrown. */
export function readable(answer: ReadAnswer): GetResult {
  if (answer.outcome === 'failed') throw answer.error
  return answer
}

/** Put with a condition: one attempt. */
export function* put(op: Omit<PutOp, 'kind'>): Protocol<PutResult> {
  return yield* perform({ kind: 'put', ...op })
}

/** Find the root of a table; never fails. */
export function* resolve(table_id: string): Protocol<Resolution> {
  return yield* perform({ kind: 'resolve', table_id })
}

/** The root of a table if no read is needed for it, else null. */
export function* knownRoot(table_id: string): Protocol<ResolvedRoot | null> {
  return yield* perform({ kind: 'known_root', table_id })
}

/** Read both clocks. */
export function* now(): Protocol<Clock> {
  return yield* perform({ kind: 'now' })
}

/** Draw a fresh ULID. */
export function* ulid(): Protocol<string> {
  return yield* perform({ kind: 'ulid' })
}

/** Wait a random time between the two bounds, ms. */
export function* pause(min_ms: number, max_ms: number): Protocol<void> {
  yield* perform({ kind: 'pause', min_ms, max_ms })
}

/** Hash bytes; lower-case hex. */
export function* sha256(bytes: Uint8Array): Protocol<string> {
  return yield* perform({ kind: 'sha256', bytes })
}

/** Decode a Parquet object to plain rows of the named columns; throws StoreError `corrupt` when it is none. */
export function* parquetRows(
  bytes: Uint8Array,
  columns: readonly string[],
  nesting: Nesting,
): Protocol<readonly Readonly<Record<string, unknown>>[]> {
  const answer = yield* perform({ kind: 'parquet_rows', bytes, columns, nesting })
  if (answer.outcome === 'failed') throw answer.error
  return answer.rows
}

/** Tell the operator a fact; never changes the outcome. */
export function* note(fact: Note): Protocol<void> {
  yield* perform({ kind: 'note', note: fact })
}
