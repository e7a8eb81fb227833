/** A bucket behind plain HTTP on a loopback port, for a shell to read and write: `GET /KEY`, `PUT /KEY`. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Store } from '../../lib/store/types.ts'

/** A server that runs. */
export interface BucketServer {
  readonly url: string
  close(): Promise<void>
}

/** Start one. A put replaces whatever is there, as an operator's upload does. */
export async function serveBucket(store: Store): Promise<BucketServer> {
  async function answer(request: IncomingMessage): Promise<{ status: number; body?: Uint8Array }> {
    const key = decodeURIComponent(request.url ?? '').slice(1)
    if (request.method === 'PUT') {
      const { outcome } = await store.put(key, await buffer(request), 'none')
      return { status: outcome === 'ok' ? 200 : 500 }
    }
    const object = await store.get(key)
    return object.outcome === 'ok' ? { status: 200, body: object.bytes } : { status: 404 }
  }
  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, body }) => response.writeHead(status).end(body),
      () => response.writeHead(500).end(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
