import { describe, expect, test } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { createLog } from '../../functions/logging.ts'
import { withFaults } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import { loopback } from '../support/loopback.ts'
import {
  commitKeys,
  freshId,
  sha256Hex,
  testClock,
  testDeps,
  testService,
  type TestService,
} from '../support/service.ts'

/** A service whose log lines are kept, as text and decoded. */
function logged(store: MaintenanceStore = memoryStore()): {
  readonly service: TestService
  readonly text: () => string
  readonly lines: () => Record<string, unknown>[]
} {
  const written: string[] = []
  const log = createLog({ format: 'json', write: (line) => written.push(line) })
  return {
    service: testService(store, { log }),
    text: () => written.join(''),
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

/** Everything that some tool takes for the end of a line. */
const LINE_END = /[\n\r\v\f\u0085\u2028\u2029]/

describe('one line a request', () => {
  test('says who, what, how it ended and how long it took; the route is the template', async () => {
    const { service, lines } = logged()
    const table_id = freshId()
    const staged = await service.stage(table_id)
    const key = freshId()
    await service.request(
      'POST',
      `/api/v1/delta/tables/${table_id.toUpperCase()}/commits`,
      { read_version: -1, ...staged, idempotency_key: key },
      { 'x-request-id': 'req-7' },
    )
    expect(lines()).toHaveLength(2)
    expect(lines()[1]).toMatchObject({
      level: 'INFO',
      message: 'request',
      request_id: 'req-7',
      method: 'POST',
      route: '/api/v1/delta/tables/:table_id/commits',
      status: 200,
      scope_sha256: sha256Hex('acme/analytics'),
      table_id,
      key_sha256: sha256Hex(key),
      outcome: 'committed',
      version: 0,
      duration_ms: expect.any(Number),
    })
  })

  test('the hash of the key is the name of the marker, so that a line leads to the object', async () => {
    const { service, lines } = logged()
    const table_id = freshId()
    const key = freshId()
    await service.commit({
      table_id,
      read_version: -1,
      ...(await service.stage(table_id)),
      idempotency_key: key,
    })
    expect(commitKeys(table_id, key, 0).marker).toContain(String(lines()[1]?.['key_sha256']))
  })

  test.each([
    ['GET', '/health', undefined, { status: 200, route: '/health' }],
    ['HEAD', '/health', undefined, { status: 200, route: '/health', method: 'HEAD' }],
    ['GET', '/nowhere', undefined, { status: 404, route: 'unmatched', reason: 'route_not_found' }],
    ['DELETE', '/health', undefined, { status: 405, route: '/health', reason: 'method_not_allowed' }],
    ['POST', '/api/v1/delta/tables/x/recover', '{', { status: 400, reason: 'bad_request' }],
    ['POST', '/api/v1/delta/tables/x/commits/stage', '[]', { status: 422, reason: 'unprocessable' }],
  ] as const)('%s %s', async (method, path, body, facts) => {
    const { service, lines } = logged()
    await service.request(method, path, body)
    expect(lines()).toEqual([expect.objectContaining(facts)])
  })

  test('a replay says so', async () => {
    const { service, lines } = logged()
    const table_id = freshId()
    const call = {
      table_id,
      read_version: -1,
      ...(await service.stage(table_id)),
      idempotency_key: freshId(),
    }
    await service.commit(call)
    await service.commit(call)
    expect(lines().map(({ outcome }) => outcome)).toEqual([undefined, 'committed', 'replayed'])
  })

  test('what the parser of the runtime refuses is a line, too', async () => {
    const written: string[] = []
    const log = createLog({ format: 'json', write: (line) => written.push(line) })
    const server = await loopback(createApp({ ...testDeps(memoryStore()), log }))
    const wire = await server.open()
    await wire.send('NONSENSE\r\n\r\n')
    const [answer] = await wire.closed()
    await server.close()
    expect(written.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({
        route: 'unparsed',
        status: 400,
        reason: 'bad_request',
        request_id: answer?.headers.get('x-request-id'),
      }),
    ])
  })
})

describe('what the protocol notes', () => {
  test('a recovery names its window, action and version, under the id of the request that did it', async () => {
    const store = memoryStore()
    const clock = testClock()
    const table_id = freshId()
    const dying = testService(
      withFaults(store, ({ kind, key }) =>
        kind === 'put' && key.includes('/idempotency/') ? { fault: 'lost_request' } : undefined,
      ),
      { clock },
    )
    const call = { table_id, read_version: -1, ...(await dying.stage(table_id)), idempotency_key: freshId() }
    expect((await dying.commit(call)).status).toBe(503)
    const { service, lines } = logged(store)
    const recovered = await service.recover(table_id)
    expect(lines()).toEqual([
      expect.objectContaining({
        message: 'recovered',
        level: 'INFO',
        request_id: recovered.headers.get('x-request-id'),
        window: 'W2',
        action: 'rolled_forward',
        version: 0,
      }),
      expect.objectContaining({ message: 'request', status: 200, action: 'rolled_forward' }),
    ])
  })
})

describe('a failure', () => {
  const failing = (error: unknown): MaintenanceStore => ({
    ...memoryStore(),
    get: async () => Promise.reject(error),
    put: async () => Promise.reject(error),
  })

  test('of the store: its cause is in the log under the id that the client got, and not in the answer', async () => {
    const { service, lines, text } = logged(
      failing(new StoreError('denied', 'tenant=acme/x', 'AccessDenied: arn:aws:s3:::lake is not yours')),
    )
    const answer = await service.request('POST', `/api/v1/delta/tables/${freshId()}/recover`, {})
    expect(answer.body).toMatchObject({ reason: 'internal' })
    expect(JSON.stringify(answer.body)).not.toMatch(/AccessDenied|lake|tenant=/)
    expect(text()).toContain('AccessDenied')
    expect(lines()[0]).toMatchObject({
      level: 'ERROR',
      message: 'failure',
      request_id: answer.body.request_id,
      code: 'denied',
      key: 'tenant=[redacted]/x',
    })
  })

  const ENOSPC = new Error('ENOSPC: no space left on device')
  const silent = new StoreError('unavailable', 'k', 'the folder did not answer', { cause: ENOSPC })
  const CAUSE = 'the folder did not answer: ENOSPC: no space left on device'

  test('of the store, answered as 503: a retryable answer has its cause in the log, too, once', async () => {
    const { service, lines } = logged(failing(silent))
    const answer = await service.recover(freshId())
    expect(answer.body).toMatchObject({ status: 503, reason: 'storage_unavailable' })
    expect(lines()).toEqual([
      expect.objectContaining({ message: 'failure', request_id: answer.body.request_id, cause: CAUSE }),
      expect.objectContaining({ message: 'request', status: 503 }),
    ])
  })

  test.each([
    { name: 'alike', words: ['connect ECONNREFUSED 127.0.0.1:9000'] },
    { name: 'each in its way', words: ['socket hang up', 'connect ECONNREFUSED 127.0.0.1:9000'] },
  ])(
    'of the store, met by all reads of a batch $name: one line, and the driver’s words once',
    async ({ words: [first = '', next = first] }) => {
      const cause = `the store did not answer: ${first}`
      const down = memoryStore()
      let reads = 0
      const { service, lines } = logged({
        ...down,
        get: async (key) => {
          const why = new Error(reads++ === 0 ? first : next)
          const text = `the store did not answer: ${why.message}`
          return Promise.reject(new StoreError('unavailable', key, text, { cause: why }))
        },
      })
      const table_id = freshId()
      const staged = await service.stage(table_id)
      await service.commit({ table_id, read_version: -1, ...staged, idempotency_key: freshId() })
      expect(lines()).toEqual([
        expect.objectContaining({ message: 'request', status: 200 }),
        expect.objectContaining({ message: 'failure', code: 'unavailable', cause }),
        expect.objectContaining({ message: 'request', status: 503 }),
      ])
    },
  )

  test('of the store, a put that stored nothing: throttled names no cause, the log does', async () => {
    const store = memoryStore()
    const full: MaintenanceStore = { ...store, put: async () => ({ outcome: 'no_effect', cause: silent }) }
    const { service, lines } = logged(full)
    const path = `/api/v1/delta/tables/${freshId()}/commits/stage`
    const answer = await service.request('POST', path, { payload: '{"commitInfo":{}}\n' })
    expect(answer.body).toMatchObject({ status: 503, reason: 'throttled' })
    expect(lines()).toEqual([
      expect.objectContaining({ message: 'failure', request_id: answer.body.request_id, cause: CAUSE }),
      expect.objectContaining({ message: 'request', reason: 'throttled' }),
    ])
  })

  test('of our own: the log has where it came from, the answer has nothing', async () => {
    const { service, lines } = logged(failing(new TypeError('undefined is not a marker')))
    const answer = await service.request('POST', `/api/v1/delta/tables/${freshId()}/recover`, {})
    expect(answer.body).toMatchObject({ status: 500, reason: 'internal' })
    expect(JSON.stringify(answer.body)).not.toMatch(/undefined|\.ts|at /)
    expect(lines()[0]).toMatchObject({
      error: 'TypeError',
      cause: 'undefined is not a marker',
      at: expect.stringMatching(/\.ts/),
    })
  })
})

describe('secrets, S10', () => {
  const CANARY = 'canary-e5f1'
  const TOKEN = `eyJhbGciOiJIUzI1NiJ9.${CANARY}.c2lnbmF0dXJl`

  test('tokens, payloads and keys are in no line and in no answer, however a request ends', async () => {
    const store = memoryStore()
    const { service, text } = logged(store)
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      cookie: `session=${CANARY}`,
      'x-metrics-secret': CANARY,
    }
    const table_id = freshId()
    const key = freshId()
    const at = `/api/v1/delta/tables/${table_id}`
    const payload = `{"commitInfo":{"note":"${CANARY}"}}\n`
    const answers = [await service.request('POST', `${at}/commits/stage`, { payload }, headers)]
    const call = { read_version: -1, ...answers[0]?.body, idempotency_key: key }
    for (const [path, body] of [
      ['/commits', call],
      ['/commits', call],
      ['/commits', { ...call, read_version: 5 }],
      ['/commits', { ...call, staged_version: CANARY }],
      ['/commits', { ...call, idempotency_key: key.toUpperCase() }],
      ['/commits/stage', { payload: `${CANARY}\n` }],
      ['/commits/stage', `{"payload":"${CANARY}","payload":"${CANARY}"}`],
      ['/recover', {}],
      ['/nowhere', { payload: CANARY }],
    ] as const) {
      answers.push(await service.request('POST', `${at}${path}`, body, headers))
    }
    answers.push(
      await service.request('POST', `${at}/commits`, call, { ...headers, 'idempotency-key': freshId() }),
    )
    store.seed(
      `${service.prefix}${commitKeys(table_id, key, 0).state}`,
      new TextEncoder().encode(`{"${CANARY}":1}`),
    )
    answers.push(
      await service.request('POST', `${at}/commits`, { ...call, idempotency_key: freshId() }, headers),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 400, 404, 409, 500]))
    for (const output of [text(), JSON.stringify(answers.map(({ body }) => body as unknown))]) {
      expect(output).not.toContain(CANARY)
      expect(output.toLowerCase()).not.toContain(key)
    }
    expect(text()).toContain(sha256Hex(key))
  })

  test.each([
    ['a bearer header', `401 for Authorization: Bearer ${CANARY}.x`],
    ['a basic header', `sent Basic ${CANARY}==`],
    ['a JWT', `cannot verify ${TOKEN}`],
    [
      'a signed URL',
      `GET https://lake.example/o?X-Amz-Credential=${CANARY}&X-Amz-Signature=${CANARY} failed`,
    ],
    ['a session token', `X-Amz-Security-Token=${CANARY}`],
    ['an OAuth parameter', `POST /token?access_token=${CANARY}`],
  ])('%s in the message of a provider is redacted', (_name, message) => {
    const written: string[] = []
    createLog({ format: 'json', write: (line) => written.push(line) }).failure('r', new Error(message))
    expect(written.join('')).toContain('[redacted]')
    expect(written.join('')).not.toContain(CANARY)
  })

  test('an idempotency key that is the name of a staged payload is redacted', () => {
    const written: string[] = []
    const key = freshId()
    const log = createLog({ format: 'json', write: (line) => written.push(line) })
    log.failure(
      'r',
      new StoreError('denied', `tenant=a/workspace=b/delta/staging/${freshId()}/${key}.json`, 'no'),
    )
    expect(written.join('')).not.toContain(key)
  })

  test.each(['authorization', 'Cookie', 'token', 'secret', 'password', 'payload', 'idempotency_key'])(
    'a fact that is called %s is never shown',
    (name) => {
      const written: string[] = []
      createLog({ format: 'json', write: (line) => written.push(line) }).request({ [name]: CANARY })
      expect(JSON.parse(written.join(''))).toMatchObject({ [name]: '[redacted]' })
    },
  )
})

