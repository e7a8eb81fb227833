/**
 * Tidemark on Cloud Functions by the Functions Framework: `functions-framework --target=tidemark`. The CPU may be taken away
 * after the answer, so nothing is left for later.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readFileSync } from 'node:fs'
import { getRequestListener } from '@hono/node-server'
import { configFrom } from '../config.ts'
import { elsewhereResponse, isLoopbackAddress } from './local-only.ts'
import { onDemand } from './on-demand.ts'
import { createService } from './service.ts'
import { openStore } from './stores.ts'
import { openTracer } from './tracing.ts'

const write = (line: string): void => void process.stderr.write(line)

const service = onDemand<NodeJS.ProcessEnv>({
  write,
  async start(env) {
    const config = configFrom(env, { readFile: (path) => readFileSync(path, 'utf8') })
    const opened = await openStore(config.bucket, { ...config, env })
    const version = { cloudRunRevision: env['K_REVISION'] ?? 'unknown' }
    const tracer = await openTracer(env)
    return { config, tracer, app: await createService(config, { opened, write, version, tracer }) }
  },
})

const listener = getRequestListener(async (request, bindings) => {
  const started = await service(process.env)
  if (started instanceof Response) return started
  const is_local = isLoopbackAddress(bindings.incoming.socket.remoteAddress)
  const answer = elsewhereResponse(started, is_local) ?? (await started.app.fetch(request, bindings))
  await started.tracer?.flush()
  return answer
})

/** What the framework calls for each request; it has read the body already and keeps it as `rawBody`. */
export async function tidemark(request: IncomingMessage, response: ServerResponse): Promise<void> {
  await listener(request, response)
}
