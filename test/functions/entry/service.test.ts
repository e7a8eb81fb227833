/** A deployment from its variables: certification at the start, and tenants that share nothing but the store. */
import { describe, expect, test } from 'vitest'
import { ConfigError, configFrom } from '../../../functions/config.ts'
import { createService } from '../../../functions/entry/service.ts'
import { withFaults } from '../../../lib/store/faults.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import { StoreError, type Certifiable, type MaintenanceStore } from '../../../lib/store/types.ts'
import { CATALOG_PATHS, catalogObjects } from '../../support/catalog.ts'
import { deployment, PRIVATE, userOf, type Deployment } from '../../support/deployment.ts'
import { expectProblem } from '../../support/problems.ts'
import { freshId, freshPayload, sha256Hex } from '../../support/service.ts'
import { countRounds, readBucket } from '../../support/stores.ts'

const CONDITIONS = { create: 'if absent', replace: 'if unchanged', delete: 'if unchanged' }

/** A driver of a real service: one that must be certified. */
function uncertified(store: MaintenanceStore = memoryStore()): MaintenanceStore & Certifiable {
  return { ...store, certification: { conditions: CONDITIONS } }
}

async function commitAs(service: Deployment, token: string, table_id: string): Promise<number> {
  const table = `/api/v1/delta/tables/${table_id}`
  const staged = await service.ask('POST', `${table}/commits/stage`, {
    token,
    body: { payload: freshPayload() },
  })
  if (staged.status !== 200) return staged.status
  const body = { read_version: -1, ...staged.body, idempotency_key: freshId() }
  return (await service.ask('POST', `${table}/commits`, { token, body })).status
}

describe('certification, providers.md 7', () => {
  const TABLE = `/api/v1/delta/tables/${freshId()}`

  test('nobody has looked: read-only, and the texts say what to do', async () => {
    const counting = countRounds(memoryStore())
    const service = await deployment(PRIVATE, uncertified(counting.store))
    const token = await userOf('acme')
    const detail =
      'writes are off until this store is certified: run `npm run doctor` and set TIDEMARK_STORE_CERTIFIED=true'
    const refused = { reason: 'store_not_certified', detail }
    expectProblem(await service.ask('POST', `${TABLE}/commits`, { token, body: {} }), refused)
    expectProblem(await service.ask('GET', '/ready'), refused)
    expect((await service.ask('GET', `${TABLE}/inspect`, { token })).status).toBe(200)
    // C-6: no request certifies.
    expect(counting.operations.filter(({ kind }) => kind === 'put')).toEqual([])
  })

  test('the operator has looked: it writes, and writes nothing at its start', async () => {
    const store = memoryStore()
    const service = await deployment({ ...PRIVATE, TIDEMARK_STORE_CERTIFIED: 'true' }, uncertified(store))
    expect(await readBucket(store)).toEqual({})
    expect(await commitAs(service, await userOf('acme'), freshId())).toBe(200)
    expect((await service.ask('GET', '/ready')).body).toEqual({ ready: true })
  })

  test('a store that its own tests certify needs nobody to look', async () => {
    const service = await deployment(PRIVATE, memoryStore())
    expect(await commitAs(service, await userOf('acme'), freshId())).toBe(200)
  })

  test('at the start: a store that honours conditions is written to, and nothing is left of the looking', async () => {
    const store = memoryStore()
    const counting = countRounds(store)
    const service = await deployment(
      { ...PRIVATE, TIDEMARK_STORE_CERTIFIED: 'startup' },
      uncertified(counting.store),
    )
    expect(await readBucket(store)).toEqual({})
    for (const { kind, key } of counting.operations) {
      expect(key).toMatch(kind === 'head' ? /^__arco\/ready-check$/ : /^__arco\/certify\/[0-9A-Z]{26}$/)
    }
    expect(await commitAs(service, await userOf('acme'), freshId())).toBe(200)
  })

  test('at the start: a store that ignores If-Match stays read-only, by the step that found it', async () => {
    const store = memoryStore()
    const careless = uncertified({
      ...store,
      put: async (key, bytes, precondition, options) =>
        store.put(key, bytes, typeof precondition === 'object' ? 'none' : precondition, options),
    })
    const service = await deployment({ ...PRIVATE, TIDEMARK_STORE_CERTIFIED: 'startup' }, careless)
    const token = await userOf('acme')
    const refused = {
      reason: 'store_not_certified',
      detail: 'the store failed certification step K-5; run `npm run doctor`',
    }
    expectProblem(await service.ask('POST', `${TABLE}/commits`, { token, body: {} }), refused)
    expectProblem(await service.ask('POST', `${TABLE}/recover`, { token, body: {} }), refused)
    expectProblem(await service.ask('GET', '/ready'), refused)
    expect((await service.ask('GET', `${TABLE}/inspect`, { token })).status).toBe(200)
  })

  test('at the start: a store that does not answer fails the start, so that the next one looks again', async () => {
    const down = withFaults(memoryStore(), () => ({ fault: 'error_before' }))
    const starting = deployment({ ...PRIVATE, TIDEMARK_STORE_CERTIFIED: 'startup' }, uncertified(down))
    await expect(starting).rejects.toThrow(StoreError)
  })

  test.each([
    { configured: 'quoted', words: 'as nobody has said' },
    { configured: 'unquoted', words: 'as the operator has said, too' },
  ] as const)(
    'at the start: a store that wants ETags without quotes gets them, $words',
    async ({ configured }) => {
      const store = memoryStore()
      const withStyle = (style: 'quoted' | 'unquoted'): MaintenanceStore & Certifiable => ({
        ...store,
        put: async (key, bytes, precondition, options) =>
          style === 'quoted' && typeof precondition === 'object'
            ? { outcome: 'precondition_failed' }
            : store.put(key, bytes, precondition, options),
        certification: { conditions: CONDITIONS, withIfMatchStyle: withStyle },
      })
      const env = { ...PRIVATE, TIDEMARK_STORE_CERTIFIED: 'startup', TIDEMARK_S3_IF_MATCH: configured }
      const service = await deployment(env, withStyle(configured))
      const token = await userOf('acme')
      const table_id = freshId()
      expect(await commitAs(service, token, table_id)).toBe(200)
      // The first write that replaces anything is the last one of a commit, and its failure is not the client's.
      const { body } = await service.ask('GET', `/api/v1/delta/tables/${table_id}/inspect`, { token })
      expect(body).toMatchObject({ latest_version: 0, inflight: null })
    },
  )
})

