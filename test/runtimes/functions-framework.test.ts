/** The Functions Framework, as Cloud Functions runs it: the source and the bundle, over Cloud Storage where there is a server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import { gcsStore } from '../../lib/store/gcs.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { bundle } from '../../scripts/build.ts'
import { REPOSITORY } from '../house/tools.ts'
import { userOf } from '../support/deployment.ts'
import { expectProblem } from '../support/problems.ts'
import { startProcess, type Running } from '../support/process.ts'
import { freshId, type Answer } from '../support/service.ts'
import { freePort, whyNot } from '../support/servers/binaries.ts'
import { startFakeGcs } from '../support/servers/fake-gcs.ts'
import { SMOKE, SMOKE_ENV, type Runtime } from './smoke.ts'

const FRAMEWORK = join(REPOSITORY, 'node_modules/@google-cloud/functions-framework/build/src/main.js')
const SOURCE = 'functions/entry/gcf.ts'
const START_MS = 60_000

interface Function_ extends Running {
  readonly base: string
}

/** Start the framework over a source file, and wait until it serves. */
async function serve(source: string, env: Readonly<Record<string, string>>): Promise<Function_> {
  const port = await freePort()
  const running = startProcess({
    command: process.execPath,
    args: [FRAMEWORK, `--source=${source}`, '--target=tidemark', `--port=${port}`],
    cwd: REPOSITORY,
    env,
  })
  await running.printed(/^URL: /m)
  return { ...running, base: `http://127.0.0.1:${port}` }
}

interface Bucket {
  readonly env: Readonly<Record<string, string>>
  readonly store: MaintenanceStore
  stop(): Promise<void>
}

async function gcsBucket(): Promise<Bucket> {
  const { endpoint, bucket, stop } = await startFakeGcs()
  return {
    env: { ARCO_STORAGE_BUCKET: `gs://${bucket}`, STORAGE_EMULATOR_HOST: endpoint },
    store: gcsStore({ bucket, endpoint }),
    stop,
  }
}

async function folderBucket(): Promise<Bucket> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-gcf-'))
  return {
    env: { ARCO_STORAGE_BUCKET: `file:${folder}` },
    store: fsStore(folder),
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

describe.each([
  { name: whyNot('fake-gcs-server') ?? 'fake-gcs-server', open: gcsBucket, why: whyNot('fake-gcs-server') },
  { name: 'a folder', open: folderBucket, why: null },
])('the Functions Framework over $name', ({ open, why }) => {
  describe.skipIf(why !== null)('the smoke', () => {
    let runtime: Runtime
    beforeAll(async () => {
      const bucket = await open()
      const server = await serve(SOURCE, { ...SMOKE_ENV, ...bucket.env })
      runtime = {
        base: server.base,
        ask: fetch,
        store: bucket.store,
        async stop() {
          server.kill('SIGKILL')
          await server.ended
          await bucket.stop()
        },
      }
    }, START_MS)
    afterAll(async () => runtime.stop())

    test.each(SMOKE)('$name', async ({ run }) => run(runtime))
  })
})

describe('the framework in front of it', () => {
  let server: Function_
  beforeAll(async () => {
    server = await serve(SOURCE, {
      ...SMOKE_ENV,
      ARCO_STORAGE_BUCKET: 'memory:',
      K_REVISION: 'tidemark-00001',
    })
    return () => server.kill('SIGKILL')
  }, START_MS)

  const post = async (body: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${server.base}/api/v1/delta/tables/${freshId()}/recover`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await userOf('acme')}`,
        'content-type': 'application/json',
        ...headers,
      },
      body,
    })
  const answerOf = async (response: Response): Promise<Answer> => ({
    status: response.status,
    headers: response.headers,
    body: await response.json(),
  })

  test('/version names the revision', async () => {
    expect(await (await fetch(`${server.base}/version`)).json()).toMatchObject({
      cloudRunRevision: 'tidemark-00001',
    })
  })

  test('bodies reach the app as they were sent: duplicates, media types and encodings are its own refusals', async () => {
    expectProblem(await answerOf(await post('{"a":1,"a":2}')), { reason: 'bad_request' })
    expectProblem(await answerOf(await post('{}', { 'content-type': 'text/plain' })), {
      reason: 'unsupported_media_type',
    })
    expectProblem(await answerOf(await post(`{}${' '.repeat(2_000)}`)), { reason: 'payload_too_large' })
    expect((await post('{}')).status).toBe(200)
  })

  test('JSON that does not parse is the one body that the framework refuses by itself (docs/deploy/google-cloud.md)', async () => {
    const response = await post('{')
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toMatch(/^text\/html/)
  })
})

describe('the dev posture', () => {
  test('serves a caller on this machine', { timeout: START_MS }, async () => {
    const server = await serve(SOURCE, { ARCO_STORAGE_BUCKET: 'memory:' })
    onTestFinished(() => server.kill('SIGKILL'))
    expect((await fetch(`${server.base}/health`)).status).toBe(200)
  })
})

describe('npm run build:gcf', () => {
  test(
    'the bundle, its package.json and nothing else make a function that answers',
    { timeout: START_MS },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'tidemark-build-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      await bundle('gcf', folder)
      const data = join(folder, 'data')
      const server = await serve(join(folder, 'gcf'), { ...SMOKE_ENV, ARCO_STORAGE_BUCKET: `file:${data}` })
      onTestFinished(() => server.kill('SIGKILL'))
      expect(await (await fetch(`${server.base}/ready`)).json()).toEqual({ ready: true })
      const runtime = { base: server.base, ask: fetch, store: fsStore(data), stop: async () => undefined }
      for (const { run } of SMOKE) await run(runtime)
    },
  )
})
