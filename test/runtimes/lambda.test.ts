/** Lambda: events exactly as AWS sends them, in both payload formats, over the store that it would use in production. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import { s3Store } from '../../lib/store/s3.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { startMinio } from '../support/servers/minio.ts'
import { userOf } from '../support/deployment.ts'
import { expectSettledAndTold, healthEnv, plantStuck, webhookReceiver } from '../support/health.ts'
import { expectProblem } from '../support/problems.ts'
import { EVENTS, type EventForm, type LambdaResult } from '../support/lambda-events.ts'
import { freshId, type Answer } from '../support/service.ts'
import { SMOKE, SMOKE_ENV, type Runtime } from './smoke.ts'

type Handler = (event: unknown) => Promise<unknown>

/** A fresh sandbox: the module is evaluated again, with these variables. */
async function sandbox(env: Readonly<Record<string, string>>): Promise<Handler> {
  vi.resetModules()
  vi.unstubAllEnvs()
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  // Its log is the platform's.
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const { handler } = await import('../../functions/entry/lambda.ts')
  return handler
}
afterEach(() => void vi.restoreAllMocks())
afterAll(() => {
  vi.unstubAllEnvs()
  vi.resetModules()
})

function runtimeOf(handler: Handler, { toEvent, base }: EventForm, store: MaintenanceStore): Runtime {
  return {
    base,
    store,
    async ask(request) {
      const result = (await handler(await toEvent(request))) as LambdaResult
      return responseOf(result)
    },
    stop: async () => undefined,
  }
}

/** What the client gets of it: Lambda hands on status, headers and body. */
function responseOf({ statusCode, headers, body, isBase64Encoded }: LambdaResult): Response {
  return new Response(isBase64Encoded ? Buffer.from(body, 'base64') : body, { status: statusCode, headers })
}

/** Where the smoke runs: a real S3 service, and a folder on machines that have none. */
interface Bucket {
  readonly env: Readonly<Record<string, string>>
  readonly store: MaintenanceStore
  stop(): Promise<void>
}

async function minioBucket(): Promise<Bucket> {
  const minio = await startMinio()
  const { endpoint, region, bucket, keys } = minio
  return {
    env: {
      ARCO_STORAGE_BUCKET: `s3://${bucket}`,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    },
    store: s3Store({ bucket, endpoint, region, credentials: keys }),
    stop: async () => minio.stop(),
  }
}

async function folderBucket(): Promise<Bucket> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-lambda-'))
  return {
    env: { ARCO_STORAGE_BUCKET: `file:${folder}` },
    store: fsStore(folder),
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

const FORMS = Object.values(EVENTS)

describe.each([
  { name: whyNot('minio') ?? 'MinIO', open: minioBucket, why: whyNot('minio') },
  { name: 'a folder', open: folderBucket, why: null },
])('Lambda over $name', ({ open, why }) => {
  describe.skipIf(why !== null)('the smoke', () => {
    let bucket: Bucket
    let handler: Handler
    beforeAll(async () => {
      bucket = await open()
      handler = await sandbox({ ...SMOKE_ENV, ...bucket.env })
    }, 60_000)
    afterAll(async () => bucket.stop())

    // Each step in one of the forms; what differs between them is below.
    test.each(SMOKE.map((step, index) => ({ ...step, form: FORMS[index % FORMS.length] ?? EVENTS.url })))(
      'by $form.name, $name',
      async ({ run, form }) => run(runtimeOf(handler, form, bucket.store)),
    )
  })
})

describe.each(FORMS)('an event of $name', (form) => {
  async function opened(): Promise<Handler> {
    return sandbox({ ...SMOKE_ENV, ARCO_STORAGE_BUCKET: 'memory:' })
  }
  async function answerTo(handler: Handler, event: unknown): Promise<Answer> {
    const response = responseOf((await handler(event)) as LambdaResult)
    return { status: response.status, headers: response.headers, body: await response.json() }
  }
  const request = async (
    path: string,
    init: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Request> =>
    new Request(`${form.base}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${await userOf('acme')}`, ...init.headers },
    })

  test('commits and replays, the body as text or in base64', async () => {
    const handler = await opened()
    const path = `/api/v1/delta/tables/${freshId()}/commits`
    const post = async (to: string, body: unknown, is_base64: boolean): Promise<Answer> =>
      answerTo(
        handler,
        await form.toEvent(
          await request(to, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body),
          }),
          { is_base64 },
        ),
      )
    // Text that is not ASCII must not change on its way.
    const payload = `{"commitInfo":{"timestamp":1,"note":"\\u00e9 \u00e9 \u{1f30a}"}}\n`
    const staged = await post(`${path}/stage`, { payload }, true)
    expect(staged.status).toBe(200)
    const body = { read_version: -1, ...staged.body, idempotency_key: freshId() }
    const [first, again] = [await post(path, body, false), await post(path, body, true)]
    expect([first.status, first.body.version]).toEqual([200, 0])
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
  })

  test('a query is no part of the path', async () => {
    expect(
      await answerTo(await opened(), await form.toEvent(await request('/health?a=b&c=%2F'))),
    ).toMatchObject({
      status: 200,
      body: { status: 'ok' },
    })
  })

  test('headers in any case; a repeated one that must not be is a 400 (S27)', async () => {
    const handler = await opened()
    const named = await request('/', { headers: { 'X-Tenant-Id': 'rival' } })
    expectProblem(await answerTo(handler, await form.toEvent(named)), { reason: 'forbidden' })
    const twice = await form.toEvent(await request('/'), { repeated: ['x-tenant-id', ['acme', 'acme']] })
    expectProblem(await answerTo(handler, twice), {
      reason: 'bad_request',
      detail: 'header x-tenant-id was sent more than once',
    })
  })

  test('a body that is no JSON, an empty one, and one beside a GET', async () => {
    const handler = await opened()
    const path = `/api/v1/delta/tables/${freshId()}/recover`
    const post = { method: 'POST', headers: { 'content-type': 'application/json' } }
    for (const body of ['{', '']) {
      expectProblem(await answerTo(handler, await form.toEvent(await request(path, { ...post, body }))), {
        reason: 'bad_request',
      })
    }
    const event = {
      ...(await form.toEvent(await request('/health'))),
      body: 'ignored',
      isBase64Encoded: false,
    }
    expect((await answerTo(handler, event)).status).toBe(200)
  })

  test('an empty Idempotency-Key arrives as one (S27)', async () => {
    const handler = await opened()
    const path = `/api/v1/delta/tables/${freshId()}/commits`
    const body = { read_version: -1, staged_path: 'x', staged_version: '1', idempotency_key: freshId() }
    const event = await form.toEvent(
      await request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': '' },
        body: JSON.stringify(body),
      }),
    )
    expectProblem(await answerTo(handler, event), {
      reason: 'bad_request',
      detail: 'Idempotency-Key header must not be empty',
    })
  })

  test('what no request can hold is a problem, not a crash', async () => {
    const handler = await opened()
    const good = await form.toEvent(await request('/health'))
    for (const broken of [form.withHeader(good, 'x-\u0000', 'a'), form.withMethod(good, 'CONNECT')]) {
      expectProblem(await answerTo(handler, broken), { reason: 'bad_request' })
    }
  })

  test('the dev posture answers this machine only', async () => {
    const handler = await sandbox({ ARCO_STORAGE_BUCKET: 'memory:' })
    expectProblem(await answerTo(handler, await form.toEvent(await request('/health'))), {
      reason: 'forbidden',
      detail: /^the dev posture asks for no credentials/,
    })
  })
})