describe('two tenants by JWT over one store, S1', () => {
  test('neither sees the tables of the other, whatever ids they share', async () => {
    const store = memoryStore()
    const service = await deployment(PRIVATE, store)
    const [acme, rival] = [await userOf('acme'), await userOf('rival')]
    const shared = freshId()
    expect(await commitAs(service, acme, shared)).toBe(200)
    const inspect = `/api/v1/delta/tables/${shared}/inspect`
    expect((await service.ask('GET', inspect, { token: acme })).body).toMatchObject({ latest_version: 0 })
    expect((await service.ask('GET', inspect, { token: rival })).body).toMatchObject({ latest_version: -1 })
    expect(await commitAs(service, rival, shared)).toBe(200)
    const keys = Object.keys(await readBucket(store))
    const ofTenant = (tenant: string): number =>
      keys.filter((key) => key.startsWith(`tenant=${tenant}/workspace=analytics/`)).length
    expect([ofTenant('acme'), ofTenant('rival'), keys.length]).toEqual([4, 4, 8])
  })

  test('two workspaces of one tenant are as far apart', async () => {
    const service = await deployment(PRIVATE, memoryStore())
    const table_id = freshId()
    expect(await commitAs(service, await userOf('acme', 'analytics'), table_id)).toBe(200)
    const token = await userOf('acme', 'finance')
    expect(
      (await service.ask('GET', `/api/v1/delta/tables/${table_id}/inspect`, { token })).body,
    ).toMatchObject({
      latest_version: -1,
    })
  })

  test('each scope has its own catalog and its own cache: a table of one is not found by the other (S22)', async () => {
    const store = memoryStore()
    const [of_acme, of_rival] = [freshId(), freshId()]
    for (const [tenant, id] of [
      ['acme', of_acme],
      ['rival', of_rival],
    ] as const) {
      const objects = catalogObjects([{ id, location: `warehouse/${tenant}`, format: 'delta' }])
      for (const [name, path] of Object.entries(CATALOG_PATHS)) {
        const bytes = objects[name as keyof typeof CATALOG_PATHS]
        await store.put(`tenant=${tenant}/workspace=analytics/${path}`, bytes, 'doesNotExist')
      }
    }
    const service = await deployment({ ...PRIVATE, TIDEMARK_RESOLVER: 'catalog' }, store)
    for (const [tenant, own, foreign] of [
      ['acme', of_acme, of_rival],
      ['rival', of_rival, of_acme],
      // With warm caches, too.
      ['acme', of_acme, of_rival],
    ] as const) {
      const token = await userOf(tenant)
      await commitAs(service, token, own)
      expect(await commitAs(service, token, foreign)).toBe(404)
    }
    const logs = Object.keys(await readBucket(store)).filter((key) => key.includes('/_delta_log/'))
    expect(logs).toEqual([
      'tenant=acme/workspace=analytics/warehouse/acme/_delta_log/00000000000000000000.json',
      'tenant=rival/workspace=analytics/warehouse/rival/_delta_log/00000000000000000000.json',
    ])
  })

  test('a scope whose resolver was forgotten gets another one', async () => {
    const service = await deployment(PRIVATE, memoryStore())
    const table_id = freshId()
    const ask = async (tenant: string): Promise<number> =>
      (await service.ask('GET', `/api/v1/delta/tables/${table_id}/inspect`, { token: await userOf(tenant) }))
        .status
    for (let tenant = 0; tenant < 1_002; tenant++) expect(await ask(`t${tenant}`)).toBe(200)
    expect(await ask('t0')).toBe(200)
  })

  test('the log line of a request has the scope of its token', async () => {
    const service = await deployment(PRIVATE, memoryStore())
    await service.ask('GET', '/', { token: await userOf('rival', 'finance') })
    expect(service.log().at(-1)).toMatchObject({ scope_sha256: sha256Hex('rival/finance'), status: 200 })
    for (const token of [{}, { token: 'forged' }]) {
      await service.ask('GET', '/', token)
      expect(service.log().at(-1)).toMatchObject({ status: 401 })
      expect(service.log().at(-1)).not.toHaveProperty('scope_sha256')
    }
  })
})

test('a public key that does not parse is an error of the configuration', async () => {
  const { ARCO_JWT_SECRET: _, ...rest } = PRIVATE
  const config = configFrom({ ...rest, ARCO_JWT_PUBLIC_KEY_PEM: 'no key' })
  const starting = createService(config, { opened: { driver: memoryStore() }, write: () => undefined })
  await expect(starting).rejects.toThrow(ConfigError)
})
