/**
 * Commit: reserve → write log → record → finalize (spec/coordinator.md 6). Look at the bucket, decide one step from what
 * was seen (`decide.ts`), take it, look again; at most eight times (R22).
 *
 *     W0 ──reserve──> W1 ──write log──> W2 ──record──> W3 ──finalize──> W4
 *
 * A process may die between any two of these writes. Whoever comes next, a replay of the same request or any
 * other writer, finds the reservation and finishes or drops it (`help.ts`).
 */
import { now, readable, type Protocol } from '../effects.ts'
import { checkpointHintPath, logPath } from '../paths.ts'
import { answerFromMarker, attribute, recordAndAnswer } from './answer.ts'
import { casState, readState } from './clear.ts'
import { decide, type Seen } from './decide.ts'
import { drive, type Reservation } from './drive.ts'
import { help, type HelpReport, type Settled } from './help.ts'
import { PAYLOAD_BYTES_MAX } from './limits.ts'
import {
  holdsPayload,
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
  type SeenState,
  type Staged,
} from './objects.ts'
import type { CommitResult } from './outcomes.ts'
import type { CommitRequest } from './request.ts'
import { reserve } from './reserve.ts'
import { beginRoot, keepRoot, logPathOf, needRoot, type TableRoot } from './root.ts'
import type { DeltaSettings } from './settings.ts'
import type { CoordinatorState, Inflight } from './state.ts'
import {
  beginWork,
  countAttempt,
  getOp,
  issue,
  refusalOf,
  withoutFalseClaim,
  type Work,
  type WorkCapabilities,
} from './work.ts'

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
type StepResult = { readonly answer: CommitResult } | { readonly seen: Seen }

/**
 * Commit one staged payload. Refusals are values; only StoreErrors that are neither outcome nor availability, and
 * bugs, are thrown.
 */
export function* commit(
  request: CommitRequest,
  settings: DeltaSettings,
  capabilities: WorkCapabilities,
): Protocol<CommitResult> {
  const work = yield* beginWork(request.table_id, settings, capabilities)
  try {
    const { it, seen } = yield* firstLook(work, request)
    const result = yield* decideUntilAnswered(it, seen)
    return result.ok ? result : withoutFalseClaim(work, result)
  } catch (error) {
    return refusalOf(work, error, 'failed to reserve delta commit after retries')
  }
}

function* decideUntilAnswered(it: Commit, first: Seen): Protocol<CommitResult> {
  let seen = first
  for (;;) {
    countAttempt(it.work)
    const result = yield* step(it, seen)
    if ('answer' in result) return result.answer
    seen = result.seen
  }
}

