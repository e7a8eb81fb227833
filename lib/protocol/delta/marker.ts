/**
 * The idempotency marker, `delta/idempotency/{table_id}/{hh}/{key_hash}.json` (spec/coordinator.md 3.2): written once,
 * never changed. Once it is durable, a 200 for its key is true.
 */
import * as z from 'zod'
import { parseJson, type JsonValue } from '../json.ts'
import { rootOfLogPath } from '../paths.ts'
import { StoredObjectError } from '../stored-error.ts'
import { describeIssue, encode } from './state.ts'

/** The document. Old markers hold `legacy_hash` in `request_hash` and none of the optional members. */
export const Marker = z.looseObject({
  idempotency_key: z.string(),
  idempotency_key_hash: z.string(),
  request_hash: z.string(),
  version: z.int().min(0),
  delta_log_path: z.string(),
  committed_at_ms: z.int(),
  payload_sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  read_version: z.int().min(-1).optional(),
  staged_path: z.string().optional(),
  staged_version: z.string().optional(),
  recovered_from_log: z.boolean().optional(),
})
export type Marker = z.infer<typeof Marker>

/** Read stored bytes; StoredObjectError `marker_corrupt` unless they are the marker of this very key. */
export function parseMarker(path: string, idempotency_key: string, bytes: Uint8Array): Marker {
  const corrupt = (why: string): StoredObjectError =>
    new StoredObjectError('marker_corrupt', path, why, 'marker')
  let json: JsonValue
  try {
    json = parseJson(bytes)
  } catch (cause) {
    throw corrupt(cause instanceof Error ? cause.message : 'not JSON')
  }
  const parsed = Marker.safeParse(json)
  if (!parsed.success) throw corrupt(describeIssue(parsed.error))
  const marker = parsed.data
  if (marker.idempotency_key !== idempotency_key) throw corrupt('idempotency_key is another key')
  if (rootOfLogPath(marker.delta_log_path, marker.version) === null) {
    throw corrupt('delta_log_path is not the log entry of its version')
  }
  return marker
}

/** The bytes to store, members in the order of spec/coordinator.md 3.2. */
export function encodeMarker(marker: Marker): Uint8Array {
  const {
    idempotency_key,
    idempotency_key_hash,
    request_hash,
    version,
    delta_log_path,
    committed_at_ms,
    ...optional
  } = marker
  return encode({
    idempotency_key,
    idempotency_key_hash,
    request_hash,
    version,
    delta_log_path,
    committed_at_ms,
    ...optional,
  })
}
