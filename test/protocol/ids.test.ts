import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import {
  checkIdempotencyKey,
  isCanonicalUuid,
  isUlid,
  parseTableId,
  ulidTime_ms,
} from '../../lib/protocol/ids.ts'
import { cpuTime_ms } from '../support/cpu-time.ts'

const CANONICAL = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'

describe('coordinator.md 6.1 table id', () => {
  test.each([
    CANONICAL,
    CANONICAL.toUpperCase(),
    '0194F5a0-1C00-7c3d-9B1e-2f6A4d8E0c11',
    `{${CANONICAL}}`,
    `{${CANONICAL.toUpperCase()}}`,
    `urn:uuid:${CANONICAL}`,
    CANONICAL.replaceAll('-', ''),
    CANONICAL.replaceAll('-', '').toUpperCase(),
  ])('%s is accepted and canonicalised', (text) => {
    expect(parseTableId(text)).toBe(CANONICAL)
  })

  test.each([
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '12345678-1234-0234-0234-123456789abc',
    '12345678-1234-f234-f234-123456789abc',
  ])('%s is accepted although it is of no assigned version', (text) => {
    expect(parseTableId(text)).toBe(text)
  })

  test.each([
    '',
    'orders',
    CANONICAL.slice(1),
    `${CANONICAL}0`,
    ` ${CANONICAL}`,
    `${CANONICAL}\n`,
    `{${CANONICAL}`,
    `${CANONICAL}}`,
    `{{${CANONICAL}}}`,
    `(${CANONICAL})`,
    `urn:uuid:{${CANONICAL}}`,
    `urn:uuid:${CANONICAL.replaceAll('-', '')}`,
    `URN:${CANONICAL}`,
    CANONICAL.replace('-', ''),
    CANONICAL.replace('a', 'g'),
    CANONICAL.replaceAll('-', '_'),
    '../0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c',
    `${CANONICAL.slice(0, -1)}\u0661`,
  ])('%j is no UUID', (text) => {
    expect(parseTableId(text)).toBeNull()
  })

  test('every 128-bit value has one canonical form, reached from all spellings', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-f]{32}$/), (hex) => {
        const canonical = parseTableId(hex)
        if (canonical === null) throw new Error('expected a UUID')
        expect(canonical.replaceAll('-', '')).toBe(hex)
        expect(isCanonicalUuid(canonical)).toBe(true)
        for (const spelling of [
          canonical,
          `{${canonical}}`,
          `urn:uuid:${canonical}`,
          canonical.toUpperCase(),
        ]) {
          expect(parseTableId(spelling)).toBe(canonical)
        }
      }),
    )
  })

  test('R16 only the canonical form is a canonical UUID', () => {
    expect(isCanonicalUuid(CANONICAL)).toBe(true)
    expect(isCanonicalUuid(CANONICAL.toUpperCase())).toBe(false)
    expect(isCanonicalUuid(`{${CANONICAL}}`)).toBe(false)
    expect(isCanonicalUuid(CANONICAL.replaceAll('-', ''))).toBe(false)
    expect(isCanonicalUuid('null')).toBe(false)
  })
})

