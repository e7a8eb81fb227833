/**
 * The lease of one piece of work, in one object that is never deleted, and the fencing token that goes with it
 * (spec/locks-and-fencing.md 1–5). Nothing is safe because of a lock: the conditional put of the protected object decides.
 * A lock only keeps two holders from doing the same work, and its token keeps a stale one from publishing.
 *
 *     absent ──acquire──> held ──renew──> held ──release, force-break, time──> expired ──acquire──> held, token + 1
 */
import * as z from 'zod'
import type { PutResult, StoreError, Token } from '../store/types.ts'
import {
  all,
  get,
  now,
  pause,
  put,
  readable,
  ulid,
  type GetOp,
  type Protocol,
  type ReadAnswer,
} from './effects.ts'
import { parseJson, stringifyJson, type JsonValue } from './json.ts'
import { floorMs, formatInstant, fromMs, parseInstant } from './orchestration/events/instant.ts'
import { StoredObjectError } from './stored-error.ts'

/** Default lease, ms [COMPAT]. */
export const LEASE_MS = 30_000
/** Time that two clocks may differ, ms. */
export const SKEW_MS = 1_000
/** A publish needs at least this much of its lease, ms, beside the skew. */
export const PUBLISH_MIN_MS = 2_000
/** How long an interactive caller waits for somebody else's lease, ms. */
export const WAIT_MS = 10_000

/** A lease never counts for longer than this, ms, whatever it claims. */
const LEASE_MAX_MS = 24 * 3_600_000
/** How far in the past a released lease ends, ms [COMPAT]. */
const RELEASED_MS = 1_000
/** Read limit of a lock record (spec/storage.md 8). */
const LOCK_BYTES_MAX = 16 * 1024
/** An operator may replace a larger one. */
const BROKEN_BYTES_MAX = 64 * 1024 * 1024
const BACKOFF_BASE_MS = 100
const BACKOFF_CAP_MS = 5_000
/** CAS attempts of one request (R22). */
const ATTEMPTS_MAX = 8
/** Looks at somebody else's lease; the wait ends long before, unless every pause is drawn short. */
const LOOKS_MAX = 64
/** Re-sends of a renewal that had no effect. */
const RESENDS_MAX = 3
/** When to ask again after losing every race, ms. */
const RETRY_AFTER_MS = 1_000

const Time = z.string().refine((text) => parseInstant(text) !== null)

/** The stored record, camelCase as the reference writes it; unknown members are kept on rewrite. */
export const LockRecord = z.looseObject({
  holderId: z.string().min(1),
  expiresAt: Time,
  acquiredAt: Time,
  sequenceNumber: z.int().min(0).default(0),
  operation: z.string().nullish(),
  ttlMs: z.int().min(0).optional(),
  renewedAt: Time.optional(),
})
export type LockRecord = z.infer<typeof LockRecord>

/** What its holder keeps in memory. */
export interface Guard {
  readonly path: string
  /** The record as this holder wrote it last, and that generation. */
  readonly record: LockRecord
  readonly token: Token
}

/** The fencing token of an acquisition (F-1). */
export function fencingToken(guard: Guard): number {
  return guard.record.sequenceNumber
}

/** Somebody else holds the lock and the wait is over. */
export interface LockHeld {
  readonly ok: false
  readonly reason: 'lock_held'
  readonly holder_id: string
  readonly retry_after_ms: number
}

/** The store took none of our writes, or somebody was always faster. */
export interface LockContended {
  readonly ok: false
  readonly reason: 'contention' | 'throttled'
  readonly retry_after_ms: number
}

/** What an acquisition came to; a record that does not parse is thrown as StoredObjectError. */
export type Acquired =
  | {
      readonly ok: true
      readonly guard: Guard
      /** Somebody else may have held it since `first` was read. */
      readonly has_waited: boolean
    }
  | LockHeld
  | LockContended

/** How to acquire. */
export interface AcquireRequest {
  readonly path: string
  readonly ttl_ms?: number
  /** Highest epoch of the protected object: tokens never fall behind it, even if the record was deleted. */
  readonly floor?: number
  readonly operation?: string
  readonly wait_ms?: number
  /** The answer to `lockOp`, where it was issued together with other reads; later looks are made here. */
  readonly first?: ReadAnswer
}

/** The read of a lock record, to be issued with others. */
export function lockOp(path: string): GetOp {
  return { kind: 'get', path, bytes_max: LOCK_BYTES_MAX }
}

