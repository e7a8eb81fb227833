/** CO-30: what is hashed, byte for byte (spec/coordinator.md 4). */
import { describe, expect, test } from 'vitest'
import type { Protocol } from '../../../lib/protocol/effects.ts'
import { legacyHash, requestHash, sha256Text } from '../../../lib/protocol/delta/request.ts'
import { HASH_VECTORS } from '../../support/hash-vectors.ts'
import { sha256Hex } from '../../support/service.ts'

/** Drive a hash to its end: the text that was given to SHA-256, and the digest that came out. */
function hashed(protocol: Protocol<string>): { readonly canonical: string; readonly digest: string } {
  const op = protocol.next().value
  if (typeof op !== 'object' || !('kind' in op) || op.kind !== 'sha256') throw new Error('expected one hash')
  const { value, done } = protocol.next(sha256Hex(op.bytes))
  if (done !== true) throw new Error('expected nothing but one hash')
  return { canonical: new TextDecoder().decode(op.bytes), digest: value }
}

describe.each(HASH_VECTORS)('CO-30 vector $name', (vector) => {
  const { payload, payload_sha256, idempotency_key, key_sha256, read_version, staged_path, staged_version } =
    vector
  const request = { idempotency_key, read_version, staged_path, staged_version }

  test('request_hash: the canonical bytes and the digest', () => {
    expect(sha256Hex(payload)).toBe(payload_sha256)
    expect(hashed(requestHash(request, payload_sha256))).toEqual({
      canonical: vector.request_canonical,
      digest: vector.request_hash,
    })
  })

  test('legacy_hash: the canonical bytes and the digest', () => {
    const { canonical, digest } = hashed(legacyHash(request))
    expect(digest).toBe(vector.legacy_hash)
    expect(canonical).toBe(vector.legacy_canonical ?? JSON.stringify(request))
  })

  test('the key names its marker', () => {
    const { canonical, digest } = hashed(sha256Text(idempotency_key))
    expect(canonical).toBe(idempotency_key)
    expect(digest).toBe(key_sha256 ?? sha256Hex(idempotency_key))
  })
})

test('request_hash does not depend on staged_version, so that equal bytes staged again keep it', () => {
  const [vector] = HASH_VECTORS
  if (vector === undefined) throw new Error('no vector')
  const restaged = { ...vector, staged_version: '2' }
  expect(hashed(requestHash(restaged, vector.payload_sha256)).digest).toBe(vector.request_hash)
  expect(hashed(legacyHash(restaged)).digest).not.toBe(vector.legacy_hash)
})
