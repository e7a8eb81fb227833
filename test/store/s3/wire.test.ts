/** What an answer of S3 means, row by row (providers.md 1), and how a token goes out and comes back. */
import { describe, expect, test } from 'vitest'
import {
  classifyDelete,
  classifyHead,
  classifyPut,
  classifyRead,
  conditionHeaders,
  errorCode,
  ifMatchValue,
  isCredentialRefusal,
  metaOf,
  tokenOf,
  type S3Reply,
} from '../../../lib/store/s3-wire.ts'
import { StoreError, type Precondition, type PutResult } from '../../../lib/store/types.ts'

function reply(status: number, code: string | null = null, headers: Record<string, string> = {}): S3Reply {
  return { status, code, header: (name) => headers[name] }
}

const REPLACE: Precondition = { matchesVersion: '"e"' }
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
const PUTS: readonly { readonly reply: S3Reply; readonly create: Came; readonly replace?: Came }[] = [
  { reply: reply(200, null, { etag: '"e"' }), create: { outcome: 'ok', token: '"e"' } },
  { reply: reply(201, null, { etag: '"e"' }), create: { outcome: 'ok', token: '"e"' } },
  { reply: reply(204, null, { etag: '"e"' }), create: { outcome: 'ok', token: '"e"' } },
  { reply: reply(200), create: UNKNOWN },
  { reply: reply(200, null, { etag: '' }), create: UNKNOWN },
  { reply: reply(412, 'PreconditionFailed'), create: REFUSED },
  { reply: reply(412), create: REFUSED },
  { reply: reply(304), create: REFUSED },
  { reply: reply(404, 'NoSuchKey'), create: UNKNOWN, replace: REFUSED },
  { reply: reply(404, 'NoSuchBucket'), create: 'misconfigured' },
  { reply: reply(404), create: UNKNOWN },
  { reply: reply(404, 'NoSuchUpload'), create: UNKNOWN },
  { reply: reply(409, 'ConditionalRequestConflict'), create: NO_EFFECT },
  { reply: reply(409, 'ConcurrentModification'), create: NO_EFFECT },
  { reply: reply(409, 'OperationAborted'), create: NO_EFFECT },
  { reply: reply(409, 'SomethingElse'), create: UNKNOWN },
  { reply: reply(429), create: NO_EFFECT },
  {
    reply: reply(429, 'TooManyRequests', { 'retry-after': '2' }),
    create: { ...NO_EFFECT, retry_after_ms: 2_000 },
  },
  { reply: reply(503, 'SlowDown'), create: NO_EFFECT },
  { reply: reply(503, 'ServerBusy'), create: NO_EFFECT },
  { reply: reply(503, 'SlowDown', { 'retry-after': 'soon' }), create: NO_EFFECT },
  // MinIO may have written a part by then.
  { reply: reply(503, 'SlowDownWrite'), create: UNKNOWN },
  { reply: reply(503, 'ServiceUnavailable'), create: UNKNOWN },
  { reply: reply(503), create: UNKNOWN },
  { reply: reply(408), create: UNKNOWN },
  { reply: reply(500, 'InternalError'), create: UNKNOWN },
  { reply: reply(502), create: UNKNOWN },
  { reply: reply(504), create: UNKNOWN },
  { reply: reply(599), create: UNKNOWN },
  { reply: reply(400, 'RequestTimeout'), create: UNKNOWN },
  { reply: reply(400, 'IncompleteBody'), create: UNKNOWN },
  { reply: reply(501, 'NotImplemented'), create: 'misconfigured' },
  { reply: reply(301, 'PermanentRedirect'), create: 'misconfigured' },
  { reply: reply(307, 'TemporaryRedirect'), create: 'misconfigured' },
  { reply: reply(400, 'InvalidArgument'), create: 'misconfigured' },
  { reply: reply(405, 'MethodNotAllowed'), create: 'misconfigured' },
  { reply: reply(400, 'BadDigest'), create: 'corrupt' },
  { reply: reply(400, 'XAmzContentSHA256Mismatch'), create: 'corrupt' },
  { reply: reply(401), create: 'denied' },
  { reply: reply(403, 'AccessDenied'), create: 'denied' },
  { reply: reply(403, 'SignatureDoesNotMatch'), create: 'denied' },
  { reply: reply(403, 'RequestTimeTooSkewed'), create: 'denied' },
  { reply: reply(400, 'ExpiredToken'), create: 'denied' },
  { reply: reply(400, 'InvalidToken'), create: 'denied' },
]

