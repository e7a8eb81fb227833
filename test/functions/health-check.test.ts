/** `POST /internal/health-check`: what it takes, answers, keeps, logs, counts, and whom it tells (issue 7, docs/health.md). */
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { DEFAULT_HEALTH_SETTINGS, type HealthSettings } from '../../functions/health-settings.ts'
import { createLog } from '../../functions/logging.ts'
import { createMetrics } from '../../functions/metrics/catalogue.ts'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { StoreError } from '../../lib/store/types.ts'
import { plantStuck, WEBHOOK_SECRET, webhookReceiver, type WebhookReceiver } from '../support/health.ts'
import { expectProblem } from '../support/problems.ts'
import {
  freshId,
  testClock,
  testService,
  type Answer,
  type TestClock,
  type TestService,
} from '../support/service.ts'
import { readBucket } from '../support/stores.ts'
import { TTL_MS } from '../support/tables.ts'

const PATH = '/internal/health-check'
const POSITION = 'locks/health-check.cursor.json'

let store: MemoryStore
let clock: TestClock
let lines: Readonly<Record<string, unknown>>[]
beforeEach(() => {
  store = memoryStore()
  clock = testClock()
  lines = []
})

interface Options {
  readonly health?: Partial<HealthSettings>
  readonly refusal?: string
  readonly certified_at_ms?: number
}

function serviceOf({ health = {}, refusal, certified_at_ms }: Options = {}): TestService & {
  check(body?: unknown): Promise<Answer>
  metrics(): string
} {
  const metrics = createMetrics()
  const log = createLog({ format: 'json', write: (line) => void lines.push(JSON.parse(line)) })
  const service = testService(store, {
    clock,
    log,
    ...(refusal === undefined ? {} : { writeRefusal: () => refusal }),
    deps: {
      metrics,
      health: { ...DEFAULT_HEALTH_SETTINGS, ...health },
      ...(certified_at_ms === undefined ? {} : { certified_at_ms }),
    },
  })
  return {
    ...service,
    check: async (body = {}) => service.request('POST', PATH, body),
    metrics: () => metrics.text(),
  }
}

/** Stuck tables whose TTL has passed. */
async function stuck(count: number): Promise<string[]> {
  const ids: string[] = []
  for (let each = 0; each < count; each++) ids.push(await plantStuck(store, { clock }))
  clock.advance(TTL_MS)
  return ids.toSorted()
}

describe('the report', () => {
  test('finds, settles, and is clean afterwards', async () => {
    const service = serviceOf()
    const [table_id = ''] = await stuck(1)
    const found = await service.check()
    expect([found.status, found.body]).toMatchObject([
      200,
      { conclusion: 'findings', tables: 1, next: null, place: 'kept', webhook: 'none', recovered: [] },
    ])
    expect(found.body.findings).toMatchObject([{ rule: 'TM-201', severity: 'warn' }])

    const settled = (await service.check({ recover: true })).body
    expect(settled).toMatchObject({
      conclusion: 'clean',
      recovered: [{ table_id, action: 'rolled_forward', latest_version: 0 }],
      findings: [{ rule: 'TM-201', severity: 'info' }],
    })
    expect((await service.check()).body).toMatchObject({ conclusion: 'clean', findings: [], recovered: [] })
    expect((await service.inspect(table_id)).body).toMatchObject({ latest_version: 0, inflight: null })
  })

  test.each([
    [{ recover: 'yes' }, 'unprocessable'],
    [{ limit: 0 }, 'unprocessable'],
    [{ limit: 1_001 }, 'unprocessable'],
    [{ after: 'x' }, 'bad_request'],
    [{ cursor: 'tables/x' }, 'bad_request'],
    [{ cursor: 'delta/coordinator/../../x' }, 'bad_request'],
    ['', 'bad_request'],
  ])('refuses %j: %s', async (body, reason) => {
    expectProblem(await serviceOf().check(body), { reason })
  })

  test('a store that does not answer: 503, and the next run begins at the same place', async () => {
    const service = testService(
      {
        ...store,
        async listPage({ prefix }) {
          throw new StoreError('unavailable', prefix, 'down')
        },
      },
      { clock },
    )
    expectProblem(await service.request('POST', PATH, {}), { reason: 'storage_unavailable' })
    expect(await readBucket(store)).toEqual({})
  })
})

