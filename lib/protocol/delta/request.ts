/** The commit request as the protocol sees it, and its hashes (spec/coordinator.md 4). */
import { canonicalJson } from '../canonical-json.ts'
import { sha256, type Protocol } from '../effects.ts'

/** A request that passed spec/coordinator.md 6.1. */
export interface CommitRequest {
  /** Canonical lower-case UUID. */
  readonly table_id: string
  /** −1 for an empty table. */
  readonly read_version: number
  readonly staged_path: string
  readonly staged_version: string
  /** Canonical lower-case UUIDv7. */
  readonly idempotency_key: string
}

/** What the current request hash covers: not `staged_version`, so that re-staging equal bytes keeps the hash. */
export interface HashedRequest {
  readonly idempotency_key: string
  readonly read_version: number
  readonly staged_path: string
}

/** Lower-case hex SHA-256 of UTF-8 text. */
export function* sha256Text(text: string): Protocol<string> {
  return yield* sha256(new TextEncoder().encode(text))
}

/** `request_hash` of spec/coordinator.md 4.1. */
export function* requestHash(request: HashedRequest, payload_sha256: string): Protocol<string> {
  const { idempotency_key, read_version, staged_path } = request
  return yield* sha256Text(
    canonicalJson({ idempotency_key, read_version, staged_path, staged_payload_sha256: payload_sha256 }),
  )
}

/** `legacy_hash`: what very old markers hold. */
export function* legacyHash(request: HashedRequest & { readonly staged_version: string }): Protocol<string> {
  const { idempotency_key, read_version, staged_path, staged_version } = request
  return yield* sha256Text(canonicalJson({ idempotency_key, read_version, staged_path, staged_version }))
}
