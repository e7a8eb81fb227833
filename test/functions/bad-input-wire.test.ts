import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { commitBody, ROUTES, TABLE } from '../support/bad-requests.ts'
import { loopback, type Loopback, type WireAnswer } from '../support/loopback.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, testDeps, testService } from '../support/service.ts'
import { countRounds, readBucket } from '../support/stores.ts'

/** What a slow body gets here; 30 s outside of tests. */
const ARRIVAL_MS = 250

const store = memoryStore()
const counting = countRounds(store)
let server: Loopback
let bucket: Record<string, string>

beforeAll(async () => {
  const seeding = testService(store)
  const staged = await seeding.stage(TABLE)
  await seeding.commit({ table_id: TABLE, read_version: -1, ...staged, idempotency_key: freshId() })
  bucket = await readBucket(store)
  server = await loopback(createApp(testDeps(counting.store, { body_arrival_ms: ARRIVAL_MS })))
})
afterAll(async () => server.close())
beforeEach(() => counting.reset())

const HOST = 'Host: tidemark.test\r\n'
const JSON_TYPE = 'Content-Type: application/json\r\n'

/** The head of a POST; the body follows. */
const post = (path: string, ...headers: readonly string[]): string =>
  `POST ${path} HTTP/1.1\r\n${HOST}${JSON_TYPE}${headers.map((line) => `${line}\r\n`).join('')}\r\n`
