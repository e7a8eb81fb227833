import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import {
  hasLoneSurrogate,
  isIntegerLiteral,
  isJsonObject,
  JsonError,
  NumberLiteral,
  parseJson,
  stringifyJson,
} from '../../lib/protocol/json.ts'
import type { JsonErrorCode, JsonLimits, JsonValue } from '../../lib/protocol/json.ts'
import { cpuTime_ms } from '../support/cpu-time.ts'

function refusal(input: Uint8Array | string, limits?: JsonLimits): { code: JsonErrorCode; offset: number } {
  return caught(input, limits)
}

function caught(input: Uint8Array | string, limits?: JsonLimits): JsonError {
  try {
    parseJson(input, limits)
  } catch (error) {
    if (error instanceof JsonError) return error
    throw error
  }
  throw new Error('expected a JsonError')
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('texts', () => {
  test.each([
    ['null', null],
    [' \t\r\n true \n', true],
    ['"a\\u0062\\n\\/\\"\\\\"', 'ab\n/"\\'],
    ['"é😀\\ud83d\\ude00"', 'é😀😀'],
    ['[]', []],
    ['[1,[2,{}],"x"]', [1, [2, {}], 'x']],
    ['{"a":{"b":[false]},"":0}', { a: { b: [false] }, '': 0 }],
    ['"\u007f\u2028"', '\u007f\u2028'],
  ])('reads %s', (text, value) => {
    expect(parseJson(text)).toEqual(value)
    expect(parseJson(utf8(text))).toEqual(value)
  })

  test.each<[string, JsonErrorCode, number]>([
    ['', 'syntax', 0],
    ['   ', 'syntax', 3],
    ['{', 'syntax', 1],
    ['[1', 'syntax', 2],
    ['[1,]', 'syntax', 3],
    ['[,1]', 'syntax', 1],
    ['[1 2]', 'syntax', 3],
    ['{"a"}', 'syntax', 4],
    ['{"a":}', 'syntax', 5],
    ['{"a":1,}', 'syntax', 7],
    ['{a:1}', 'syntax', 1],
    ["{'a':1}", 'syntax', 1],
    ['[1}', 'syntax', 2],
    ['1 2', 'trailing', 2],
    ['{}{}', 'trailing', 2],
    ['nul', 'syntax', 0],
    ['nullx', 'trailing', 4],
    ['NaN', 'syntax', 0],
    ['Infinity', 'syntax', 0],
    ['01', 'syntax', 0],
    ['-', 'syntax', 1],
    ['-01', 'syntax', 0],
    ['+1', 'syntax', 0],
    ['.5', 'syntax', 0],
    ['1.', 'syntax', 2],
    ['1e', 'syntax', 2],
    ['1e+', 'syntax', 3],
    ['1e5e5', 'trailing', 3],
    ['1.5.5', 'trailing', 3],
    ['0x10', 'trailing', 1],
    ['"abc', 'syntax', 4],
    ['"a\tb"', 'syntax', 2],
    ['"a\u0000"', 'syntax', 2],
    ['"\\x41"', 'syntax', 2],
    ['"\\u12g4"', 'syntax', 5],
    ['"\\u12', 'syntax', 5],
    ['"\\', 'syntax', 2],
    ['/* c */ 1', 'syntax', 0],
    ['\u00a01', 'syntax', 0],
    ['1\u2028', 'trailing', 1],
    ['\ufeff1', 'bom', 0],
  ])('refuses %j as %s at offset %i', (text, code, offset) => {
    expect(refusal(text)).toMatchObject({ code, offset })
    expect(caught(text).message).toMatch(/^expected .* at offset \d+$/)
  })

  test('I-4 bytes with a byte order mark or outside UTF-8 are refused, with the offset of the byte', () => {
    expect(refusal(new Uint8Array([0xef, 0xbb, 0xbf, 0x31]))).toMatchObject({ code: 'bom', offset: 0 })
    expect(refusal(new Uint8Array([0x22, 0x61, 0xff, 0x22]))).toMatchObject({ code: 'not_utf8', offset: 2 })
    // An encoded surrogate, an overlong slash, and a sequence cut off by the end.
    expect(refusal(new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]))).toMatchObject({ code: 'not_utf8' })
    expect(refusal(new Uint8Array([0x22, 0xc0, 0xaf, 0x22]))).toMatchObject({ code: 'not_utf8', offset: 1 })
    expect(refusal(new Uint8Array([0x22, 0xe2, 0x82]))).toMatchObject({ code: 'not_utf8', offset: 3 })
  })

  test('a message never echoes more than the beginning of a name', () => {
    const name = `secret${'x'.repeat(5000)}`
    expect(caught(`{"${name}":1}`).message.length).toBeLessThan(120)
    const shorter = name.slice(0, 1000)
    expect(caught(`{"${shorter}":1,"${shorter}":1}`).message.length).toBeLessThan(120)
    expect(caught(`["${name}" ${name}]`).message).not.toContain('secret')
  })

  test('lone surrogates stay in the string for the caller to judge', () => {
    const value = parseJson('"\\ud800x"')
    expect(value).toBe('\ud800x')
    expect(hasLoneSurrogate('\ud800x')).toBe(true)
    expect(hasLoneSurrogate('😀')).toBe(false)
  })
})

