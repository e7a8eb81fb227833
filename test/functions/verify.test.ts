/** GET …/verify over HTTP: pages, query, who may ask, and that no other handler can list (spec/http-api.md 4.3). */
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { Call } from '../../functions/handler.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import { TABLE_ID } from '../support/commit-world.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, testService } from '../support/service.ts'
import { soundTable } from '../support/spoilt-table.ts'
import { countRounds, forbidListing } from '../support/stores.ts'
import { entryPath, storeOf } from '../support/verify.ts'
import { verifiedTable } from '../support/verified-table.ts'

const VERIFY = `/api/v1/delta/tables/${TABLE_ID}/verify`

describe('an answer', () => {
  test('of a clean table: no findings, no next page, and what was looked at', async () => {
    const table = await verifiedTable()
    const { status, body } = await table.service.request('GET', VERIFY)
    expect([status, body]).toEqual([
      200,
      {
        findings: [],
        next: null,
        root: `tables/${TABLE_ID}`,
        latest_version: 2,
        log: { first_version: 0, latest_version: 2, entries: 3, checkpoints: 0 },
      },
    ])
  })

  test('has the most severe finding first, with its rule, place, meaning and next step', async () => {
    const { 'p=1/c.parquet': _gone, ...files } = soundTable()
    files['_delta_log/_last_checkpoint'] = ''
    const { body } = await testService(storeOf(files)).request('GET', `${VERIFY}?deep=true`)
    expect(body.findings.map(({ rule }: { rule: string }) => rule)).toEqual(['DL-1120', 'DL-901'])
    expect(body.findings[0]).toEqual({
      rule: 'DL-1120',
      severity: 'error',
      path: `tables/${TABLE_ID}/p=1/c.parquet`,
      version: 4,
      detail: 'expected the live file, saw none',
      means: expect.any(String),
      next: expect.stringContaining('repair'),
    })
  })

  test('of one page says where the next one goes on; all pages together are the whole look', async () => {
    const files = soundTable()
    files[entryPath(2)] = 'spoilt'
    const service = testService(storeOf(files))
    const whole = (await service.request('GET', VERIFY)).body
    const found: unknown[] = []
    let next: string | null = null
    let pages = 0
    do {
      const query: string = next === null ? '' : `&cursor=${next}`
      const { body } = await service.request('GET', `${VERIFY}?limit=2${query}`)
      found.push(...body.findings)
      next = body.next
      pages += 1
    } while (next !== null && pages < 100)
    expect(pages).toBeGreaterThan(3)
    expect(found).toEqual(whole.findings)
  })
})

describe('a query', () => {
  test.each([
    ['deep=yes', 'expected deep to be true or false'],
    ['limit=0', 'expected limit to be an integer from 1 to 10000'],
    ['limit=10001', 'expected limit to be an integer from 1 to 10000'],
    ['limit=1e3', 'expected limit to be an integer from 1 to 10000'],
    ['cursor=', 'expected cursor to be the next of an earlier answer'],
    ['cursor=bG9nOi0x', 'expected cursor to be the next of an earlier answer'],
    ['cursor=b3RoZXI6', 'expected cursor to be the next of an earlier answer'],
    [`cursor=${'a'.repeat(5000)}`, 'expected cursor to be the next of an earlier answer'],
    ['deep=true&deep=true', 'expected deep once'],
    ['depth=1', 'expected no query members but deep, limit and cursor'],
  ])('%s is refused before the store is touched', async (query, detail) => {
    const counting = countRounds(memoryStore())
    const answer = await testService(counting.store).request('GET', `${VERIFY}?${query}`)
    expectProblem(answer, { reason: 'bad_request', detail })
    expect(counting.operations).toEqual([])
  })

  test('a cursor that somebody made up leaves the scope of the table alone', async () => {
    const table = await verifiedTable()
    const other = 'delta/idempotency/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c99/'
    table.write(`${other}aa/${'a'.repeat(64)}.json`, 'not a marker')
    const cursor = Buffer.from(`markers:${other}`).toString('base64url')
    const { status, body } = await table.service.request('GET', `${VERIFY}?cursor=${cursor}`)
    expect([status, body.findings]).toEqual([200, []])
  })
})

describe('refusals', () => {
  test('a table that the catalog does not know: 404 table_not_found', async () => {
    const service = testService(memoryStore(), { resolver: { mode: 'static', tables: new Map() } })
    const answer = await service.request('GET', VERIFY)
    expect([answer.status, answer.body.reason]).toEqual([404, 'table_not_found'])
  })

  test('a store that does not list: 503 storage_unavailable', async () => {
    const store = memoryStore()
    const silent = {
      ...store,
      listPage: async () => {
        throw new StoreError('unavailable', '', 'silent')
      },
    }
    const answer = await testService(silent).request('GET', VERIFY)
    expect([answer.status, answer.body.reason]).toEqual([503, 'storage_unavailable'])
  })

  test('an id that is none: 400', async () => {
    const answer = await testService(memoryStore()).request('GET', '/api/v1/delta/tables/orders/verify')
    expectProblem(answer, { reason: 'bad_request' })
  })
})

describe('listing, C17', () => {
  test('verify lists by its own way to the store, and writes and deletes nothing', async () => {
    const table = await verifiedTable()
    const { store, violations } = forbidListing(table.store)
    const prefixes: string[] = []
    const listing: MaintenanceStore = {
      ...store,
      async listPage(request, options) {
        prefixes.push(request.prefix)
        return table.store.listPage(request, options)
      },
    }
    const service = testService(store, { clock: table.clock, maintenance_store: listing })
    const before = [...table.store.dump()]
    const answer = await service.request('GET', `${VERIFY}?deep=true`)
    expect(answer.body.findings.map(({ rule }: { rule: string }) => rule)).toEqual(['DL-1120', 'DL-1120'])
    expect(prefixes).toEqual([
      `${table.service.prefix}tables/${TABLE_ID}/_delta_log/`,
      `${table.service.prefix}delta/idempotency/${TABLE_ID}/`,
      `${table.service.prefix}delta/staging/${TABLE_ID}/`,
    ])
    expect([...table.store.dump()]).toEqual(before)
    expect(violations).toEqual([])
  })

  test('what a handler gets has no way to list, by type', () => {
    expectTypeOf<Call['service']>().not.toHaveProperty('maintenance_store')
    expectTypeOf<Call['service']['store']>().not.toHaveProperty('listPage')
    expectTypeOf<Call['service']['store']>().not.toHaveProperty('delete')
  })

  test('a look stays in its tenant and workspace, S1', async () => {
    const table = await verifiedTable()
    const counting = countRounds(table.store)
    const service = testService(counting.store, { scope: { tenant: 'rival', workspace: 'analytics' } })
    const { body } = await service.request('GET', `/api/v1/delta/tables/${freshId()}/verify?deep=true`)
    expect(body.latest_version).toBeNull()
    const foreign = counting.operations.filter(
      ({ key }) => !key.startsWith('tenant=rival/workspace=analytics/'),
    )
    expect(foreign).toEqual([])
  })
})
