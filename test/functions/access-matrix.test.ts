/** Route × role × tenant, S1, S5, S6, S12: the routes come from the router, so that a new one is in here before it is served. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { admit } from '../../functions/admission.ts'
import { routesOf, type Route } from '../../functions/app.ts'
import { authenticatorsOf } from '../../functions/auth/configured.ts'
import { configFrom } from '../../functions/config.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { CATALOG_PATHS, catalogObjects } from '../support/catalog.ts'
import {
  deployment,
  PRIVATE,
  SERVICE_TOKEN,
  userOf,
  type Deployment,
  type Question,
} from '../support/deployment.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, freshPayload, testDeps, type Answer } from '../support/service.ts'
import { countRounds, readBucket } from '../support/stores.ts'
import { bearer, SECRET, signed, USER_CLAIMS } from '../support/tokens.ts'

const ROUTES = routesOf(testDeps(memoryStore()))
const CLOSED = ROUTES.filter(({ access }) => access.auth !== 'none')
const OF_A_TABLE = ROUTES.filter(({ path }) => path.includes(':table_id'))

/** Everybody who asks, by what they send. */
const CALLERS = {
  nobody: async () => ({}),
  'a user of acme': async () => ({ token: await userOf('acme') }),
  'a user of rival': async () => ({ token: await userOf('rival') }),
  'a user of another issuer': async () => ({
    token: await signed({ ...USER_CLAIMS, iss: 'https://evil.example' }, SECRET),
  }),
  'a user with a forged signature': async () => ({ token: await signed(USER_CLAIMS, `${SECRET}!`) }),
  'a user with a role in its claims': async () => ({
    token: await signed({ ...USER_CLAIMS, role: 'internal', groups: ['internal', 'admin'] }, SECRET),
  }),
  'a service': async () => ({ token: SERVICE_TOKEN }),
  'a wrong service': async () => ({ token: `${SERVICE_TOKEN}-` }),
} satisfies Record<string, () => Promise<Question>>
type Caller = keyof typeof CALLERS

/** Whom a route of this kind lets in; the others get this reason. */
const LETS_IN: Record<Route['access']['auth'], Record<Caller, 'in' | 'missing_auth' | 'invalid_token'>> = {
  none: {
    nobody: 'in',
    'a user of acme': 'in',
    'a user of rival': 'in',
    'a user of another issuer': 'in',
    'a user with a forged signature': 'in',
    'a user with a role in its claims': 'in',
    'a service': 'in',
    'a wrong service': 'in',
  },
  user: {
    nobody: 'missing_auth',
    'a user of acme': 'in',
    'a user of rival': 'in',
    'a user of another issuer': 'invalid_token',
    'a user with a forged signature': 'invalid_token',
    'a user with a role in its claims': 'in',
    'a service': 'invalid_token',
    'a wrong service': 'invalid_token',
  },
  internal: {
    nobody: 'missing_auth',
    'a user of acme': 'invalid_token',
    'a user of rival': 'invalid_token',
    'a user of another issuer': 'invalid_token',
    'a user with a forged signature': 'invalid_token',
    'a user with a role in its claims': 'invalid_token',
    'a service': 'in',
    'a wrong service': 'invalid_token',
  },
}

const MATRIX = ROUTES.flatMap((route) =>
  Object.entries(LETS_IN[route.access.auth]).map(([caller, verdict]) => ({
    ...route,
    caller: caller as Caller,
    verdict,
  })),
)

const store = memoryStore()
const counting = countRounds(store)
let service: Deployment
/** A table of acme, with a commit in it. */
let table_id: string
let staged: { staged_path: string; staged_version: string }
beforeAll(async () => {
  service = await deployment(PRIVATE, counting.store)
  const token = await userOf('acme')
  table_id = freshId()
  const table = `/api/v1/delta/tables/${table_id}`
  staged = (await service.ask('POST', `${table}/commits/stage`, { token, body: { payload: freshPayload() } }))
    .body
  const body = { read_version: -1, ...staged, idempotency_key: freshId() }
  const committed = await service.ask('POST', `${table}/commits`, { token, body })
  if (committed.status !== 200) throw new Error(JSON.stringify(committed.body))
})
beforeEach(() => counting.reset())

