/** Asking Tidemark what Arco was asked in the golden workspaces, in each of the three ways. */
import { createEnvironment } from '../../functions/environment.ts'
import { PROBLEMS, problemOf } from '../../functions/problem.ts'
import { answerFromMarker } from '../../lib/protocol/delta/answer.ts'
import { commit } from '../../lib/protocol/delta/commit.ts'
import {
  markerKey,
  markerOp,
  payloadOp,
  stateOp,
  toMarker,
  toStaged,
  toState,
} from '../../lib/protocol/delta/objects.ts'
import type { CommitResult } from '../../lib/protocol/delta/outcomes.ts'
import type { CommitRequest } from '../../lib/protocol/delta/request.ts'
import { tableResolver, type ResolverConfig } from '../../lib/protocol/delta/resolve.ts'
import { beginRoot, keepRoot } from '../../lib/protocol/delta/root.ts'
import { DEFAULT_SETTINGS } from '../../lib/protocol/delta/settings.ts'
import { beginWork, issue } from '../../lib/protocol/delta/work.ts'
import type { Protocol } from '../../lib/protocol/effects.ts'
import { run } from '../../lib/protocol/run.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { namedRequest, type ArcoAsk, type DeltaWorkspace } from './delta-workspace.ts'
import { testClock, testService } from './service.ts'

/** What Tidemark answered; null when a marker look-up found nothing. */
export type TidemarkAnswer =
  | { readonly status: 200; readonly version: number; readonly delta_log_path: string }
  | { readonly status: number; readonly code: string; readonly reason: string; readonly detail: string }
  | null

/** Ask on this store, at this time, in the way that `ask.how` says. */
export async function askTidemark(
  store: MaintenanceStore,
  workspace: DeltaWorkspace,
  ask: ArcoAsk,
  now_ms: number,
): Promise<TidemarkAnswer> {
  switch (ask.how) {
    case 'commit':
      return overHttp(store, workspace, ask, { now_ms, resolver: { mode: 'legacy' } })
    case 'http':
      return overHttp(store, workspace, ask, { now_ms, resolver: { mode: 'catalog' } })
    case 'replay_committed':
      return answerOf(await runHere(store, workspace, lookUp(requestOf(workspace, ask)), now_ms))
  }
}

/** The same commit without HTTP: the generator alone. */
export async function askGenerator(
  store: MaintenanceStore,
  workspace: DeltaWorkspace,
  ask: ArcoAsk,
  now_ms: number,
): Promise<TidemarkAnswer> {
  const protocol = commit(requestOf(workspace, ask), DEFAULT_SETTINGS, store.capabilities)
  return answerOf(await runHere(store, workspace, protocol, now_ms))
}

async function overHttp(
  store: MaintenanceStore,
  workspace: DeltaWorkspace,
  ask: ArcoAsk,
  options: { readonly now_ms: number; readonly resolver: ResolverConfig },
): Promise<TidemarkAnswer> {
  const service = testService(store, {
    scope: workspace.scope,
    clock: testClock(options.now_ms),
    resolver: options.resolver,
  })
  const { status, body } = await service.commit(requestOf(workspace, ask))
  if (status === 200) return { status, ...body }
  const { code, reason, detail } = body
  return { status, code, reason, detail }
}

function requestOf(workspace: DeltaWorkspace, ask: ArcoAsk): CommitRequest {
  return { table_id: workspace.expect.table_id, ...namedRequest(workspace, ask.request) }
}

async function runHere<R>(
  store: MaintenanceStore,
  { scope }: DeltaWorkspace,
  protocol: Protocol<R>,
  now_ms: number,
): Promise<R> {
  const environment = createEnvironment({
    store: scopedStore(store, scope),
    resolver: tableResolver({ mode: 'legacy' }, { ...scope, bucket: { scheme: 'memory', authority: '' } }),
    note: () => undefined,
    overrides: { now: () => now_ms, monotonic: () => now_ms, sleep: async () => undefined },
  })
  return run(protocol, environment)
}

/** Only D-1 and D-2: what the marker of the key decides, from the first reads of a commit; null without a marker. */
function* lookUp(request: CommitRequest): Protocol<CommitResult | null> {
  const work = yield* beginWork(request.table_id, DEFAULT_SETTINGS, { meta: false })
  const key = yield* markerKey(request.table_id, request.idempotency_key)
  const { root, op } = yield* beginRoot(work)
  const answers = yield* issue(work, {
    state: stateOp(request.table_id),
    marker: markerOp(key),
    staged: payloadOp(request.staged_path),
    resolution: op,
  })
  keepRoot(root, answers.resolution)
  const state = yield* toState(work, answers.state)
  const staged = yield* toStaged(answers.staged)
  const marker = yield* toMarker(work, key, answers.marker)
  if (marker === null) return null
  return yield* answerFromMarker({ work, request, key, root, probes: null }, marker, { state, staged })
}

function answerOf(result: CommitResult | null): TidemarkAnswer {
  if (result === null) return null
  if (result.ok) return { status: 200, version: result.version, delta_log_path: result.delta_log_path }
  const { status, code } = PROBLEMS[result.reason]
  return { status, code, reason: result.reason, detail: problemOf(result).detail }
}
