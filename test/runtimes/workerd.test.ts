/** workerd over an R2 binding: the bundle that would be deployed, its size, its start, and its cron trigger. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import type { GatesReport } from '../../lib/gates/run-gates.ts'
import { SERVICE_TOKEN, userOf } from '../support/deployment.ts'
import { expectSettledAndTold, healthEnv, plantStuck, webhookReceiver } from '../support/health.ts'
import { runCommand } from '../support/process.ts'
import { expectProblem } from '../support/problems.ts'
import { samplesOf, valueOf } from '../support/prometheus.ts'
import { freshId, freshPayload, type Answer } from '../support/service.ts'
import { readBucket } from '../support/stores.ts'
import {
  bundleWorker,
  startWorker,
  wranglerConfig,
  type Worker,
  type WorkerBundle,
  type WorkerModule,
} from '../support/worker.ts'
import { SMOKE, SMOKE_ENV, type Runtime } from './smoke.ts'

/** What a worker may weigh, gzipped, without an SDK. */
const BUNDLE_BYTES_MAX = 150 * 1024

/** What the platform allows a start; more is refused when it is deployed. */
const STARTUP_CPU_MS_MAX = 400

const R2 = { ARCO_STORAGE_BUCKET: 'r2:BUCKET' }

let bundle: WorkerBundle
let worker: Worker
let runtime: Runtime
beforeAll(async () => {
  bundle = await bundleWorker()
  worker = await startWorker(bundle, { ...SMOKE_ENV, ...R2 })
  const { base, store, stop } = worker
  runtime = { base, store, stop, ask: fetch }
}, 60_000)
afterAll(async () => {
  await worker.stop()
  bundle.remove()
})

test.each(SMOKE)('workerd: $name', async ({ run }) => run(runtime))

test('workerd: 40 commits of one table at once, of which some wait for the turn of another request (S30)', async () => {
  const headers = { authorization: `Bearer ${await userOf('acme')}`, 'content-type': 'application/json' }
  const at = `${worker.base}/api/v1/delta/tables/${freshId()}/commits`
  const post = async (url: string, body: unknown): Promise<Response> =>
    fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const staged = (await (await post(`${at}/stage`, { payload: freshPayload() })).json()) as object
  const answers = await Promise.all(
    Array.from({ length: 40 }, async () =>
      post(at, { read_version: -1, ...staged, idempotency_key: freshId() }),
    ),
  )
  const statuses = answers.map(({ status }) => status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(1)
  expect(statuses.filter((status) => status === 409)).toHaveLength(39)
})

test('workerd: /metrics says that it is about one isolate', async () => {
  const text = await (await fetch(`${worker.base}/metrics`)).text()
  expect(valueOf(text, 'tidemark_counting_info', { counted_by: 'isolate' })).toBe(1)
  expect(samplesOf(text).some(({ name, value }) => name === 'arco_delta_commits_total' && value > 0)).toBe(
    true,
  )
})

test(
  'workerd: the safety gates hold over the binding, and leave nothing behind',
  { timeout: 60_000 },
  async () => {
    const before = Object.keys(await readBucket(worker.store))
    const answer = await fetch(`${worker.base}/internal/gates`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${SERVICE_TOKEN}` },
      body: '{"reason":"a test"}',
    })
    expect(answer.status).toBe(200)
    const { conclusion, gates } = (await answer.json()) as GatesReport
    expect(gates.filter(({ verdict }) => verdict !== 'holds')).toEqual([])
    expect(conclusion).toBe('held')
    expect(Object.keys(await readBucket(worker.store))).toEqual(before)
  },
)

describe('the bundle', () => {
  test(`reads at most ${BUNDLE_BYTES_MAX / 1024} KiB gzipped when it starts; the compactor is read when it is asked for`, () => {
    const weight = (modules: readonly WorkerModule[]): number =>
      modules.reduce((sum, { code }) => sum + gzipSync(code).length, 0)
    const at_start = weight(bundle.read_at_start)
    const whole = weight(bundle.modules)
    const kib = (bytes: number): string => (bytes / 1024).toFixed(1)
    process.stdout.write(`worker bundle: ${kib(at_start)} KiB gzipped at start, ${kib(whole)} KiB in all\n`)
    expect(at_start).toBeLessThanOrEqual(BUNDLE_BYTES_MAX)
    expect(whole - at_start).toBeGreaterThan(40 * 1024)
  })

  test('imports nothing at run time, and nothing of Node or of an SDK is in it', () => {
    expect(bundle.imports).toEqual([])
    for (const { code } of bundle.modules) {
      expect(code).not.toMatch(/["'`]node:|\brequire\(["'`]|aws-sdk|@google-cloud|process\.env/)
    }
  })

  test(`takes at most ${STARTUP_CPU_MS_MAX} ms of CPU to start`, async () => {
    const runs = []
    for (let run = 0; run < 3; run++) runs.push(await startupCpuMs(bundle.path))
    const best_ms = Math.min(...runs)
    process.stdout.write(`worker start-up: ${best_ms.toFixed(0)} ms of CPU\n`)
    expect(best_ms).toBeLessThanOrEqual(STARTUP_CPU_MS_MAX)
  })

  test('wrangler.toml asks for the bundle that is tested here, and for no Node', () => {
    const { main, vars, settings, text } = wranglerConfig()
    expect(main).toBe('dist/worker/index.js')
    expect(text).toContain('[build]\ncommand = "npm run build:worker"\n')
    expect(packageJson.scripts['build:worker']).toBe('node scripts/build.ts worker')
    expect(settings).toContain('no_bundle')
    expect(vars).toEqual({
      ...R2,
      ARCO_ENVIRONMENT: 'prod',
      ARCO_API_PUBLIC: 'true',
      TIDEMARK_REBUILD_CHUNK_EVENTS: '500',
      TIDEMARK_REBUILD_CALL_EVENTS: '500',
      TIDEMARK_HEALTH_RECOVER: 'true',
    })
    expect(settings).not.toContain('compatibility_flags')
  })
})