describe('S16 duplicate members', () => {
  test('S16 a repeated member is refused at any depth, whatever its spelling', () => {
    const twice = '{"read_version":1,"read_version":2}'
    expect(refusal(twice)).toMatchObject({ code: 'duplicate_member', offset: 18 })
    expect(refusal(`[{"a":${twice}}]`).code).toBe('duplicate_member')
    expect(refusal('{"a":1,"\\u0061":1}').code).toBe('duplicate_member')
    expect(refusal('{"a":null,"a":null}').code).toBe('duplicate_member')
  })

  test('a reader that asks for it is told of duplicates and gets the last value', () => {
    const seen: [string, number][] = []
    const value = parseJson('{"a":1,"a":2}', { onDuplicate: (name, offset) => seen.push([name, offset]) })
    expect(value).toEqual({ a: 2 })
    expect(seen).toEqual([['a', 7]])
  })
})

describe('S15 prototype pollution', () => {
  test.each(['__proto__', 'constructor', 'prototype'])(
    'S15 %s is refused as a member name at any depth',
    (name) => {
      expect(refusal(`{"${name}":1}`).code).toBe('forbidden_member')
      expect(refusal(`[{"a":[{"${name}":{}}]}]`).code).toBe('forbidden_member')
      expect(parseJson(`["${name}"]`)).toEqual([name])
    },
  )

  test('S15 an escaped spelling is refused as well', () => {
    expect(refusal('{"\\u005f_proto__":{"polluted":true}}').code).toBe('forbidden_member')
  })

  test('S15 where such names are allowed they are ordinary members and pollute nothing', () => {
    const before = Object.getOwnPropertyNames(Object.prototype)
    const value = parseJson('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}', {
      forbid_proto: false,
    })
    if (!isJsonObject(value)) throw new Error('expected an object')
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
    expect(value['polluted']).toBeUndefined()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(parseJson('{}')).not.toHaveProperty('polluted')
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before)
  })

  test('S15 an object inherits nothing: an absent member is undefined whatever its name', () => {
    const value = parseJson('{}')
    if (!isJsonObject(value)) throw new Error('expected an object')
    for (const name of ['toString', 'constructor', '__proto__', 'hasOwnProperty']) {
      expect(value[name]).toBeUndefined()
    }
  })

  test('schemas take the objects as they come', () => {
    const value = parseJson('{"latest_version":3,"extra":{"a":[1]}}')
    const schema = z.looseObject({ latest_version: z.int() })
    expect(schema.parse(value)).toEqual({ latest_version: 3, extra: { a: [1] } })
    expect(z.record(z.string(), z.unknown()).safeParse(value).success).toBe(true)
    expect(z.strictObject({ latest_version: z.int() }).safeParse(value).success).toBe(false)
  })
})