/** Somebody who may ask this route: a service, whose tenant is acme, or a user of rival. */
async function entitled({ access }: Pick<Route, 'access'>): Promise<{
  readonly token: string
  readonly tenant: string
  readonly another: string
}> {
  return access.auth === 'internal'
    ? { token: SERVICE_TOKEN, tenant: 'acme', another: 'rival' }
    : { token: await userOf('rival'), tenant: 'rival', another: 'acme' }
}

/** Ask a route about a table, with an empty body where it takes one. */
async function ask({ method, path }: Route, question: Question, id = table_id): Promise<Answer> {
  return service.ask(method, path.replace(':table_id', id), {
    ...(method === 'POST' ? { body: {} } : {}),
    ...question,
  })
}

describe('without credentials, S5', () => {
  test('exactly three routes are open, besides /metrics, which has a gate of its own (metrics.test.ts)', () => {
    const open = ROUTES.filter(({ access }) => access.auth === 'none')
    expect(open.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /health',
      'GET /ready',
      'GET /version',
      'GET /metrics',
    ])
  })

  test.each(CLOSED)('$method $path: 401 before the store is asked', async (route) => {
    const answer = await ask(route, {})
    expectProblem(answer, { reason: 'missing_auth' })
    expect(answer.status).toBe(401)
    // The compactor's clients read `error`, and these very words (http-api.md 3.4).
    const is_compactor = route.access.auth === 'internal'
    expect(answer.body.error).toBe(is_compactor ? 'missing bearer token' : undefined)
    expect(counting.operations).toEqual([])
  })

  test('the open ones say nothing of a tenant', async () => {
    for (const path of ['/health', '/ready', '/version']) {
      const { status, body } = await service.ask('GET', path)
      expect(status).toBe(200)
      expect(JSON.stringify(body)).not.toMatch(/acme|rival|analytics|memory/)
    }
    expect(counting.operations.map(({ key }) => key)).toEqual(['__arco/ready-check'])
  })
})

describe('route × role, S6', () => {
  test.each(MATRIX)('$method $path, $caller: $verdict', async ({ caller, verdict, ...route }) => {
    const answer = await ask(route, await CALLERS[caller]())
    const is_refused = [401, 403].includes(answer.status)
    expect(is_refused ? answer.body.reason : 'in').toBe(verdict)
    if (is_refused) expectProblem(answer, { reason: verdict })
    expect(is_refused ? counting.operations : []).toEqual([])
  })

  test.each(Object.entries(LETS_IN.internal))(
    'an internal route, should there be one in this version or not, %s: %s',
    async (caller, verdict) => {
      const { auth, scope } = configFrom(PRIVATE)
      const { token }: Question = await CALLERS[caller as Caller]()
      const admission = await admit(await authenticatorsOf(auth, scope), {
        request: { headers: token === undefined ? new Headers() : bearer(token) },
        env: {},
        access: { auth: 'internal' },
        table_id: '',
      })
      expect(admission).toMatchObject(
        verdict === 'in'
          ? { ok: true, principal: { role: 'internal', scope: { tenant: 'acme', workspace: 'analytics' } } }
          : { ok: false, problem: { reason: verdict } },
      )
    },
  )
})

