/** Ending a Node server as a platform asks for it (spec/http-api.md 11): what is under way is answered, nothing else. */
import type { Server, ServerResponse } from 'node:http'
import type { App } from '../app.ts'

/** How long answers that are written may take to leave, and how long other connections may stay open. */
const FLUSH_MS = 500

/**
 * From now on SIGTERM and SIGINT end the process with exit code 0 once every request that the app works on is answered;
 * a commit after its reserve CAS is finished even when its client is gone. A second signal ends it at once, with 1.
 */
export function stopOnSignal(server: Server, app: App): void {
  const unsent = new Set<ServerResponse>()
  let is_stopping = false

  server.prependListener('request', (_incoming, outgoing) => {
    unsent.add(outgoing)
    outgoing.once('close', () => unsent.delete(outgoing))
    if (is_stopping) outgoing.shouldKeepAlive = false
  })

  function stop(): void {
    if (is_stopping) process.exit(1)
    is_stopping = true
    // A client that keeps its connection would ask on it again: these answers are the last ones.
    for (const outgoing of unsent) outgoing.shouldKeepAlive = false
    server.close(() => void app.drain().then(() => process.exit(0)))
    void app.drain().then(() => setTimeout(() => server.closeAllConnections(), FLUSH_MS))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
