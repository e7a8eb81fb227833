/**
 * The rows of spec/coordinator.md 6.3 that end in a refusal, unless the key turns out to have committed: the payload is not
 * there (D-6, D-7), the version is taken (D-9) or not reached (D-9a). A refusal counts only after a marker that was read
 * after the state (R2, R8).
 */
import { now, type Protocol } from '../effects.ts'
import { logPath } from '../paths.ts'
import { answerFromMarker, attribute, recordAndAnswer } from './answer.ts'
import { casState } from './clear.ts'
import type { Seen } from './decide.ts'
import { answered, lookAgain, type Commit, type StepResult } from './look.ts'
import { markerOp, payloadOp, toLog, toMarker, type LogEntry, type Staged } from './objects.ts'
import type { CommitResult, ResolutionFailure } from './outcomes.ts'
import { logPathOf } from './root.ts'
import type { CoordinatorState } from './state.ts'
import { issue } from './work.ts'

/** D-6, D-7: the payload cannot be had. Neither answer is definite (X15); R25 may still find the commit. */
export function* withoutPayload(it: Commit, seen: Seen): Protocol<CommitResult> {
  const { work, request, key } = it
  const root = it.root.resolution
  const can_attribute = work.meta && root?.ok === true && request.read_version < Number.MAX_SAFE_INTEGER
  const answers = yield* issue(work, {
    marker: markerOp(key),
    log: can_attribute ? payloadOp(logPath(root.root, request.read_version + 1)) : undefined,
  })
  const marker = yield* toMarker(work, key, answers.marker)
  if (marker !== null) return yield* answerFromMarker(it, marker, { state: null, staged: seen.staged })
  const log = answers.log === undefined ? null : yield* toLog(answers.log)
  const attributed = log === null || !can_attribute ? null : yield* attribute(it, log, root.root)
  if (attributed !== null) return attributed
  // R25: the log is asked before either answer; where it cannot be found just now, that is the answer.
  if (work.meta && root?.ok === false && root.reason === 'storage_unavailable') return root
  const { staged_path } = request
  if (seen.staged !== null) return { ok: false, reason: 'staged_version_mismatch', staged_path }
  return {
    ok: false,
    reason: 'staged_not_found',
    staged_path,
    ...(answers.log === undefined ? {} : { log_version_exists: log !== null }),
  }
}

/** D-9: the version is taken. By this very key? Only a marker read after the state can say no (R8). */
export function* versionTaken(
  it: Commit,
  seen: Seen,
  state: CoordinatorState,
  staged: Staged,
): Protocol<StepResult> {
  const version = it.request.read_version + 1
  // An older writer rewrote the object when `revision` is gone: then `last_commit` says nothing (R23).
  const last_commit = state.revision === undefined ? null : (state.last_commit ?? null)
  const path =
    last_commit?.version === version
      ? { ok: true as const, path: last_commit.delta_log_path }
      : yield* logPathOf(it.work, it.root, version)
  if (!path.ok) return answered(yield* withoutRoot(it, seen, path))
  const looked = yield* lookAtSlot(it, seen, version, path.path)
  if (looked.marker !== null) {
    return answered(yield* answerFromMarker(it, looked.marker, { state: seen.state, staged }))
  }
  if (last_commit?.commit_id === it.request.idempotency_key) {
    return answered(yield* recordAndAnswer(it, last_commit, seen.state, staged))
  }
  const { log } = looked
  const { latest_version } = state
  const stale: CommitResult = {
    ok: false,
    reason: 'stale_read_version',
    read_version: it.request.read_version,
    latest_version,
  }
  if (log === null || log.sha256 !== staged.sha256) return answered(stale)
  const attributed = yield* attribute(it, log, rootOf(path.path))
  if (attributed !== null) return answered(attributed)
  const is_anothers = log.owner !== null || last_commit?.version === version
  return answered(
    is_anothers ? stale : { ok: false, reason: 'outcome_unverifiable', committed_version: version },
  )
}

/** Where the log is cannot be told, and that matters only if the marker, read after the state, is no answer (11.2). */
function* withoutRoot(it: Commit, seen: Seen, failure: ResolutionFailure): Protocol<CommitResult> {
  const answers = yield* issue(it.work, { marker: markerOp(it.key) })
  const marker = yield* toMarker(it.work, it.key, answers.marker)
  return marker === null
    ? failure
    : yield* answerFromMarker(it, marker, { state: seen.state, staged: seen.staged })
}

function rootOf(log_path: string): string {
  return log_path.slice(0, log_path.lastIndexOf('/_delta_log/'))
}

/** The marker and the log entry of one version, together, unless HELP has just read both (HP-5). */
function* lookAtSlot(
  it: Commit,
  seen: Seen,
  version: number,
  path: string,
): Protocol<{ marker: Seen['marker']; log: LogEntry | null }> {
  if (seen.marker_is_later && seen.helped?.version === version) {
    return { marker: seen.marker, log: seen.helped.log }
  }
  const answers = yield* issue(it.work, { marker: markerOp(it.key), log: payloadOp(path) })
  return { marker: yield* toMarker(it.work, it.key, answers.marker), log: yield* toLog(answers.log) }
}

/** D-9a: the request has seen a version that the state does not know yet. */
export function* versionAhead(it: Commit, seen: Seen, state: CoordinatorState): Protocol<StepResult> {
  const { latest_version } = state
  const path = yield* logPathOf(it.work, it.root, latest_version + 1)
  if (!path.ok) return answered(yield* withoutRoot(it, seen, path))
  const answers = yield* issue(it.work, { marker: markerOp(it.key), log: payloadOp(path.path) })
  const marker = yield* toMarker(it.work, it.key, answers.marker)
  if (marker !== null) {
    return answered(yield* answerFromMarker(it, marker, { state: seen.state, staged: seen.staged }))
  }
  if ((yield* toLog(answers.log)) === null) {
    const { read_version } = it.request
    return answered({ ok: false, reason: 'read_version_ahead', read_version, latest_version })
  }
  // The state is behind the log and nobody holds this version: advance it without a marker (R4, C14).
  const change = { latest_version: latest_version + 1, inflight: null }
  const advanced = yield* casState(it.work, seen.state, change)
  if (advanced === null) return { seen: yield* lookAgain(it, seen.staged) }
  const { monotonic_ms } = yield* now()
  return {
    seen: {
      ...seen,
      state: advanced,
      state_read_at_ms: monotonic_ms,
      marker,
      marker_is_later: true,
      helped: null,
    },
  }
}
