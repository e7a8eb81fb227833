import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../lib/protocol/canonical-json.ts'
import { HASH_VECTORS } from '../support/hash-vectors.ts'
import { sha256Hex } from '../support/service.ts'

describe.each(HASH_VECTORS)('CO-30 vector $name, members not in canonical order', (vector) => {
  const { idempotency_key, read_version, staged_path, staged_version, payload_sha256 } = vector

  test('the request canonicalises to the bytes of coordinator.md 4.2', () => {
    const members = { staged_payload_sha256: payload_sha256, staged_path, read_version, idempotency_key }
    expect(canonicalJson(members)).toBe(vector.request_canonical)
  })

  test('the legacy form does too', () => {
    const text = canonicalJson({ staged_version, staged_path, read_version, idempotency_key })
    expect(sha256Hex(text)).toBe(vector.legacy_hash)
  })
})

test('RFC 8785 3.2.3 members are sorted by UTF-16 unit at every level', () => {
  const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '😀': 5, '\u0080': 6, ö: { b: 1, a: [] } }
  expect(canonicalJson(value)).toBe(
    '{"\\r":2,"1":4,"\u0080":6,"ö":{"a":[],"b":1},"\u20ac":1,"😀":5,"\ufb33":3}',
  )
})

test('coordinator.md 4.1 escapes: short forms, lower-case \\u00xx, everything else literal', () => {
  expect(canonicalJson('"\\\b\t\n\f\r\u0001\u001f/\u007fé')).toBe(
    '"\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f/\u007fé"',
  )
})

test('a lone surrogate, NaN and infinities have no canonical form', () => {
  expect(() => canonicalJson({ a: '\ud800' })).toThrow('Lone surrogate')
  expect(() => canonicalJson([Number.NaN])).toThrow('NaN')
  expect(() => canonicalJson([Infinity])).toThrow('Infinity')
})

test('nothing is not canonicalised to the text "undefined"', () => {
  const nothing: { [name: string]: string } = {}
  expect(() => canonicalJson(nothing['absent'] as string)).toThrow(TypeError)
})