describe('text of others, S11', () => {
  const HOSTILE: Readonly<Record<string, string>> = {
    'a line feed': 'a\n{"level":"INFO","message":"request","status":200}',
    'a carriage return': 'a\rb',
    both: 'a\r\nb',
    'an ANSI sequence': '\u001b[2J\u001b[31mred',
    'a C1 sequence': '\u009b31mred',
    'a bell': '\u0007',
    'a NUL': 'a\0b',
    'a next line': 'a\u0085b',
    'a line separator': 'a\u2028b',
    'a paragraph separator': 'a\u2029b',
    'a right-to-left override': 'a\u202eb',
    'a byte order mark': '\ufeffa',
    'a lone surrogate': 'a\ud800b',
    'an emoji': '\u{1f30a}',
    'quotes and backslashes': '","level":"\\',
  }

  test.each(
    Object.entries(HOSTILE).flatMap(([name, text]) =>
      (['json', 'text'] as const).map((format) => ({ name, text, format })),
    ),
  )('$name is one line of printable ASCII in the $format format', ({ text, format }) => {
    const written: string[] = []
    const log = createLog({ format, write: (line) => written.push(line) })
    log.request({ table_id: text })
    log.note('r', { note: 'alert', what: text, version: 1 })
    log.failure('r', new Error(text))
    expect(written).toHaveLength(3)
    for (const line of written) {
      expect(line).toMatch(/^[\x20-\x7e]+\n$/)
      expect(line.slice(0, -1)).not.toMatch(LINE_END)
    }
  })

  test.each(Object.entries(HOSTILE))('%s comes back as it was when the line is decoded', (_name, text) => {
    const written: string[] = []
    createLog({ format: 'json', write: (line) => written.push(line) }).request({ table_id: text })
    expect(JSON.parse(written.join(''))).toMatchObject({ level: 'INFO', message: 'request', table_id: text })
  })

  test('a long text is cut', () => {
    const written: string[] = []
    createLog({ format: 'json', write: (line) => written.push(line) }).failure(
      'r',
      new Error('x'.repeat(100_000)),
    )
    expect(written.join('').length).toBeLessThan(1_000)
  })

  test('no header or path of a request can add a line', async () => {
    const { service, text, lines } = logged()
    const hostile = { 'x-request-id': 'caf\u00e9\u0085x', 'user-agent': '\u009b31m', 'x-forwarded-for': '"}' }
    await service.request('GET', '/health?a=%0a%0d{"level":"INFO"}', undefined, hostile)
    await service.request('GET', '/api/v1/delta/tables/%0a%E2%80%A8/inspect', undefined, hostile)
    await service.request('GET', '/%0a%1b[31m', undefined, hostile)
    expect(text().match(/\n/g)).toHaveLength(3)
    expect(lines()).toHaveLength(3)
    expect(text()).not.toMatch(/31m|%0a|\\n/i)
  })
})
