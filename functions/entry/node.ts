/** Tidemark on Node: `npm start`. Without configuration: a folder as the store, one scope, loopback only. */
import { readFileSync } from 'node:fs'
import { v7 as uuidv7 } from 'uuid'
import packageJson from '../../package.json' with { type: 'json' }
import { StoreError, type Store } from '../../lib/store/types.ts'
import { unscopedProbe } from '../../lib/store/unscoped.ts'
import { bucketText } from '../bucket.ts'
import { ConfigError, configFrom, type Config } from '../config.ts'
import { createService } from './service.ts'
import { runEveryInterval } from './schedule.ts'
import { nodeServer } from './node-server.ts'
import { stopOnSignal } from './shutdown.ts'
import { openStore } from './stores.ts'
import { openTracer } from './tracing.ts'
import { welcome } from './welcome.ts'

try {
  await start(configFrom(process.env, { readFile: (path) => readFileSync(path, 'utf8') }))
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof StoreError)) throw error
  refuse(error.message)
}

async function start(config: Config): Promise<void> {
  const { bucket, host, port } = config
  const opened = await openStore(bucket, { ...config, env: process.env })
  const unusable = await unusableStore(opened.driver)
  if (unusable !== null) {
    refuse(`${bucketText(bucket)} cannot be used: ${unusable}; set ARCO_STORAGE_BUCKET to another one`)
    return
  }
  const app = await createService(config, {
    opened,
    write: (line) => process.stderr.write(line),
    version: { packageVersion: packageJson.version },
    tracer: await openTracer(process.env),
    // A timer does not keep a process that is to end.
    every: (interval_ms, work) => void setInterval(() => void work(), interval_ms).unref(),
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
  runEveryInterval(app, config.health)
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
