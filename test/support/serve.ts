/** A test's own entry file in one call: the app over a store, on a free loopback port, for as long as its parent lives. */
import { singleScope } from '../../functions/auth/user.ts'
import { DEFAULT_COMPACTOR_SETTINGS, type CompactorSettings } from '../../functions/compactor-settings.ts'
import { createApp } from '../../functions/app.ts'
import { nodeServer } from '../../functions/entry/node-server.ts'
import { stopOnSignal } from '../../functions/entry/shutdown.ts'
import { createLog } from '../../functions/logging.ts'
import { tableResolver } from '../../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from '../../lib/protocol/delta/settings.ts'
import { withLimits } from '../../lib/store/limits.ts'
import type { Scope } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'

/** What differs from `functions/entry/node.ts`. */
export interface Served {
  readonly store: MaintenanceStore
  readonly scope: Scope
  readonly settings?: Partial<DeltaSettings>
  readonly compactor?: Partial<CompactorSettings>
}

/** Serve, and say where on stdout as `npm start` does. */
export function serveStore({ store, scope, settings = {}, compactor = {} }: Served): void {
  const app = createApp({
    store: withLimits(store),
    maintenance_store: store,
    scope,
    resolver: tableResolver({ mode: 'legacy' }, { ...scope, bucket: { scheme: 'file', authority: '' } }),
    user: singleScope(scope),
    internal: singleScope(scope),
    settings: { ...DEFAULT_SETTINGS, ...settings },
    compactor: { ...DEFAULT_COMPACTOR_SETTINGS, ...compactor },
    log: createLog({ format: 'json', write: (line) => process.stderr.write(line) }),
  })
  const server = nodeServer(app)
  server.listen({ host: '127.0.0.1', port: 0 }, () => {
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the server listens on no port')
    process.stdout.write(`Tidemark on http://127.0.0.1:${address.port}\n`)
  })
  stopOnSignal(server, app)
  // The parent holds our stdin open. A test that dies must not leave a server behind.
  process.stdin.once('end', () => process.exit(0)).resume()
}
