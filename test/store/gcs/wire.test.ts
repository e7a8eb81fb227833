/** What an answer of Cloud Storage means, row by row (providers.md 1, 3.3), and how generations go out and come back. */
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../lib/store/gcs-crc32c.ts'
import {
  classifyDelete,
  classifyPutRefusal,
  classifyRead,
  errorCode,
  generationCondition,
  hashesOf,
  tokenOf,
  tokenOfMedia,
  type GcsReply,
} from '../../../lib/store/gcs-wire.ts'
import { StoreError, type Precondition, type PutResult } from '../../../lib/store/types.ts'
import { bytesOf } from '../../support/objects.ts'

function reply(status: number, code: string | null = null, headers: Record<string, string> = {}): GcsReply {
  return { status, code, header: (name) => headers[name] }
}

const REPLACE: Precondition = { matchesVersion: '1739443200123456' }
const UNKNOWN: PutResult = { outcome: 'unknown' }
const REFUSED: PutResult = { outcome: 'precondition_failed' }
const NO_EFFECT: PutResult = { outcome: 'no_effect' }

/** An outcome, or the code of what is thrown. */
type Came = PutResult | string

function came(call: () => PutResult | string): Came {
  try {
    return call()
  } catch (error) {
    if (error instanceof StoreError) return error.code
    throw error
  }
}

/** `replace` differs from `create` only where it is given. */
const PUTS: readonly { readonly reply: GcsReply; readonly create: Came; readonly replace?: Came }[] = [
  { reply: reply(412, 'conditionNotMet'), create: REFUSED },
  { reply: reply(304), create: REFUSED },
  { reply: reply(404, 'notFound'), create: UNKNOWN, replace: REFUSED },
  { reply: reply(404, 'noSuchBucket'), create: 'misconfigured' },
  { reply: reply(404), create: UNKNOWN },
  { reply: reply(409, 'conflict'), create: NO_EFFECT },
  { reply: reply(429, 'rateLimitExceeded'), create: NO_EFFECT },
  { reply: reply(429, null, { 'retry-after': '3' }), create: { ...NO_EFFECT, retry_after_ms: 3_000 } },
  { reply: reply(503, 'SlowDown'), create: NO_EFFECT },
  { reply: reply(503, 'rateLimitExceeded'), create: NO_EFFECT },
  { reply: reply(403, 'rateLimitExceeded'), create: NO_EFFECT },
  { reply: reply(403, 'userRateLimitExceeded'), create: NO_EFFECT },
  { reply: reply(503, 'backendError'), create: UNKNOWN },
  { reply: reply(408), create: UNKNOWN },
  { reply: reply(500, 'backendError'), create: UNKNOWN },
  { reply: reply(502), create: UNKNOWN },
  { reply: reply(504), create: UNKNOWN },
  { reply: reply(204), create: UNKNOWN },
  { reply: reply(501), create: 'misconfigured' },
  { reply: reply(302), create: 'misconfigured' },
  { reply: reply(400, 'required'), create: 'misconfigured' },
  { reply: reply(400, 'invalid'), create: 'corrupt' },
  { reply: reply(401, 'authError'), create: 'denied' },
  { reply: reply(403, 'forbidden'), create: 'denied' },
  { reply: reply(403), create: 'denied' },
]

describe('a put that was refused', () => {
  test.each(PUTS)('$reply.status $reply.code: $create', ({ reply: seen, create, replace = create }) => {
    expect(came(() => classifyPutRefusal('k', seen, 'doesNotExist'))).toEqual(create)
    expect(came(() => classifyPutRefusal('k', seen, 'none'))).toEqual(create)
    expect(came(() => classifyPutRefusal('k', seen, REPLACE))).toEqual(replace)
  })
})

describe('a read', () => {
  test.each([
    { reply: reply(200), as: 'ok' },
    { reply: reply(206), as: 'ok' },
    { reply: reply(404, 'notFound'), as: 'not_found' },
    { reply: reply(404), as: 'unavailable' },
    { reply: reply(404, 'noSuchBucket'), as: 'misconfigured' },
    { reply: reply(401, 'authError'), as: 'denied' },
    { reply: reply(403, 'forbidden'), as: 'denied' },
    { reply: reply(403, 'rateLimitExceeded'), as: 'unavailable' },
    { reply: reply(429, 'rateLimitExceeded'), as: 'unavailable' },
    { reply: reply(408), as: 'unavailable' },
    { reply: reply(503, 'backendError'), as: 'unavailable' },
    { reply: reply(501), as: 'misconfigured' },
    { reply: reply(302), as: 'misconfigured' },
    { reply: reply(400, 'invalid'), as: 'misconfigured' },
  ])('$reply.status $reply.code: $as', ({ reply: seen, as }) => {
    expect(came(() => classifyRead('k', seen))).toBe(as)
  })
})

test('a read of a busy store knows how long to wait (P-8)', () => {
  const busy = reply(429, 'rateLimitExceeded', { 'retry-after': '7' })
  expect(() => classifyRead('k', busy)).toThrow(
    expect.objectContaining({ code: 'unavailable', retry_after_ms: 7_000 }),
  )
})

describe('a delete', () => {
  test.each([
    { reply: reply(204), as: 'ok' },
    { reply: reply(200), as: 'ok' },
    { reply: reply(404, 'notFound'), as: 'ok' },
    { reply: reply(412, 'conditionNotMet'), as: 'precondition_failed' },
    { reply: reply(404, 'noSuchBucket'), as: 'misconfigured' },
    { reply: reply(403, 'forbidden'), as: 'denied' },
    { reply: reply(500), as: 'unavailable' },
  ])('$reply.status $reply.code: $as', ({ reply: seen, as }) => {
    expect(came(() => classifyDelete('k', seen))).toBe(as)
  })
})