describe('a put', () => {
  test.each(PUTS)('$reply.status $reply.code: $create', ({ reply: seen, create, replace = create }) => {
    expect(came(() => classifyPut('k', seen, 'doesNotExist', 'plain'))).toEqual(create)
    expect(came(() => classifyPut('k', seen, REPLACE, 'plain'))).toEqual(replace)
    expect(came(() => classifyPut('k', seen, 'none', 'plain'))).toEqual(create)
  })

  test('a refusal names what it was, and the clock when it was the clock', () => {
    const refused = (code: string) => (): unknown =>
      classifyPut('k', reply(403, code), 'doesNotExist', 'plain')
    expect(refused('SignatureDoesNotMatch')).toThrow(
      'the store refused the credentials: 403 SignatureDoesNotMatch',
    )
    expect(refused('RequestTimeTooSkewed')).toThrow('the clock of this machine: 403 RequestTimeTooSkewed')
  })
})

/** What reads come to; HEAD has no body and so no code. */
const READS: readonly { readonly reply: S3Reply; readonly get: Came; readonly head?: Came }[] = [
  { reply: reply(200), get: 'ok' },
  { reply: reply(206), get: 'ok' },
  { reply: reply(404, 'NoSuchKey'), get: 'not_found' },
  { reply: reply(404), get: 'unavailable', head: 'not_found' },
  { reply: reply(404, 'NoSuchBucket'), get: 'misconfigured', head: 'not_found' },
  { reply: reply(403, 'AccessDenied'), get: 'denied' },
  { reply: reply(401), get: 'denied' },
  { reply: reply(400, 'ExpiredToken'), get: 'denied' },
  { reply: reply(408), get: 'unavailable' },
  { reply: reply(409, 'OperationAborted'), get: 'unavailable' },
  { reply: reply(429), get: 'unavailable' },
  { reply: reply(500), get: 'unavailable' },
  { reply: reply(503, 'SlowDown'), get: 'unavailable' },
  { reply: reply(501), get: 'misconfigured' },
  { reply: reply(301), get: 'misconfigured' },
  { reply: reply(304), get: 'misconfigured' },
  { reply: reply(400, 'InvalidBucketName'), get: 'misconfigured' },
]

describe('a read', () => {
  test.each(READS)('$reply.status $reply.code: $get', ({ reply: seen, get, head = get }) => {
    expect(came(() => classifyRead('k', seen))).toBe(get)
    expect(came(() => classifyHead('k', seen))).toBe(head)
  })
})

test('a read of a busy store knows how long to wait (P-8)', () => {
  const busy = reply(503, 'SlowDown', { 'retry-after': '7' })
  expect(() => classifyRead('k', busy)).toThrow(
    expect.objectContaining({ code: 'unavailable', retry_after_ms: 7_000 }),
  )
})

describe('a delete', () => {
  test.each([
    { reply: reply(204), as: 'ok' },
    { reply: reply(200), as: 'ok' },
    { reply: reply(404, 'NoSuchKey'), as: 'ok' },
    { reply: reply(412, 'PreconditionFailed'), as: 'precondition_failed' },
    { reply: reply(501, 'NotImplemented'), as: 'unsupported' },
    { reply: reply(404, 'NoSuchBucket'), as: 'misconfigured' },
    { reply: reply(404), as: 'unavailable' },
    { reply: reply(403, 'AccessDenied'), as: 'denied' },
    { reply: reply(500), as: 'unavailable' },
  ])('$reply.status $reply.code: $as', ({ reply: seen, as }) => {
    expect(came(() => classifyDelete('k', seen))).toBe(as)
  })
})

