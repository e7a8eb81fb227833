/** GET /metrics, http-api.md 8: who sees it, and what every kind of request adds to it. */
import { describe, expect, test } from 'vitest'
import { routesOf } from '../../../functions/app.ts'
import { METRICS } from '../../../functions/metrics/catalogue.ts'
import type { MetricsAccess } from '../../../functions/metrics.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import { ROWS, sendAct } from '../../support/commit-cases.ts'
import { openWorld, PAST_TTL_MS } from '../../support/commit-world.ts'
import { compactorBench, type CompactorBench } from '../../support/compactor-bench.ts'
import { deployment, PRIVATE, userOf } from '../../support/deployment.ts'
import { expectProblem } from '../../support/problems.ts'
import { eventsAt } from '../../support/projection-events.ts'
import { familiesOf, samplesOf, valueOf } from '../../support/prometheus.ts'
import { freshId, testDeps, testService, type TestService } from '../../support/service.ts'

async function page(it: Pick<TestService, 'app'>, headers: Record<string, string> = {}): Promise<Response> {
  return it.app.fetch(new Request('http://tidemark.test/metrics', { headers }))
}

async function textOf(it: Pick<TestService, 'app'>): Promise<string> {
  return (await page(it)).text()
}

function withAccess(metrics_access: MetricsAccess): TestService {
  return testService(memoryStore(), { deps: { metrics_access } })
}

async function refusal(response: Response): Promise<{ status: number; headers: Headers; body: unknown }> {
  return { status: response.status, headers: response.headers, body: await response.json() }
}

const SECRET = 'the metrics secret/1'
const TOKEN = 'a.metrics-token_1'

describe('who sees the page', () => {
  test('open: everybody, as Prometheus text that an independent parser reads', async () => {
    const response = await page(withAccess('open'))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    const families = familiesOf(await response.text())
    expect(families.map(({ name, type, help }) => ({ name, type, help }))).toEqual(
      Object.entries(METRICS).map(([name, { type, help }]) => ({ name, type: type.toUpperCase(), help })),
    )
  })

  test('hidden: the answer of a path that does not exist', async () => {
    const it = withAccess('hidden')
    const { body, ...answer } = await refusal(await page(it))
    const nowhere = await it.request('GET', '/nowhere')
    expectProblem({ ...answer, body }, { reason: 'route_not_found', detail: nowhere.body.detail })
  })

  test('off: 503 Metrics not initialized', async () => {
    const answer = await refusal(await page(withAccess('off')))
    expectProblem(answer, { reason: 'storage_unavailable', detail: 'Metrics not initialized' })
  })

  test.each<[string, string, Record<string, string>]>([
    ['nothing', SECRET, {}],
    ['another secret', SECRET, { 'x-metrics-secret': `${SECRET}x` }],
    ['a part of the secret', SECRET, { 'x-metrics-secret': SECRET.slice(0, -1) }],
    ['another bearer token', TOKEN, { authorization: `Bearer ${TOKEN}x` }],
    ['basic credentials', TOKEN, { authorization: `Basic ${TOKEN}` }],
  ])('with a secret, not who brings %s', async (_name, secret, headers) => {
    const answer = await refusal(await page(withAccess({ secret }), headers))
    expectProblem(answer, { reason: 'forbidden' })
    expect(JSON.stringify(answer.body)).not.toContain(secret)
  })

  test.each<[string, string, Record<string, string>]>([
    ['it in X-Metrics-Secret', SECRET, { 'x-metrics-secret': SECRET }],
    ['it as a bearer token', TOKEN, { authorization: `bearer ${TOKEN}` }],
    ['it, and a token of its own', TOKEN, { 'x-metrics-secret': TOKEN, authorization: 'Bearer x' }],
  ])('with a secret, who brings %s', async (_name, secret, headers) => {
    expect((await page(withAccess({ secret }), headers)).status).toBe(200)
  })

  test.each<[string, Record<string, string>, number]>([
    ['private', {}, 200],
    ['private with a secret', { ARCO_METRICS_SECRET: 's' }, 403],
    ['private with a blank secret', { ARCO_METRICS_SECRET: ' ' }, 200],
    ['public', { ARCO_API_PUBLIC: 'true' }, 404],
    ['public with a secret', { ARCO_API_PUBLIC: 'true', ARCO_METRICS_SECRET: 's' }, 404],
    ['private, switched off', { TIDEMARK_METRICS: 'off' }, 503],
  ])('a deployment that is %s', async (_name, env, status) => {
    const it = await deployment({ ...PRIVATE, ...env }, memoryStore())
    expect((await it.ask('GET', '/metrics')).status).toBe(status)
  })

  test('a user of the deployment is no reader of its metrics', async () => {
    const it = await deployment({ ...PRIVATE, ARCO_METRICS_SECRET: 's' }, memoryStore())
    expect((await it.ask('GET', '/metrics', { token: await userOf('acme') })).status).toBe(403)
  })
})

