import { afterEach, describe, expect, test, vi } from 'vitest'
import { createApp, routesOf } from '../../functions/app.ts'
import { OPERATIONS } from '../../functions/operations.ts'
import { SILENT_LOG } from '../../functions/logging.ts'
import { withFaults } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { StoreError, type MaintenanceStore, type StoreErrorCode } from '../../lib/store/types.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, freshPayload, testDeps, testService, type Answer } from '../support/service.ts'
import { countRounds, forbidListing, readBucket } from '../support/stores.ts'

afterEach(() => vi.useRealTimers())

describe('/health and /version, http-api.md 7', () => {
  test('/health is 200 whatever the store does, and does not ask it', async () => {
    const counting = countRounds(withFaults(memoryStore(), () => ({ fault: 'error_before' })))
    const answer = await testService(counting.store).request('GET', '/health')
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ status: 'ok' })
    expect(counting.operations).toEqual([])
  })

  test('/version says what it was told, and "unknown" for the rest', async () => {
    const unknown = await testService(memoryStore()).request('GET', '/version')
    expect(unknown.body).toEqual({
      service: 'tidemark',
      packageVersion: 'unknown',
      codeVersion: 'unknown',
      gitSha: 'unknown',
      image: 'unknown',
      cloudRunRevision: 'unknown',
    })
    const version = {
      packageVersion: '1.2.3',
      codeVersion: 'c',
      gitSha: 'g',
      image: 'i',
      cloudRunRevision: 'r',
    }
    const app = createApp({ ...testDeps(memoryStore()), version })
    const told = await app.fetch(new Request('http://tidemark.test/version'))
    expect(await told.json()).toEqual({ service: 'tidemark', ...version })
  })
})

describe('/ready, http-api.md 7', () => {
  const ready = async (store: MaintenanceStore): Promise<Answer> =>
    testService(store).request('GET', '/ready')

  test('one HEAD of a known key outside of every scope; absence is success', async () => {
    const counting = countRounds(forbidListing(memoryStore()).store)
    expect((await ready(counting.store)).body).toEqual({ ready: true })
    expect(counting.operations).toEqual([{ kind: 'head', key: '__arco/ready-check', round: 1 }])
  })

  test('a store that fails: 503, ready false, a fixed text', async () => {
    const store = memoryStore()
    const answer = await ready({
      ...store,
      head: async (key) => Promise.reject(new StoreError('denied', key, 'AccessDenied for bucket lake')),
    })
    expectProblem(answer, {
      reason: 'storage_unavailable',
      detail: 'the store did not answer; the cause is in the log',
    })
    expect(answer.body.ready).toBe(false)
  })

  test.each([
    ['that hangs until it is told to stop', withFaults(memoryStore(), () => ({ fault: 'hang' }))],
    [
      'that hangs whatever it is told',
      { ...memoryStore(), head: async () => new Promise<never>(() => undefined) },
    ],
  ])('a store %s is given up after two seconds', async (_name, store) => {
    const started_ms = performance.now()
    const answer = await ready(store)
    expectProblem(answer, { reason: 'storage_unavailable' })
    expect(answer.body.ready).toBe(false)
    expect(performance.now() - started_ms).toBeGreaterThan(1_900)
    expect(performance.now() - started_ms).toBeLessThan(4_000)
  })

  test('an answer is used for a second, by however many probes, and no longer', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const counting = countRounds(memoryStore())
    const service = testService(counting.store)
    const probe = async (): Promise<number> => (await service.request('GET', '/ready')).status
    expect(await Promise.all(Array.from({ length: 50 }, probe))).toEqual(Array(50).fill(200))
    vi.advanceTimersByTime(1_000)
    await probe()
    expect(counting.operations).toHaveLength(1)
    vi.advanceTimersByTime(1)
    await probe()
    expect(counting.operations).toHaveLength(2)
  })

  test('a store that comes back is noticed after that second', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    let is_down = true
    const service = testService(
      withFaults(memoryStore(), () => (is_down ? { fault: 'error_before' } : undefined)),
    )
    expect((await service.request('GET', '/ready')).status).toBe(503)
    is_down = false
    expect((await service.request('GET', '/ready')).status).toBe(503)
    vi.advanceTimersByTime(1_001)
    expect((await service.request('GET', '/ready')).status).toBe(200)
  })
})