/** Phase R (6.2): everything that can be read at once, in one round trip. */
function* firstLook(work: Work, request: CommitRequest): Protocol<{ it: Commit; seen: Seen }> {
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
function* lookAgain(it: Commit, staged: Staged | null): Protocol<Seen> {
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

function* step(it: Commit, seen: Seen): Protocol<StepResult> {
  const decision = decide(seen, it.request)
  switch (decision.do) {
    case 'answer_from_marker':
      return answered(
        yield* answerFromMarker(it, decision.marker, { state: seen.state, staged: seen.staged }),
      )
    case 'drive_own':
      return yield* resume(it, seen, decision.inflight, decision.staged)
    case 'help':
      return yield* helpOut(it, seen, decision.inflight, decision.state)
    case 'staged_missing':
    case 'staged_replaced':
      return answered(yield* withoutPayload(it, seen))
    case 'version_taken':
      return yield* versionTaken(it, seen, decision.state, decision.staged)
    case 'version_ahead':
      return yield* versionAhead(it, seen, decision.state)
    case 'overflow':
      return answered({ ok: false, reason: 'version_overflow' })
    case 'bootstrap':
      return yield* bootstrap(it, seen, decision.staged)
    case 'reserve':
      return yield* reserveAndDrive(it, seen, decision.staged, {
        latest_version: decision.state.latest_version,
      })
  }
}

function answered(answer: CommitResult): StepResult {
  return { answer }
}

/** D-4: our own reservation. The ghost check (R5) reads the marker once more, after the state, with the log. */
function* resume(it: Commit, seen: Seen, inflight: Inflight, staged: Staged): Protocol<StepResult> {
  const reservation: Reservation = {
    inflight,
    state: seen.state,
    sent_at_ms: seen.state_read_at_ms,
    staged,
  }
  return yield* continueOrLook(it, staged, yield* drive(it, reservation, { ghost_check: true }))
}

/** D-11, and the fused form of HP-2: reserve, then drive. */
function* reserveAndDrive(
  it: Commit,
  seen: Seen,
  staged: Staged,
  base: Pick<Settled['change'], 'latest_version' | 'last_commit'>,
): Protocol<StepResult> {
  const root = yield* needRoot(it.work, it.root)
  if (!root.ok) return answered(root)
  const reserved = yield* reserve(it, { seen: seen.state, staged, root: root.root, base })
  switch (reserved.reserved) {
    case 'mine':
      return yield* continueOrLook(it, staged, yield* drive(it, reserved.reservation, { ghost_check: false }))
    case 'decided':
      return answered(yield* answerFromMarker(it, reserved.marker, { state: reserved.state, staged }))
    case 'lost':
      return { seen: yield* lookAgain(it, staged) }
  }
}

function* continueOrLook(
  it: Commit,
  staged: Staged,
  driven: CommitResult | 'look_again',
): Protocol<StepResult> {
  return driven === 'look_again' ? { seen: yield* lookAgain(it, staged) } : answered(driven)
}

/** D-3, D-5, D-8: a reservation that this request cannot drive is in the way. */
function* helpOut(it: Commit, seen: Seen, inflight: Inflight, state: CoordinatorState): Protocol<StepResult> {
  const is_own = inflight.commit_id === it.request.idempotency_key
  const report = yield* help(it.work, {
    seen: seen.state,
    inflight,
    latest_version: state.latest_version,
    root: it.root,
    own: is_own ? null : it.key,
  })
  // D-3: HELP's marker read is later than the state, and decides for our own key.
  if (is_own && report.owner_marker !== null) {
    return answered(
      yield* answerFromMarker(it, report.owner_marker, { state: seen.state, staged: seen.staged }),
    )
  }
  switch (report.help.help) {
    case 'refused':
      return answered(report.help.failure)
    case 'busy':
      return answered(yield* reservedBy(inflight))
    case 'settled':
      return yield* clearAfterHelp(it, seen, { inflight, report, settled: report.help, is_own })
  }
}

/** 409 `reserved`: somebody else is between reserve and finalize. `Retry-After` by spec/coordinator.md 8. */
function* reservedBy(inflight: Inflight): Protocol<CommitResult> {
  const { now_ms } = yield* now()
  const left_s = Math.ceil((inflight.expires_at_ms - now_ms) / 1000)
  return {
    ok: false,
    reason: 'reserved',
    expires_at_ms: inflight.expires_at_ms,
    retry_after_ms: Math.max(1, Math.min(5, left_s)) * 1000,
  }
}

/** A reservation that HELP has decided. */
interface Helped {
  readonly inflight: Inflight
  readonly report: HelpReport
  readonly settled: Settled
  readonly is_own: boolean
}

/** The last CAS of HELP, fused with our own reservation where HP-2 allows it. */
function* clearAfterHelp(
  it: Commit,
  seen: Seen,
  { inflight, report, settled, is_own }: Helped,
): Protocol<StepResult> {
  const { staged } = seen
  const may_fuse =
    settled.may_fuse &&
    !is_own &&
    staged !== null &&
    report.own_marker === null &&
    it.request.read_version === settled.change.latest_version &&
    it.request.read_version < Number.MAX_SAFE_INTEGER
  if (may_fuse) return yield* reserveAndDrive(it, seen, staged, settled.change)
  const cleared = yield* casState(it.work, seen.state, settled.change)
  if (cleared === null) return { seen: yield* lookAgain(it, staged) }
  const { monotonic_ms } = yield* now()
  // HP-5: our own CAS shows the state, and proves that no request of our key was finalized since HELP's reads.
  return {
    seen: {
      state: cleared,
      state_read_at_ms: monotonic_ms,
      marker: report.own_marker,
      marker_is_later: !is_own,
      staged,
      // An absent entry may have landed since: only a present one is evidence.
      helped: settled.log === null ? null : { version: inflight.version, log: settled.log },
    },
  }
}

/** D-6, D-7: the payload cannot be had. Neither answer is definite (X15); R25 may still find the commit. */
function* withoutPayload(it: Commit, seen: Seen): Protocol<CommitResult> {
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
function* versionTaken(
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
  if (!path.ok) return answered(path)
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
function* versionAhead(it: Commit, seen: Seen, state: CoordinatorState): Protocol<StepResult> {
  const { latest_version } = state
  const path = yield* logPathOf(it.work, it.root, latest_version + 1)
  if (!path.ok) return answered(path)
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

/** Section 10: the state object does not exist. A new table, one to adopt, or a loss? */
function* bootstrap(it: Commit, seen: Seen, staged: Staged): Protocol<StepResult> {
  const root = yield* needRoot(it.work, it.root)
  if (!root.ok) return answered(root)
  const { read_version } = it.request
  const slot = yield* probeHistory(it, root.root)
  if (slot.marker !== null) {
    return answered(yield* answerFromMarker(it, slot.marker, { state: seen.state, staged }))
  }
  if (slot.may_start) return yield* reserveAndDrive(it, seen, staged, { latest_version: read_version })
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
