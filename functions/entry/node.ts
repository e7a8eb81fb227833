/** Tidemark on Node: `npm start`. A folder or memory as the store, one scope, loopback only. */
import { v7 as uuidv7 } from 'uuid'
import packageJson from '../../package.json' with { type: 'json' }
import { tableResolver } from '../../lib/protocol/delta/resolve.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { withLimits } from '../../lib/store/limits.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { createApp } from '../app.ts'
import { readConfig, type Config } from '../config.ts'
import { createLog } from '../logging.ts'
import { UNKNOWN_VERSION } from '../version.ts'
import { nodeServer } from './node-server.ts'
import { stopOnSignal } from './shutdown.ts'
import { welcome } from './welcome.ts'

const read = readConfig(process.env)
if (read.ok) start(read.config)
else {
  process.stderr.write(
    `Tidemark does not start: the configuration is wrong.\n${read.problems.map((text) => `  ${text}\n`).join('')}`,
  )
  process.exitCode = 1
}

function start(config: Config): void {
  const { bucket, token_format, host, port } = config
  const driver =
    bucket.kind === 'file'
      ? fsStore(bucket.dir, { token_format })
      : memoryStore({ token_format, clock: Date.now })
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
    process.stdout.write(
      welcome({ base: `http://${host}:${port_taken}`, table_id: uuidv7(), key: uuidv7(), config }),
    )
  })
  server.on('error', (error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'EADDRINUSE'
        ? `port ${port} of ${host} is taken; stop the other process or set PORT to another one`
        : error.message
    process.stderr.write(`Tidemark does not start: ${why}\n`)
    process.exit(1)
  })
  stopOnSignal(server, app)
}
