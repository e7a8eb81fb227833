/** Tidemark on Node: `npm start`. A folder or memory as the store, one scope, loopback only. */
import { v7 as uuidv7 } from 'uuid'
import packageJson from '../../package.json' with { type: 'json' }
import { tableResolver } from '../../lib/protocol/delta/resolve.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { withLimits } from '../../lib/store/limits.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/types.ts'
import { unscopedProbe } from '../../lib/store/unscoped.ts'
import { createApp } from '../app.ts'
import { readConfig, type Config } from '../config.ts'
import { createLog } from '../logging.ts'
import { UNKNOWN_VERSION } from '../version.ts'
import { nodeServer } from './node-server.ts'
import { stopOnSignal } from './shutdown.ts'
import { welcome } from './welcome.ts'

const read = readConfig(process.env)
if (read.ok) await start(read.config)
else refuse(`the configuration is wrong.\n${read.problems.map((text) => `  ${text}`).join('\n')}`)

async function start(config: Config): Promise<void> {
  const { bucket, token_format, host, port } = config
  const driver =
    bucket.kind === 'file'
      ? fsStore(bucket.dir, { token_format })
      : memoryStore({ token_format, clock: Date.now })
  const unusable = await unusableStore(driver)
  if (unusable !== null && bucket.kind === 'file') {
    refuse(`the folder ${bucket.dir} cannot be used: ${unusable}; set ARCO_STORAGE_BUCKET to another one`)
    return
  }
  const app = createApp({
    store: withLimits(driver),
    scope: config.scope,
    resolver: tableResolver(config.resolver, config.root_context),
    settings: config.settings,
    log: createLog({ format: config.log_format, write: (line) => process.stderr.write(line) }),
    version: { ...UNKNOWN_VERSION, packageVersion: packageJson.version },
  })
  // Whoever read the log may go away; commits go on.
  process.stderr.on('error', () => undefined)
  const server = nodeServer(app)
  server.listen({ host, port }, () => {
    const address = server.address()
    const port_taken = typeof address === 'object' && address !== null ? address.port : port
    process.stdout.write(welcome({ port: port_taken, table_id: uuidv7(), key: uuidv7(), config }))
  })
  server.on('error', (error: NodeJS.ErrnoException) => {
    refuse(
      error.code === 'EADDRINUSE'
        ? `port ${port} of ${host} is taken; stop the other process or set PORT to another one`
        : `cannot listen on port ${port} of ${host}: ${error.message}`,
    )
  })
  stopOnSignal(server, app)
}

/** Why the store does not answer, or null when it does: better before the first commit than by it. */
async function unusableStore(store: Store): Promise<string | null> {
  try {
    await unscopedProbe(store).readyCheck()
    return null
  } catch (error) {
    const { message, cause } = error instanceof Error ? error : new Error(String(error))
    return cause instanceof Error ? cause.message : message
  }
}

/** Say why, and end with exit code 1. */
function refuse(why: string): void {
  process.stderr.write(`Tidemark does not start: ${why}\n`)
  process.exitCode = 1
}