const get = (path: string, ...headers: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\n${HOST}${headers.map((line) => `${line}\r\n`).join('')}\r\n`

interface WireRow {
  readonly name: string
  readonly sent: string | readonly (string | Uint8Array)[]
  /** Close the sending side after the last byte. */
  readonly ends?: true
  readonly answer: string
  readonly detail?: string | RegExp
}

const NOT_HTTP = /^expected a well-formed HTTP\/1\.1 request \(HPE_/
const TOO_LARGE = 'expected at most 16384 characters of headers'
const URL_NEEDED = 'expected a Host header and a request target that make a URL'
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

const ROWS: readonly WireRow[] = [
  // Framing (S29): what the parser refuses has the problem body of every other refusal.
  {
    name: 'bytes that are no HTTP',
    sent: '\x16\x03\x01\x02\x00\x01\r\n\r\n',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a method that does not exist',
    sent: `FETCH ${ROUTES.commit} HTTP/1.1\r\n${HOST}\r\n`,
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'HTTP/3 as a version',
    sent: `GET /health HTTP/3.0\r\n${HOST}\r\n`,
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'line feeds without carriage returns',
    sent: 'GET /health HTTP/1.1\nHost: x\n\n',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a folded header',
    sent: get('/health', 'X-A: a', ' b'),
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a space before the colon',
    sent: get('/health', 'X-A : a'),
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a NUL in a header',
    sent: get('/health', 'X-A: a\0b'),
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'Transfer-Encoding beside Content-Length',
    sent: post(ROUTES.recover, 'Content-Length: 2', 'Transfer-Encoding: chunked') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'Content-Length beside Transfer-Encoding',
    sent: post(ROUTES.recover, 'Transfer-Encoding: chunked', 'Content-Length: 2') + chunk('{}') + '0\r\n\r\n',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'two Content-Lengths that differ',
    sent: post(ROUTES.recover, 'Content-Length: 2', 'Content-Length: 3') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'two Content-Lengths that agree',
    sent: post(ROUTES.recover, 'Content-Length: 2', 'Content-Length: 2') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a list of Content-Lengths',
    sent: post(ROUTES.recover, 'Content-Length: 2, 2') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a negative Content-Length',
    sent: post(ROUTES.recover, 'Content-Length: -2') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a signed Content-Length',
    sent: post(ROUTES.recover, 'Content-Length: +2') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a hexadecimal Content-Length',
    sent: post(ROUTES.recover, 'Content-Length: 0x2') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a Content-Length beyond 64 bits',
    sent: post(ROUTES.recover, 'Content-Length: 99999999999999999999') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'Transfer-Encoding: gzip',
    sent: post(ROUTES.recover, 'Transfer-Encoding: gzip') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'Transfer-Encoding: chunked, gzip',
    sent: post(ROUTES.recover, 'Transfer-Encoding: chunked, gzip') + '{}',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'Transfer-Encoding: gzip, chunked',
    sent: post(ROUTES.recover, 'Transfer-Encoding: gzip, chunked') + chunk('{}') + '0\r\n\r\n',
    answer: '415 unsupported_media_type',
    detail: /Transfer-Encoding/,
  },
  {
    name: 'a chunk size that is no number',
    sent: post(ROUTES.recover, 'Transfer-Encoding: chunked') + 'zz\r\n{}\r\n0\r\n\r\n',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a chunk longer than its size',
    sent: post(ROUTES.recover, 'Transfer-Encoding: chunked') + '1\r\n{}\r\n0\r\n\r\n',
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  // Hosts and targets.
  {
    name: 'no Host in HTTP/1.1',
    sent: 'GET /health HTTP/1.1\r\n\r\n',
    answer: '400 bad_request',
    detail: 'expected a Host header',
  },
  {
    name: 'two Hosts',
    sent: get('/health', 'Host: other'),
    answer: '400 bad_request',
    detail: 'header host was sent more than once',
  },
  {
    name: 'a Host with a space',
    sent: 'GET /health HTTP/1.1\r\nHost: a b\r\n\r\n',
    answer: '400 bad_request',
    detail: URL_NEEDED,
  },
  {
    name: 'a Host with a path',
    sent: 'GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n',
    answer: '400 bad_request',
    detail: URL_NEEDED,
  },
  {
    name: 'a backslash in the target',
    sent: get('/health\\..\\ready'),
    answer: '400 bad_request',
    detail: URL_NEEDED,
  },
  { name: 'a target without a slash', sent: get('health'), answer: '400 bad_request', detail: NOT_HTTP },
  { name: 'a space in the target', sent: get('/health x'), answer: '400 bad_request', detail: NOT_HTTP },
  {
    name: 'OPTIONS *',
    sent: `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
    answer: '400 bad_request',
    detail: URL_NEEDED,
  },
  {
    name: 'CONNECT',
    sent: `CONNECT 169.254.169.254:80 HTTP/1.1\r\n${HOST}\r\n`,
    answer: '404 route_not_found',
  },
  { name: 'TRACE', sent: `TRACE ${ROUTES.commit} HTTP/1.1\r\n${HOST}\r\n`, answer: '405 method_not_allowed' },
  {
    name: 'a method override',
    sent: get(ROUTES.commit, 'X-HTTP-Method-Override: POST'),
    answer: '405 method_not_allowed',
  },
  {
    name: 'parent segments after the table',
    sent: get(`${ROUTES.inspect}/../../../../../../etc/passwd`),
    answer: '404 route_not_found',
  },
  {
    name: 'encoded parent segments as the table',
    sent: get(ROUTES.inspect.replace(TABLE, '%2e%2e%2f%2e%2e%2fetc%2fpasswd')),
    answer: '400 bad_request',
    detail: 'table_id must be a UUID',
  },
  // Header blocks (http-api.md 11, S27).
  {
    name: 'one header of more than 16 KiB',
    sent: get('/health', `X-A: ${'a'.repeat(16 * 1024)}`),
    answer: '400 bad_request',
    detail: TOO_LARGE,
  },
  {
    name: 'more than 16 KiB of headers',
    sent: get('/health', ...Array.from({ length: 1500 }, (_, at) => `X-${at}: abc`)),
    answer: '400 bad_request',
    detail: TOO_LARGE,
  },
  {
    name: 'a target of more than 16 KiB',
    sent: get(`/health?${'q'.repeat(17 * 1024)}`),
    answer: '400 bad_request',
    detail: TOO_LARGE,
  },
  ...['Authorization: Bearer a', 'Idempotency-Key: a', 'X-Tenant-Id: acme', 'X-Workspace-Id: analytics'].map(
    (line): WireRow => ({
      name: `${line.split(':', 1)[0]} twice`,
      sent: post(ROUTES.recover, line, line.toLowerCase(), 'Content-Length: 2') + '{}',
      answer: '400 bad_request',
      detail: /was sent more than once$/,
    }),
  ),
  {
    name: 'an empty Idempotency-Key',
    sent:
      post(ROUTES.commit, 'Idempotency-Key:', `Content-Length: ${commitBody({}).length}`) + commitBody({}),
    answer: '400 bad_request',
    detail: 'Idempotency-Key header must not be empty',
  },
  // Bodies (S13).
  {
    name: 'no body at all',
    sent: post(ROUTES.recover, 'Content-Length: 0'),
    answer: '400 bad_request',
    detail: /JSON/,
  },
  {
    name: 'neither length nor chunks: there is no body',
    sent: post(ROUTES.recover),
    answer: '400 bad_request',
    detail: /JSON/,
  },
  {
    name: 'a Content-Length that is too big, and the client waits',
    sent: post(ROUTES.recover, 'Content-Length: 20') + '{}',
    answer: '408 request_timeout',
    detail: `expected the whole body within ${ARRIVAL_MS} ms; nothing was written`,
  },
  {
    name: 'a Content-Length that is too big, and the client is done',
    sent: post(ROUTES.recover, 'Content-Length: 20') + '{}',
    ends: true,
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a Content-Length that is too small',
    sent: post(ROUTES.recover, 'Content-Length: 1') + '{}',
    answer: '400 bad_request',
    detail: /JSON/,
  },
  {
    name: 'a chunked body that stops',
    sent: post(ROUTES.commit, 'Transfer-Encoding: chunked') + chunk('{'),
    answer: '408 request_timeout',
  },
  {
    name: 'a chunked body that is cut',
    sent: post(ROUTES.commit, 'Transfer-Encoding: chunked') + chunk('{'),
    ends: true,
    answer: '400 bad_request',
    detail: NOT_HTTP,
  },
  {
    name: 'a Content-Length over the limit and nothing else',
    sent: post(ROUTES.commit, 'Content-Length: 65537'),
    answer: '413 payload_too_large',
  },
  {
    name: 'a Content-Length over the limit, the client asks first',
    sent: post(ROUTES.commit, 'Content-Length: 65537', 'Expect: 100-continue'),
    answer: '413 payload_too_large',
  },
  {
    name: '1 KiB and a byte in one chunk',
    sent: post(ROUTES.recover, 'Transfer-Encoding: chunked') + chunk(`{}${' '.repeat(1023)}`) + '0\r\n\r\n',
    answer: '413 payload_too_large',
  },
  {
    name: '5 MiB and a byte, all of it sent',
    sent: [post(ROUTES.stage, 'Content-Length: 5242881'), new Uint8Array(5_242_881).fill(0x20)],
    answer: '413 payload_too_large',
  },
  {
    name: 'a gzip body',
    sent: post(ROUTES.recover, 'Content-Encoding: gzip', 'Content-Length: 2') + '\x1f\x8b',
    answer: '415 unsupported_media_type',
  },
]

