/**
 * The CAS that ends a reservation: FINALIZE after the marker is durable, RELEASE of one's own that lost, and the
 * last write of HELP (spec/coordinator.md 6.5–6.7). Losing one of them is never a failure (R9): somebody else
 * moved the table on.
 */
import { note, now, type Protocol } from '../effects.ts'
import { logPath, rootOfLogPath, statePath } from '../paths.ts'
import { StoreError, type PutResult } from '../../store/types.ts'
import { PAYLOAD_BYTES_MAX } from './limits.ts'
import type { Marker } from './marker.ts'
import { stateOp, toState, type SeenState } from './objects.ts'
import {
  encodeState,
  nextState,
  type CoordinatorState,
  type Inflight,
  type LastCommit,
  type StateChange,
} from './state.ts'
import { backOff, countAttempt, Exhausted, issue, putOne, putOp, readOne, type Work } from './work.ts'

/** A CAS on the state that is ready to be sent. */
export interface StateWrite {
  readonly op: ReturnType<typeof putOp>
  readonly next: CoordinatorState
}

/** Build the CAS from the state that was seen: its token is the precondition, its revision plus one the next. */
export function* stateWrite(work: Work, seen: SeenState, change: StateChange): Protocol<StateWrite> {
  const { now_ms } = yield* now()
  const next = nextState(seen.state, change, now_ms)
  return {
    next,
    op: putOp({
      path: statePath(work.table_id),
      bytes: encodeState(next),
      precondition: seen.token === null ? 'doesNotExist' : { matchesVersion: seen.token },
    }),
  }
}

/** The state after a successful CAS: as good as freshly read (HP-5). Null when the CAS did not succeed. */
export function written(write: StateWrite, result: PutResult): SeenState | null {
  return result.outcome === 'ok' ? { state: write.next, token: result.token, age_ms: null } : null
}

/** CAS once; the new state, or null when it was lost or may have been. */
export function* casState(work: Work, seen: SeenState, change: StateChange): Protocol<SeenState | null> {
  const write = yield* stateWrite(work, seen, change)
  const result = yield* putOne(work, write.op)
  if (result.outcome !== 'ok') yield* backOff(work, result)
  return written(write, result)
}

/**
 * CAS once, and look when it was lost or may have been. `is_written`: the state is what was to be written, it does not
 * matter by whose request (spec/coordinator.md 3.1).
 */
export function* casAndLook(
  work: Work,
  seen: SeenState,
  change: StateChange,
): Protocol<{ readonly seen: SeenState; readonly is_written: boolean }> {
  const write = yield* stateWrite(work, seen, change)
  const result = yield* putOne(work, write.op)
  const next = written(write, result)
  if (next !== null) return { seen: next, is_written: true }
  yield* backOff(work, result)
  const after = yield* readState(work)
  return { seen: after, is_written: after.state !== null && sameDocument(after.state, write.next) }
}

function sameDocument(a: CoordinatorState, b: CoordinatorState): boolean {
  const [one, other] = [a, b].map((state) => new TextDecoder().decode(encodeState(state)))
  return one === other
}

/** A recorded commit: its marker is durable. */
export interface RecordedCommit {
  readonly key: string
  readonly version: number
  readonly delta_log_path: string
  /** Null when the payload hash is unknown (legacy marker): then nothing is said about the last commit. */
  readonly last_commit: LastCommit | null
}

/** What the marker of a commit tells; `last_commit` only if it holds the additive members. */
export function recordedCommit(marker: Marker): RecordedCommit {
  const { idempotency_key, version, delta_log_path, payload_sha256, read_version, staged_path } = marker
  return {
    key: idempotency_key,
    version,
    delta_log_path,
    last_commit:
      payload_sha256 === undefined || read_version === undefined || staged_path === undefined
        ? null
        : { commit_id: idempotency_key, read_version, staged_path, payload_sha256, version, delta_log_path },
  }
}

/**
 * FINALIZE (6.6): after it, the state no longer names the key and `latest_version` is at least its version. `first`
 * is a state that was read before; it is used only where 6.6 allows it. False when the store could not be
 * reached: the commit is durable all the same, and the answer is `outcome_unknown`.
 */