describe('requests', () => {
  test('are counted by route template, method and class of status, with their time', async () => {
    const it = testService(memoryStore())
    const table_id = freshId()
    await it.stage(table_id)
    await it.request('GET', `/api/v1/delta/tables/${table_id}/inspect`)
    await it.request('GET', '/health')
    await it.request('HEAD', '/health')
    await it.request('DELETE', '/health')
    await it.request('GET', `/nowhere/${table_id}`)
    it.app.refuse({ reason: 'bad_request', detail: 'no HTTP' })
    const text = await textOf(it)
    const counted = samplesOf(text)
      .filter(({ name }) => name === 'api_request_total')
      .map(({ labels: { endpoint, method, status_class }, value }) => [endpoint, method, status_class, value])
    expect(counted).toEqual([
      ['/api/v1/delta/tables/{table_id}/commits/stage', 'POST', '2xx', 1],
      ['/api/v1/delta/tables/{table_id}/inspect', 'GET', '2xx', 1],
      ['/health', 'GET', '2xx', 1],
      ['/health', 'HEAD', '2xx', 1],
      ['/health', 'other', '4xx', 1],
      ['unmatched', 'GET', '4xx', 1],
      ['unmatched', 'other', '4xx', 1],
    ])
    const labels = { endpoint: '/health', method: 'GET', status_class: '2xx' }
    expect(valueOf(text, 'api_request_duration_seconds_count', labels)).toBe(1)
    expect(text).not.toContain(table_id)
  })

  test('every route of the app is an endpoint of the catalogue', async () => {
    const endpoints = METRICS.api_request_total.labels.endpoint
    const paths = routesOf(testDeps(memoryStore())).map(({ path }) => path.replaceAll(/:(\w+)/g, '{$1}'))
    expect([...endpoints].toSorted()).toEqual([...new Set([...paths, 'unmatched'])].toSorted())
  })
})

describe('commits', () => {
  const NAME = 'arco_delta_commits_total'

  test('by outcome: committed, replayed, and the reason of each refusal', async () => {
    const world = openWorld('memory')
    const it = world.process()
    const first = await world.writer('K', -1)
    const late = await world.writer('L', -1)
    await it.commit(first.call)
    await it.commit(first.call)
    await it.commit(late.call)
    await it.commit({ ...first.call, read_version: 5 })
    await it.request('POST', `/api/v1/delta/tables/${first.call.table_id}/commits`, '{')
    const text = await textOf(it)
    const counted = samplesOf(text).filter(({ name, value }) => name === NAME && value > 0)
    expect(counted.map(({ labels, value }) => [labels['outcome'], value])).toEqual([
      ['committed', 1],
      ['replayed', 1],
      ['bad_request', 1],
      ['stale_read_version', 1],
      ['key_reuse', 1],
    ])
  })

  test.each([
    ['log', 'W1', 'rolled_forward'],
    ['marker', 'W2', 'rolled_forward'],
    ['finalize', 'W3', 'finalized'],
  ] as const)('a recovery of a crash before the %s: %s %s', async (before, window, action) => {
    const world = openWorld('memory')
    await world.crash(await world.writer('K', -1), before)
    world.clock.advance(PAST_TTL_MS)
    const it = world.process()
    await it.recover((await world.writer('L', 0)).call.table_id)
    expect(valueOf(await textOf(it), 'arco_delta_recoveries_total', { window, action })).toBe(1)
  })

  test('a finalize that fails, behind a commit that is durable', async () => {
    const world = openWorld('memory')
    const writer = await world.writer('K', -1)
    let puts = 0
    const it = world.process((store) => ({
      ...store,
      async put(key, bytes, precondition, options) {
        if (key.includes('/delta/coordinator/') && ++puts > 1) return { outcome: 'no_effect' }
        return store.put(key, bytes, precondition, options)
      },
    }))
    expect((await it.commit(writer.call)).body.reason).toBe('outcome_unknown')
    expect(valueOf(await textOf(it), 'arco_delta_finalize_failures_total')).toBe(1)
  })

  describe('rounds of store operations, as coordinator.md 13 has them', () => {
    test.each(ROWS)('$row: $rounds', async ({ prepare, rounds, answer }) => {
      const world = openWorld('memory')
      const it = world.process()
      const act = await prepare(world, it)
      const before = await textOf(it)
      const { headers } = await sendAct(it, act)
      const outcome = headers.get('idempotent-replayed') === 'true' ? 'replayed' : 'committed'
      const kind = act.act === 'commit' ? (answer.status === 200 ? outcome : 'commit_refused') : act.act
      const after = await textOf(it)
      const added = (suffix: string): number =>
        (valueOf(after, `arco_delta_storage_round_trips_${suffix}`, { case: kind }) ?? 0) -
        (valueOf(before, `arco_delta_storage_round_trips_${suffix}`, { case: kind }) ?? 0)
      expect([added('count'), added('sum')]).toEqual([1, rounds])
    })
  })
})

