/**
 * INSPECT an idempotency key: where its commit stands, told from the state and then its marker (R2), and who goes on with
 * it. For whoever asks "did it commit?" without sending the commit again. Known keys only; reads, never writes.
 */
import type { Protocol } from '../effects.ts'
import { inspect } from './inspect.ts'
import { markerKey, markerOp, payloadOp, toLog, toMarker } from './objects.ts'
import type { CrashWindow, InspectResult, Resolution, SharedFailure } from './outcomes.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from './settings.ts'
import { beginWork, issue, refusalOf, type Work } from './work.ts'

/** Which key of which table. */
export interface InspectKeyRequest {
  readonly table_id: string
  readonly idempotency_key: string
}

/** Where the commit of a key stands. */
export interface InspectedKey {
  readonly ok: true
  /** By its hash, because keys are not shown (spec/style.md, Never). */
  readonly idempotency_key_hash: string
  /** `unseen`: neither reserved nor recorded. Otherwise how far it has come. */
  readonly stage: 'unseen' | 'reserved' | 'logged' | 'recorded' | 'finalized'
  /** The version that it has or has reserved. */
  readonly version: number | null
  readonly delta_log_path: string | null
  /** Whether the log entry of that version is there; null where nobody says where it would be. */
  readonly has_log_entry: boolean | null
  readonly committed_at_ms: number | null
  /** Of its reservation; null when it is not the one in flight. */
  readonly crash_window: CrashWindow | null
  /** Who acts next; null when nothing is left to do, or nothing was begun. */
  readonly resolution: Resolution | null
}

/** Look a key up. */
export function* inspectKey(
  request: InspectKeyRequest,
  settings: DeltaSettings = DEFAULT_SETTINGS,
): Protocol<InspectedKey | SharedFailure> {
  const table = yield* inspect({ table_id: request.table_id }, settings)
  if (!table.ok) return table
  const work = yield* beginWork(request.table_id, settings, { meta: false })
  try {
    return yield* inspectWithin(work, request, table)
  } catch (error) {
    return refusalOf(work, error, 'failed to inspect the key')
  }
}

function* inspectWithin(
  work: Work,
  { table_id, idempotency_key }: InspectKeyRequest,
  { state, crash_window, resolution }: Extract<InspectResult, { ok: true }>,
): Protocol<InspectedKey> {
  const key = yield* markerKey(table_id, idempotency_key)
  const answers = yield* issue(work, { marker: markerOp(key) })
  const marker = yield* toMarker(work, key, answers.marker)
  const about = { ok: true, idempotency_key_hash: key.key_hash } as const
  const inflight = state.inflight?.commit_id === idempotency_key ? state.inflight : null
  const last = state.last_commit?.commit_id === idempotency_key ? state.last_commit : null
  const named = marker ?? last ?? inflight
  if (named === null) {
    return { ...about, ...UNSEEN, stage: 'unseen' }
  }
  const { version, delta_log_path = null } = named
  const own = inflight?.version === version
  return {
    ...about,
    version,
    delta_log_path,
    has_log_entry: delta_log_path === null ? null : yield* hasEntry(work, delta_log_path),
    committed_at_ms: marker?.committed_at_ms ?? null,
    stage:
      version <= state.latest_version
        ? 'finalized'
        : marker !== null
          ? 'recorded'
          : crash_window === 'W2'
            ? 'logged'
            : 'reserved',
    crash_window: own ? crash_window : null,
    resolution: inflight === null ? null : resolution,
  }
}

const UNSEEN = {
  version: null,
  delta_log_path: null,
  has_log_entry: null,
  committed_at_ms: null,
  crash_window: null,
  resolution: null,
} as const

function* hasEntry(work: Work, path: string): Protocol<boolean> {
  const { log } = yield* issue(work, { log: payloadOp(path) })
  return (yield* toLog(log)) !== null
}
