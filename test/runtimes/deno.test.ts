/** Deno over a folder: `deno serve` with the permissions of the task in deno.json, and the task itself. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type denoEntry from '../../functions/entry/deno.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { s3Store } from '../../lib/store/s3.ts'
import { REPOSITORY } from '../house/tools.ts'
import { codeBlocks } from '../support/documents.ts'
import { otlpReceiver } from '../support/otlp-receiver.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { startMinio } from '../support/servers/minio.ts'
import { copyWorkingTree } from '../support/working-copy.ts'
import { startProcess, type Ended, type Running } from '../support/process.ts'
import { freshId, freshPayload } from '../support/service.ts'
import { SMOKE, SMOKE_ENV, type Runtime } from './smoke.ts'

const DENO = join(REPOSITORY, 'node_modules/deno/deno')
const ENTRY = 'functions/entry/deno.ts'
/** A start compiles what is not cached yet, on a machine that may be busy. */
const START_MS = 60_000

/** What `deno task start` allows; the folder that may be written to is a parameter. */
const PERMISSIONS = ['--allow-net', '--allow-env', '--allow-sys', '--allow-read']

interface DenoServer extends Running {
  readonly base: string
}

async function serve(args: readonly string[], env: Readonly<Record<string, string>>): Promise<DenoServer> {
  const running = startProcess({
    command: DENO,
    args: ['serve', '--no-prompt', '--host', '127.0.0.1', '--port', '0', ...PERMISSIONS, ...args, ENTRY],
    cwd: REPOSITORY,
    env: { NO_COLOR: '1', ...env },
  })
  const [, base = ''] = await running.printed(/Listening on (http:\/\/[^/\s]+)\//, 'stderr')
  return { ...running, base }
}

let folder: string
let server: DenoServer
let runtime: Runtime
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-deno-'))
  server = await serve([`--allow-write=${folder}`], { ...SMOKE_ENV, ARCO_STORAGE_BUCKET: `file:${folder}` })
  runtime = {
    base: server.base,
    ask: fetch,
    store: fsStore(folder),
    async stop() {
      server.kill('SIGKILL')
      await server.ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}, START_MS)
afterAll(async () => runtime.stop())

test.each(SMOKE)('Deno: $name', async ({ run }) => run(runtime))

describe.skipIf(whyNot('minio') !== null)(`Deno over ${whyNot('minio') ?? 'MinIO'}`, () => {
  let over_minio: Runtime
  beforeAll(async () => {
    const minio = await startMinio()
    const { endpoint, region, bucket, keys } = minio
    const env_file = join(folder, 'tidemark.env')
    const env = {
      ...SMOKE_ENV,
      ARCO_STORAGE_BUCKET: `s3://${bucket}`,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    }
    // As docs/deploy/deno.md has it: no leave to write anywhere, the variables in a file.
    writeFileSync(
      env_file,
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
    const running = await serve([`--env-file=${env_file}`], {})
    over_minio = {
      base: running.base,
      ask: fetch,
      store: s3Store({ bucket, endpoint, region, credentials: keys }),
      async stop() {
        running.kill('SIGKILL')
        await running.ended
        await minio.stop()
      },
    }
  }, START_MS)
  afterAll(async () => over_minio.stop())

  test.each(SMOKE)('$name', async ({ run }) => run(over_minio))
})

describe('permissions', () => {
  test('docs/deploy/deno.md serves with the same', () => {
    const page = codeBlocks('docs/deploy/deno.md', 'bash').find((code) => code.startsWith('deno serve'))
    expect(page?.match(/--allow-\S+/g)).toEqual(PERMISSIONS)
    expect(page).toContain(ENTRY)
  })

  test('the task asks for those that are tested here, and for no other', () => {
    const { tasks } = JSON.parse(readFileSync(join(REPOSITORY, 'deno.json'), 'utf8'))
    const asked = String(tasks.start).match(/--allow-\S+/g)
    expect(asked).toEqual([...PERMISSIONS, '--allow-write=.tidemark'])
    expect(tasks.start).toContain(ENTRY)
  })

  test(
    'without leave to write the folder the store is denied, and the answer is a problem',
    { timeout: START_MS },
    async () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'tidemark-deno-'))
      onTestFinished(() => rmSync(elsewhere, { recursive: true, force: true }))
      const locked = await serve([], { ARCO_STORAGE_BUCKET: `file:${join(elsewhere, 'bucket')}` })
      onTestFinished(() => locked.kill('SIGKILL'))
      const ready = await fetch(`${locked.base}/ready`)
      expect(ready.status).toBe(503)
      expect(await ready.json()).toMatchObject({ reason: 'storage_unavailable', ready: false })
    },
  )
})

