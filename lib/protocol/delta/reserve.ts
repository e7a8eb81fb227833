/** RESERVE (spec/coordinator.md 6.3): the CAS that takes a version, with the marker read that must follow the state. */
import { now, ulid, type Protocol } from '../effects.ts'
import { logPath } from '../paths.ts'
import { release, stateWrite, written } from './clear.ts'
import type { Commit } from './look.ts'
import type { Reservation } from './drive.ts'
import type { Marker } from './marker.ts'
import { markerOp, toMarker, type SeenState, type Staged } from './objects.ts'
import type { Inflight, StateChange } from './state.ts'
import { backOff, issue } from './work.ts'

/** What the reservation is built on. */
export interface ReserveRequest {
  readonly seen: SeenState
  readonly staged: Staged
  readonly root: string
  /** `latest_version` after the CAS; differs from the state's own only in the fused form (HP-2). */
  readonly base: Pick<StateChange, 'latest_version' | 'last_commit'>
}

/** What the CAS and the marker read came to. */
export type Reserved =
  | { readonly reserved: 'mine'; readonly reservation: Reservation }
  /** The key is decided already; `state` is usable for FINALIZE, null when it must be read again. */
  | { readonly reserved: 'decided'; readonly marker: Marker; readonly state: SeenState | null }
  | { readonly reserved: 'lost' }

/** Reserve `base.latest_version + 1`. */
export function* reserve(it: Commit, { seen, staged, root, base }: ReserveRequest): Protocol<Reserved> {
  const { work, key } = it
  const inflight = yield* buildInflight(it, staged, root, base.latest_version + 1)
  const write = yield* stateWrite(work, seen, { ...base, inflight })
  const { monotonic_ms } = yield* now()
  // Crash here: W0, nothing is reserved. After the CAS: W1.
  const answers = yield* issue(work, { reserved: write.op, marker: markerOp(key) })
  const marker = yield* toMarker(work, key, answers.marker)
  const state = written(write, answers.reserved)
  if (state !== null) {
    if (marker === null) {
      return { reserved: 'mine', reservation: { inflight, state, sent_at_ms: monotonic_ms, staged } }
    }
    // R6, X11: a marker for the very version just reserved means that somebody completed this reservation.
    if (marker.version === inflight.version) return { reserved: 'decided', marker, state }
    const released = yield* release(work, inflight, { log_exists: false, first: state })
    return { reserved: 'decided', marker, state: released }
  }
  if (answers.reserved.outcome === 'precondition_failed' && marker !== null) {
    return { reserved: 'decided', marker, state: null }
  }
  // Lost, or its fate unknown: the next look at the state shows this reservation by its nonce, or another.
  yield* backOff(work, answers.reserved)
  return { reserved: 'lost' }
}

function* buildInflight(it: Commit, staged: Staged, root: string, version: number): Protocol<Inflight> {
  const { request, work } = it
  const { now_ms } = yield* now()
  return {
    commit_id: request.idempotency_key,
    read_version: request.read_version,
    version,
    staged_path: request.staged_path,
    staged_version: request.staged_version,
    started_at_ms: now_ms,
    expires_at_ms: now_ms + work.settings.ttl_ms,
    payload_sha256: staged.sha256,
    delta_log_path: logPath(root, version),
    nonce: yield* ulid(),
  }
}
