/** Tokens of the GCS drivers: a source of tokens that fails is never taken for the store's answer. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { gcsFetchStore } from '../../../lib/store/gcs-fetch.ts'
import { gcsStore } from '../../../lib/store/gcs.ts'
import { StoreError } from '../../../lib/store/types.ts'
import { bytesOf } from '../../support/objects.ts'
import { startGcsFake, type GcsFake } from '../../support/servers/gcs-fake.ts'
import { startTokenEndpoint, type TokenAnswer, type TokenEndpoint } from '../../support/token-endpoint.ts'

let server: GcsFake
const seen: (string | undefined)[] = []
let endpoint: TokenEndpoint | null = null

beforeAll(async () => {
  server = await startGcsFake({
    accepts(authorization) {
      seen.push(authorization)
      return authorization === 'Bearer good'
    },
  })
})

afterAll(async () => server.stop())

afterEach(async () => {
  vi.unstubAllEnvs()
  await endpoint?.close()
  endpoint = null
  seen.length = 0
})

async function bySdk(answer: (nth: number) => TokenAnswer): Promise<ReturnType<typeof gcsStore>> {
  endpoint = await startTokenEndpoint(answer)
  return gcsStore({ bucket: server.bucket, endpoint: server.endpoint, key_file: endpoint.key_file })
}

function issued(access_token: string): TokenAnswer {
  const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token'
  return { status: 200, body: { access_token, issued_token_type, expires_in: 3600, token_type: 'Bearer' } }
}

describe('gcs.ts', () => {
  test('sends its token, and fetches it once for many requests', async () => {
    const store = await bySdk(() => issued('good'))
    expect(await store.put('sdk/a', bytesOf('one'), 'doesNotExist')).toMatchObject({ outcome: 'ok' })
    const reads = await Promise.all(Array.from({ length: 8 }, async () => store.get('sdk/a')))
    expect(reads.map(({ outcome }) => outcome)).toEqual(reads.map(() => 'ok'))
    expect(endpoint?.grants).toHaveLength(1)
    expect(new Set(seen)).toEqual(new Set(['Bearer good']))
  })

  test.each([400, 401, 403, 404])(
    'a token endpoint that says %i is denied, never "absent"',
    async (status) => {
      const store = await bySdk(() => ({ status, body: { error: 'invalid_grant', error_description: 'no' } }))
      const denied = {
        name: 'StoreError',
        code: 'denied',
        message: expect.stringContaining('no usable credentials'),
      }
      await expect(store.get('sdk/missing')).rejects.toMatchObject(denied)
      const put = store.put('sdk/missing', bytesOf('one'), { matchesVersion: '17' })
      await expect(put).rejects.toMatchObject(denied)
      await expect(store.delete('sdk/missing')).rejects.toMatchObject(denied)
      expect(seen).toEqual([])
    },
  )

  test('no credentials anywhere is denied, and nothing is sent', async () => {
    vi.stubEnv('HOME', '/nonexistent')
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined)
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none')
    const store = gcsStore({ bucket: server.bucket })
    const denied = { code: 'denied', message: expect.stringContaining('no usable credentials') }
    await expect(store.put('sdk/b', bytesOf('one'), 'doesNotExist')).rejects.toMatchObject(denied)
    await expect(store.get('sdk/b')).rejects.toMatchObject(denied)
  })
})

describe('gcs-fetch.ts', () => {
  const byFetch = (token: Parameters<typeof gcsFetchStore>[0]['token']): ReturnType<typeof gcsFetchStore> =>
    gcsFetchStore({ bucket: server.bucket, endpoint: server.endpoint, token })

  test('a put whose source of tokens is away had no effect; one that refuses is thrown', async () => {
    const away = new StoreError('unavailable', 'credentials', 'away')
    const put = await byFetch(async () => Promise.reject(away)).put('fetch/a', bytesOf('one'), 'doesNotExist')
    expect(put).toEqual({ outcome: 'no_effect', cause: away })
    const refused = new StoreError('denied', 'credentials', 'refused')
    const store = byFetch(async () => Promise.reject(refused))
    await expect(store.put('fetch/a', bytesOf('one'), 'doesNotExist')).rejects.toBe(refused)
    await expect(store.get('fetch/a')).rejects.toBe(refused)
    expect(seen).toEqual([])
  })

  test('a source that is away when a refused token should be renewed had no effect either', async () => {
    const away = new StoreError('unavailable', 'credentials', 'away')
    const store = byFetch(async ({ refused }) => (refused === null ? 'stale' : Promise.reject(away)))
    const put = await store.put('fetch/b', bytesOf('one'), 'doesNotExist')
    expect(put).toEqual({ outcome: 'no_effect', cause: away })
    expect(seen).toEqual(['Bearer stale'])
    expect(server.peek('fetch/b')).toBeNull()
  })
})
