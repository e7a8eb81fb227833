/** Idempotency markers against the log (spec/coordinator.md 3.2, correctness.md C6), one page of their listing at a time. */
import { sha256 } from '../../effects.ts'
import { MARKER_BYTES_MAX } from '../../delta/limits.ts'
import { parseMarker, type Marker } from '../../delta/marker.ts'
import { sha256Text } from '../../delta/request.ts'
import { parseJson, isJsonObject, JsonError } from '../../json.ts'
import { markerPath, rootOfLogPath } from '../../paths.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { list, type Maintenance } from '../effects.ts'
import { lookAtState } from './coordinator.ts'
import type { LogWork } from './log.ts'
import { readObjects, type ReadObject } from './read.ts'
import { latestVersion } from './survey.ts'

/** A page of markers; each is read, and its log entry with it. */
const PAGE_MARKERS = 32

/** Check markers after a key; returns the key to go on after, or null at the end. */
export function* checkMarkers(work: LogWork, after: string | null): Maintenance<string | null> {
  const { table_id, findings, budget } = work
  const prefix = `delta/idempotency/${table_id}/`
  let start_after = after ?? undefined
  do {
    if (budget.reads <= 0) return start_after ?? ''
    const page = yield* list({
      prefix,
      limit: Math.min(PAGE_MARKERS, budget.reads),
      ...(start_after === undefined || start_after === '' ? {} : { start_after }),
    })
    budget.reads -= 1 + page.objects.length * 2
    const paths = page.objects.map(({ key }) => key)
    const objects = yield* readObjects(paths, findings, MARKER_BYTES_MAX)
    const markers: PlacedMarker[] = []
    for (const [index, path] of paths.entries()) {
      const object = objects[index]
      if (object?.is === 'unread') {
        findings.report('TM-401', { path, detail: `expected at most ${MARKER_BYTES_MAX} bytes` })
      }
      const marker = object?.is === 'there' ? yield* readMarker(work, path, object.bytes) : null
      if (marker !== null) markers.push({ path, marker })
    }
    const logs = yield* readObjects(
      markers.map(({ marker }) => marker.delta_log_path),
      findings,
    )
    for (const [index, placed] of markers.entries()) yield* checkMarker(work, placed, logs[index])
    start_after = page.next_start_after
  } while (start_after !== undefined)
  return null
}

function* readMarker(work: LogWork, path: string, bytes: Uint8Array): Maintenance<Marker | null> {
  const { table_id, findings } = work
  const key = keyIn(bytes)
  if (key === null) {
    findings.report('TM-401', { path, detail: 'expected a JSON object with an idempotency_key' })
    return null
  }
  const key_hash = yield* sha256Text(key)
  if (markerPath(table_id, key_hash) !== path) {
    findings.report('TM-404', { path, detail: 'expected the path of the SHA-256 of its key' })
    return null
  }
  try {
    return parseMarker(path, key, bytes)
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
    findings.report('TM-401', { path, detail: error.message })
    return null
  }
}

function keyIn(bytes: Uint8Array): string | null {
  try {
    const marker = parseJson(bytes)
    const key = isJsonObject(marker) ? marker['idempotency_key'] : null
    return typeof key === 'string' ? key : null
  } catch (error) {
    if (error instanceof JsonError) return null
    throw error
  }
}

interface PlacedMarker {
  readonly path: string
  readonly marker: Marker
}

function* checkMarker(
  work: LogWork,
  { path, marker }: PlacedMarker,
  log: ReadObject = { is: 'absent' },
): Maintenance<void> {
  const { survey, findings } = work
  const { version, delta_log_path, payload_sha256 } = marker
  if (rootOfLogPath(delta_log_path, version) !== survey.root) {
    findings.report('TM-106', { path, detail: `expected the commit below ${survey.root}, saw another root` })
  }
  if (log.is === 'absent') {
    // Log cleanup takes entries away, and leaves markers.
    if (version >= (survey.commits[0] ?? 0)) {
      findings.report('TM-403', {
        version,
        path,
        detail: `expected log entry ${version}, saw none`,
        next: `Put ${delta_log_path} back from a backup or an earlier generation of the object.`,
      })
    }
    return
  }
  if (log.is === 'there' && payload_sha256 !== undefined && (yield* sha256(log.bytes)) !== payload_sha256) {
    findings.report('DL-502', {
      version,
      path: delta_log_path,
      detail: 'expected the bytes whose SHA-256 the marker holds, saw others',
    })
  }
  yield* checkFinalized(work, path, version)
}

/** A marker above the state: the state was put back, or the commit is being finalized right now. */
function* checkFinalized(
  { table_id, findings, survey }: LogWork,
  path: string,
  version: number,
): Maintenance<void> {
  if (version <= latestVersion(survey) - 1) return
  const { state } = yield* lookAtState(table_id)
  const known = Math.max(state?.latest_version ?? -1, state?.inflight?.version ?? -1)
  if (state === null || version <= known) return
  findings.report('TM-405', {
    version,
    path,
    detail: `expected a version up to ${known}, which is where the state stands; saw ${version}`,
  })
}