const problemOf = ({ text }: WireAnswer): unknown => JSON.parse(text)

describe('requests as bytes, S13, S27, S29', () => {
  test.each(ROWS)('$name → $answer', async ({ sent, ends, answer, detail }) => {
    const wire = await server.open()
    await wire.send(...(typeof sent === 'string' ? [sent] : sent))
    if (ends) wire.end()
    const [first] = await wire.answers(1)
    if (first === undefined) throw new Error('no answer')
    const reason = answer.slice(4)
    expect(answer).toBe(`${first.status} ${reason}`)
    const refusal = { status: first.status, headers: first.headers, body: problemOf(first) }
    expectProblem(refusal, detail === undefined ? { reason } : { reason, detail })
    wire.destroy()
    expect(counting.operations).toEqual([])
    expect(await readBucket(store)).toEqual(bucket)
  })

  test('HTTP/1.0 without a Host, as old health checks send it, is served', async () => {
    const wire = await server.open()
    await wire.send('GET /health HTTP/1.0\r\n\r\n')
    expect((await wire.closed())[0]).toMatchObject({ status: 200, text: '{"status":"ok"}' })
  })

  test('an expectation that nobody knows is ignored: 417 is no answer of this service', async () => {
    const wire = await server.open()
    await wire.send(post(ROUTES.recover, 'Expect: a-miracle', 'Content-Length: 2') + '{}')
    expect((await wire.answers(1))[0]).toMatchObject({ status: 200 })
    wire.destroy()
  })
})

describe('bodies without an end, S13', () => {
  test('a chunked body that never ends is refused once and then cut off', async () => {
    const wire = await server.open()
    await wire.send(post(ROUTES.recover, 'Transfer-Encoding: chunked'))
    let is_open = true
    const closed = wire.closed().then((answers) => {
      is_open = false
      return answers
    })
    while (is_open) {
      await wire.send(chunk(' '.repeat(16 * 1024)))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await closed).map(({ status }) => status)).toEqual([413])
    expect(counting.operations).toEqual([])
  })

  test('a client that vanishes in the middle of its body leaves nothing behind', async () => {
    const wire = await server.open()
    await wire.send(post(ROUTES.commit, 'Content-Length: 1000') + commitBody({}))
    wire.destroy()
    const next = await server.open()
    await next.send(get('/health'))
    expect((await next.answers(1))[0]).toMatchObject({ status: 200 })
    next.destroy()
    expect(counting.operations).toEqual([])
    expect(await readBucket(store)).toEqual(bucket)
  })

  test('a connection serves on after a refusal whose body was sent to its end', async () => {
    const wire = await server.open()
    await wire.send(post(ROUTES.recover, 'Content-Length: 2000'), ' '.repeat(2000), get('/health'))
    expect((await wire.answers(2)).map(({ status }) => status)).toEqual([413, 200])
    wire.destroy()
  })
})
