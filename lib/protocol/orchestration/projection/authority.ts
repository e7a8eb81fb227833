/**
 * Under which lock a call publishes (spec/locks-and-fencing.md 6). The caller of a fenced request holds the lock and
 * gives its token: it is checked, never renewed or released. For a plain request the call takes the lock itself, renews
 * it while it works and gives it back. Nothing is safe because of either (F-6): the pointer's CAS decides.
 */
import { note, now, type Note, type Protocol, type ReadAnswer } from '../../effects.ts'
import {
  acquire,
  checkFencing,
  fencingOf,
  fencingToken,
  isValidForHolder,
  PUBLISH_MIN_MS,
  release,
  renew,
  SKEW_MS,
  type Fencing,
  type Guard,
} from '../../lock.ts'
import { LOCK_PATH } from '../paths.ts'
import { Refused, type LockFailure } from './outcomes.ts'
import type { ProjectionSettings } from './settings.ts'

/** What a publish needs of its lease: the least that must be left of it, ms. */
const PUBLISH_LEFT_MS = PUBLISH_MIN_MS + SKEW_MS

/** The lock of one call. Mutable: a lease moves on with every renewal. */
export type Authority = CallersLock | OwnLease | NoLock

interface CallersLock {
  readonly held_by: 'caller'
  readonly token: number
  /** End of the lease as it was last seen. */
  expires_at_ms: number
}

interface OwnLease {
  readonly held_by: 'call'
  readonly token: number
  readonly lease_ms: number
  guard: Guard
  renewed_at_ms: number
}

/** A call that writes nothing needs no lock. */
interface NoLock {
  readonly held_by: 'nobody'
  readonly token: number
}

/** For a call that writes nothing. */
export const NO_LOCK: Authority = { held_by: 'nobody', token: Number.MAX_SAFE_INTEGER }

/** Accept a caller's token, from the record as it was read. Refuses as 6.3 says. */
export function* callersLock(token: number, lock: ReadAnswer): Protocol<Authority> {
  const { now_ms } = yield* now()
  const fencing = fencingOf(LOCK_PATH, lock, token, now_ms)
  return { held_by: 'caller', token, expires_at_ms: yield* expiryOf(fencing, token) }
}

/**
 * Take the lock for this call. `floor` is the epoch of the pointer; `lock` the record as it was read beside it. When
 * `has_waited`, others may have published since.
 */
export function* ownLease(
  settings: ProjectionSettings,
  operation: 'compact' | 'rebuild' | 'reconcile',
  floor: number,
  lock: ReadAnswer,
): Protocol<{ readonly authority: Authority; readonly has_waited: boolean }> {
  const { lease_ms, wait_ms, lock_floor } = settings
  const acquired = yield* acquire({
    path: LOCK_PATH,
    ttl_ms: lease_ms,
    wait_ms,
    floor: Math.max(floor, lock_floor),
    operation,
    first: lock,
  })
  if (!acquired.ok) {
    throw new Refused(
      acquired.reason === 'lock_held'
        ? { ...acquired, detail: `the compaction lock is held by ${acquired.holder_id}` }
        : acquired.reason === 'throttled'
          ? { ...acquired, reason: 'throttled' }
          : {
              ...acquired,
              reason: 'contention',
              detail: 'the compaction lock was taken by others every time',
            },
    )
  }
  const { monotonic_ms } = yield* now()
  const { guard, has_waited } = acquired
  const token = fencingToken(guard)
  return { authority: { held_by: 'call', token, lease_ms, guard, renewed_at_ms: monotonic_ms }, has_waited }
}

/** Between two steps of long work: a lease of our own is renewed after a third of it. Refuses when it is lost. */
export function* keepAlive(authority: Authority): Protocol<void> {
  if (authority.held_by !== 'call') return
  const { monotonic_ms } = yield* now()
  if (monotonic_ms - authority.renewed_at_ms < authority.lease_ms / 3) return
  const guard = yield* renew(authority.guard, authority.lease_ms)
  if (guard === null) throw new Refused(leaseLost())
  authority.guard = guard
  authority.renewed_at_ms = monotonic_ms
}

/** F-3: look at the lock before the snapshot is written; enough of the lease must be left to publish. */
export function* checkAuthority(authority: Authority): Protocol<void> {
  const fencing = yield* checkFencing(LOCK_PATH, authority.token, PUBLISH_LEFT_MS)
  if (authority.held_by === 'caller') {
    authority.expires_at_ms = yield* expiryOf(fencing, authority.token)
  } else if (!fencing.ok) throw new Refused(leaseLost())
}

/** Immediately before the pointer's CAS: enough of the lease is left, by our own clock. */
export function* checkLease(authority: Authority): Protocol<void> {
  const { now_ms } = yield* now()
  if (authority.held_by === 'nobody') throw new Error('a call without a lock must not publish')
  if (authority.held_by === 'call') {
    if (!isValidForHolder(authority.guard, now_ms, PUBLISH_MIN_MS)) throw new Refused(leaseLost())
  } else if (now_ms + PUBLISH_LEFT_MS > authority.expires_at_ms) {
    throw yield* fenced({ ok: false, reason: 'lock_expired', expiring: true }, authority.token)
  }
}

/** F-4: a token below the pointer's epoch belongs to a holder that somebody has overtaken. */
export function* checkEpoch(authority: Authority, epoch: number): Protocol<void> {
  if (authority.token >= epoch) return
  yield* note({ note: 'fenced', reason: 'epoch_regression' })
  throw new Refused({
    ok: false,
    reason: 'stale_fencing_token',
    detail: `stale fencing token: the pointer is at epoch ${epoch}, got ${authority.token}`,
  })
}

/** Give a lease of our own back; never fails the work that it protected, and tells the operator when it stays (4.3). */
export function* endAuthority(authority: Authority): Protocol<void> {
  if (authority.held_by !== 'call') return
  const outcome = yield* release(authority.guard)
  // Somebody else's record: the lease is not there to be given back.
  if (outcome === 'ok' || outcome === 'precondition_failed') return
  yield* note({ note: 'release_failed', path: LOCK_PATH, outcome })
}

function* expiryOf(fencing: Fencing, token: number): Protocol<number> {
  if (fencing.ok) return fencing.expires_at_ms
  throw yield* fenced(fencing, token)
}

/** Why the caller is fenced, which the operator is told as well. */
function* fenced(fencing: Extract<Fencing, { ok: false }>, token: number): Protocol<Refused> {
  yield* note({ note: 'fenced', reason: fencedBy(fencing) })
  return new Refused(lockFailure(fencing, token))
}

function fencedBy(fencing: Extract<Fencing, { ok: false }>): Extract<Note, { note: 'fenced' }>['reason'] {
  if (fencing.reason === 'stale_fencing_token') return 'stale_token'
  return fencing.expiring ? 'lock_expiring' : fencing.reason
}

function lockFailure(fencing: Extract<Fencing, { ok: false }>, token: number): LockFailure {
  const { reason } = fencing
  const detail =
    reason === 'stale_fencing_token'
      ? `stale fencing token: expected ${fencing.current}, got ${token}`
      : `fencing lock unavailable at ${LOCK_PATH} for provided epoch ${token}`
  return { ok: false, reason, detail }
}

function leaseLost(): LockFailure {
  return { ok: false, reason: 'lease_lost', detail: 'the lease on the compaction lock ended during the work' }
}