/** CPU that V8 needs to evaluate the bundle, in a process of its own: nothing of it is cached. */
async function startupCpuMs(path: string): Promise<number> {
  const script = `const before = process.cpuUsage(); await import(${JSON.stringify(pathToFileURL(path).href)}); const { user, system } = process.cpuUsage(before); console.log((user + system) / 1000)`
  const { stdout, stderr } = await runCommand({
    command: process.execPath,
    args: ['--input-type=module', '--eval', script],
    cwd: tmpdir(),
  })
  if (!(Number(stdout) > 0)) throw new Error(stderr)
  return Number(stdout)
}

/** A worker of its own, with other variables. */
async function another(env: Readonly<Record<string, string>>): Promise<Worker> {
  const started = await startWorker(bundle, env)
  onTestFinished(async () => started.stop())
  return started
}

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, body: await response.json() }
}

/** What the dispatcher of a cron trigger answers. */
interface Scheduled {
  scheduled(options: {
    readonly cron: string | undefined
    readonly scheduledTime: Date
  }): Promise<{ outcome: string }>
}

describe('the cron trigger', () => {
  const run = async ({ miniflare }: Worker): Promise<string> => {
    const fetcher = (await miniflare.getWorker()) as unknown as Scheduled
    const [cron] = wranglerConfig().crons
    const { outcome } = await fetcher.scheduled({ cron, scheduledTime: new Date(0) })
    return outcome
  }

  test('ends well when the store is there and may be written to', async () => {
    expect(await run(worker)).toBe('ok')
  })

  test('finds a stuck table, settles it, and posts a webhook whose signature verifies', async () => {
    const receiver = await webhookReceiver()
    onTestFinished(async () => receiver.close())
    const checked = await another({ ...SMOKE_ENV, ...R2, ...healthEnv(receiver) })
    const table_id = await plantStuck(checked.store)
    expect(await run(checked)).toBe('ok')
    await expectSettledAndTold(checked.store, receiver, table_id)
    expect(checked.log()).toContainEqual(
      expect.objectContaining({ message: 'finding', rule: 'TM-201', severity: 'info' }),
    )
    // Nothing is left to tell.
    expect(await run(checked)).toBe('ok')
    expect(receiver.received.length).toBe(1)
  })

  test('fails when nobody has certified the store', async () => {
    const uncertified = await another({ ...SMOKE_ENV, ...R2, TIDEMARK_STORE_CERTIFIED: 'false' })
    expect(await run(uncertified)).toBe('exception')
    const ready = await answerOf(await fetch(`${uncertified.base}/ready`))
    expectProblem(ready, { reason: 'store_not_certified' })
  })
})