describe('an error body', () => {
  test.each([
    { body: 'No such object: bucket/key', code: 'notFound' },
    { body: 'Not Found\n', code: 'notFound' },
    { body: '404 page not found', code: null },
    { body: 'default backend - 404', code: null },
    { body: 'The specified bucket does not exist.', code: 'noSuchBucket' },
    {
      body: '{"error":{"message":"The specified bucket does not exist.","errors":[{"reason":"notFound"}]}}',
      code: 'noSuchBucket',
    },
    {
      body: '{"error":{"message":"No such object: b/k","errors":[{"reason":"notFound"}]}}',
      code: 'notFound',
    },
    {
      body: '{\n  "error": { "errors": [ { "reason" : "rateLimitExceeded" } ] } }',
      code: 'rateLimitExceeded',
    },
    { body: '', code: null },
    { body: `${' '.repeat(9_000)}"reason":"notFound"`, code: null },
  ])('$body', ({ body, code }) => {
    expect(errorCode(body)).toBe(code)
  })
})

describe('ifGenerationMatch', () => {
  test.each<{ readonly precondition: Precondition; readonly value: string | undefined | null }>([
    { precondition: 'doesNotExist', value: '0' },
    { precondition: 'none', value: undefined },
    { precondition: { matchesVersion: '1739443200123456' }, value: '1739443200123456' },
    { precondition: { matchesVersion: '{"e_tag":"\\"x\\"","version":"17"}' }, value: '17' },
    { precondition: { matchesVersion: '9223372036854775807' }, value: '9223372036854775807' },
    // `0` would create, what is no int64 would be refused by the service with a 400.
    { precondition: { matchesVersion: '0' }, value: null },
    { precondition: { matchesVersion: '-1' }, value: null },
    { precondition: { matchesVersion: '9223372036854775808' }, value: null },
    { precondition: { matchesVersion: '007' }, value: null },
    { precondition: { matchesVersion: '1e3' }, value: null },
    { precondition: { matchesVersion: '"etag"' }, value: null },
    { precondition: { matchesVersion: '' }, value: null },
  ])('of $precondition is $value', ({ precondition, value }) => {
    expect(generationCondition(precondition)).toBe(value)
  })
})

describe('a token', () => {
  const MD5 = 'XUFAKrxLKna5cZ2REBfFkg=='

  test('is the generation, or for the reference its ETag as well', () => {
    expect(tokenOf({ generation: '17', md5: MD5 }, 'plain')).toBe('17')
    expect(tokenOf({ generation: '17', md5: MD5 }, 'reference')).toBe(
      '{"e_tag":"\\"5d41402abc4b2a76b9719d911017c592\\"","version":"17"}',
    )
    // An object that was composed of others has no MD5.
    expect(tokenOf({ generation: '17', md5: null }, 'reference')).toBe('{"e_tag":null,"version":"17"}')
  })

  const bytes = bytesOf('hello')
  const media = (headers: Record<string, string>) => (): unknown =>
    tokenOfMedia('k', bytes, reply(200, null, headers), 'plain')

  test('of bytes that were read comes with them, once they fit their checksum', () => {
    const hash = `crc32c=${crc32c(bytes)},md5=${MD5}`
    expect(media({ 'x-goog-generation': '17', 'x-goog-hash': hash })()).toBe('17')
  })

  test.each([
    { headers: { 'x-goog-hash': `crc32c=${crc32c(bytes)}` }, why: 'no generation' },
    { headers: { 'x-goog-generation': '17' }, why: 'no checksum' },
    { headers: { 'x-goog-generation': '17', 'x-goog-hash': `md5=${MD5}` }, why: 'no checksum' },
    { headers: { 'x-goog-generation': '17', 'x-goog-hash': 'crc32c=AAAAAA==' }, why: 'the bytes changed' },
  ])('is not to be had: $why', ({ headers, why }) => {
    expect(media({ ...headers })).toThrow(why)
    expect(came(() => String(media({ ...headers })()))).toBe('corrupt')
  })
})

test('hashes by name, whatever else is there', () => {
  expect([...hashesOf('crc32c=n03x6A==,md5=XUFAKrxLKna5cZ2REBfFkg==')]).toEqual([
    ['crc32c', 'n03x6A=='],
    ['md5', 'XUFAKrxLKna5cZ2REBfFkg=='],
  ])
  expect([...hashesOf('crc32c=n03x6A==, md5=x')]).toEqual([
    ['crc32c', 'n03x6A=='],
    ['md5', 'x'],
  ])
  expect([...hashesOf(null), ...hashesOf(''), ...hashesOf('nonsense,=x')]).toEqual([])
})

/** Values of RFC 3720 B.4, and of the Castagnoli check string. */
test.each([
  { name: 'nothing', bytes: new Uint8Array(), sum: 'AAAAAA==' },
  { name: '123456789', bytes: bytesOf('123456789'), sum: '4waSgw==' },
  { name: '32 zeros', bytes: new Uint8Array(32), sum: 'ipE2qg==' },
  { name: '32 ones', bytes: new Uint8Array(32).fill(0xff), sum: 'YqirQw==' },
  { name: '0 to 31', bytes: Uint8Array.from({ length: 32 }, (_, i) => i), sum: 'Rt15Tg==' },
])('CRC-32C of $name', ({ bytes, sum }) => {
  expect(crc32c(bytes)).toBe(sum)
})