/** Take the lock, waiting for another holder at most `wait_ms` (4.1). */
export function* acquire(request: AcquireRequest): Protocol<Acquired> {
  const { path, wait_ms = WAIT_MS } = request
  const holderId = yield* ulid()
  const started = yield* now()
  const mine: LockRecord[] = []
  let answer = request.first ?? (yield* look(path))
  for (let looks = 1; ; looks++) {
    const seen = seenLock(path, answer)
    const own = seen === null ? null : ownGuard(path, seen, mine)
    const has_waited = looks > 1
    if (own !== null) return { ok: true, guard: own, has_waited }
    const clock = yield* now()
    const left_ms = wait_ms - (clock.monotonic_ms - started.monotonic_ms)
    if (seen !== null && !isExpired(seen, clock.now_ms)) {
      if (left_ms <= 0 || looks >= LOOKS_MAX) return held(seen.record, clock.now_ms)
      yield* waitTurn(looks, left_ms)
    } else {
      const record = candidate(request, holderId, seen, clock.now_ms)
      const result = yield* writeLock(path, record, seen?.token ?? null)
      if (result.outcome === 'ok')
        return { ok: true, guard: { path, record, token: result.token }, has_waited }
      mine.push(record)
      if (mine.length >= ATTEMPTS_MAX) return contended(result)
      // look at once, it may be our own; A-7a: the store asked for a pause.
      if (result.outcome === 'no_effect') yield* waitTurn(mine.length, left_ms, result.retry_after_ms)
    }
    answer = yield* look(path)
  }
}

function* look(path: string): Protocol<ReadAnswer> {
  const [answer] = yield* all([lockOp(path)])
  return answer
}

/** Lengthen the lease (4.2). `null`: it is lost, and the protected work must not write any more. */
export function* renew(guard: Guard, ttl_ms: number = LEASE_MS): Protocol<Guard | null> {
  const { path } = guard
  const mine: LockRecord[] = []
  for (let sent = 1; ; sent++) {
    const { now_ms } = yield* now()
    if (!isValidForHolder(guard, now_ms)) return null
    const record = {
      ...guard.record,
      expiresAt: timeText(now_ms + ttl_ms),
      ttlMs: ttl_ms,
      renewedAt: timeText(now_ms),
    }
    const result = yield* writeLock(path, record, guard.token)
    if (result.outcome === 'ok') return { path, record, token: result.token }
    if (result.outcome === 'no_effect') yield* waitTurn(sent, BACKOFF_CAP_MS, result.retry_after_ms)
    mine.push(record)
    const seen = seenLock(path, yield* look(path))
    const own = seen === null ? null : ownGuard(path, seen, mine)
    if (seen === null || own !== null) return own
    // The store did not take it, and nobody else has written: the lease is still ours to lengthen.
    if (!sameRecord(seen.record, guard.record) || sent > RESENDS_MAX) return null
  }
}

/** Give the lock back (4.3). Never fails the work it protected; the record stays. */
export function* release(guard: Guard): Protocol<PutResult['outcome']> {
  const { now_ms } = yield* now()
  const { operation: _operation, ...record } = guard.record
  const result = yield* writeLock(
    guard.path,
    { ...record, expiresAt: timeText(now_ms - RELEASED_MS) },
    guard.token,
  )
  return result.outcome
}

/** What `inspectLock` shows (4.4). */
export interface LockView {
  readonly record: LockRecord | null
  readonly held: boolean
  /** How long others would still wait, ms. */
  readonly left_ms: number
}

/** Look at the lock without touching it. */
export function* inspectLock(path: string): Protocol<LockView> {
  const seen = seenLock(path, yield* look(path))
  const { now_ms } = yield* now()
  if (seen === null) return { record: null, held: false, left_ms: 0 }
  const left_ms = Math.max(0, endOf(seen) - now_ms)
  return { record: seen.record, held: !isExpired(seen, now_ms), left_ms }
}

/** What a force-break came to (4.5). */
export type Broken =
  | { readonly ok: true; readonly record: LockRecord | null }
  | { readonly ok: false; readonly reason: 'contention'; readonly detail: string }

/**
 * End somebody's lease. A record that does not parse is replaced only when the operator says the `sequence` to go on
 * from, which must not be below the epoch of what the lock protects; else StoredObjectError.
 */
