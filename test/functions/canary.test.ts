/**
 * S10 and S40: a tenant, a workspace, an idempotency key, tokens and a payload that are unmistakable are sent everywhere,
 * and none of them is in a label, a log line or a span, however the request ends.
 */
import { expect, test } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { DEFAULT_CLAIMS, userJwt } from '../../functions/auth/user.ts'
import { createLog } from '../../functions/logging.ts'
import { createRateLimiter } from '../../functions/rate-limit.ts'
import { withFaults } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import { samplesOf } from '../support/prometheus.ts'
import { freshId, testDeps } from '../support/service.ts'
import { recordSpans } from '../support/spans.ts'
import { SECRET, signed, USER_CLAIMS } from '../support/tokens.ts'

const TENANT = 'canary-tenant-1f9c'
const WORKSPACE = 'canary-workspace-1f9c'
const KEY = '0194f5a0-2000-7abc-8def-ca9a12cafe00'
const PAYLOAD = `{"commitInfo":{"note":"canary-payload-1f9c"}}\n`
const METRICS_SECRET = 'canary-metrics-1f9c'

/** Says the whole key in its error, as SDKs do, in both spellings. */
function talkative(store: MaintenanceStore, isDown: () => boolean): MaintenanceStore {
  return {
    ...store,
    async get(key, options) {
      if (!isDown()) return store.get(key, options)
      const url = `https://lake.example/${encodeURIComponent(key)}?X-Amz-Signature=canary-signature-1f9c`
      throw new StoreError('unavailable', key, `GET ${key} failed`, { cause: new Error(`GET ${url} failed`) })
    },
  }
}

test('no canary in /metrics, in the log or in a span', async () => {
  const lines: string[] = []
  const spans = recordSpans()
  let is_down = false
  let loses_marker = false
  const faulty = withFaults(memoryStore(), ({ kind, key }) =>
    loses_marker && kind === 'put' && key.includes('/delta/idempotency/')
      ? { fault: 'lost_request' }
      : undefined,
  )
  const app = createApp({
    ...testDeps(
      talkative(faulty, () => is_down),
      {
        scope: { tenant: TENANT, workspace: WORKSPACE },
        log: createLog({ format: 'json', write: (line) => lines.push(line) }),
      },
    ),
    user: userJwt({
      key: new TextEncoder().encode(SECRET),
      claims: DEFAULT_CLAIMS,
      rules: { algorithms: ['HS256'], issuer: USER_CLAIMS.iss, audience: USER_CLAIMS.aud },
    }),
    metrics_access: { secret: METRICS_SECRET },
    rate_limiter: createRateLimiter({ per_minute: 60, burst: 12 }),
    tracer: spans.tracer,
  })
  const token = await signed({ ...USER_CLAIMS, tenant: TENANT, workspace: WORKSPACE }, SECRET)
  const statuses = new Set<number>()

  async function ask(
    method: string,
    path: string,
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<Record<string, unknown>> {
    const response = await app.fetch(
      new Request(`http://tidemark.test${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          'x-tenant-id': TENANT,
          'x-workspace-id': WORKSPACE,
          cookie: 'session=canary-cookie-1f9c',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...more,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
    statuses.add(response.status)
    return (await response.json()) as Record<string, unknown>
  }

  const at = `/api/v1/delta/tables/${freshId()}`
  const staged = await ask('POST', `${at}/commits/stage`, { payload: PAYLOAD })
  const call = { read_version: -1, ...staged, idempotency_key: KEY }
  loses_marker = true
  await ask('POST', `${at}/commits`, call)
  loses_marker = false
  await ask('POST', `${at}/commits`, call)
  await ask('POST', `${at}/commits`, { ...call, read_version: 7 })
  await ask('POST', `${at}/commits`, { read_version: -1, ...staged }, { 'idempotency-key': KEY })
  await ask('POST', `${at}/commits`, { ...call, idempotency_key: KEY }, { 'idempotency-key': freshId() })
  await ask('POST', `${at}/recover`, {})
  await ask('GET', `${at}/inspect`)
  await ask('GET', `/nowhere/${TENANT}/${KEY}?token=canary-query-1f9c`)
  await ask('GET', `${at}/inspect`, undefined, { 'x-tenant-id': 'canary-other-1f9c' })
  await ask('GET', `${at}/inspect`, undefined, { authorization: 'Bearer canary-token-1f9c' })
  await ask('GET', '/metrics', undefined, { 'x-metrics-secret': 'canary-wrong-1f9c' })
  is_down = true
  await ask('GET', `${at}/inspect`)
  await ask('POST', `${at}/recover`, {})
  is_down = false
  for (let each = 0; each < 20; each++) await ask('GET', `${at}/inspect`)
  expect(statuses).toEqual(new Set([200, 400, 401, 403, 404, 409, 429, 503]))

  const page = await app.fetch(
    new Request('http://tidemark.test/metrics', { headers: { 'x-metrics-secret': METRICS_SECRET } }),
  )
  const text = await page.text()
  // All three have something to say.
  expect(samplesOf(text).some(({ name, value }) => name === 'api_request_total' && value > 0)).toBe(true)
  expect(lines.length).toBeGreaterThan(20)
  expect(spans.all().length).toBeGreaterThan(20)
  for (const output of [text, lines.join(''), JSON.stringify(spans.all())]) {
    expect(output).not.toMatch(/canary|1f9c|ca9a12cafe00/i)
    expect(output).not.toContain(token)
    expect(output).not.toContain(SECRET)
  }
})
