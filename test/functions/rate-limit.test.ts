/** http-api.md 9 and S30: how often a tenant may ask. */
import { describe, expect, test } from 'vitest'
import {
  createRateLimiter,
  DEFAULT_RATE_LIMITS,
  TENANT_IDLE_MS,
  TENANTS_MAX,
  type Asked,
  type RateLimiter,
  type RateVerdict,
} from '../../functions/rate-limit.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { deployment, PRIVATE, SERVICE_TOKEN, userOf } from '../support/deployment.ts'
import { expectProblem } from '../support/problems.ts'
import { valueOf } from '../support/prometheus.ts'
import { freshId, testService, type TestService } from '../support/service.ts'

function takes(
  limiter: RateLimiter,
  count: number,
  { tenant = 'acme', asked = 'other', at_ms = 0 }: { tenant?: string; asked?: Asked; at_ms?: number } = {},
): RateVerdict[] {
  return Array.from({ length: count }, () => limiter.take(tenant, asked, at_ms))
}

function let_through(verdicts: readonly RateVerdict[]): number {
  return verdicts.filter(({ ok }) => ok).length
}

describe('the bucket', () => {
  test('by default 500 a minute and 50 at once', () => {
    expect(DEFAULT_RATE_LIMITS).toEqual({ per_minute: 500, burst: 50 })
    const limiter = createRateLimiter()
    expect(let_through(takes(limiter, 60))).toBe(50)
    // 500 a minute is one every 120 ms.
    expect(let_through(takes(limiter, 2, { at_ms: 119 }))).toBe(0)
    expect(let_through(takes(limiter, 2, { at_ms: 121 }))).toBe(1)
  })

  test('lets 50 and then 500 a minute through, however hard it is asked', () => {
    const limiter = createRateLimiter()
    let through = 0
    for (let at_ms = 0; at_ms < 60_000; at_ms += 10) through += let_through(takes(limiter, 1, { at_ms }))
    expect(through).toBeGreaterThanOrEqual(548)
    expect(through).toBeLessThanOrEqual(550)
  })

  test('is never fuller than the burst, and a clock that goes back adds nothing', () => {
    const limiter = createRateLimiter({ per_minute: 60, burst: 3 })
    takes(limiter, 3, { at_ms: 1_000 })
    expect(let_through(takes(limiter, 9, { at_ms: 600_000 }))).toBe(3)
    expect(let_through(takes(limiter, 1, { at_ms: 0 }))).toBe(0)
  })

  test('each tenant has its own', () => {
    const limiter = createRateLimiter()
    takes(limiter, 60)
    expect(let_through(takes(limiter, 60, { tenant: 'rival' }))).toBe(50)
  })

  test('says what is left, and when to come back: whole seconds, at least 1', () => {
    const limiter = createRateLimiter({ per_minute: 6, burst: 2 })
    const [first, second, third] = takes(limiter, 3)
    expect(first).toEqual({ ok: true, headers: { 'x-ratelimit-limit': '6', 'x-ratelimit-remaining': '1' } })
    expect(second).toMatchObject({ headers: { 'x-ratelimit-remaining': '0' } })
    expect(third).toEqual({
      ok: false,
      problem: {
        reason: 'rate_limited',
        detail: 'Rate limit exceeded. Limit: 6 requests per minute. Retry after 10 seconds.',
        members: { retry_after_ms: 10_000 },
        headers: { 'x-ratelimit-limit': '6', 'x-ratelimit-remaining': '0' },
      },
    })
    expect(let_through(takes(limiter, 1, { at_ms: 10_000 }))).toBe(1)
    expect(takes(createRateLimiter({ per_minute: 9_999, burst: 1 }), 2)[1]).toMatchObject({
      problem: { members: { retry_after_ms: 1_000 } },
    })
  })
})

describe('memory', () => {
  test(`at most ${TENANTS_MAX} tenants are tracked: the one that asked longest ago is forgotten`, () => {
    const limiter = createRateLimiter({ per_minute: 1, burst: 1 })
    for (let each = 0; each < TENANTS_MAX; each++) limiter.take(`t${each}`, 'other', 0)
    limiter.take('t0', 'other', 1)
    limiter.take('new', 'other', 2)
    expect(limiter.tracked()).toBe(TENANTS_MAX)
    expect(let_through(takes(limiter, 1, { tenant: 't0', at_ms: 2 }))).toBe(0)
    expect(let_through(takes(limiter, 1, { tenant: 't1', at_ms: 2 }))).toBe(1)
  })

  test('an idle tenant is forgotten after an hour', () => {
    const limiter = createRateLimiter()
    limiter.take('idle', 'other', 0)
    limiter.take('busy', 'other', 1)
    limiter.take('busy', 'other', TENANT_IDLE_MS)
    expect(limiter.tracked()).toBe(2)
    limiter.take('busy', 'other', TENANT_IDLE_MS + 1)
    expect(limiter.tracked()).toBe(1)
  })

  test('a key that is no key is not remembered, whatever its length', () => {
    const limiter = createRateLimiter({ per_minute: 1, burst: 1 })
    const commit_key = 'k'.repeat(60_000)
    expect(let_through(takes(limiter, 2, { asked: { commit_key } }))).toBe(1)
    expect(let_through(takes(limiter, 1, { tenant: 'b', asked: { commit_key: { a: 1 } } }))).toBe(1)
  })
})