describe('every answer', () => {
  const routes = routesOf(testDeps(memoryStore()))

  test.each(routes)(
    '$method $path: an id of its own or that of the request, never cached, no CORS (S22, S26)',
    async ({ method, path }) => {
      const app = createApp(testDeps(memoryStore()))
      const ask = async (headers: Record<string, string>): Promise<Response> =>
        app.fetch(
          new Request(`http://tidemark.test${path.replace(':table_id', freshId())}`, {
            method,
            headers: { 'content-type': 'application/json', origin: 'https://evil.example', ...headers },
            ...(method === 'POST' ? { body: '{}' } : {}),
          }),
        )
      const named = await ask({ 'x-request-id': 'my-request' })
      expect(named.headers.get('x-request-id')).toBe('my-request')
      expect(named.headers.get('cache-control')).toBe('no-store')
      expect([...named.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
      const ids = [(await ask({})).headers.get('x-request-id'), (await ask({})).headers.get('x-request-id')]
      expect(new Set(ids).size).toBe(2)
    },
  )

  test('a preflight is a method like any other that the route does not have (S26)', async () => {
    const app = createApp(testDeps(memoryStore()))
    const preflight = new Request('http://tidemark.test/health', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    const response = await app.fetch(preflight)
    expect(response.status).toBe(405)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('a log that cannot be written makes a 500 with the usual body, not a crash', async () => {
    const log = {
      ...SILENT_LOG,
      request: () => {
        throw new Error('EPIPE')
      },
    }
    const response = await createApp({ ...testDeps(memoryStore()), log }).fetch(
      new Request('http://tidemark.test/health'),
    )
    expectProblem(
      { status: response.status, headers: response.headers, body: await response.json() },
      { reason: 'internal' },
    )
  })
})

describe('failures of the store, storage.md 8', () => {
  const TABLE = freshId()
  const PROVIDER = 'provider text with bucket lake-7 and key tenant=acme'

  /** The state cannot be read, and nothing may be written. */
  function failing(error: Error): MaintenanceStore {
    const store = memoryStore()
    return {
      ...store,
      get: async (key, options) =>
        key.includes('/coordinator/') ? Promise.reject(error) : store.get(key, options),
      put: async (key) => Promise.reject(new Error(`unexpected put of ${key}`)),
    }
  }
  const ASK: Readonly<Record<string, (store: MaintenanceStore) => Promise<Answer>>> = {
    recover: async (store) => testService(store).recover(TABLE),
    inspect: async (store) => testService(store).inspect(TABLE),
    commit: async (store) =>
      testService(store).commit({
        table_id: TABLE,
        read_version: -1,
        staged_path: `delta/staging/${TABLE}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`,
        staged_version: '1',
        idempotency_key: freshId(),
      }),
  }
  const EXPECTED: Readonly<Record<StoreErrorCode, string>> = {
    invalid_key: 'bad_request',
    unavailable: 'storage_unavailable',
    denied: 'internal',
    misconfigured: 'internal',
    unsupported: 'not_implemented',
    corrupt: 'state_corrupt',
    too_large: 'state_corrupt',
  }

  test.each(
    Object.entries(ASK).flatMap(([operation, ask]) =>
      Object.entries(EXPECTED).map(([code, reason]) => ({
        operation,
        ask,
        code: code as StoreErrorCode,
        reason,
      })),
    ),
  )('$operation: $code is $reason, and nothing of its text is shown (S12)', async ({ ask, code, reason }) => {
    const answer = await ask(failing(new StoreError(code, 'tenant=acme/x', PROVIDER)))
    expectProblem(answer, { reason })
    expect(JSON.stringify(answer.body)).not.toMatch(/lake-7|tenant=|provider/)
  })

  test.each(Object.entries(ASK))('%s: a bug is 500 internal without its text', async (_operation, ask) => {
    const answer = await ask(failing(new TypeError('x is not a function')))
    expectProblem(answer, { reason: 'internal' })
    expect(JSON.stringify(answer.body)).not.toMatch(/function|TypeError|\.ts/)
  })
})

describe('two forms of a commit, http-api.md 4.2', () => {
  test('the key in the header, in the body, or in both: one commit, and the same answer', async () => {
    const service = testService(memoryStore())
    const table_id = freshId()
    const staged = await service.stage(table_id)
    const key = freshId()
    const path = OPERATIONS.commit.path.replace('{table_id}', table_id)
    const body = { read_version: -1, ...staged }
    const in_body = await service.request('POST', path, { ...body, idempotency_key: key })
    const in_header = await service.request('POST', path, body, { 'idempotency-key': key })
    const beside_null = await service.request(
      'POST',
      path,
      { ...body, idempotency_key: null },
      { 'idempotency-key': key },
    )
    const in_both = await service.request(
      'POST',
      path,
      { ...body, idempotency_key: key },
      { 'idempotency-key': key },
    )
    for (const answer of [in_body, in_header, beside_null, in_both]) {
      expect(answer.status).toBe(200)
      expect(answer.body).toEqual({
        version: 0,
        delta_log_path: `tables/${table_id}/_delta_log/00000000000000000000.json`,
      })
    }
    expect([in_body, in_header, in_both].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([
      null,
      'true',
      'true',
    ])
  })

  test('no credential is asked for, and a bearer header is accepted and ignored (decisions.md)', async () => {
    const service = testService(memoryStore())
    const answer = await service.request(
      'POST',
      `/api/v1/delta/tables/${freshId()}/commits/stage`,
      { payload: freshPayload() },
      { authorization: 'bearer anything' },
    )
    expect(answer.status).toBe(200)
  })
})

describe('two scopes over one bucket, S1 and S22', () => {
  test('the same table id, key and staged path are two commits that know nothing of each other', async () => {
    const store = memoryStore()
    const acme = testService(store)
    const rival = testService(store, { scope: { tenant: 'rival', workspace: 'analytics' } })
    const table_id = freshId()
    const idempotency_key = freshId()
    const staged = await acme.stage(table_id)
    const call = { table_id, read_version: -1, ...staged, idempotency_key }
    expect((await acme.commit(call)).status).toBe(200)
    expect((await rival.commit(call)).body).toMatchObject({ reason: 'staged_not_found' })
    expect((await rival.inspect(table_id)).body).toEqual({
      latest_version: -1,
      inflight: null,
      crash_window: null,
      resolution: null,
    })
    const keys = Object.keys(await readBucket(store))
    expect(keys.filter((key) => !key.startsWith('tenant=acme/workspace=analytics/'))).toEqual([])
  })
})

describe('drain', () => {
  test('waits for what is under way, and for nothing else', async () => {
    const blocked = Promise.withResolvers<void>()
    const store = withFaults(memoryStore(), () => ({ fault: 'latency', until: blocked.promise }))
    const { app } = testService(store)
    await app.drain()
    const answer = app.fetch(new Request(`http://tidemark.test/api/v1/delta/tables/${freshId()}/inspect`))
    const ended: string[] = []
    const drained = app.drain().then(() => ended.push('drained'))
    const answered = answer.then(() => ended.push('answered'))
    blocked.resolve()
    await Promise.all([drained, answered])
    expect(ended).toEqual(['answered', 'drained'])
  })
})
