/**
 * The handlers of the compactor and of the health check, which bring the fold, the Parquet writer and the rules along. `app.ts` loads them when the first of
 * them is asked for: on Workers, where every start reads the whole module, commits do not pay for rebuilds.
 */
export { handleCompact } from './compact.ts'
export { handleBreakLock, handleLock } from './compaction-lock.ts'
export { handleHealthCheck } from './health-check.ts'
export { handleInspectLock, handleInspectProjection } from './inspect-projection.ts'
export { handleRebuild } from './rebuild.ts'
export { handleRebuildProgress } from './rebuild-progress.ts'
export { handleReconcile } from './reconcile.ts'
export { handleVerifyProjection } from './verify-projection.ts'