export function* forceBreak(path: string, options: { readonly sequence?: number } = {}): Protocol<Broken> {
  const answer = yield* get(path, BROKEN_BYTES_MAX)
  if (answer.outcome === 'not_found') return { ok: true, record: null }
  const { now_ms } = yield* now()
  const ended = timeText(now_ms - RELEASED_MS)
  const parsed = tryParse(answer.bytes)
  if (parsed === null && options.sequence === undefined) throw corrupt(path)
  const record: LockRecord =
    parsed === null
      ? {
          holderId: yield* ulid(),
          expiresAt: ended,
          acquiredAt: ended,
          sequenceNumber: options.sequence ?? 0,
          operation: FORCE_BREAK,
        }
      : { ...parsed, expiresAt: ended, operation: FORCE_BREAK }
  const result = yield* writeLock(path, record, answer.token)
  if (result.outcome === 'ok') return { ok: true, record }
  const seen = readable(yield* look(path))
  if (seen.outcome === 'ok' && sameBytes(seen.bytes, encodeLock(record))) return { ok: true, record }
  return { ok: false, reason: 'contention', detail: 'lock changed while force-breaking it' }
}

const FORCE_BREAK = 'force-break'

/** What a look at the lock says about a fencing token (6.3). */
export type Fencing =
  | { readonly ok: true; readonly expires_at_ms: number }
  | { readonly ok: false; readonly reason: 'lock_missing' | 'lock_expired'; readonly expiring: boolean }
  | { readonly ok: false; readonly reason: 'stale_fencing_token'; readonly current: number }

/** Check a fencing token against the record; `left_min_ms` of the lease must be left. */
export function* checkFencing(path: string, sequence: number, left_min_ms: number = 0): Protocol<Fencing> {
  return fencingOf(path, yield* look(path), sequence, (yield* now()).now_ms, left_min_ms)
}

/** As `checkFencing`, from the answer to `lockOp`. */
export function fencingOf(
  path: string,
  answer: ReadAnswer,
  sequence: number,
  now_ms: number,
  left_min_ms: number = 0,
): Fencing {
  const seen = seenLock(path, answer)
  if (seen === null) return { ok: false, reason: 'lock_missing', expiring: false }
  const expires_at_ms = endOf(seen)
  if (now_ms >= expires_at_ms) return { ok: false, reason: 'lock_expired', expiring: false }
  const current = seen.record.sequenceNumber
  if (current !== sequence) return { ok: false, reason: 'stale_fencing_token', current }
  return now_ms + left_min_ms > expires_at_ms
    ? { ok: false, reason: 'lock_expired', expiring: true }
    : { ok: true, expires_at_ms }
}

/** Whether the holder may still act on its lease, with at least `left_min_ms` of it. */
export function isValidForHolder({ record }: Guard, now_ms: number, left_min_ms: number = 0): boolean {
  return now_ms + left_min_ms < timeMs(record.expiresAt) - SKEW_MS
}

interface SeenLock {
  readonly record: LockRecord
  readonly token: Token
  readonly last_modified_ms: number | null
  readonly server_date_ms: number | null
}

function seenLock(path: string, given: ReadAnswer): SeenLock | null {
  if (given.outcome === 'failed' && isUnreadable(given.error)) throw corrupt(path)
  const answer = readable(given)
  if (answer.outcome === 'not_found') return null
  const record = tryParse(answer.bytes)
  if (record === null) throw corrupt(path)
  const { token, last_modified_ms = null, server_date_ms = null } = answer
  return { record, token, last_modified_ms, server_date_ms }
}

/** Larger than any record, or damaged on the way twice: as broken as one that does not parse (spec/storage.md 8). */
function isUnreadable({ code }: StoreError): boolean {
  return code === 'too_large' || code === 'corrupt'
}

function tryParse(bytes: Uint8Array): LockRecord | null {
  if (bytes.length > LOCK_BYTES_MAX) return null
  let json: JsonValue
  try {
    json = parseJson(bytes)
  } catch {
    return null
  }
  const parsed = LockRecord.safeParse(json)
  return parsed.success ? parsed.data : null
}

function corrupt(path: string): StoredObjectError {
  return new StoredObjectError('lock_corrupt', path, 'not a lock record', 'lock')
}

