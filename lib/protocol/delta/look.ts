/**
 * Looking at the bucket on behalf of one commit: everything at once in the beginning (phase R of spec/coordinator.md 6.2),
 * the state and then the marker each time the loop of 6.3 comes around (R2).
 */
import { now, readable, type Protocol } from '../effects.ts'
import { checkpointHintPath, logPath } from '../paths.ts'
import { readState } from './clear.ts'
import type { Seen } from './decide.ts'
import { PAYLOAD_BYTES_MAX } from './limits.ts'
import {
  markerKey,
  markerOp,
  payloadOp,
  stateOp,
  toLog,
  toMarker,
  toStaged,
  toState,
  type LogEntry,
  type MarkerKey,
  type Staged,
} from './objects.ts'
import type { CommitResult } from './outcomes.ts'
import type { CommitRequest } from './request.ts'
import { beginRoot, keepRoot, type TableRoot } from './root.ts'
import { getOp, issue, type Work } from './work.ts'

/** Everything one commit carries along. */
export interface Commit {
  readonly work: Work
  readonly request: CommitRequest
  readonly key: MarkerKey
  readonly root: TableRoot
  /** Bootstrap probes that rode along with the first reads, when they did. */
  readonly probes: BootstrapProbes | null
}

/** Is there history under the root of a table that has no coordinator state? */
interface BootstrapProbes {
  readonly has_checkpoint: boolean
  readonly log: LogEntry | null
}

/** A step either answers the request or shows the world as it is now. */
export type StepResult = { readonly answer: CommitResult } | { readonly seen: Seen }

/** A step that ends the request. */
export function answered(answer: CommitResult): StepResult {
  return { answer }
}

/** Phase R (6.2): everything that can be read at once, in one round trip. */
export function* firstLook(work: Work, request: CommitRequest): Protocol<{ it: Commit; seen: Seen }> {
  const key = yield* markerKey(work.table_id, request.idempotency_key)
  const { root, op } = yield* beginRoot(work)
  const { monotonic_ms } = yield* now()
  const known = root.resolution?.ok === true && request.read_version === -1 ? root.resolution.root : null
  const answers = yield* issue(work, {
    state: stateOp(work.table_id),
    marker: markerOp(key),
    staged: payloadOp(request.staged_path),
    resolution: op,
    checkpoint: known === null ? undefined : getOp(checkpointHintPath(known), PAYLOAD_BYTES_MAX),
    log: known === null ? undefined : payloadOp(logPath(known, 0)),
  })
  keepRoot(root, answers.resolution)
  const probes =
    answers.checkpoint === undefined || answers.log === undefined
      ? null
      : {
          has_checkpoint: readable(answers.checkpoint).outcome === 'ok',
          log: yield* toLog(answers.log),
        }
  const seen: Seen = {
    state: yield* toState(work, answers.state),
    state_read_at_ms: monotonic_ms,
    marker: yield* toMarker(work, key, answers.marker),
    marker_is_later: false,
    staged: yield* toStaged(answers.staged),
    helped: null,
  }
  return { it: { work, request, key, root, probes }, seen }
}

/** "Loop" of 6.3: the state first, then the marker. The staged object is immutable and not read again. */
export function* lookAgain(it: Commit, staged: Staged | null): Protocol<Seen> {
  const { monotonic_ms } = yield* now()
  const state = yield* readState(it.work)
  const answers = yield* issue(it.work, { marker: markerOp(it.key) })
  return {
    state,
    state_read_at_ms: monotonic_ms,
    marker: yield* toMarker(it.work, it.key, answers.marker),
    marker_is_later: true,
    staged,
    helped: null,
  }
}
