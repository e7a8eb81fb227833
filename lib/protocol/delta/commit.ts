/**
 * Commit: reserve → write log → record → finalize (spec/coordinator.md 6). Look at the bucket, decide one step from what
 * was seen (`decide.ts`), take it, look again; at most eight times (R22).
 *
 *     W0 ──reserve──> W1 ──write log──> W2 ──record──> W3 ──finalize──> W4
 *
 * A process may die between any two of these writes. Whoever comes next, a replay of the same request or any
 * other writer, finds the reservation and finishes or drops it (`help.ts`).
 */
import { now, type Protocol } from '../effects.ts'
import { answerFromMarker } from './answer.ts'
import { bootstrap } from './bootstrap.ts'
import { casState } from './clear.ts'
import { decide, type Seen } from './decide.ts'
import { drive, type Reservation } from './drive.ts'
import { help, type HelpReport, type Settled } from './help.ts'
import { answered, firstLook, lookAgain, type Commit, type StepResult } from './look.ts'
import type { Staged } from './objects.ts'
import type { CommitResult } from './outcomes.ts'
import type { CommitRequest } from './request.ts'
import { reserve } from './reserve.ts'
import { needRoot } from './root.ts'
import type { DeltaSettings } from './settings.ts'
import type { CoordinatorState, Inflight } from './state.ts'
import { versionAhead, versionTaken, withoutPayload } from './taken.ts'
import { beginWork, countAttempt, refusalOf, withoutFalseClaim, type WorkCapabilities } from './work.ts'

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
      return yield* beginTable(it, seen, decision.staged)
    case 'reserve':
      return yield* reserveAndDrive(it, seen, decision.staged, {
        latest_version: decision.state.latest_version,
      })
  }
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

/** D-11 without a state object: section 10 says whether there may be one. */
function* beginTable(it: Commit, seen: Seen, staged: Staged): Protocol<StepResult> {
  const result = yield* bootstrap(it, seen, staged)
  if (result !== 'may_start') return result
  return yield* reserveAndDrive(it, seen, staged, { latest_version: it.request.read_version })
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
  // D-8: so does its read of our marker. A present one is final (6.2), whatever becomes of the other reservation.
  if (report.own_marker !== null && report.help.help !== 'settled') {
    const { own_marker } = report
    return answered(yield* answerFromMarker(it, own_marker, { state: seen.state, staged: seen.staged }))
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
    // Without a root nothing can be reserved, but what was helped is finished all the same (C13).
    it.root.resolution?.ok === true &&
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