/** End of the lease, capped at 24 h after the record was written (section 3). */
function endOf({ record, last_modified_ms }: SeenLock): number {
  const claimed_ms = timeMs(record.expiresAt)
  const since_ms = last_modified_ms ?? timeMs(record.renewedAt ?? record.acquiredAt)
  return leaseMs(record) > LEASE_MAX_MS ? Math.min(claimed_ms, since_ms + LEASE_MAX_MS) : claimed_ms
}

function leaseMs(record: LockRecord): number {
  return record.ttlMs ?? timeMs(record.expiresAt) - timeMs(record.renewedAt ?? record.acquiredAt)
}

/** Past its end by this clock, or past its length by the store's own (section 3). */
function isExpired(seen: SeenLock, now_ms: number): boolean {
  // A release ends the lease as far in the past as clocks may differ: nobody waits for it.
  if (now_ms >= endOf(seen) + SKEW_MS) return true
  const { last_modified_ms, server_date_ms, record } = seen
  const length_ms = Math.min(leaseMs(record), LEASE_MAX_MS)
  return (
    last_modified_ms !== null &&
    server_date_ms !== null &&
    length_ms > 0 &&
    server_date_ms - last_modified_ms >= length_ms + SKEW_MS
  )
}

/** the record is one of this call's own candidates; its answer was lost. */
function ownGuard(path: string, seen: SeenLock, mine: readonly LockRecord[]): Guard | null {
  const own = mine.find((record) => sameRecord(record, seen.record))
  return own === undefined ? null : { path, record: own, token: seen.token }
}

function candidate(
  { ttl_ms = LEASE_MS, floor = 0, operation, path }: AcquireRequest,
  holderId: string,
  seen: SeenLock | null,
  now_ms: number,
): LockRecord {
  const sequenceNumber = Math.max(seen?.record.sequenceNumber ?? 0, floor) + 1
  // a token that cannot be told from its neighbour fences nobody.
  if (!Number.isSafeInteger(sequenceNumber)) throw corrupt(path)
  return {
    holderId,
    expiresAt: timeText(now_ms + ttl_ms),
    acquiredAt: timeText(now_ms),
    sequenceNumber,
    ...(operation === undefined ? {} : { operation }),
    ttlMs: ttl_ms,
  }
}

function held(record: LockRecord, now_ms: number): LockHeld {
  const left_ms = timeMs(record.expiresAt) - now_ms
  return {
    ok: false,
    reason: 'lock_held',
    holder_id: record.holderId,
    retry_after_ms: Math.max(1_000, Math.min(left_ms, 5_000)),
  }
}

function contended(result: PutResult): LockContended {
  return result.outcome === 'no_effect'
    ? { ok: false, reason: 'throttled', retry_after_ms: result.retry_after_ms ?? RETRY_AFTER_MS }
    : { ok: false, reason: 'contention', retry_after_ms: RETRY_AFTER_MS }
}

/** Full jitter, doubling; not past the end of the wait, and at least what the store asked for. */
function* waitTurn(attempt: number, left_ms: number, asked_ms = 0): Protocol<void> {
  const cap_ms = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (attempt - 1))
  const max_ms = Math.max(asked_ms, Math.min(cap_ms, Math.max(0, left_ms)))
  yield* pause(Math.min(asked_ms, max_ms), max_ms)
}

function* writeLock(path: string, record: LockRecord, token: Token | null): Protocol<PutResult> {
  return yield* put({
    path,
    bytes: encodeLock(record),
    precondition: token === null ? 'doesNotExist' : { matchesVersion: token },
  })
}

/** The bytes to store, members in the order of the reference, ours and unknown ones behind. */
export function encodeLock(record: LockRecord): Uint8Array {
  const { holderId, expiresAt, acquiredAt, sequenceNumber, operation, ...more } = record
  const document = {
    holderId,
    expiresAt,
    acquiredAt,
    sequenceNumber,
    ...(operation === undefined || operation === null ? {} : { operation }),
    ...more,
  }
  return new TextEncoder().encode(stringifyJson(document as JsonValue))
}

function sameRecord(a: LockRecord, b: LockRecord): boolean {
  return sameBytes(encodeLock(a), encodeLock(b))
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function timeText(epoch_ms: number): string {
  return formatInstant(fromMs(epoch_ms))
}

/** Times were checked when the record was parsed or built. */
function timeMs(text: string): number {
  const instant = parseInstant(text)
  return instant === null ? Number.NaN : floorMs(instant)
}