describe('over HTTP', () => {
  const limits = { per_minute: 60, burst: 5 }

  function limited(): TestService {
    return testService(memoryStore(), { deps: { rate_limiter: createRateLimiter(limits) } })
  }

  async function exhaust(it: TestService): Promise<void> {
    const table_id = freshId()
    for (let each = 0; each < limits.burst; each++) await it.inspect(table_id)
  }

  test('the 429: exact text, Retry-After, the headers, and a metric', async () => {
    const it = limited()
    const table_id = freshId()
    const first = await it.inspect(table_id)
    expect([first.headers.get('x-ratelimit-limit'), first.headers.get('x-ratelimit-remaining')]).toEqual([
      '60',
      '4',
    ])
    await exhaust(it)
    const refused = await it.inspect(table_id)
    expectProblem(refused, {
      reason: 'rate_limited',
      detail: 'Rate limit exceeded. Limit: 60 requests per minute. Retry after 1 seconds.',
    })
    expect([refused.headers.get('x-ratelimit-limit'), refused.headers.get('x-ratelimit-remaining')]).toEqual([
      '60',
      '0',
    ])
    const page = await it.app.fetch(new Request('http://tidemark.test/metrics'))
    const labels = { endpoint: '/api/v1/delta/tables/{table_id}/inspect' }
    // One in `exhaust`, one here.
    expect(valueOf(await page.text(), 'rate_limit_hits_total', labels)).toBe(2)
    it.clock.advance(1_000)
    expect((await it.inspect(table_id)).status).toBe(200)
  })

  test('evaluation order (4.2): what is wrong with the body comes before, what is wrong with the table after', async () => {
    const it = limited()
    await exhaust(it)
    const at = '/api/v1/delta/tables/x/commits/stage'
    expect((await it.request('POST', at, '{')).body.reason).toBe('bad_request')
    expect((await it.request('POST', at, {})).body.reason).toBe('rate_limited')
    it.clock.advance(1_000)
    expect((await it.request('POST', at, { payload: 'x' })).body.detail).toBe('table_id must be a UUID')
  })

  test('a throttled tenant can still replay a commit and recover, and nothing else', async () => {
    const it = limited()
    const table_id = freshId()
    const call = { table_id, read_version: -1, ...(await it.stage(table_id)), idempotency_key: freshId() }
    expect((await it.commit(call)).status).toBe(200)
    await exhaust(it)
    const { idempotency_key, table_id: _, ...body } = call
    const replayed = await it.commit(call)
    expect([replayed.status, replayed.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    const by_header = await it.request('POST', `/api/v1/delta/tables/${table_id}/commits`, body, {
      'idempotency-key': idempotency_key,
    })
    expect(by_header.status).toBe(200)
    expect((await it.recover(table_id)).status).toBe(200)
    expect((await it.commit({ ...call, idempotency_key: freshId() })).status).toBe(429)
    expect((await it.inspect(table_id)).status).toBe(429)
  })

  test('a key that was refused is none that was seen, and finishing is limited as well', async () => {
    const it = limited()
    const table_id = freshId()
    await exhaust(it)
    const call = {
      table_id,
      read_version: -1,
      staged_path: 'x',
      staged_version: '1',
      idempotency_key: freshId(),
    }
    expect([(await it.commit(call)).status, (await it.commit(call)).status]).toEqual([429, 429])
    const statuses: number[] = []
    for (let each = 0; each <= limits.burst; each++) statuses.push((await it.recover(table_id)).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
  })

  test('what everybody may ask, and what does not exist, is not counted', async () => {
    const it = limited()
    await exhaust(it)
    for (const path of ['/health', '/ready', '/version', '/nowhere']) {
      const answer = await it.request('GET', path)
      expect(answer.status).not.toBe(429)
      expect(answer.headers.has('x-ratelimit-limit')).toBe(false)
    }
  })
})

describe('a deployment', () => {
  const { TIDEMARK_RATE_LIMIT: _off, ...ON } = PRIVATE
  const at = `/api/v1/delta/tables/${freshId()}/inspect`

  test('limits users by tenant outside the dev posture; services it does not', async () => {
    const it = await deployment({ ...ON, TIDEMARK_RATE_LIMIT_BURST: '2' }, memoryStore())
    const [acme, rival] = [await userOf('acme'), await userOf('rival')]
    const ask = async (token: string): Promise<number> => (await it.ask('GET', at, { token })).status
    expect([await ask(acme), await ask(acme), await ask(acme), await ask(rival)]).toEqual([
      200, 200, 429, 200,
    ])
    for (let each = 0; each < 5; each++) {
      const { status } = await it.ask('GET', '/internal/locks/orchestration', { token: SERVICE_TOKEN })
      expect(status).toBe(200)
    }
  })

  test('who is not let in is refused for that, and uses up nothing', async () => {
    const it = await deployment({ ...ON, TIDEMARK_RATE_LIMIT_BURST: '1' }, memoryStore())
    for (let each = 0; each < 3; each++) {
      const { status } = await it.ask('GET', at, { token: `${await userOf('acme')}x` })
      expect(status).toBe(401)
    }
    expect((await it.ask('GET', at, { token: await userOf('acme') })).status).toBe(200)
  })
})