describe('the start', () => {
  test('with the variables of wrangler.toml alone: a problem, and the log names all that is missing', async () => {
    const bare = await another(wranglerConfig().vars)
    expectProblem(await answerOf(await fetch(`${bare.base}/health`)), { reason: 'internal' })
    const text = JSON.stringify(bare.log())
    for (const name of ['ARCO_JWT_SECRET', 'TIDEMARK_INTERNAL_TOKEN_SHA256']) expect(text).toContain(name)
  })

  test('a binding that does not exist: a problem, and the log names it', async () => {
    const lost = await another({ ...SMOKE_ENV, ARCO_STORAGE_BUCKET: 'r2:LAKE' })
    expectProblem(await answerOf(await fetch(`${lost.base}/ready`)), { reason: 'internal' })
    expect(JSON.stringify(lost.log())).toContain('LAKE is no R2 binding of this worker')
  })

  test('certifies once, however many requests come first, and leaves nothing behind', async () => {
    const fresh = await another({ ...SMOKE_ENV, ...R2 })
    const answers = await Promise.all(Array.from({ length: 8 }, async () => fetch(`${fresh.base}/ready`)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect(await readBucket(fresh.store)).toEqual({})
  })

  test('a first client that goes away does not take the start with it', async () => {
    const fresh = await another({ ...SMOKE_ENV, ...R2 })
    await sendAndLeave(fresh.base, 'GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect((await fetch(`${fresh.base}/ready`)).status).toBe(200)
  })

  test('the dev posture answers this machine only', async () => {
    const dev = await another({ ...R2, ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'false' })
    expect((await dev.miniflare.dispatchFetch('http://localhost/health')).status).toBe(200)
    const elsewhere = await dev.miniflare.dispatchFetch('https://tidemark.example.workers.dev/health')
    expectProblem(
      {
        status: elsewhere.status,
        headers: new Headers([...elsewhere.headers]),
        body: await elsewhere.json(),
      },
      { reason: 'forbidden', detail: /^the dev posture asks for no credentials/ },
    )
  })
})

describe('a client that goes away, http-api.md 11', () => {
  test('its commit is finished or never begun', async () => {
    const token = await userOf('acme')
    const head = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const tables = Array.from({ length: 8 }, () => freshId())
    for (const table_id of tables) {
      const path = `/api/v1/delta/tables/${table_id}/commits`
      const staged = await fetch(`${worker.base}${path}/stage`, {
        method: 'POST',
        headers: head,
        body: JSON.stringify({ payload: freshPayload() }),
      })
      const request = { read_version: -1, ...((await staged.json()) as object), idempotency_key: freshId() }
      const body = JSON.stringify(request)
      await sendAndLeave(
        worker.base,
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
    }
    const inspected = async (table_id: string): Promise<unknown> =>
      (await fetch(`${worker.base}/api/v1/delta/tables/${table_id}/inspect`, { headers: head })).json()
    await vi.waitFor(
      async () => {
        for (const table_id of tables) expect(await inspected(table_id)).toMatchObject({ inflight: null })
      },
      { timeout: 10_000 },
    )
    const versions = await Promise.all(
      tables.map(async (id) => (await inspected(id)) as { latest_version: number }),
    )
    expect(versions.filter(({ latest_version }) => latest_version === 0).length).toBeGreaterThan(0)
  })
})

/** Write a request, and vanish as soon as it is handed over. */
async function sendAndLeave(base: string, request: string): Promise<void> {
  const { hostname, port } = new URL(base)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  await new Promise<void>((sent) => socket.write(request, () => sent()))
  socket.destroy()
  await once(socket, 'close')
}
