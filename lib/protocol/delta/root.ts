/** The root of the table at work, looked up at most once and only reported when it is needed (11.2). */
import { knownRoot, type Answer, type Protocol, type ResolveOp } from '../effects.ts'
import { logPath } from '../paths.ts'
import type { ResolutionFailure } from './outcomes.ts'
import type { Resolution } from './resolve.ts'
import type { Inflight } from './state.ts'
import { issue, type Work } from './work.ts'

/** A root that may still have to be resolved. */
export interface TableRoot {
  resolution: Resolution | null
}

/** What is known without a read; `op` is to be issued with the first batch when nothing is. */
export function* beginRoot(
  work: Work,
): Protocol<{ readonly root: TableRoot; readonly op: ResolveOp | undefined }> {
  const known = yield* knownRoot(work.table_id)
  return { root: { resolution: known }, op: known === null ? resolveOp(work) : undefined }
}

/** Keep the answer of `beginRoot`'s operation. */
export function keepRoot(root: TableRoot, answer: Answer<ResolveOp> | undefined): void {
  if (answer !== undefined) root.resolution = answer
}

/** The resolved root, resolving it now if nothing has. */
export function* needRoot(work: Work, root: TableRoot): Protocol<Resolution> {
  if (root.resolution === null) {
    const { resolution } = yield* issue(work, { resolution: resolveOp(work) })
    root.resolution = resolution
  }
  return root.resolution
}

function resolveOp(work: Work): ResolveOp {
  return { kind: 'resolve', table_id: work.table_id }
}

/** A log path, or why there is none. */
export type LogPath = { readonly ok: true; readonly path: string } | ResolutionFailure

/** Where `version` belongs under the table's root. */
export function* logPathOf(work: Work, root: TableRoot, version: number): Protocol<LogPath> {
  const resolution = yield* needRoot(work, root)
  return resolution.ok ? { ok: true, path: logPath(resolution.root, version) } : resolution
}

/** Where a reservation's log entry belongs: pinned at reservation time (RT-1), else under the table's root. */
export function* inflightLogPath(work: Work, root: TableRoot, inflight: Inflight): Protocol<LogPath> {
  return inflight.delta_log_path === undefined
    ? yield* logPathOf(work, root, inflight.version)
    : { ok: true, path: inflight.delta_log_path }
}