describe('S17 numbers', () => {
  test.each([
    ['0', 0],
    ['-1', -1],
    ['42', 42],
    ['999999999999999', 999999999999999],
    ['1000000000000000', 1000000000000000],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['-9007199254740991', Number.MIN_SAFE_INTEGER],
  ])('S17 %s is a number', (text, value) => {
    expect(parseJson(text)).toBe(value)
  })

  test.each([
    ['9007199254740992', true],
    ['9007199254740993', true],
    ['-9007199254740992', true],
    ['-9007199254740993', true],
    ['9223372036854775807', true],
    ['18446744073709551616', true],
    ['123456789012345678901234567890', true],
    [`1${'0'.repeat(400)}`, true],
    ['-0', false],
    ['1.0', false],
    ['0.0', false],
    ['-0.0', false],
    ['1e3', false],
    ['1E3', false],
    ['1e0', false],
    ['1e+3', false],
    ['1e-3', false],
    ['0e0', false],
    ['1.5', false],
    ['9007199254740991.0', false],
    ['1e400', false],
  ])('R17 %s keeps its digits (an integer outside the safe range: %s)', (text, is_integer) => {
    const value = parseJson(text)
    expect(value).toEqual(new NumberLiteral(text))
    expect(isIntegerLiteral(value as NumberLiteral)).toBe(is_integer)
    expect(stringifyJson(value)).toBe(text)
  })

  test.each(['"1"', '"NaN"', 'true', 'null', '[1]'])('S17 %s is no number', (text) => {
    const value = parseJson(text)
    expect(typeof value).not.toBe('number')
    expect(value).not.toBeInstanceOf(NumberLiteral)
  })
})

