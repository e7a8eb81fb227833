/** Credentials and clocks of the S3 drivers: what is fetched, what is sent again, and what a failure is called. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { s3FetchStore } from '../../../lib/store/s3-fetch.ts'
import { s3Store } from '../../../lib/store/s3.ts'
import { StoreError } from '../../../lib/store/types.ts'
import type { ProxyFault } from '../../support/fault-proxy.ts'
import { bytesOf, readText } from '../../support/objects.ts'
import { openS3Bench, s3Error, type S3Bench } from '../../support/s3-bench.ts'
import { startMiniflareS3 } from '../../support/servers/miniflare-s3.ts'
import { whyNot } from '../../support/servers/binaries.ts'
import { startMinio, type S3Server } from '../../support/servers/minio.ts'

let server: S3Server
let bench: S3Bench

beforeAll(async () => {
  server = whyNot('minio') === null ? await startMinio() : await startMiniflareS3()
  bench = await openS3Bench(server)
}, 60_000)

afterAll(async () => {
  await bench.close()
  await server.stop()
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
  bench.wires.reset()
})

const sent = (): number => bench.wires.proxy.requests.length

describe.each(['sdk', 'fetch'] as const)('%s', (client) => {
  test('a clock that is an hour late is set by the refusal, once', async () => {
    const store = bench.open(client)
    bench.wires.reset()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
    const key = `clock/${client}`
    expect(await store.put(key, bytesOf('one'), 'doesNotExist')).toMatchObject({ outcome: 'ok' })
    expect(sent()).toBe(2)
    expect(await readText(store, key)).toBe('one')
    expect(sent()).toBe(3)
  })

  test('a clock that stays refused is denied after two requests, and nothing is stored', async () => {
    const store = bench.open(client)
    const skewed: ProxyFault = { fault: 'answer', answer: s3Error(403, 'RequestTimeTooSkewed') }
    bench.wires.proxy.setPlan(() => skewed)
    const first = sent()
    const put = store.put(`clock/${client}/refused`, bytesOf('one'), 'doesNotExist')
    await expect(put).rejects.toMatchObject({
      code: 'denied',
      message: 'the store refused the clock of this machine: 403 RequestTimeTooSkewed',
    })
    expect(sent() - first).toBe(2)
    bench.wires.proxy.setPlan(null)
    expect(await store.get(`clock/${client}/refused`)).toEqual({ outcome: 'not_found' })
  })

  test('keys that were given once and are refused are not tried again', async () => {
    const store = bench.open(client, { keys: { ...server.keys, secretAccessKey: 'wrong' } })
    const first = sent()
    const put = store.put(`keys/${client}`, bytesOf('one'), 'doesNotExist')
    await expect(put).rejects.toMatchObject({ code: 'denied' })
    expect(sent() - first).toBe(1)
  })
})

describe('s3-fetch.ts', () => {
  const open = (
    credentials: Parameters<typeof s3FetchStore>[0]['credentials'],
  ): ReturnType<typeof s3FetchStore> =>
    s3FetchStore({ bucket: server.bucket, endpoint: server.endpoint, region: server.region, credentials })

  test('a put whose source of credentials is away had no effect; one that refuses is thrown', async () => {
    const away = new StoreError('unavailable', 'credentials', 'away')
    const put = await open(async () => Promise.reject(away)).put('k', bytesOf('one'), 'doesNotExist')
    expect(put).toEqual({ outcome: 'no_effect', cause: away })
    const refused = new StoreError('denied', 'credentials', 'refused')
    const store = open(async () => Promise.reject(refused))
    await expect(store.put('k', bytesOf('one'), 'doesNotExist')).rejects.toBe(refused)
    await expect(store.get('k')).rejects.toBe(refused)
  })
})

describe('s3.ts', () => {
  const withoutKeys = (): ReturnType<typeof s3Store> => {
    for (const name of [
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_PROFILE',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
    ]) {
      vi.stubEnv(name, undefined)
    }
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    vi.stubEnv('HOME', '/nonexistent')
    return s3Store({ bucket: server.bucket, endpoint: server.endpoint, region: server.region })
  }

  test('no credentials anywhere is denied, of a put as well', async () => {
    const refused = { code: 'denied', message: expect.stringContaining('no usable credentials') }
    const store = withoutKeys()
    await expect(store.put('k', bytesOf('one'), 'doesNotExist')).rejects.toMatchObject(refused)
    await expect(store.get('k')).rejects.toMatchObject(refused)
  })

  test('no region is misconfigured, and says what to set', async () => {
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) vi.stubEnv(name, undefined)
    vi.stubEnv('HOME', '/nonexistent')
    const store = s3Store({ bucket: server.bucket, endpoint: server.endpoint, credentials: server.keys })
    const refused = { code: 'misconfigured', message: 'no region: set AWS_REGION, or AWS_ENDPOINT_URL_S3' }
    await expect(store.put('k', bytesOf('one'), 'doesNotExist')).rejects.toMatchObject(refused)
  })
})