describe('a schedule', () => {
  /** As EventBridge sends it. */
  const SCHEDULED = {
    version: '0',
    id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: '123456789012',
    time: '2026-10-08T16:53:06Z',
    region: 'us-east-1',
    resources: ['arn:aws:events:us-east-1:123456789012:rule/tidemark-ready'],
    detail: {},
  }

  test('ends well when the service is ready', async () => {
    const handler = await sandbox({ ...SMOKE_ENV, ARCO_STORAGE_BUCKET: 'memory:' })
    expect(await handler(SCHEDULED)).toBeUndefined()
  })

  test('finds a stuck table, settles it, and posts a webhook whose signature verifies', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-lambda-'))
    const receiver = await webhookReceiver()
    onTestFinished(async () => {
      await receiver.close()
      rmSync(folder, { recursive: true, force: true })
    })
    const store = fsStore(folder)
    const table_id = await plantStuck(store)
    const handler = await sandbox({
      ...SMOKE_ENV,
      ...healthEnv(receiver),
      ARCO_STORAGE_BUCKET: `file:${folder}`,
    })
    expect(await handler(SCHEDULED)).toBeUndefined()
    await expectSettledAndTold(store, receiver, table_id)
  })

  test('fails the invocation when it is not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-lambda-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const wrong = await sandbox({ ...SMOKE_ENV, ARCO_STORAGE_BUCKET: 'r2:BUCKET' })
    await expect(wrong(SCHEDULED)).rejects.toThrow(/^not ready: .*internal/)
  })
})

describe('the start', () => {
  test('a wrong configuration is a problem for each request, and a line of the log for each variable', async () => {
    const handler = await sandbox({ ARCO_STORAGE_BUCKET: 'memory:', ARCO_ENVIRONMENT: 'prod', PORT: 'x' })
    const result = (await handler(
      await EVENTS.url.toEvent(new Request(`${EVENTS.url.base}/health`)),
    )) as LambdaResult
    expect(JSON.parse(result.body)).toMatchObject({ reason: 'internal', status: 500 })
    const printed = vi.mocked(process.stdout.write).mock.calls.map(([line]) => String(line))
    const causes = printed
      .filter((line) => line.startsWith('{'))
      .map((line) => String(JSON.parse(line).cause))
    expect(causes.map((cause) => cause.split(':', 1)[0])).toEqual(
      expect.arrayContaining([
        'PORT',
        'ARCO_API_PUBLIC',
        'ARCO_JWT_SECRET',
        'TIDEMARK_INTERNAL_TOKEN_SHA256',
      ]),
    )
  })

  test('one that failed is tried again by the next event', async () => {
    const handler = await sandbox({ ...SMOKE_ENV, ARCO_STORAGE_BUCKET: 'r2:BUCKET' })
    const health = await EVENTS.url.toEvent(new Request(`${EVENTS.url.base}/health`))
    expect(((await handler(health)) as LambdaResult).statusCode).toBe(500)
    vi.stubEnv('ARCO_STORAGE_BUCKET', 'memory:')
    expect(((await handler(health)) as LambdaResult).statusCode).toBe(200)
  })
})

test('4 MiB of payload, in base64 and all, are within the 6 MB that the platform takes', async () => {
  const handler = await sandbox({ ...SMOKE_ENV, ARCO_STORAGE_BUCKET: 'memory:' })
  const payload = `{"commitInfo":{"pad":"${'a'.repeat(4 * 1024 * 1024)}"}}\n`
  const request = new Request(`${EVENTS.url.base}/api/v1/delta/tables/${freshId()}/commits/stage`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await userOf('acme')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ payload }),
  })
  const event = await EVENTS.url.toEvent(request, { is_base64: true })
  expect(JSON.stringify(event).length).toBeLessThan(6 * 1024 * 1024)
  expect(((await handler(event)) as LambdaResult).statusCode).toBe(200)
})
