/** A commit to a table whose state object does not exist (spec/coordinator.md 10): the log decides what that means. */
import { now, readable, type Protocol } from '../effects.ts'
import { checkpointHintPath, logPath } from '../paths.ts'
import { answerFromMarker, attribute } from './answer.ts'
import type { Seen } from './decide.ts'
import { PAYLOAD_BYTES_MAX } from './limits.ts'
import { answered, type Commit, type StepResult } from './look.ts'
import {
  holdsPayload,
  markerOp,
  payloadOp,
  stateOp,
  toLog,
  toMarker,
  toState,
  type LogEntry,
  type SeenState,
  type Staged,
} from './objects.ts'
import { needRoot } from './root.ts'
import { getOp, issue } from './work.ts'

/** A new table, one to adopt, or a loss? `may_start`: the log ends at `read_version`, so the state may be created. */
export function* bootstrap(it: Commit, seen: Seen, staged: Staged): Protocol<StepResult | 'may_start'> {
  const root = yield* needRoot(it.work, it.root)
  if (!root.ok) return answered(root)
  const slot = yield* probeHistory(it, root.root)
  if (slot.marker !== null) {
    return answered(yield* answerFromMarker(it, slot.marker, { state: seen.state, staged }))
  }
  if (slot.may_start) return 'may_start'
  return yield* refuseBootstrap(it, staged, { root: root.root, ...slot })
}

/** What lies under the root at `read_version` and right above it. */
interface Slot {
  readonly marker: Seen['marker']
  /** The table ends exactly at `read_version`: the state may be created. */
  readonly may_start: boolean
  /** The entry at `read_version + 1`. */
  readonly log: LogEntry | null
  /** There is history that `read_version` does not know of; else it is `read_version` that is ahead. */
  readonly is_stale: boolean
}

function* probeHistory(it: Commit, root: string): Protocol<Slot> {
  const { work, key, request, probes } = it
  if (request.read_version === -1 && probes !== null) {
    const is_stale = probes.has_checkpoint || probes.log !== null
    return { marker: null, may_start: !is_stale, log: probes.log, is_stale }
  }
  const below =
    request.read_version === -1
      ? getOp(checkpointHintPath(root), PAYLOAD_BYTES_MAX)
      : payloadOp(logPath(root, request.read_version))
  const answers = yield* issue(work, {
    below,
    log: payloadOp(logPath(root, request.read_version + 1)),
    marker: markerOp(key),
  })
  const has_below = readable(answers.below).outcome === 'ok'
  const log = yield* toLog(answers.log)
  const marker = yield* toMarker(work, key, answers.marker)
  return request.read_version === -1
    ? { marker, may_start: !has_below && log === null, log, is_stale: has_below || log !== null }
    : { marker, may_start: has_below && log === null, log, is_stale: log !== null }
}

/** The state may have been created since it was read: look once more before a negative answer (section 10). */
function* refuseBootstrap(
  it: Commit,
  staged: Staged,
  slot: Slot & { readonly root: string },
): Protocol<StepResult> {
  const { work, request, key } = it
  const { monotonic_ms } = yield* now()
  const answers = yield* issue(work, { state: stateOp(work.table_id), marker: markerOp(key) })
  const state: SeenState = yield* toState(work, answers.state)
  const marker = yield* toMarker(work, key, answers.marker)
  if (state.state !== null || marker !== null) {
    return {
      seen: { state, state_read_at_ms: monotonic_ms, marker, marker_is_later: false, staged, helped: null },
    }
  }
  const { read_version } = request
  const { log } = slot
  if (log !== null && log.sha256 === staged.sha256) {
    const attributed = yield* attribute(it, log, slot.root)
    if (attributed !== null) return answered(attributed)
    if (holdsPayload(log, staged.sha256, key.key_hash)) {
      return answered({ ok: false, reason: 'outcome_unverifiable', committed_version: read_version + 1 })
    }
  }
  return answered({
    ok: false,
    reason: slot.is_stale ? 'stale_read_version' : 'read_version_ahead',
    read_version,
    state_missing: true,
  })
}