describe('credentials that may be fetched again', () => {
  test.each([
    { reply: reply(401), is: true },
    { reply: reply(403, 'RequestTimeTooSkewed'), is: true },
    { reply: reply(400, 'ExpiredToken'), is: true },
    { reply: reply(400, 'TokenRefreshRequired'), is: true },
    { reply: reply(400, 'BadDigest'), is: false },
    { reply: reply(412), is: false },
    { reply: reply(500, 'ExpiredToken'), is: false },
  ])('$reply.status $reply.code: $is', ({ reply: seen, is }) => {
    expect(isCredentialRefusal(seen)).toBe(is)
  })
})

describe('If-Match', () => {
  test.each([
    { token: '"abc"', quoted: '"abc"', unquoted: 'abc' },
    { token: 'abc', quoted: '"abc"', unquoted: 'abc' },
    { token: '"abc-2"', quoted: '"abc-2"', unquoted: 'abc-2' },
    { token: '{"e_tag":"\\"abc\\"","version":"v1"}', quoted: '"abc"', unquoted: 'abc' },
    // A generation of another store is an ETag that no object here has.
    { token: '1739443200123456', quoted: '"1739443200123456"', unquoted: '1739443200123456' },
    { token: 'W/"abc"', quoted: null, unquoted: null },
    { token: '*', quoted: null, unquoted: null },
    { token: '"*"', quoted: null, unquoted: null },
    { token: '', quoted: null, unquoted: null },
    { token: '""', quoted: null, unquoted: null },
    { token: '"a", "b"', quoted: null, unquoted: null },
    { token: 'a\r\nx: y', quoted: null, unquoted: null },
    { token: '\u00E9', quoted: null, unquoted: null },
    { token: '{"e_tag":null,"version":"v1"}', quoted: null, unquoted: null },
  ])('of $token is $quoted', ({ token, quoted, unquoted }) => {
    expect(ifMatchValue(token, 'quoted')).toBe(quoted)
    expect(ifMatchValue(token, 'unquoted')).toBe(unquoted)
    expect(conditionHeaders({ matchesVersion: token }, 'quoted')).toEqual(
      quoted === null ? null : { 'if-match': quoted },
    )
  })

  test('is never sent together with If-None-Match, which is only ever *', () => {
    expect(conditionHeaders('doesNotExist', 'quoted')).toEqual({ 'if-none-match': '*' })
    expect(conditionHeaders('none', 'quoted')).toEqual({})
  })
})

describe('a token', () => {
  test.each([
    { headers: { etag: '"e"' }, plain: '"e"', reference: '{"e_tag":"\\"e\\"","version":null}' },
    {
      headers: { etag: '"e"', 'x-amz-version-id': 'v1' },
      plain: '{"e_tag":"\\"e\\"","version":"v1"}',
      reference: '{"e_tag":"\\"e\\"","version":"v1"}',
    },
    // What a bucket says whose versioning is suspended.
    {
      headers: { etag: '"e"', 'x-amz-version-id': 'null' },
      plain: '"e"',
      reference: '{"e_tag":"\\"e\\"","version":null}',
    },
    { headers: { 'x-amz-version-id': 'v1' }, plain: null, reference: null },
  ])('of $headers is $plain', ({ headers, plain, reference }) => {
    expect(tokenOf(reply(200, null, { ...headers }), 'plain')).toBe(plain)
    expect(tokenOf(reply(200, null, { ...headers }), 'reference')).toBe(reference)
  })
})

describe('an error body', () => {
  test.each([
    {
      body: '<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>m</Message></Error>',
      code: 'NoSuchKey',
    },
    { body: '<Error><Code></Code></Error>', code: null },
    { body: '<html>404</html>', code: null },
    { body: '', code: null },
    { body: `${' '.repeat(9_000)}<Code>NoSuchKey</Code>`, code: null },
    { body: `<Code>${'A'.repeat(65)}</Code>`, code: null },
    { body: '<Code>No<b>Such</b>Key</Code>', code: null },
  ])('$body', ({ body, code }) => {
    expect(errorCode(body)).toBe(code)
  })
})

test('user metadata is what has its prefix, in lower case', () => {
  const headers = [
    ['X-Amz-Meta-Owner', 'Me'],
    ['x-amz-meta-holder', 'h'],
    ['etag', '"e"'],
  ] as const
  expect(metaOf(headers)).toEqual({ owner: 'Me', holder: 'h' })
})
