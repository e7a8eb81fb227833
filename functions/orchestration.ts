/**
 * The handlers of the compactor, which bring the fold and the Parquet writer along. `app.ts` loads them when the first of
 * them is asked for: on Workers, where every start reads the whole module, commits do not pay for rebuilds.
 */
export { handleCompact } from './compact.ts'
export { handleBreakLock, handleLock } from './compaction-lock.ts'
export { handleRebuild } from './rebuild.ts'
export { handleRebuildProgress } from './rebuild-progress.ts'
