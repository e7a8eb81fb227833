/**
 * Recover: finish or drop the reservation of a table without committing anything (spec/coordinator.md 10), and catch a
 * state up that is behind its log. Probes known keys; never lists.
 */
import { type Protocol } from '../effects.ts'
import { logPath } from '../paths.ts'
import { casState, readState } from './clear.ts'
import { help, type Settled } from './help.ts'
import { payloadOp, stateOp, toLog, toState, type SeenState } from './objects.ts'
import type { RecoverAction, RecoverResult } from './outcomes.ts'
import { beginRoot, keepRoot, needRoot, type TableRoot } from './root.ts'
import type { DeltaSettings } from './settings.ts'
import { viewState, type CoordinatorState, type Inflight } from './state.ts'
import { beginWork, countAttempt, issue, refusalOf, type Work, type WorkCapabilities } from './work.ts'

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
    return yield* recoverWithin(work)
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
    if (inflight === null) return yield* catchUp(work, root, { seen, state, action })
    const helped = yield* helpOnce(work, root, { seen, state, inflight })
    if ('result' in helped) return helped.result
    if (helped.seen !== null) action = helped.action
    seen = helped.seen ?? (yield* readState(work))
  }
}

function* helpOnce(
  work: Work,
  root: TableRoot,
  at: { readonly seen: SeenState; readonly state: CoordinatorState; readonly inflight: Inflight },
): Protocol<
  { readonly result: RecoverResult } | { readonly seen: SeenState | null; readonly action: RecoverAction }
> {
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
      return {
        seen: yield* casState(work, seen, report.help.change),
        action: ACTION[report.help.action],
      }
  }
}

/** Fast-forward a state that is behind its log: doubling, then binary search, over known keys. */
function* catchUp(
  work: Work,
  root: TableRoot,
  at: { readonly seen: SeenState; readonly state: CoordinatorState; readonly action: RecoverAction },
): Protocol<RecoverResult> {
  const { seen, state, action } = at
  const done: RecoverResult = { ok: true, state: viewState(state), action }
  const resolution = yield* needRoot(work, root)
  // Without a root there is no log to compare with; what was recovered is still the answer.
  if (!resolution.ok) return action === 'none' && resolution.reason !== 'table_not_found' ? resolution : done
  const latest_version = yield* lastLogVersion(work, resolution.root, state.latest_version)
  if (latest_version === state.latest_version) return done
  const advanced = yield* casState(work, seen, { latest_version, inflight: null })
  if (advanced === null || advanced.state === null) {
    const fresh = yield* readState(work)
    return { ok: true, state: viewState(fresh.state), action }
  }
  return { ok: true, state: viewState(advanced.state), action: 'rolled_forward' }
}

/** The highest version above `known` that the log reaches without a hole (C3), in O(log n) reads. */
function* lastLogVersion(work: Work, root: string, known: number): Protocol<number> {
  let present = known
  let absent = known + 1
  let stride = 1
  while (absent <= Number.MAX_SAFE_INTEGER && (yield* logExists(work, root, absent))) {
    present = absent
    stride *= 2
    absent = present + stride
  }
  while (absent - present > 1) {
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
