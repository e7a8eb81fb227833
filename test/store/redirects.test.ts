/** A store that sends the driver elsewhere (correctness.md S4): the other address is never asked, with our credentials least of all. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { gcsFetchStore } from '../../lib/store/gcs-fetch.ts'
import { gcsStore } from '../../lib/store/gcs.ts'
import { s3FetchStore } from '../../lib/store/s3-fetch.ts'
import { s3Store } from '../../lib/store/s3.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { startTokenEndpoint } from '../support/token-endpoint.ts'

const asked = { store: 0, elsewhere: 0 }
/** `Authorization` as it came to the two addresses. */
const shown: { store: string[]; elsewhere: string[] } = { store: [], elsewhere: [] }
const servers: Server[] = []
let endpoint: string

async function serve(answer: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(answer ?? (() => undefined)).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

beforeAll(async () => {
  const elsewhere = await serve((request, response) => {
    asked.elsewhere += 1
    shown.elsewhere.push(request.headers.authorization ?? '')
    response.end('{}')
  })
  endpoint = await serve((request, response) => {
    asked.store += 1
    shown.store.push(request.headers.authorization ?? '')
    request.resume().on('end', () => {
      response
        .writeHead(302, { location: `${elsewhere.replace('127.0.0.1', 'localhost')}${request.url ?? ''}` })
        .end()
    })
  })
})
beforeEach(() => {
  Object.assign(asked, { store: 0, elsewhere: 0 })
  Object.assign(shown, { store: [], elsewhere: [] })
})
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})

const KEYS = { access_key_id: 'key', secret_access_key: 'secret' }
const AT = { bucket: 'lake', region: 'us-east-1' }

const DRIVERS: Record<string, () => MaintenanceStore> = {
  's3 by its SDK': () =>
    s3Store({ ...AT, endpoint, credentials: { accessKeyId: 'key', secretAccessKey: 'secret' } }),
  's3 by fetch': () => s3FetchStore({ ...AT, endpoint, credentials: async () => KEYS }),
  'gcs by fetch': () => gcsFetchStore({ bucket: 'lake', endpoint, token: async () => null }),
}

describe('a redirect to another address, S4', () => {
  test.each(Object.entries(DRIVERS))(
    '%s: reads and writes fail, and nobody else is asked',
    async (_, open) => {
      const store = open()
      const bytes = new TextEncoder().encode('{}')
      await expect(store.put('a', bytes, 'doesNotExist')).rejects.toMatchObject({ code: 'misconfigured' })
      await expect(store.get('a')).rejects.toMatchObject({ name: 'StoreError' })
      expect(asked.store).toBeGreaterThanOrEqual(2)
      expect(asked.elsewhere).toBe(0)
    },
  )

  test('gcs by its SDK: a write fails, and a read goes where the SDK cannot be kept from, without our credentials', async () => {
    const issuer = await startTokenEndpoint(() => ({
      status: 200,
      body: {
        access_token: 'ours',
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        expires_in: 3600,
        token_type: 'Bearer',
      },
    }))
    try {
      const store = gcsStore({ bucket: 'lake', endpoint, key_file: issuer.key_file })
      const put = store.put('a', new TextEncoder().encode('{}'), 'doesNotExist')
      await expect(put).rejects.toMatchObject({ code: 'misconfigured' })
      expect(asked.elsewhere).toBe(0)
      // It has none of the headers that say which generation the bytes are.
      await expect(store.get('a')).rejects.toMatchObject({ name: 'StoreError' })
      expect(shown.store).toEqual(expect.arrayContaining(['Bearer ours']))
      expect(shown.elsewhere.filter((credentials) => credentials !== '')).toEqual([])
    } finally {
      await issuer.close()
    }
  })
})
