/** From a bucket and the vendors' own variables to a driver that works, on runtimes with SDKs and on Workers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { parseBucket, type Bucket } from '../../../functions/bucket.ts'
import { ConfigError, configFrom } from '../../../functions/config.ts'
import { emulatorUrl } from '../../../functions/entry/emulator.ts'
import { openStore } from '../../../functions/entry/stores.ts'
import { openWorkerStore, textsOf, type WorkerEnv } from '../../../functions/entry/worker-stores.ts'
import { StoreError, type MaintenanceStore } from '../../../lib/store/types.ts'
import { startGcsFake, type GcsFake } from '../../support/servers/gcs-fake.ts'
import { startMiniflareS3 } from '../../support/servers/miniflare-s3.ts'
import type { S3Server } from '../../support/servers/minio.ts'
import { createText, readText } from '../../support/objects.ts'
import { freshId } from '../../support/service.ts'

afterEach(() => void vi.unstubAllEnvs())

/** SDKs read the process's own variables as well. */
async function opened(bucket: string, env: Readonly<Record<string, string>>): Promise<MaintenanceStore> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const { driver } = await openStore(bucketOf(bucket), { token_format: 'plain', env: process.env })
  return driver
}

function bucketOf(text: string): Bucket {
  const bucket = parseBucket(text)
  if (bucket === null) throw new Error(`no bucket: ${text}`)
  return bucket
}

async function expectStores(store: MaintenanceStore): Promise<void> {
  const key = `probe/${freshId()}`
  await createText(store, key, 'here')
  expect(await readText(store, key)).toBe('here')
  expect(await store.head(key)).toMatchObject({ outcome: 'ok', size: 4 })
}

describe('on Node, Deno, Cloud Functions and Lambda', () => {
  test('memory and a folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-stores-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    for (const bucket of ['memory:', `file:${folder}`]) await expectStores(await opened(bucket, {}))
  })

  test('an R2 binding exists on Workers only', async () => {
    await expect(opened('r2:BUCKET', {})).rejects.toThrow(
      new StoreError('misconfigured', '', 'an R2 binding exists on Workers only; elsewhere use s3://BUCKET'),
    )
  })
})

describe('Cloud Storage by STORAGE_EMULATOR_HOST', () => {
  let fake: GcsFake
  beforeAll(async () => {
    fake = await startGcsFake()
    return async () => fake.stop()
  })

  test.each<[string, (endpoint: string) => string]>([
    ['a URL', (endpoint) => endpoint],
    ['a URL with a slash', (endpoint) => `${endpoint}/`],
    ["a URL with the API's path", (endpoint) => `${endpoint}/storage/v1`],
    ['a bare host', (endpoint) => endpoint.replace('http://', '')],
  ])('%s: by the SDK and by fetch', async (_name, spelled) => {
    const STORAGE_EMULATOR_HOST = spelled(fake.endpoint)
    await expectStores(await opened(`gs://${fake.bucket}`, { STORAGE_EMULATOR_HOST }))
    await expectStores(onWorkers(`gs://${fake.bucket}`, { STORAGE_EMULATOR_HOST }))
    expect(emulatorUrl(STORAGE_EMULATOR_HOST)).toBe(fake.endpoint)
  })
})

describe('S3 by AWS_ENDPOINT_URL_S3', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startMiniflareS3()
    return async () => server.stop()
  })
  const env = (): Record<string, string> => ({
    AWS_ENDPOINT_URL_S3: server.endpoint,
    AWS_ACCESS_KEY_ID: server.keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.keys.secretAccessKey,
  })

  test('by the SDK, with a region and without', async () => {
    await expectStores(await opened(`s3://${server.bucket}`, env()))
    await expectStores(await opened(`s3://${server.bucket}`, { ...env(), AWS_REGION: 'auto' }))
  })

  test('by fetch, with a region and without', async () => {
    await expectStores(onWorkers(`s3://${server.bucket}`, env()))
    await expectStores(onWorkers(`s3://${server.bucket}`, { ...env(), AWS_REGION: 'auto' }))
  })
})

/** As `functions/entry/worker.ts` opens it. */
function onWorkers(bucket: string, env: WorkerEnv): MaintenanceStore {
  const config = configFrom({
    ...textsOf(env),
    ARCO_STORAGE_BUCKET: bucket,
    ARCO_ENVIRONMENT: 'dev',
    ARCO_API_PUBLIC: 'false',
  })
  return openWorkerStore(config, env).driver
}

describe('on Workers', () => {
  test.each<[string, string, WorkerEnv, RegExp]>([
    ['no binding of that name', 'r2:LAKE', { BUCKET: {} }, /ARCO_STORAGE_BUCKET: LAKE is no R2 binding/],
    ['a binding of another kind', 'r2:LAKE', { LAKE: { fetch: null } }, /LAKE is no R2 binding/],
    ['a variable of that name', 'r2:LAKE', { LAKE: 'lake' }, /LAKE is no R2 binding/],
    ['a folder', 'file:/srv', {}, /ARCO_STORAGE_BUCKET: a worker keeps nothing/],
    ['memory', 'memory:', {}, /ARCO_STORAGE_BUCKET: a worker keeps nothing/],
    [
      'S3 without keys',
      's3://lake',
      { AWS_ACCESS_KEY_ID: 'a' },
      /AWS_SECRET_ACCESS_KEY: required as secrets/,
    ],
    ['GCS without a key', 'gs://lake', {}, /GOOGLE_APPLICATION_CREDENTIALS_JSON: expected/],
    [
      'GCS with half a key',
      'gs://lake',
      { GOOGLE_APPLICATION_CREDENTIALS_JSON: '{"client_email":"a"}' },
      /GOOGLE_APPLICATION_CREDENTIALS_JSON: expected/,
    ],
  ])('%s: the start fails by name', (_name, bucket, env, why) => {
    const open = (): unknown => onWorkers(bucket, env)
    expect(open).toThrow(ConfigError)
    expect(open).toThrow(why)
  })

  test('variables that are no text are bindings', () => {
    expect(textsOf({ A: 'a', B: {}, C: 1 })).toEqual({ A: 'a' })
  })
})