describe('the compactor, rebuild.md 14', () => {
  const LOCK_PATH = 'locks/orchestration.compaction.lock.json'
  const visible = { durability_mode: 'visible' }

  async function after(bench: CompactorBench, body: unknown): Promise<string> {
    await bench.compact(body)
    return textOf(bench.service)
  }

  test('a compaction that ended well, the one of nothing included, with its time; a dry run is none', async () => {
    const bench = compactorBench()
    const event_paths = bench.append(eventsAt(0, 3))
    await bench.rebuild({ rebuild_manifest_path: bench.list('all', event_paths), dry_run: true })
    await bench.compact({ event_paths })
    const text = await after(bench, { event_paths })
    expect(valueOf(text, 'arco_flow_orch_compactions_total', { ...visible, result: 'success' })).toBe(2)
    expect(valueOf(text, 'arco_flow_orch_compactor_ack_latency_seconds_count', visible)).toBe(2)
    expect(valueOf(text, 'arco_flow_orch_compactor_visibility_lag_events', visible)).toBe(0)
  })

  test('a failure to read or to decode is no failed publish', async () => {
    const bench = compactorBench()
    const [path = ''] = bench.append(eventsAt(0, 1))
    bench.write(path, 'no event')
    const text = await after(bench, { event_paths: [path] })
    expect(valueOf(text, 'arco_flow_orch_compactions_total', { ...visible, result: 'error' })).toBe(0)
  })

  test('a publisher that is overtaken every time: three retries, one error, and events that are not visible', async () => {
    let id = 100
    const bench: CompactorBench = compactorBench({
      wrap: (store) => ({
        ...store,
        async put(key, bytes, precondition, options) {
          if (key.endsWith('/manifest.pointer.json') && id >= 100) overtake(bench, ++id)
          return store.put(key, bytes, precondition, options)
        },
      }),
    })
    id = 0
    await bench.compact({ event_paths: bench.append(eventsAt(0, 1)) })
    id = 100
    const { body } = await bench.compact({ event_paths: bench.append(eventsAt(1, 2)) })
    expect(body.reason).toBe('contention')
    const text = await textOf(bench.service)
    const name = 'arco_flow_orch_compactor_publish_retries_total'
    const retries = samplesOf(text).filter((each) => each.name === name)
    expect(retries).toEqual(
      ['1', '2', '3'].map((attempt) => ({
        name,
        labels: { ...visible, reason: 'snapshot_conflict', attempt },
        value: 1,
      })),
    )
    expect(valueOf(text, 'arco_flow_orch_compactions_total', { ...visible, result: 'error' })).toBe(1)
    expect(valueOf(text, 'arco_flow_orch_compactor_visibility_lag_events', visible)).toBe(1)
  })

  /** Somebody else publishes the visible manifest again, as another revision. */
  function overtake(bench: CompactorBench, id: number): void {
    const manifest_id = String(id).padStart(20, '0')
    const manifest_path = `state/orchestration/manifests/${manifest_id}.json`
    const pointer = bench.json('state/orchestration/manifest.pointer.json') ?? {}
    const manifest = bench.json(String(pointer['manifest_path'])) ?? {}
    const revision_ulid = `01JKTT0G00${manifest_id.slice(4)}`
    bench.write(manifest_path, JSON.stringify({ ...manifest, manifest_id, revision_ulid }))
    bench.write(
      'state/orchestration/manifest.pointer.json',
      JSON.stringify({ ...pointer, manifest_id, manifest_path }),
    )
  }

  test('an immutable object whose key holds other bytes', async () => {
    let is_taken = false
    const bench = compactorBench({
      wrap: (store) => ({
        ...store,
        async put(key, bytes, precondition, options) {
          if (key.includes('/l0/') && !is_taken) {
            is_taken = true
            await store.put(key, new Uint8Array(1), precondition)
          }
          return store.put(key, bytes, precondition, options)
        },
      }),
    })
    const text = await after(bench, { event_paths: bench.append(eventsAt(0, 1)) })
    const name = 'arco_flow_orch_compactor_overwrite_rejects_total'
    expect([is_taken, valueOf(text, name, { reason: 'artifact_exists' })]).toEqual([true, 1])
  })

  test.each([
    ['lock_missing', null, 1],
    ['lock_expired', { sequenceNumber: 1, expiresAt: '2026-02-21T11:59:00Z' }, 1],
    ['lock_expiring', { sequenceNumber: 1, expiresAt: '2026-02-21T12:00:01Z' }, 1],
    ['stale_token', { sequenceNumber: 2, expiresAt: '2026-02-21T13:00:00Z' }, 1],
  ])('fenced: %s', async (reason, lock, fencing_token) => {
    const bench = compactorBench()
    const event_paths = bench.append(eventsAt(0, 1))
    if (lock !== null) {
      const record = { holderId: 'h', acquiredAt: '2026-02-21T11:58:00Z', ...lock }
      bench.write(LOCK_PATH, JSON.stringify(record))
    }
    const text = await after(bench, { event_paths, fencing_token, lock_path: LOCK_PATH })
    const name = 'arco_flow_orch_compactor_stale_fencing_rejects_total'
    const counted = samplesOf(text).filter((each) => each.name === name && each.value > 0)
    expect(counted).toEqual([{ name, labels: { reason }, value: 1 }])
  })

  test('fenced: epoch_regression', async () => {
    const bench = compactorBench()
    const first = bench.append(eventsAt(0, 1))
    const at = { holderId: 'h', acquiredAt: '2026-02-21T11:58:00Z', expiresAt: '2026-02-21T13:00:00Z' }
    bench.write(LOCK_PATH, JSON.stringify({ ...at, sequenceNumber: 7 }))
    await bench.compact({ event_paths: first, fencing_token: 7, lock_path: LOCK_PATH })
    bench.write(LOCK_PATH, JSON.stringify({ ...at, sequenceNumber: 3 }))
    const next = bench.append(eventsAt(1, 2))
    const text = await after(bench, { event_paths: next, fencing_token: 3, lock_path: LOCK_PATH })
    const name = 'arco_flow_orch_compactor_stale_fencing_rejects_total'
    expect(valueOf(text, name, { reason: 'epoch_regression' })).toBe(1)
  })

  test.each([
    ['legacy_epoch_alias', { epoch: 1 }],
    ['missing_fencing_token', { lock_path: LOCK_PATH }],
    ['missing_lock_path', { fencing_token: 1 }],
  ])('a request that breaks the contract: %s', async (reason, members) => {
    const bench = compactorBench()
    await bench.rebuild({ rebuild_manifest_path: 'state/orchestration/rebuilds/x.json', ...members })
    const text = await after(bench, { event_paths: [], ...members })
    const name = 'arco_flow_orch_compactor_request_contract_rejections_total'
    for (const endpoint of ['/compact', '/rebuild']) expect(valueOf(text, name, { endpoint, reason })).toBe(1)
  })
})

describe('one registry an app', () => {
  test('two services over one store do not count for each other', async () => {
    const store = memoryStore()
    const [one, other] = [testService(store), testService(store)]
    await one.request('GET', '/health')
    const labels = { endpoint: '/health', method: 'GET', status_class: '2xx' }
    expect(valueOf(await textOf(one), 'api_request_total', labels)).toBe(1)
    expect(valueOf(await textOf(other), 'api_request_total', labels)).toBeNull()
  })

  test('the page says what its numbers are about', async () => {
    const it = testService(memoryStore())
    expect(valueOf(await textOf(it), 'tidemark_counting_info', { counted_by: 'process' })).toBe(1)
  })
})