export function* finalize(work: Work, commit: RecordedCommit, first: SeenState | null): Protocol<boolean> {
  let lost_last = false
  try {
    let seen = first !== null && isUsable(first, commit) ? first : yield* readState(work)
    for (;;) {
      const plan = planFinalize(seen.state, commit)
      if (plan.do === 'nothing') return true
      const change = plan.do === 'look_at_log' ? yield* changeAfterLook(work, plan) : plan.change
      if (change === null) return true
      const write = yield* stateWrite(work, seen, change)
      const result = yield* putOne(work, write.op)
      if (result.outcome === 'ok') return true
      lost_last = result.outcome === 'precondition_failed'
      yield* backOff(work, result)
      countAttempt(work)
      seen = yield* readState(work)
    }
  } catch (error) {
    if (error instanceof Exhausted && lost_last) return true
    if (!(error instanceof Exhausted) && !isUnavailable(error)) throw error
    yield* note({ note: 'finalize_failed', version: commit.version })
    return false
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'unavailable'
}

/** A fresh read of the state. */
export function* readState(work: Work): Protocol<SeenState> {
  const { state } = yield* issue(work, { state: stateOp(work.table_id) })
  return yield* toState(work, state)
}

/** A state older than the marker counts only if it shows this key's reservation, none, or the version itself. */
function isUsable({ state }: SeenState, commit: RecordedCommit): boolean {
  const inflight = state?.inflight
  if (state === null || !inflight) return true
  return inflight.commit_id === commit.key || state.latest_version >= commit.version
}

type FinalizePlan =
  | { readonly do: 'nothing' }
  | { readonly do: 'write'; readonly change: StateChange }
  | {
      readonly do: 'look_at_log'
      readonly path: string
      readonly present: StateChange
      readonly absent: StateChange | null
    }

/** The table of 6.6, row by row. */
function planFinalize(state: CoordinatorState | null, commit: RecordedCommit): FinalizePlan {
  const { version, last_commit } = commit
  const finalized: StateChange = { latest_version: version, inflight: null, last_commit }
  if (state === null) {
    return { do: 'look_at_log', path: commit.delta_log_path, present: finalized, absent: null }
  }
  const { latest_version: latest } = state
  const inflight = state.inflight ?? null
  const cleared: StateChange = latest >= version ? { latest_version: latest, inflight: null } : finalized
  if (inflight === null) return latest < version ? { do: 'write', change: finalized } : { do: 'nothing' }
  if (inflight.commit_id === commit.key) {
    if (inflight.version === version) return { do: 'write', change: cleared }
    // A ghost: this key was decided elsewhere. The version advances only over a log entry that exists (X20).
    return {
      do: 'look_at_log',
      path: ghostLogPath(inflight, commit),
      present: {
        ...cleared,
        latest_version: Math.max(cleared.latest_version, inflight.version),
      },
      absent: cleared,
    }
  }
  return inflight.version <= version && latest < version
    ? { do: 'write', change: finalized }
    : { do: 'nothing' }
}

function ghostLogPath(inflight: Inflight, commit: RecordedCommit): string {
  if (inflight.delta_log_path !== undefined) return inflight.delta_log_path
  const root = rootOfLogPath(commit.delta_log_path, commit.version) ?? ''
  return logPath(root, inflight.version)
}

function* changeAfterLook(
  work: Work,
  plan: FinalizePlan & { do: 'look_at_log' },
): Protocol<StateChange | null> {
  const log = yield* readOne(work, plan.path, PAYLOAD_BYTES_MAX)
  return log.outcome === 'ok' ? plan.present : plan.absent
}

/**
 * RELEASE (6.7): take one's own reservation back. `log_exists` says whether its version is taken by a log entry.
 * The state afterwards when this call wrote it, else null.
 */
export function* release(
  work: Work,
  reservation: Inflight,
  options: { readonly log_exists: boolean; readonly first: SeenState | null },
): Protocol<SeenState | null> {
  let seen = options.first ?? (yield* readState(work))
  for (;;) {
    const { state } = seen
    if (state === null || !sameReservation(state.inflight ?? null, reservation)) return null
    const latest_version = options.log_exists
      ? Math.max(state.latest_version, reservation.version)
      : state.latest_version
    const released = yield* casState(work, seen, { latest_version, inflight: null })
    if (released !== null) return released
    countAttempt(work)
    seen = yield* readState(work)
  }
}

/** All members equal, `nonce` included (spec/coordinator.md 3.1). */
export function sameReservation(a: Inflight | null, b: Inflight): boolean {
  if (a === null) return false
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => JSON.stringify(a[name]) === JSON.stringify(b[name]))
}
