/**
 * The compaction lock in the hands of an operator (spec/locks-and-fencing.md 4.4, 4.5): look at it, and end a lease whose
 * holder is gone. Deleting the record is never the way: its number keeps stale holders out.
 */
import { all, together, type Protocol } from '../../effects.ts'
import { forceBreak, inspectLock, type LockRecord, type LockView } from '../../lock.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { LOCK_PATH } from '../paths.ts'
import { answering } from './answer.ts'
import { POINTER_OP, toPointer } from './head.ts'
import { RETRY_AFTER_MS } from './limits.ts'
import { Refused, type Failure } from './outcomes.ts'

/** The lock, and the epoch below which no token can publish. */
export interface LockStanding extends LockView {
  readonly ok: true
  /** Null when nothing was published, or the pointer does not parse. */
  readonly pointer_epoch: number | null
}

/** Look at the lock; nothing is written. */
export function* compactionLock(): Protocol<LockStanding | Failure> {
  return yield* answering(lookAtBoth())
}

function* lookAtBoth(): Protocol<LockStanding> {
  const [view, pointer_epoch] = yield* together(inspectLock(LOCK_PATH), pointerEpoch())
  return { ok: true, ...view, pointer_epoch }
}

/** The record as it is then; null when there was none, and nothing was written. */
export interface LockBroken {
  readonly ok: true
  readonly record: LockRecord | null
}

/**
 * End the lease, whoever holds it. A record that does not parse is replaced only with a `sequence` to go on from, which
 * must not be below the pointer's epoch.
 */
export function* breakCompactionLock(options: {
  readonly sequence?: number
}): Protocol<LockBroken | Failure> {
  return yield* answering(breakChecked(options))
}

function* breakChecked(options: { readonly sequence?: number }): Protocol<LockBroken> {
  const { sequence } = options
  if (sequence !== undefined) {
    const epoch = (yield* pointerEpoch()) ?? 0
    if (sequence < epoch) {
      const detail = `sequence must be at least ${epoch}, the epoch of the pointer, got ${sequence}`
      throw new Refused({ ok: false, reason: 'bad_request', detail })
    }
  }
  const broken = yield* forceBreak(LOCK_PATH, options)
  if (broken.ok) return broken
  throw new Refused({ ...broken, retry_after_ms: RETRY_AFTER_MS })
}

/** A pointer that does not parse is for a rebuild from scratch, which takes no epoch from it either. */
function* pointerEpoch(): Protocol<number | null> {
  const [answer] = yield* all([POINTER_OP])
  try {
    return (yield* toPointer(answer))?.value.epoch ?? null
  } catch (error) {
    if (error instanceof StoredObjectError) return null
    throw error
  }
}