describe('deno task start', { timeout: START_MS }, () => {
  const task = (root: string, env: Readonly<Record<string, string>>, path = ''): Running => {
    const running = startProcess({
      command: DENO,
      args: ['task', 'start'],
      cwd: root,
      env: {
        NO_COLOR: '1',
        PORT: '0',
        ...env,
        ...(path === '' ? {} : { PATH: `${path}:${process.env['PATH'] ?? ''}` }),
      },
      own_group: true,
    })
    onTestFinished(() => running.killAll())
    return running
  }

  test('serves the dev posture over .tidemark, beside the npm package of the same name', async () => {
    const copy = copyWorkingTree()
    onTestFinished(() => copy.remove())
    const running = task(copy.root, {})
    const [, base = ''] = await running.printed(/Listening on (http:\/\/127\.0\.0\.1:\d+)\//, 'stderr')
    expect(await (await fetch(`${base}/ready`)).json()).toEqual({ ready: true })
    expect(await (await fetch(`${base}/`)).json()).toMatchObject({ service: 'tidemark' })
  })

  test('a wrong configuration ends it with exit code 1 and every problem', async () => {
    const copy = copyWorkingTree()
    onTestFinished(() => copy.remove())
    const { code, stderr }: Ended = await task(copy.root, {
      TIDEMARK_HOST: '0.0.0.0',
      ARCO_LOG_FORMAT: 'xml',
    }).ended
    expect(code).toBe(1)
    expect(stderr).toContain(`Tidemark does not start: the configuration is wrong.
  ARCO_LOG_FORMAT: expected json or text
  ARCO_ENVIRONMENT: required`)
  })
})

describe('a stop', { timeout: START_MS }, () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends it with exit code 0 once nothing is under way',
    async (signal) => {
      const own = mkdtempSync(join(tmpdir(), 'tidemark-deno-'))
      onTestFinished(() => rmSync(own, { recursive: true, force: true }))
      const stopping = await serve([`--allow-write=${own}`], { ARCO_STORAGE_BUCKET: `file:${own}` })
      expect((await fetch(`${stopping.base}/health`)).status).toBe(200)
      stopping.kill(signal)
      expect(await stopping.ended).toMatchObject({ code: 0, signal: null })
    },
  )

  test('http-api 11: a request that is under way is answered before it', async () => {
    const own = mkdtempSync(join(tmpdir(), 'tidemark-deno-'))
    onTestFinished(() => rmSync(own, { recursive: true, force: true }))
    const stopping = await serve([`--allow-write=${own}`], { ARCO_STORAGE_BUCKET: `file:${own}` })
    const half = request(`${stopping.base}/api/v1/delta/tables/${freshId()}/commits/stage`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    half.write('{"payload":')
    // The server has read it once it answers somebody who came later.
    await fetch(`${stopping.base}/health`)
    stopping.kill('SIGTERM')
    const answered = once(half, 'response') as Promise<[IncomingMessage]>
    half.end(`${JSON.stringify(freshPayload())}}`)
    const [answer] = await answered
    expect(answer.statusCode).toBe(200)
    answer.resume()
    expect(await stopping.ended).toMatchObject({ code: 0, signal: null })
  })
})

test('spans reach a collector before the process ends', { timeout: START_MS }, async () => {
  const collector = await otlpReceiver()
  onTestFinished(async () => collector.close())
  const watched = await serve([], {
    ARCO_STORAGE_BUCKET: 'memory:',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  })
  expect((await fetch(`${watched.base}/health`)).status).toBe(200)
  watched.kill('SIGTERM')
  expect(await watched.ended).toMatchObject({ code: 0 })
  expect(collector.spans().map(({ name }) => name)).toContain('GET /health')
})

describe('the dev posture', () => {
  test('answers this machine only, wherever `deno serve` listens', { timeout: START_MS }, async () => {
    const { default: entry } = await entryInNode()
    const request = (): Request => new Request('http://localhost/health')
    const from = async (hostname: string): Promise<number> =>
      (await entry.fetch(request(), { remoteAddr: { hostname } })).status
    expect(await Promise.all(['127.0.0.1', '::1', '::ffff:127.0.0.1'].map(from))).toEqual([200, 200, 200])
    expect(await Promise.all(['10.0.0.7', '203.0.113.9', '::ffff:10.0.0.7'].map(from))).toEqual([
      403, 403, 403,
    ])
  })
})

/** The module that Deno serves uses nothing of Deno, so that a caller from elsewhere can be made up here. */
async function entryInNode(): Promise<{ readonly default: typeof denoEntry }> {
  vi.stubEnv('ARCO_STORAGE_BUCKET', 'memory:')
  const before = new Map(SIGNALS.map((signal) => [signal, process.listeners(signal)]))
  try {
    return await import('../../functions/entry/deno.ts')
  } finally {
    vi.unstubAllEnvs()
    // This process is stopped by its own signals as before.
    for (const signal of SIGNALS) {
      const own = process.listeners(signal).filter((each) => before.get(signal)?.includes(each) === false)
      for (const each of own) process.off(signal, each)
    }
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