describe('tenant × tenant, S1', () => {
  const NAMES = [
    { 'x-tenant-id': 'ANOTHER' },
    { 'x-tenant-id': 'ANOTHER', 'x-workspace-id': 'analytics' },
    { 'x-tenant-id': 'OWN', 'x-workspace-id': 'other' },
    { 'x-tenant-id': 'OWN ' },
    { 'x-tenant-id': 'OWN,ANOTHER' },
    { 'x-tenant-id': '' },
  ]

  test.each(CLOSED.flatMap((route) => NAMES.map((headers) => ({ ...route, headers }))))(
    '$method $path: somebody who names $headers is refused before the store is asked',
    async ({ headers, ...route }) => {
      const { token, tenant, another } = await entitled(route)
      const named = headers['x-tenant-id']
        .replace('OWN ', tenant.toUpperCase())
        .replace('OWN', tenant)
        .replace('ANOTHER', another)
      const answer = await ask(route, { token, headers: { ...headers, 'x-tenant-id': named } })
      expect([400, 403]).toContain(answer.status)
      // Only a list is no name at all: it may be two headers (S27).
      expectProblem(answer, { reason: named.includes(',') ? 'bad_request' : 'forbidden' })
      expect(counting.operations).toEqual([])
    },
  )

  test.each(CLOSED)('$method $path: naming what the token says is fine', async (route) => {
    const { token, tenant } = await entitled(route)
    const headers = { 'x-tenant-id': tenant, 'x-workspace-id': 'analytics' }
    const { status } = await ask(route, { token, headers })
    expect([401, 403]).not.toContain(status)
  })

  test.each(OF_A_TABLE)(
    "$method $path: with the id of acme's table, rival reaches keys of rival only",
    async (route) => {
      const before = await readBucket(store)
      const body = { payload: freshPayload(), read_version: 0, ...staged, idempotency_key: freshId() }
      const fitting = await fittingBody(route, body)
      await ask(route, { token: await userOf('rival'), ...fitting })
      for (const { key } of counting.operations) expect(key).toMatch(/^tenant=rival\/workspace=analytics\//)
      const after = await readBucket(store)
      const ofAcme = (bucket: Record<string, string>): [string, string][] =>
        Object.entries(bucket).filter(([key]) => key.startsWith('tenant=acme/'))
      expect(ofAcme(after)).toEqual(ofAcme(before))
    },
  )

  test.each(ROUTES.filter(({ access }) => access.auth === 'internal'))(
    '$method $path: a service reaches keys of its own tenant only',
    async (route) => {
      const { status } = await ask(route, { token: SERVICE_TOKEN, ...(await fittingBody(route, {})) })
      expect([401, 403]).not.toContain(status)
      expect(counting.operations).not.toEqual([])
      // The gates work in workspaces of their own, of the same tenant.
      const own = route.path === '/internal/gates' ? 'gates-[0-9a-z]{26}-[0-9a-z-]+' : 'analytics'
      for (const { key } of counting.operations)
        expect(key).toMatch(new RegExp(`^tenant=acme/workspace=${own}/`))
    },
  )

  test.each([
    'tenant=acme/workspace=analytics/delta/staging/{id}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json',
    '../../tenant=acme/workspace=analytics/delta/staging/{id}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json',
    'delta/staging/{id}/../../../tenant=acme/x.json',
    'gs://lake/tenant=acme/workspace=analytics/delta/staging/{id}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json',
  ])('a staged_path of acme is malformed, not merely absent: %s', async (template) => {
    const body = {
      read_version: -1,
      staged_path: template.replace('{id}', table_id),
      staged_version: '1',
      idempotency_key: freshId(),
    }
    const answer = await service.ask('POST', `/api/v1/delta/tables/${table_id}/commits`, {
      token: await userOf('rival'),
      body,
    })
    expectProblem(answer, { reason: 'bad_request' })
    expect(counting.operations).toEqual([])
  })
})

/** Bodies of the routes that are about no table. */
const BODIES: Readonly<Record<string, object>> = {
  '/compact': { event_paths: [] },
  '/rebuild': { rebuild_manifest_path: 'state/orchestration/rebuilds/none.json' },
  '/internal/locks/orchestration/force-break': { reason: 'a test' },
  '/internal/gates': { reason: 'a test' },
}

/** The body that a route takes, made of members that all of them take. */
async function fittingBody(
  { method, path }: Route,
  { payload, ...commit }: Readonly<Record<string, unknown>>,
): Promise<Question> {
  if (method === 'GET') return {}
  const own = BODIES[path]
  if (own !== undefined) return { body: own }
  if (path.endsWith('/stage')) return { body: { payload } }
  return { body: path.endsWith('/commits') ? commit : {} }
}

describe('every route that takes a body, S13, S16, S35', () => {
  const WITH_BODY = ROUTES.filter(({ method }) => method === 'POST')

  test.each(
    WITH_BODY.flatMap((route) =>
      ['inflight', 'latest_version', 'role', 'tenant', 'workspace', 'principal'].map((member) => ({
        ...route,
        member,
      })),
    ),
  )('$method $path: nobody may assign $member (S35)', async ({ member, ...route }) => {
    const body = { payload: freshPayload(), read_version: 0, ...staged, idempotency_key: freshId() }
    const { body: fitting } = await fittingBody(route, body)
    const answer = await ask(route, {
      token: (await entitled(route)).token,
      body: { ...(fitting as object), [member]: 'internal' },
    })
    expectProblem(answer, {
      reason: 'bad_request',
      detail: new RegExp(`^(invalid request body: )?unknown member "${member}"`),
    })
    expect(counting.operations).toEqual([])
  })

  test.each(WITH_BODY)('$method $path: without a token its body is not read (S13)', async (route) => {
    let is_read = false
    const body = new ReadableStream(
      {
        pull() {
          is_read = true
        },
      },
      { highWaterMark: 0 },
    )
    const request = new Request(`http://tidemark.test${route.path.replace(':table_id', table_id)}`, {
      method: route.method,
      headers: { 'content-type': 'application/json' },
      body,
      duplex: 'half',
    } as RequestInit)
    expect((await service.app.fetch(request)).status).toBe(401)
    expect(is_read).toBe(false)
  })

  test.each(WITH_BODY)('$method $path: a member twice is refused whoever sends it (S16)', async (route) => {
    const request = new Request(`http://tidemark.test${route.path.replace(':table_id', table_id)}`, {
      method: route.method,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${(await entitled(route)).token}`,
      },
      body: '{"read_version":1,"read_version":2}',
    })
    expect(await (await service.app.fetch(request)).json()).toMatchObject({ reason: 'bad_request' })
    expect(counting.operations).toEqual([])
  })
})

describe('what the log tells, S10', () => {
  test('no token, no claim and no header of a scope is in it, whatever became of the request', async () => {
    const canary = await signed({ ...USER_CLAIMS, sub: 'canary-sub', groups: ['canary-group'] }, SECRET)
    const forged = await signed({ ...USER_CLAIMS, sub: 'canary-sub' }, 'another-secret-of-at-least-32-chars')
    const logged = await deployment(PRIVATE, memoryStore())
    for (const route of ROUTES) {
      for (const token of [canary, forged, 'canary-token', SERVICE_TOKEN]) {
        const path = route.path.replace(':table_id', table_id)
        await logged.ask(route.method, path, { token })
        await logged.ask(route.method, path, { token, headers: { 'x-tenant-id': 'canary-tenant' } })
      }
    }
    const text = JSON.stringify(logged.log())
    expect(logged.log().length).toBeGreaterThanOrEqual(8 * ROUTES.length)
    for (const secret of ['canary', SERVICE_TOKEN, ...canary.split('.'), ...forged.split('.')]) {
      expect(text).not.toContain(secret)
    }
  })
})

describe('what a refusal tells, S12', () => {
  /** An answer without what differs from request to request: its id, the table's, and what the store made up. */
  const told = ({ status, body }: Answer, id: string): unknown => {
    const { request_id: _, staged_version: __, ...rest } = body as Record<string, unknown>
    return {
      status,
      body: JSON.stringify(rest)
        .replaceAll(id, '{table_id}')
        .replaceAll(/[0-9A-HJKMNP-TV-Z]{26}/g, '{ulid}'),
    }
  }

  test.each(OF_A_TABLE)(
    "$method $path: acme's table and one that nobody has look alike to rival",
    async (route) => {
      const catalogued = await deployment({ ...PRIVATE, TIDEMARK_RESOLVER: 'catalog' }, await withCatalogs())
      const token = await userOf('rival')
      for (const target of [service, catalogued]) {
        const answers = []
        for (const id of [table_id, freshId()]) {
          const body = { payload: freshPayload(), read_version: 0, ...staged, idempotency_key: freshId() }
          const elsewhere = { ...body, staged_path: staged.staged_path.replace(table_id, id) }
          const question = { token, ...(await fittingBody(route, elsewhere)) }
          const answer = await target.ask(route.method, route.path.replace(':table_id', id), question)
          answers.push(told(answer, id))
        }
        const [taken, free] = answers
        expect(taken).toEqual(free)
      }
    },
  )

  test.each(CLOSED)(
    '$method $path: a tenant that exists and one that does not are refused alike',
    async (route) => {
      const { token, another } = await entitled(route)
      const [real, invented] = await Promise.all(
        [another, 'no-such-tenant'].map(async (tenant) =>
          ask(route, { token, headers: { 'x-tenant-id': tenant } }),
        ),
      )
      if (real === undefined || invented === undefined) throw new Error('two answers')
      expect(told(real, table_id)).toEqual(told(invented, table_id))
    },
  )

  test('no refusal of the matrix has a bucket, a key, a stack, a path or a token in it', async () => {
    const bucket = 'lake-with-a-telling-name'
    const named = await deployment(
      { ...PRIVATE, ARCO_STORAGE_BUCKET: `file:/srv/${bucket}` },
      {
        ...memoryStore(),
        get: async () => Promise.reject(new TypeError(`/srv/${bucket}/tenant=acme broke`)),
      },
    )
    const seen = new Set<string>()
    for (const route of ROUTES) {
      for (const caller of Object.keys(CALLERS) as Caller[]) {
        for (const headers of [{}, { 'x-tenant-id': 'no-such-tenant' }]) {
          const question = {
            headers,
            ...(await CALLERS[caller]()),
            ...(route.method === 'POST' ? { body: {} } : {}),
          }
          const answer = await named.ask(route.method, route.path.replace(':table_id', table_id), question)
          if (answer.status < 400) continue
          const { type, ...rest } = answer.body as Record<string, unknown>
          seen.add(String(type))
          const text = JSON.stringify(rest)
          expect(text).not.toContain(bucket)
          expect(text).not.toMatch(/tenant=|workspace=|\bat [A-Za-z]|\.ts\b|node_modules|file:|eyJ/)
          expect(text).not.toContain(SERVICE_TOKEN)
          // A slash is a path: none but those of our own documents.
          expect(text.replaceAll('GET /docs', '')).not.toContain('/')
        }
      }
    }
    expect([...seen].map((type) => type.replace('docs/problems.md#', ''))).toEqual(
      expect.arrayContaining(['missing_auth', 'invalid_token', 'forbidden', 'unprocessable', 'internal']),
    )
  })

  /** acme's catalog has the table; rival's has another one. */
  async function withCatalogs(): Promise<ReturnType<typeof memoryStore>> {
    const catalogs = memoryStore()
    for (const [tenant, id] of [
      ['acme', table_id],
      ['rival', freshId()],
    ] as const) {
      const objects = catalogObjects([{ id, location: null, format: 'delta' }])
      for (const [name, path] of Object.entries(CATALOG_PATHS)) {
        const bytes = objects[name as keyof typeof CATALOG_PATHS]
        await catalogs.put(`tenant=${tenant}/workspace=analytics/${path}`, bytes, 'doesNotExist')
      }
    }
    return catalogs
  }
})
