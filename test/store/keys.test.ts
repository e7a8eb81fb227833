/** Which keys and list prefixes are accepted (storage.md 4), and the order of keys. */
import { describe, expect, test } from 'vitest'
import {
  checkKey,
  checkListPrefix,
  checkListRequest,
  compareKeys,
  isUnderPrefix,
  KEY_BYTES_MAX,
  keyProblem,
  LIST_LIMIT_MAX,
  listPrefixProblem,
} from '../../lib/store/keys.ts'
import { StoreError } from '../../lib/store/types.ts'

/** A row of the table in storage.md 4: what is refused, and close relatives that are not. */
interface KeyClass {
  readonly rule: string
  readonly refused: readonly string[]
  readonly accepted: readonly string[]
}

const CONTROLS = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).filter(
  (each) => !'\0\n\r'.includes(each),
)

const ENCODED = ['{', '}', '^', '`', ']', '[', '"', '<', '>', '~', '#', '|', '*', '?']

const CLASSES: readonly KeyClass[] = [
  { rule: 'P-1', refused: ['/', '/a', '\\a', '//a'], accepted: ['a/b'] },
  { rule: 'P-2', refused: ['a\\b', 'a/\\', 'a\\'], accepted: ['a-b'] },
  { rule: 'P-3', refused: ['%', 'a%', 'a%2Fb', 'a%2fb', 'a%zz', '100%'], accepted: ['a2Fb'] },
  { rule: 'P-4', refused: ['a\0', '\0', 'a\nb', 'a\rb', 'a\r\n'], accepted: ['a n'] },
  { rule: 'P-5', refused: [...CONTROLS, '\u007F'].map((each) => `a${each}b`), accepted: ['a b'] },
  {
    rule: 'P-6',
    refused: ['.', '..', './a', 'a/.', 'a/./b', 'a/..', '../a', 'a/../b'],
    accepted: ['a..b', '.a', 'a.'],
  },
  { rule: 'P-7', refused: ['a/', 'a//b', 'a/b//'], accepted: ['a/b/c'] },
  { rule: 'P-8', refused: [''], accepted: ['a'] },
  { rule: 'P-9', refused: ['a\uD800', '\uDC00b', 'a\uDC00\uD800b'], accepted: [] },
  { rule: 'P-10', refused: ['a'.repeat(1025)], accepted: ['a'.repeat(1024)] },
  {
    rule: 'P-11',
    refused: [...ENCODED, '\u0080', '\u00E9', '\u4E2D', '\u{1F30A}'].map((each) => `a${each}b`),
    accepted: ["!$&'()+,-.:;=@_b"],
  },
  { rule: 'P-12', refused: [], accepted: ['...', '.../a', '.foo', 'a/.foo', 'a b', ' a', 'a ', 'a/ /b'] },
]

describe('a key', () => {
  const refused = CLASSES.flatMap(({ rule, refused: keys }) =>
    keys.map((key) => ({ rule, key, shown: JSON.stringify(key).slice(0, 40) })),
  )
  const accepted = CLASSES.flatMap(({ rule, accepted: keys }) =>
    keys.map((key) => ({ rule, key, shown: JSON.stringify(key).slice(0, 40) })),
  )

  test.each(refused)('$rule refuses $shown', ({ rule, key }) => {
    expect(keyProblem(key)).toMatch(new RegExp(`^${rule}: `))
    expect(() => checkKey(key)).toThrow(StoreError)
    expect(() => checkKey(key)).toThrow(expect.objectContaining({ code: 'invalid_key', key }))
  })

  test.each(accepted)('$rule accepts $shown', ({ key }) => {
    expect(keyProblem(key)).toBeUndefined()
    expect(() => checkKey(key)).not.toThrow()
  })

  test('P-11: every ASCII character is either accepted everywhere or refused everywhere', () => {
    const printable = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i))
    const accepted_ones = printable.filter((each) => keyProblem(`a${each}b`) === undefined)
    expect(accepted_ones.join('')).toBe(
      " !$&'()+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
    )
  })

  test('P-10: the scope prefix counts towards the length, and its characters are not looked at', () => {
    const prefix = 'tenant=acme/workspace=analytics/'
    const longest = 'a'.repeat(KEY_BYTES_MAX - prefix.length)
    expect(keyProblem(longest, prefix)).toBeUndefined()
    expect(keyProblem(`${longest}a`, prefix)).toMatch(/^P-10: /)
  })
})

describe('a list prefix', () => {
  test.each(['', 'a', 'a/', 'a/b', 'a/b/', '...', 'a b/'])('P-13: %j is accepted', (prefix) => {
    expect(listPrefixProblem(prefix)).toBeUndefined()
  })

  test.each([
    ['P-1', '/'],
    ['P-1', '//'],
    ['P-1', '/a/'],
    ['P-2', 'a\\'],
    ['P-3', 'a%/'],
    ['P-4', 'a\n/'],
    ['P-5', 'a\t/'],
    ['P-6', '../'],
    ['P-6', './'],
    ['P-6', 'a/..'],
    ['P-7', 'a//'],
    ['P-7', 'a//b/'],
    ['P-9', 'a\uD800/'],
    ['P-10', `${'a'.repeat(1025)}/`],
    ['P-11', 'a*'],
  ])('%s: %j is refused', (rule, prefix) => {
    expect(listPrefixProblem(prefix)).toMatch(new RegExp(`^${rule}: `))
    expect(() => checkListPrefix(prefix)).toThrow(expect.objectContaining({ code: 'invalid_key' }))
  })

  test('a request has a limit of 1 to 1000 whole objects', () => {
    expect(LIST_LIMIT_MAX).toBe(1000)
    for (const limit of [1, 1000]) expect(() => checkListRequest({ prefix: 'a/', limit })).not.toThrow()
    for (const limit of [0, -1, 1.5, 1001, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => checkListRequest({ prefix: 'a/', limit })).toThrow(RangeError)
    }
    expect(() => checkListRequest({ prefix: '../', limit: 1 })).toThrow(StoreError)
  })

  test('ST-31: contains whole segments only', () => {
    const keys = ['a', 'a/b', 'a/b/c', 'a/bc', 'a/bc/d', 'ab']
    const under = (prefix: string): string[] => keys.filter((key) => isUnderPrefix(key, prefix))
    expect(under('')).toEqual(keys)
    expect(under('a/b')).toEqual(['a/b', 'a/b/c'])
    expect(under('a/b/')).toEqual(['a/b/c'])
    expect(under('a')).toEqual(['a', 'a/b', 'a/b/c', 'a/bc', 'a/bc/d'])
    expect(under('b')).toEqual([])
  })
})

describe('the order of keys', () => {
  test('is that of their UTF-8 bytes', () => {
    const keys = [
      '',
      'A',
      'Z',
      'a',
      'a b',
      'a-b',
      'a.b',
      'a/b',
      'a0',
      'aa',
      'b',
      '\u00E9',
      '\uE000',
      '\uFFFF',
      '\u{10000}',
      '\u{1F30A}',
    ]
    const by_bytes = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(keys.toReversed().toSorted(compareKeys)).toEqual(by_bytes)
    for (const a of keys) {
      for (const b of keys) {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }
    }
  })
})