describe('S14 bombs', () => {
  test('S14 the depth that is allowed is read, one more is refused', () => {
    const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`
    expect(stringifyJson(parseJson(nested(64)))).toBe(nested(64))
    expect(refusal(nested(65))).toMatchObject({ code: 'too_deep', offset: 64 })
    expect(refusal('{"a":{"b":1}}', { depth_max: 1 })).toMatchObject({ code: 'too_deep', offset: 5 })
    expect(parseJson('1', { depth_max: 0 })).toBe(1)
    expect(refusal(nested(1001), { depth_max: 5000 }).code).toBe('too_deep')
  })

  test('S14 the members that are allowed are read, one more is refused', () => {
    const wide = (count: number): string =>
      `{${Array.from({ length: count }, (_, index) => `"k${index}":${index}`).join(',')}}`
    const value = parseJson(wide(10_000))
    if (!isJsonObject(value)) throw new Error('expected an object')
    expect(Object.keys(value)).toHaveLength(10_000)
    expect(refusal(wide(10_001)).code).toBe('too_wide')
    expect(refusal(wide(3), { members_max: 2 }).code).toBe('too_wide')
    expect(parseJson(wide(3), { members_max: 3 })).toEqual({ k0: 0, k1: 1, k2: 2 })
  })

  const MIB_5 = 5 * 2 ** 20
  const hostile: [string, string, JsonErrorCode][] = [
    ['200 000 nested arrays', '['.repeat(200_000), 'too_deep'],
    ['200 000 nested objects', '{"a":'.repeat(200_000), 'too_deep'],
    [
      'a million members after a repeated one',
      `{${'"k":1,'.repeat(2)}${members(1_000_000)}}`,
      'duplicate_member',
    ],
    ['a million different members', `{${members(1_000_000)}}`, 'too_wide'],
    ['a name of 5 MB', `{"${'k'.repeat(5_000_000)}":1}`, 'too_long'],
    ['a name of 5 MB of escapes', `{"${'\\"'.repeat(2_500_000)}":1}`, 'too_long'],
    ['a number of 10 MB', '1'.repeat(10_000_000), 'too_long'],
    ['a fraction of 10 MB', `0.${'1'.repeat(10_000_000)}`, 'too_long'],
    ['5 MiB of spaces', ' '.repeat(MIB_5), 'syntax'],
    ['a string of 5 MiB that does not end', `"${'\\\\'.repeat(MIB_5 / 2)}`, 'syntax'],
  ]
  function members(count: number): string {
    return Array.from({ length: count }, (_, index) => `"k${index}":1`).join(',')
  }

  test.each(hostile)('S14 %s is refused in linear time', (_, text, code) => {
    // S14 asks for 100 ms; the bound here only has to tell linear from worse on a slow machine.
    expect(cpuTime_ms(() => expect(refusal(text).code).toBe(code))).toBeLessThan(3000)
  })

  test('a stage body of 5 MiB is read in linear time', () => {
    const line = `${JSON.stringify({ add: { path: 'a.parquet', stats: '{"numRecords":1}' } })}\n`
    const body = utf8(JSON.stringify({ payload: line.repeat(MIB_5 / (line.length + 20)) }))
    expect(cpuTime_ms(() => expect(parseJson(body)).toHaveProperty('payload'))).toBeLessThan(3000)
  })
})

describe('writing', () => {
  test('J-1 compact, members in their order, escapes of JSON.stringify', () => {
    expect(stringifyJson({ b: [1, true, null], a: { x: 'é"\n\u2028/' }, c: {} })).toBe(
      '{"b":[1,true,null],"a":{"x":"é\\"\\n\u2028/"},"c":{}}',
    )
  })

  test('J-1 the golden state bytes of coordinator.md 3.1 survive reading and writing', () => {
    const golden =
      '{"latest_version":-1,"inflight":{"commit_id":"0194f5a0-2000-7abc-8def-0123456789ab","version":0,' +
      '"future":{"n":9007199254740993,"x":1.50}}}'
    expect(stringifyJson(parseJson(golden))).toBe(golden)
  })

  test('an undefined member is left out', () => {
    expect(stringifyJson({ a: undefined, b: 1 })).toBe('{"b":1}')
  })

  test.each([
    1.5,
    Number.NaN,
    Infinity,
    2 ** 53,
    undefined,
    1n,
    () => 1,
    new Date(0),
    new Map(),
    [undefined],
  ])('R17 throws rather than write %s', (value) => {
    expect(() => stringifyJson(value)).toThrow(TypeError)
    expect(() => stringifyJson({ member: value === undefined ? [value] : value })).toThrow(TypeError)
  })

  test('a number literal that is no JSON number is not written', () => {
    for (const text of ['', '01', '1,"x":2', 'NaN', '1\n']) {
      expect(() => stringifyJson(new NumberLiteral(text))).toThrow(TypeError)
    }
  })
})

describe('properties', () => {
  const name = fc.string({ unit: 'binary', maxLength: 8 }).filter((text) => !isPrototypeName(text))
  const literal = fc
    .constantFrom('1.0', '-0', '1e3', '9007199254740993')
    .map((text) => new NumberLiteral(text))
  const { value: jsonValue } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, false),
      fc.maxSafeInteger().map((integer) => integer + 0),
      fc.string({ unit: 'binary', maxLength: 20 }),
      literal,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(name, tie('value'), { maxKeys: 5 }),
    ),
  }))

  function isPrototypeName(text: string): boolean {
    return text === '__proto__' || text === 'constructor' || text === 'prototype'
  }

  /** What JSON.parse makes of the same text. */
  function rounded(value: JsonValue): unknown {
    if (value instanceof NumberLiteral) return Number(value.text)
    if (Array.isArray(value)) return value.map(rounded)
    if (!isJsonObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, rounded(member)]))
  }

  test('what is written is read back', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(parseJson(stringifyJson(value))).toEqual(value)
      }),
    )
  })

  test('a text that both accept means the same to JSON.parse', () => {
    fc.assert(fc.property(fc.json({ maxDepth: 5, stringUnit: 'binary' }), agrees))
  })

  test('mutilated texts: throws only JsonError, and accepts nothing that JSON.parse refuses', () => {
    const mutilated = fc
      .tuple(
        jsonValue.map(stringifyJson),
        fc.nat(),
        fc.nat(3),
        fc.constantFrom('', '"', '\\', '{', ',', '0', '.', '\n'),
      )
      .map(([text, at, count, insert]) => {
        const start = at % (text.length + 1)
        return text.slice(0, start) + insert + text.slice(start + count)
      })
    fc.assert(fc.property(mutilated, agrees), { numRuns: 500 })
  })

  test('any bytes: throws only JsonError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        attempt(bytes)
      }),
      { numRuns: 500 },
    )
  })

  /** Same value where both accept; what only JSON.parse accepts is refused for a reason that it does not know. */
  function agrees(text: string): boolean {
    const value = attempt(text)
    const native = attemptNative(text)
    if (value === undefined) return native === undefined || isStricter(text)
    return native !== undefined && isDeepStrictEqual(rounded(value), native.value)
  }

  function attempt(input: Uint8Array | string): JsonValue | undefined {
    try {
      return parseJson(input)
    } catch (error) {
      if (error instanceof JsonError) return undefined
      throw error
    }
  }

  function attemptNative(text: string): { value: unknown } | undefined {
    try {
      return { value: JSON.parse(text) as unknown }
    } catch {
      return undefined
    }
  }

  function isStricter(text: string): boolean {
    return !['syntax', 'trailing'].includes(refusal(text).code)
  }
})
