/**
 * Tidemark on Deno: `deno task start`, or `deno serve functions/entry/deno.ts`. The permissions it needs are in deno.json:
 * the network, the environment, and the folder where the bucket is one.
 */
import process from 'node:process'
import { readFileSync } from 'node:fs'
import { ConfigError, configFrom } from '../config.ts'
import { StoreError } from '../../lib/store/types.ts'
import { elsewhereResponse, isLoopbackAddress } from './local-only.ts'
import type { Started } from './on-demand.ts'
import { createService } from './service.ts'
import { openStore } from './stores.ts'
import { openTracer } from './tracing.ts'

const started = await start().catch((error: unknown) => {
  if (!(error instanceof ConfigError || error instanceof StoreError)) throw error
  process.stderr.write(`Tidemark does not start: ${error.message}\n`)
  process.exit(1)
})

async function start(): Promise<Started> {
  const config = configFrom(process.env, { readFile: (path) => readFileSync(path, 'utf8') })
  const opened = await openStore(config.bucket, { ...config, env: process.env })
  const tracer = await openTracer(process.env)
  const app = await createService(config, {
    opened,
    write: (line) => void process.stderr.write(line),
    tracer,
  })
  return { config, app }
}

/** How long answers that are written may take to leave. */
const FLUSH_MS = 500

// What is under way is answered; Deno itself would end at once. A second signal does.
let is_stopping = false
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (is_stopping) process.exit(1)
    is_stopping = true
    void started.app.drain().then(() => setTimeout(() => process.exit(0), FLUSH_MS))
  })
}

/** The part of Deno's `ServeHandlerInfo` that is looked at. */
interface Connection {
  readonly remoteAddr: { readonly hostname?: string }
}

/** What `deno serve` calls. */
export default {
  async fetch(request: Request, { remoteAddr }: Connection): Promise<Response> {
    const refused = elsewhereResponse(started, isLoopbackAddress(remoteAddr.hostname))
    return refused ?? started.app.fetch(request)
  },
}
