/** Inspect: the coordinator state as stored and the crash window that its reservation is in. Never writes. */
import { now, type Protocol } from '../effects.ts'
import {
  holdsPayload,
  markerKey,
  markerOp,
  payloadOp,
  stateOp,
  toLog,
  toMarker,
  toState,
  type LogEntry,
  type MarkerKey,
} from './objects.ts'
import type { CrashWindow, InspectResult, Resolution } from './outcomes.ts'
import { beginRoot, inflightLogPath } from './root.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from './settings.ts'
import { readVersionOf, viewState, type Inflight } from './state.ts'
import { beginWork, issue, refusalOf, type Work } from './work.ts'
import type { Marker } from './marker.ts'

/**
 * One GET of the state; when something is in flight, one of its marker and one of its log entry (spec/http-api.md
 * 4.3). `crash_window` is null when nothing is in flight.
 */
export function* inspect(
  { table_id }: { readonly table_id: string },
  settings: DeltaSettings = DEFAULT_SETTINGS,
): Protocol<InspectResult> {
  const work = yield* beginWork(table_id, settings, { meta: false })
  try {
    return yield* inspectWithin(work)
  } catch (error) {
    return refusalOf(work, error, 'failed to inspect the table')
  }
}

function* inspectWithin(work: Work): Protocol<InspectResult> {
  const first = yield* issue(work, { state: stateOp(work.table_id) })
  const { state, age_ms } = yield* toState(work, first.state)
  const inflight = state?.inflight ?? null
  if (inflight === null) return { ok: true, state: viewState(state), crash_window: null, resolution: null }
  const key = yield* markerKey(work.table_id, inflight.commit_id)
  // The catalog is read only for a reservation that does not say where its log entry belongs.
  const { root } = yield* beginRoot(work)
  const path = yield* inflightLogPath(work, root, inflight)
  const answers = yield* issue(work, {
    marker: markerOp(key),
    log: path.ok ? payloadOp(path.path) : undefined,
  })
  const marker = yield* toMarker(work, key, answers.marker)
  const log = answers.log === undefined ? 'unknown' : yield* toLog(answers.log)
  const { now_ms } = yield* now()
  const { ttl_ms } = work.settings
  const is_expired = now_ms >= inflight.expires_at_ms || (age_ms !== null && age_ms >= ttl_ms)
  // Without a marker and a log entry only the TTL lets others in (6.5, H-3).
  const waits = marker === null && log === null && !is_expired
  return {
    ok: true,
    state: viewState(state),
    crash_window: crashWindow(inflight, key, { marker, log }),
    resolution: resolutionOf(work.table_id, inflight, waits ? now_ms : null),
  }
}

/** `waits_at_ms`: now, when others have to wait. */
function resolutionOf(table_id: string, inflight: Inflight, waits_at_ms: number | null): Resolution {
  const { commit_id, staged_path, staged_version, expires_at_ms } = inflight
  const table = `/api/v1/delta/tables/${table_id}`
  return {
    by: waits_at_ms === null ? 'anybody' : 'owner',
    from_ms: waits_at_ms === null ? null : expires_at_ms,
    ttl_left_ms: waits_at_ms === null ? 0 : expires_at_ms - waits_at_ms,
    request: { method: 'POST', path: `${table}/recover`, body: {} },
    replay: {
      method: 'POST',
      path: `${table}/commits`,
      body: {
        read_version: readVersionOf(inflight),
        staged_path,
        staged_version,
        idempotency_key: commit_id,
      },
    },
  }
}

/** Where the crash left the reservation (spec/coordinator.md 7.1); null for a ghost, a foreign or an unknown log. */
function crashWindow(
  inflight: Inflight,
  { key_hash }: MarkerKey,
  { marker, log }: { readonly marker: Marker | null; readonly log: LogEntry | null | 'unknown' },
): CrashWindow | null {
  if (marker !== null) return marker.version === inflight.version ? 'W3' : null
  if (log === 'unknown') return null
  if (log === null) return 'W1'
  const { payload_sha256 } = inflight
  return payload_sha256 === undefined || holdsPayload(log, payload_sha256, key_hash) ? 'W2' : null
}
