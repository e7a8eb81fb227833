/** The deployment's own rule and the write gate, spec/http-api.md 3.3 and spec/providers.md 7: before the body and the store. */
import { describe, expect, test, vi } from 'vitest'
import type { Authorize } from '../../functions/auth.ts'
import { createApp, routesOf, type AppDeps } from '../../functions/app.ts'
import { createLog } from '../../functions/logging.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, testDeps, type Answer } from '../support/service.ts'
import { countRounds } from '../support/stores.ts'

const ROUTES = routesOf(testDeps(memoryStore()))
const OF_A_TABLE = ROUTES.filter(({ path }) => path.includes(':table_id'))

async function ask(
  deps: AppDeps,
  { method, path }: { method: string; path: string },
  table_id = freshId(),
): Promise<Answer> {
  const response = await createApp(deps).fetch(
    new Request(`http://tidemark.test${path.replace(':table_id', table_id)}`, {
      method,
      ...(method === 'POST' ? { body: '{', headers: { 'content-type': 'application/json' } } : {}),
    }),
  )
  return { status: response.status, headers: response.headers, body: await response.json() }
}

describe('authorize, http-api.md 3.3', () => {
  test.each(OF_A_TABLE)(
    '$method $path asks about its action, the scope and the canonical table',
    async (route) => {
      const authorize = vi.fn<Authorize>(() => false)
      const counting = countRounds(memoryStore())
      const table_id = freshId()
      const answer = await ask({ ...testDeps(counting.store), authorize }, route, table_id.toUpperCase())
      const scope = { tenant: 'acme', workspace: 'analytics' }
      expect(authorize.mock.calls).toEqual([
        [{ scope, user: null, groups: [], role: 'dev' }, route.access.action, scope, table_id],
      ])
      expectProblem(answer, {
        reason: 'forbidden',
        detail: `${route.access.action} on this table is not allowed to you`,
      })
      expect(counting.operations).toEqual([])
    },
  )

  test('every route of a table has an action, and no other route has one', () => {
    const actions = OF_A_TABLE.map(({ access }) => access.action)
    expect(actions).toEqual([
      'delta.stage',
      'delta.commit',
      'delta.recover',
      'delta.inspect',
      'delta.verify',
      // To look at a key is to look at its table.
      'delta.inspect',
    ])
    for (const { path, access } of ROUTES)
      expect(access.action === undefined).toBe(!path.includes(':table_id'))
  })

  test.each([true, Promise.resolve(true)])('allowed, at once or later: the handler runs', async (verdict) => {
    for (const route of OF_A_TABLE) {
      const { status } = await ask({ ...testDeps(memoryStore()), authorize: () => verdict }, route)
      const has_all = route.method === 'GET' && !route.path.endsWith('/key')
      expect(status).toBe(has_all ? 200 : 400)
    }
  })

  test('a table id that is none is a 400, whatever the rule', async () => {
    const authorize = vi.fn<Authorize>(() => true)
    for (const route of OF_A_TABLE.filter(({ method }) => method === 'GET')) {
      expectProblem(await ask({ ...testDeps(memoryStore()), authorize }, route, 'orders'), {
        reason: 'bad_request',
        detail: 'table_id must be a UUID',
      })
    }
    expect(authorize).not.toHaveBeenCalled()
  })

  test.each([
    async (): Promise<boolean> => Promise.reject(new Error('the policy server is down')),
    (): boolean => {
      throw new Error('the policy server is down')
    },
  ])('a rule that fails lets nobody in, and only the log says why', async (authorize) => {
    const lines: string[] = []
    const log = createLog({ format: 'json', write: (line) => lines.push(line) })
    const counting = countRounds(memoryStore())
    for (const route of OF_A_TABLE) {
      const answer = await ask({ ...testDeps(counting.store), authorize, log }, route)
      expectProblem(answer, { reason: 'internal' })
      expect(JSON.stringify(answer.body)).not.toContain('policy server')
    }
    expect(lines.filter((line) => line.includes('the policy server is down'))).toHaveLength(OF_A_TABLE.length)
    expect(counting.operations).toEqual([])
  })
})

describe('the write gate, providers.md 7', () => {
  const WHY = 'writes are off'
  const gated = (store = memoryStore()): AppDeps => ({ ...testDeps(store), writeRefusal: () => WHY })

  // It looks, says HC-401 of such a store, and writes nothing there (health-check.test.ts).
  const LOOKS_ONLY = '/internal/health-check'

  test('every route that changes something is behind it', () => {
    for (const { method, path, access } of ROUTES) {
      expect([path, access.writes === true]).toEqual([path, method === 'POST' && path !== LOOKS_ONLY])
    }
  })

  test.each(ROUTES.filter(({ access }) => access.writes === true))(
    '$method $path: 503 store_not_certified before the body is read or the store is asked',
    async (route) => {
      const counting = countRounds(memoryStore())
      // The body would be a 400.
      const answer = await ask({ ...testDeps(counting.store), writeRefusal: () => WHY }, route)
      expectProblem(answer, { reason: 'store_not_certified', detail: WHY })
      expect(counting.operations).toEqual([])
    },
  )

  test('reading goes on, and /ready says what is wrong', async () => {
    expect(
      await ask(gated(), { method: 'GET', path: '/api/v1/delta/tables/:table_id/inspect' }),
    ).toMatchObject({
      status: 200,
      body: { latest_version: -1, inflight: null },
    })
    expect(await ask(gated(), { method: 'GET', path: '/health' })).toMatchObject({ status: 200 })
    const ready = await ask(gated(), { method: 'GET', path: '/ready' })
    expectProblem(ready, { reason: 'store_not_certified', detail: WHY })
    expect(ready.body.ready).toBe(false)
  })
})

describe('a warning', () => {
  test('is a line of its own with the id of its request', async () => {
    const lines: string[] = []
    const log = createLog({ format: 'json', write: (line) => lines.push(line) })
    const deps = testDeps(memoryStore(), { log })
    const user: AppDeps['user'] = async () => ({
      ok: true,
      warning: 'tenant or workspace id was lower-cased',
      principal: { scope: deps.scope, user: null, groups: [], role: 'user' },
    })
    const answer = await ask({ ...deps, user }, { method: 'GET', path: '/' })
    expect(answer.status).toBe(200)
    const [warning, request] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(warning).toMatchObject({
      level: 'WARN',
      message: 'warning',
      what: 'tenant or workspace id was lower-cased',
    })
    expect(warning?.['request_id']).toBe(request?.['request_id'])
  })

  test('S-3: scope headers are compared lower-cased where ids are', async () => {
    const deps = testDeps(memoryStore())
    const named = async (lower_case_ids: boolean, tenant: string): Promise<number> => {
      const request = new Request('http://tidemark.test/', { headers: { 'x-tenant-id': tenant } })
      return (await createApp({ ...deps, lower_case_ids }).fetch(request)).status
    }
    expect(await named(false, 'ACME')).toBe(403)
    expect(await named(true, 'ACME')).toBe(200)
    expect(await named(true, 'RIVAL')).toBe(403)
  })
})
