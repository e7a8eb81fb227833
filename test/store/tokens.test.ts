/** How version tokens are spelled and compared (storage.md 5). */
import { describe, expect, test } from 'vitest'
import { bareTag, formatToken, parseToken, sameVersion, TOKEN_CHARS_MAX } from '../../lib/store/tokens.ts'

/** The example of storage.md 5.3, character by character. */
const GOLDEN = String.raw`{"e_tag":"\"5d41402abc4b2a76b9719d911017c592\"","version":"1739443200123456"}`
const TAG = '"5d41402abc4b2a76b9719d911017c592"'
const BARE = '5d41402abc4b2a76b9719d911017c592'
const GENERATION = '1739443200123456'

/** The composite text that the reference writes. */
function composite(e_tag: string | null, version: string | null): string {
  return formatToken({ e_tag, version }, 'reference')
}

describe('spelling', () => {
  test('5.3: the composite is compact JSON with e_tag before version, as the reference writes it', () => {
    expect(formatToken({ e_tag: TAG, version: GENERATION }, 'reference')).toBe(GOLDEN)
    expect(formatToken({ version: GENERATION, e_tag: TAG }, 'reference')).toBe(GOLDEN)
    expect(formatToken({ e_tag: TAG, version: null }, 'reference')).toBe(
      String.raw`{"e_tag":"\"5d41402abc4b2a76b9719d911017c592\"","version":null}`,
    )
    expect(formatToken({ e_tag: null, version: '7' }, 'reference')).toBe('{"e_tag":null,"version":"7"}')
  })

  test('5.2: a plain token is the lone ETag or generation, a composite where both are known', () => {
    expect(formatToken({ e_tag: TAG, version: null }, 'plain')).toBe(TAG)
    expect(formatToken({ e_tag: null, version: GENERATION }, 'plain')).toBe(GENERATION)
    expect(formatToken({ e_tag: TAG, version: GENERATION }, 'plain')).toBe(GOLDEN)
  })

  test('V-1: nothing spells no token', () => {
    for (const format of ['plain', 'reference'] as const) {
      expect(() => formatToken({ e_tag: null, version: null }, format)).toThrow(TypeError)
    }
  })

  test('5.3: what was spelled is taken apart again', () => {
    expect(parseToken(GOLDEN)).toEqual({ e_tag: TAG, version: GENERATION })
    expect(parseToken(TAG)).toEqual({ e_tag: TAG, version: null })
    expect(parseToken(GENERATION)).toEqual({ e_tag: GENERATION, version: GENERATION })
    expect(parseToken('{"version":"7","e_tag":null,"more":1}')).toEqual({ e_tag: null, version: '7' })
    expect(parseToken('{"version":"7"}')).toEqual({ e_tag: null, version: '7' })
  })

  test.each([
    '{',
    '{"e_tag":',
    '{}',
    '{"other":1}',
    '{"e_tag":1,"version":null}',
    '{"version":7}',
    '[]',
    'null',
    '"x"',
  ])('5.3: %s is a raw token', (token) => expect(parseToken(token)).toEqual({ e_tag: token, version: null }))

  test('a wholly decimal MD5 is an ETag, an int64 may be a generation', () => {
    expect(parseToken('9223372036854775807').version).toBe('9223372036854775807')
    expect(parseToken('1'.repeat(32))).toEqual({ e_tag: '1'.repeat(32), version: null })
  })

  test.each([
    ['"a"', 'a'],
    ['W/"a"', 'a'],
    ['a', 'a'],
    ['W/a', 'a'],
    ['""a""', '"a"'],
    ['"', '"'],
    ['"a', '"a'],
    ['""', ''],
    ['w/"a"', 'w/"a"'],
  ])('5.3: the opaque part of %s is %s', (e_tag, bare) => expect(bareTag(e_tag)).toBe(bare))
})

describe('sameVersion', () => {
  const SAME: readonly (readonly [string, string, string])[] = [
    ['a token and itself', GOLDEN, GOLDEN],
    ['a generation and itself', GENERATION, GENERATION],
    ['a plain generation and the composite of the reference', GENERATION, GOLDEN],
    ['a quoted and a bare ETag', TAG, BARE],
    ['a weak and a strong ETag', `W/${TAG}`, TAG],
    ['a weak and a bare ETag', `W/${TAG}`, BARE],
    ['a plain ETag and the composite of a store without versions', TAG, composite(TAG, null)],
    ['a bare ETag and a composite', BARE, composite(TAG, null)],
    ['an ETag, and a composite with a version that the other side does not know', BARE, GOLDEN],
    ['one version under two ETags', composite('"a"', '7'), composite('"b"', '7')],
    ['composites with members in another order', GOLDEN, `{"version":"${GENERATION}", "e_tag":"${BARE}"}`],
    [
      'a wholly decimal MD5 and the composite of a versioned bucket',
      '1'.repeat(32),
      composite(`"${'1'.repeat(32)}"`, 'v7'),
    ],
  ]

  const DIFFERENT: readonly (readonly [string, string, string])[] = [
    ['two generations', '7', '8'],
    ['two ETags', '"a"', '"b"'],
    ['one ETag under two versions', composite(TAG, '7'), composite(TAG, '8')],
    ['a generation and the composite of another', '8', composite(TAG, '7')],
    ['numbers that are equal but spelled otherwise', '7', '07'],
    ['ETags that differ in case', '"a"', '"A"'],
    ['an ETag and a composite that knows only a version', TAG, composite(null, '7')],
    ['a token and an extension of it', '"a"', '"a"b'],
  ]

  test.each(SAME)('5.3: %s are the same', (_what, a, b) => {
    expect(sameVersion(a, b)).toBe(true)
    expect(sameVersion(b, a)).toBe(true)
  })

  test.each(DIFFERENT)('5.3: %s differ', (_what, a, b) => {
    expect(sameVersion(a, b)).toBe(false)
    expect(sameVersion(b, a)).toBe(false)
  })

  test.each([
    ['an empty token', ''],
    ['an empty ETag', '""'],
    ['a weak empty ETag', 'W/""'],
    ['a composite of nothing', '{"e_tag":null,"version":null}'],
    ['a composite of an empty ETag', composite('""', null)],
    ['an oversized token', 'a'.repeat(TOKEN_CHARS_MAX + 1)],
  ])('V-1, V-6: %s names no generation, not even itself', (_what, token) => {
    for (const other of [token, TAG, GENERATION, GOLDEN]) {
      expect(sameVersion(token, other)).toBe(false)
      expect(sameVersion(other, token)).toBe(false)
    }
  })

  test('V-1: the longest token still names one', () => {
    expect(sameVersion('a'.repeat(TOKEN_CHARS_MAX), 'a'.repeat(TOKEN_CHARS_MAX))).toBe(true)
  })
})
