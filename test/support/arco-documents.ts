/**
 * How Arco reads and writes the two documents of a commit: a strict model of its serde structs (spec/coordinator.md 3,
 * known-weaknesses.md D-48). Required members must be there, integers are int64 in plain digits, a repeated member is an
 * error, unknown members are ignored and therefore lost on rewrite.
 */
import { createHash } from 'node:crypto'
import { NumberLiteral, parseJson, type JsonObject, type JsonValue } from '../../lib/protocol/json.ts'

/** `InflightCommit` of the reference. */
export interface ArcoInflight {
  readonly commit_id: string
  /** Left out, never null, when unknown. */
  readonly read_version?: number
  readonly version: number
  readonly staged_path: string
  readonly staged_version: string
  readonly started_at_ms: number
  readonly expires_at_ms: number
}

/** The coordinator state of the reference. */
export interface ArcoState {
  readonly latest_version: number
  readonly inflight: ArcoInflight | null
}

/** The idempotency record of the reference. */
export interface ArcoMarker {
  readonly idempotency_key: string
  readonly idempotency_key_hash: string
  readonly request_hash: string
  readonly version: number
  readonly delta_log_path: string
  readonly committed_at_ms: number
}

/** A commit request of the reference's coordinator. */
export interface ArcoRequest {
  readonly idempotency_key: string
  readonly read_version: number
  readonly staged_path: string
  readonly staged_version: string
}

/** Read a state as serde does; throws an Error that names the member it stumbles over. */
export function readArcoState(bytes: Uint8Array): ArcoState {
  const document = objectOf(parseJson(bytes), 'document')
  const inflight = document['inflight'] ?? null
  return {
    latest_version: int64(document, 'latest_version'),
    inflight: inflight === null ? null : readInflight(objectOf(inflight, 'inflight')),
  }
}

function readInflight(inflight: JsonObject): ArcoInflight {
  const has_read_version = (inflight['read_version'] ?? null) !== null
  return {
    commit_id: text(inflight, 'commit_id'),
    ...(has_read_version ? { read_version: int64(inflight, 'read_version') } : {}),
    version: int64(inflight, 'version'),
    staged_path: text(inflight, 'staged_path'),
    staged_version: text(inflight, 'staged_version'),
    started_at_ms: int64(inflight, 'started_at_ms'),
    expires_at_ms: int64(inflight, 'expires_at_ms'),
  }
}

/** Read a marker as serde does. */
export function readArcoMarker(bytes: Uint8Array): ArcoMarker {
  const document = objectOf(parseJson(bytes), 'document')
  return {
    idempotency_key: text(document, 'idempotency_key'),
    idempotency_key_hash: text(document, 'idempotency_key_hash'),
    request_hash: text(document, 'request_hash'),
    version: int64(document, 'version'),
    delta_log_path: text(document, 'delta_log_path'),
    committed_at_ms: int64(document, 'committed_at_ms'),
  }
}

/** Write either document: compact, members in the order of the struct, which is the order above. */
export function writeArco(document: ArcoState | ArcoMarker): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(document))
}

/** What is left of a state after a reference process has read and rewritten it: every additive member is gone. */
export function rewrittenByArco(bytes: Uint8Array): Uint8Array {
  return writeArco(readArcoState(bytes))
}

/** The version token of the reference's object-store adapter: compact JSON, these two members in this order. */
export function isArcoToken(token: string): boolean {
  return /^\{"e_tag":(?:null|"(?:[^"\\]|\\.)*"),"version":(?:null|"(?:[^"\\]|\\.)*")\}$/.test(token)
}

/** Lower-case hex SHA-256. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** `request_hash` of a request and the bytes it staged; the members happen to be in canonical order. */
export function arcoRequestHash(request: Omit<ArcoRequest, 'staged_version'>, payload: Uint8Array): string {
  const { idempotency_key, read_version, staged_path } = request
  return sha256(
    JSON.stringify({ idempotency_key, read_version, staged_path, staged_payload_sha256: sha256(payload) }),
  )
}

/** What early versions hashed instead. */
export function arcoLegacyHash(request: ArcoRequest): string {
  const { idempotency_key, read_version, staged_path, staged_version } = request
  return sha256(JSON.stringify({ idempotency_key, read_version, staged_path, staged_version }))
}

function objectOf(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof NumberLiteral) {
    throw new Error(`${what}: expected an object`)
  }
  return value
}

function text(document: JsonObject, name: string): string {
  const value = document[name]
  if (typeof value !== 'string') throw new Error(`${name}: expected a string`)
  return value
}

/** The whole range of int64 is accepted there; a value that this model could not carry unrounded is refused here. */
function int64(document: JsonObject, name: string): number {
  const value = document[name]
  if (typeof value !== 'number') throw new Error(`${name}: expected an integer`)
  return value
}