describe('the place', () => {
  test('is kept in the bucket: three runs of stateless processes see every table once', async () => {
    const ids = await stuck(5)
    const seen: string[] = []
    for (const expected of [2, 2, 1]) {
      const { body } = await serviceOf().check({ limit: 2 })
      expect(body.tables).toBe(expected)
      seen.push(...body.findings.map(({ path }: { path: string }) => path))
    }
    expect(seen).toEqual(ids.map((id) => `delta/coordinator/${id}.json`))
    // The next round begins again.
    expect((await serviceOf().check({ limit: 2 })).body.findings[0].path).toBe(seen[0])
  })

  test('is the caller’s with `cursor`: nothing is kept', async () => {
    await stuck(3)
    const service = serviceOf()
    const before = await readBucket(store)
    const first = (await service.check({ limit: 2, cursor: null })).body
    expect(first).toMatchObject({ tables: 2, place: 'callers' })
    const second = (await service.check({ limit: 2, cursor: first.next })).body
    expect(second).toMatchObject({ tables: 1, place: 'callers', next: null })
    expect(await readBucket(store)).toEqual(before)
  })

  test('C-6: a store that is not certified is looked at, and nothing is written to it', async () => {
    await stuck(1)
    const before = await readBucket(store)
    const { body } = await serviceOf({ refusal: 'nobody has looked' }).check({ recover: true })
    expect(body).toMatchObject({ conclusion: 'findings', place: 'not_kept', recovered: [] })
    expect(body.findings).toMatchObject([{ rule: 'HC-401' }, { rule: 'TM-201', severity: 'warn' }])
    expect(await readBucket(store)).toEqual(before)
  })

  test('two runs at once: both answer, one keeps the place, the table is settled once', async () => {
    const [table_id = ''] = await stuck(1)
    const answers = await Promise.all([
      serviceOf().check({ recover: true }),
      serviceOf().check({ recover: true }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    const bucket = await readBucket(store)
    expect(Object.keys(bucket).filter((key) => key.includes('/_delta_log/')).length).toBe(1)
    expect(Object.keys(bucket).filter((key) => key.endsWith(POSITION)).length).toBe(1)
    expect((await serviceOf().inspect(table_id)).body).toMatchObject({ latest_version: 0, inflight: null })
  })
})

describe('who is told', () => {
  test('one log line a finding, as loud as it is, and S10: no tenant, no workspace, no idempotency key', async () => {
    const service = serviceOf({ certified_at_ms: 0 })
    const [table_id = ''] = await stuck(1)
    store.seed(`${service.prefix}delta/coordinator/${freshId()}.json`, new TextEncoder().encode('x'))
    const key = (await service.inspect(table_id)).body.inflight.commit_id
    lines = []
    await service.check()
    const findings = lines.filter(({ message }) => message === 'finding')
    expect(findings).toMatchObject([
      { level: 'ERROR', rule: 'TM-101', severity: 'error' },
      { level: 'WARN', rule: 'HC-402' },
      {
        level: 'WARN',
        rule: 'TM-201',
        version: 0,
        path: `delta/coordinator/${table_id}.json`,
        next: `POST /api/v1/delta/tables/${table_id}/recover {}`,
      },
    ])
    expect(lines.at(-1)).toMatchObject({
      message: 'request',
      route: PATH,
      findings: 3,
      recovered: 0,
      tables: 2,
    })
    const text = JSON.stringify(lines)
    for (const secret of ['acme', 'analytics', key]) expect(text).not.toContain(secret)
  })

  test('metrics: what the last run found, and what all runs found', async () => {
    const service = serviceOf()
    await stuck(2)
    await service.check()
    await service.check({ recover: true })
    const text = service.metrics()
    for (const line of [
      'tidemark_health_findings{severity="warn"} 0',
      'tidemark_health_findings{severity="info"} 2',
      'tidemark_health_findings_total{rule="TM-201",severity="warn"} 2',
      'tidemark_health_findings_total{rule="TM-201",severity="info"} 2',
      'tidemark_health_runs_total{conclusion="findings"} 1',
      'tidemark_health_runs_total{conclusion="clean"} 1',
      `tidemark_health_last_run_timestamp_seconds ${clock.now_ms / 1_000}`,
    ]) {
      expect(text).toContain(`${line}\n`)
    }
  })
})

describe('the webhook, docs/health.md', () => {
  let receiver: WebhookReceiver
  beforeEach(async () => {
    const started = await webhookReceiver()
    receiver = started
    return async () => started.close()
  })
  const told = (): TestService & { check(body?: unknown): Promise<Answer> } =>
    serviceOf({ health: { webhook: { url: receiver.url, secret: WEBHOOK_SECRET } } })
  const bodies = (): { findings: unknown[]; undelivered: unknown[] }[] =>
    receiver.received.map(({ body }) => JSON.parse(body))

  test('a report with findings is posted, signed over its time and body; a clean one is not', async () => {
    const [table_id = ''] = await stuck(1)
    const { body, headers } = await told().check({ recover: true })
    expect(body.webhook).toBe('delivered')
    const [post] = receiver.received
    expect(post?.is_signed).toBe(true)
    expect(post?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-tidemark-timestamp': String(clock.now_ms / 1_000),
      'x-tidemark-signature': expect.stringMatching(/^sha256=[0-9a-f]{64}$/),
      'x-tidemark-delivery': headers.get('x-request-id'),
    })
    expect(bodies()).toMatchObject([
      {
        type: 'tidemark.health_check',
        delivery: headers.get('x-request-id'),
        tenant: 'acme',
        workspace: 'analytics',
        conclusion: 'clean',
        recovered: [{ table_id, action: 'rolled_forward' }],
        findings: body.findings,
        undelivered: [],
      },
    ])
    expect((await told().check()).body.webhook).toBe('none')
    expect(receiver.received.length).toBe(1)
  })

  test('a receiver that is busy is asked again, with the same delivery id', async () => {
    await stuck(1)
    receiver.answerWith(503, 429, 200)
    expect((await told().check()).body.webhook).toBe('delivered')
    expect(new Set(receiver.received.map(({ headers }) => headers['x-tidemark-delivery'])).size).toBe(1)
    expect(receiver.received.map(({ is_signed }) => is_signed)).toEqual([true, true, true])
  })

  test('a redirect is not followed, and a refusal is not repeated', async () => {
    await stuck(1)
    for (const [status, requests] of [
      [302, 1],
      [410, 2],
    ] as const) {
      receiver.answerWith(status)
      expect((await told().check()).body.webhook).toBe('failed')
      expect(receiver.received.length).toBe(requests)
    }
  })

  test('what it did not take is a finding, not an error, and comes with the next run that does', async () => {
    const [table_id = ''] = await stuck(1)
    receiver.answerWith(500)
    const failed = await told().check({ recover: true })
    expect(failed.status).toBe(200)
    expect(failed.body).toMatchObject({ conclusion: 'findings', webhook: 'failed', place: 'kept' })
    expect(failed.body.findings).toMatchObject([
      { rule: 'HC-501', severity: 'warn', detail: 'expected 2xx, the receiver answered 500' },
      { rule: 'TM-201', severity: 'info' },
    ])
    expect(lines.filter(({ rule }) => rule === 'HC-501').length).toBe(1)

    // It fails again: the same is kept, and not twice.
    expect((await told().check()).body.webhook).toBe('failed')
    receiver.answerWith(204)
    expect((await told().check()).body.webhook).toBe('delivered')
    expect(bodies().at(-1)).toMatchObject({
      findings: [],
      undelivered: [{ rule: 'TM-201', path: `delta/coordinator/${table_id}.json` }],
    })
    expect((await told().check()).body.webhook).toBe('none')
  })

  test('one that cannot be reached: the same', async () => {
    await stuck(1)
    const service = told()
    await receiver.close()
    const { status, body } = await service.check()
    expect([status, body.webhook]).toEqual([200, 'failed'])
    expect(body.findings[0].detail).toBe('expected 2xx, the receiver cannot be reached')
  })
})

describe('a trigger that is no request', () => {
  test('needs no credentials, and answers, keeps and is logged like the route', async () => {
    const [table_id = ''] = await stuck(1)
    const service = serviceOf()
    onTestFinished(async () => service.app.drain())
    const answer = await service.app.healthCheck({ recover: true })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ recovered: [{ table_id }], place: 'kept' })
    expect(lines.at(-1)).toMatchObject({ message: 'request', route: PATH, method: 'POST', status: 200 })
  })
})