describe('R21 idempotency key', () => {
  const KEY = '0194f5a0-2000-7abc-8def-0123456789ab'
  const NOT_V7 = 'Idempotency-Key must be UUIDv7 (RFC 9562)'
  const NOT_CANONICAL = 'Idempotency-Key must be a canonical lowercase UUID string'

  test.each(['8', '9', 'a', 'b'])('R21 a canonical UUIDv7 of variant %s passes', (variant) => {
    expect(checkIdempotencyKey(`0194f5a0-2000-7abc-${variant}def-0123456789ab`)).toEqual({ ok: true })
  })

  test.each([
    ['', 'Idempotency-Key is required'],
    ['commit-1', 'Idempotency-Key must be a valid UUID'],
    [` ${KEY}`, 'Idempotency-Key must be a valid UUID'],
    ['0194f5a0-2000-4abc-8def-0123456789ab', NOT_V7],
    ['0194f5a0-2000-8abc-8def-0123456789ab', NOT_V7],
    ['0194f5a0-2000-0abc-8def-0123456789ab', NOT_V7],
    ['00000000-0000-0000-0000-000000000000', NOT_V7],
    ['ffffffff-ffff-ffff-ffff-ffffffffffff', NOT_V7],
    ['0194f5a0-2000-7abc-7def-0123456789ab', NOT_V7],
    ['0194f5a0-2000-7abc-cdef-0123456789ab', NOT_V7],
    ['0194f5a0-2000-7abc-0def-0123456789ab', NOT_V7],
    // The version is checked before the spelling.
    ['0194F5A0-2000-4ABC-8DEF-0123456789AB', NOT_V7],
    [KEY.toUpperCase(), NOT_CANONICAL],
    [`{${KEY}}`, NOT_CANONICAL],
    [`urn:uuid:${KEY}`, NOT_CANONICAL],
    [KEY.replaceAll('-', ''), NOT_CANONICAL],
  ])('R21 %j is refused: %s', (key, detail) => {
    expect(checkIdempotencyKey(key)).toEqual({ ok: false, detail })
  })
})

describe('ULIDs', () => {
  test.each(['01JKTT0G00Z4N2V8R6W1X3Y5ZB', '00000000000000000000000000', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'])(
    'storage.md 3 %s is a ULID in a key',
    (text) => {
      expect(isUlid(text)).toBe(true)
    },
  )

  test.each([
    '',
    '01jktt0g00z4n2v8r6w1x3y5zb',
    '80000000000000000000000000',
    '01JKTT0G00Z4N2V8R6W1X3Y5Z',
    '01JKTT0G00Z4N2V8R6W1X3Y5ZBB',
    '01JKTT0G00Z4N2V8R6W1X3Y5ZI',
    '01JKTT0G00Z4N2V8R6W1X3Y5ZL',
    '01JKTT0G00Z4N2V8R6W1X3Y5ZO',
    '01JKTT0G00Z4N2V8R6W1X3Y5ZU',
    '01JKTT0G00Z4N2V8R6W1X3Y5Z\n',
  ])('storage.md 3 %j is no ULID in a key', (text) => {
    expect(isUlid(text)).toBe(false)
  })

  test('events.md 2.4 embedded times are those of the golden vectors', () => {
    const shared = process.env['TIDEMARK_SHARED'] ?? join(import.meta.dirname, '../../../shared')
    const { ulid_time_ms } = z
      .object({ ulid_time_ms: z.array(z.object({ id: z.string(), ms: z.int().nullable() })).min(10) })
      .parse(JSON.parse(readFileSync(join(shared, 'vectors/ids.json'), 'utf8')))
    for (const { id, ms } of ulid_time_ms) expect([id, ulidTime_ms(id)]).toEqual([id, ms])
  })

  test('events.md 2.4 the worked examples', () => {
    expect(ulidTime_ms('01KDVDNP1S0000000000000007')).toBe(1767225612345)
    expect(ulidTime_ms('01kdvdnp1s0000000000000007')).toBe(1767225612345)
    expect(ulidTime_ms('80000000000000000000000000')).toBe(0)
    expect(ulidTime_ms('01KDVDNP1S00000000000000070')).toBeNull()
    expect(ulidTime_ms('01KDVDNP1S000000000000000\u017f')).toBeNull()
  })
})

test('S18 hostile texts take linear time', () => {
  const texts = ['0', 'a', '{', '-', '0-', 'urn:uuid:'].map((unit) => unit.repeat(102_400 / unit.length))
  for (const check of [parseTableId, checkIdempotencyKey, isUlid, isCanonicalUuid, ulidTime_ms]) {
    for (const text of texts) {
      expect(cpuTime_ms(() => void check(text))).toBeLessThan(250)
    }
  }
})
