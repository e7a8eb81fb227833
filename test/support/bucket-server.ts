/** A bucket behind plain HTTP on a loopback port, to read from in a shell: `GET /KEY`. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Store } from '../../lib/store/types.ts'

/** A server that runs. */
export interface BucketServer {
  readonly url: string
  close(): Promise<void>
}

/** Start one. */
export async function serveBucket(store: Store): Promise<BucketServer> {
  const server = createServer((request, response) => {
    store.get(decodeURIComponent(request.url ?? '').slice(1)).then(
      (object) => (object.outcome === 'ok' ? response.end(object.bytes) : response.writeHead(404).end()),
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
