/**
 * Recover: finish or drop the reservation of a table without committing anything (spec/coordinator.md 10), and catch a
 * state up that is behind its log. Probes known keys; never lists.
 */
import { type Protocol } from '../effects.ts'
import { logPath } from '../paths.ts'
import { casAndLook } from './clear.ts'
import { help, type Settled } from './help.ts'
import { payloadOp, stateOp, toLog, toState, type SeenState } from './objects.ts'
import type { RecoverAction, RecoverResult } from './outcomes.ts'
import { beginRoot, keepRoot, needRoot, type TableRoot } from './root.ts'
import type { DeltaSettings } from './settings.ts'
import { viewState, type CoordinatorState, type Inflight, type StateChange } from './state.ts'
import {
  beginWork,
  countAttempt,
  hasRoom,
  issue,
  refusalOf,
  withoutFalseClaim,
  type Work,
  type WorkCapabilities,
} from './work.ts'

/** What `action` says of each way to settle a reservation. */
const ACTION: Record<Settled['action'], RecoverAction> = {
  finalized: 'finalized',
  rolled_forward: 'rolled_forward',
  abandoned: 'abandoned',
  sealed: 'abandoned',
  foreign: 'abandoned',
}

/** Recover one table. `busy`: a reservation whose TTL has not passed; its owner may still be at work. */
export function* recover(
  { table_id }: { readonly table_id: string },
  settings: DeltaSettings,
  capabilities: WorkCapabilities,
): Protocol<RecoverResult> {
  const work = yield* beginWork(table_id, settings, capabilities)
  try {
    const result = yield* recoverWithin(work)
    return result.ok ? result : withoutFalseClaim(work, result)
  } catch (error) {
    return refusalOf(work, error, 'failed to recover the table after retries')
  }
}

function* recoverWithin(work: Work): Protocol<RecoverResult> {
  const { root, op } = yield* beginRoot(work)
  const first = yield* issue(work, { state: stateOp(work.table_id), resolution: op })
  keepRoot(root, first.resolution)
  let seen = yield* toState(work, first.state)
  let action: RecoverAction = 'none'
  for (;;) {
    countAttempt(work)
    const { state } = seen
    if (state === null) return { ok: true, state: viewState(null), action }
    const inflight = state.inflight ?? null
    const step: Step =
      inflight === null
        ? yield* catchUp(work, root, { state, action })
        : yield* helpOnce(work, root, { seen, state, inflight })
    if ('result' in step) return step.result
    const { seen: after, is_written } = yield* casAndLook(work, seen, step.change)
    if (is_written) action = step.action
    // One search is one answer: the next call goes on from here.
    if (is_written && inflight === null) return { ok: true, state: viewState(after.state), action }
    seen = after
  }
}

/** The answer, or the CAS that comes next and what it is called once it is written. */
type Step =
  | { readonly result: RecoverResult }
  | { readonly change: StateChange; readonly action: RecoverAction }

function* helpOnce(
  work: Work,
  root: TableRoot,
  at: { readonly seen: SeenState; readonly state: CoordinatorState; readonly inflight: Inflight },
): Protocol<Step> {
  const { seen, state, inflight } = at
  const report = yield* help(work, {
    seen,
    inflight,
    latest_version: state.latest_version,
    root,
    own: null,
  })
  switch (report.help.help) {
    case 'busy':
      return { result: { ok: true, state: viewState(state), action: 'busy' } }
    case 'refused':
      return { result: report.help.failure }
    case 'settled':
      return { change: report.help.change, action: ACTION[report.help.action] }
  }
}

/** Fast-forward a state that is behind its log: doubling, then binary search, over known keys. */
function* catchUp(
  work: Work,
  root: TableRoot,
  at: { readonly state: CoordinatorState; readonly action: RecoverAction },
): Protocol<Step> {
  const { state, action } = at
  const done: RecoverResult = { ok: true, state: viewState(state), action }
  const resolution = yield* needRoot(work, root)
  // Without a root there is no log to compare with; what was recovered is still the answer.
  if (!resolution.ok) {
    return { result: action === 'none' && resolution.reason !== 'table_not_found' ? resolution : done }
  }
  const latest_version = yield* lastLogVersion(work, resolution.root, state.latest_version)
  return latest_version === state.latest_version
    ? { result: done }
    : { change: { latest_version, inflight: null }, action: 'rolled_forward' }
}

/** What follows the search: its CAS and, when that is lost, a look at the state. */
const RESERVED_OPERATIONS = 2

/**
 * The highest version above `known` that the log reaches without a hole (C3), in O(log n) reads; a lower one, which
 * exists all the same, when the budget ends first.
 */
function* lastLogVersion(work: Work, root: string, known: number): Protocol<number> {
  let present = known
  let absent = known + 1
  let stride = 1
  while (absent <= Number.MAX_SAFE_INTEGER && (yield* logExists(work, root, absent))) {
    present = absent
    if (!hasRoom(work, RESERVED_OPERATIONS)) return present
    stride *= 2
    absent = present + stride
  }
  while (absent - present > 1 && hasRoom(work, RESERVED_OPERATIONS)) {
    const middle = present + Math.floor((absent - present) / 2)
    if (yield* logExists(work, root, middle)) present = middle
    else absent = middle
  }
  return present
}

function* logExists(work: Work, root: string, version: number): Protocol<boolean> {
  const answers = yield* issue(work, { log: payloadOp(logPath(root, version)) })
  return (yield* toLog(answers.log)) !== null
}
