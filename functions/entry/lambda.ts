/**
 * Tidemark on AWS Lambda, behind API Gateway (payload formats 1.0 and 2.0) or a function URL. The runtime freezes the
 * process after the answer, so nothing is left for later: an answer is complete when it is sent.
 */
import { readFileSync } from 'node:fs'
import { configFrom } from '../config.ts'
import type { Problem } from '../problem.ts'
import { isGatewayEvent, requestOf, resultOf, type GatewayEvent, type GatewayResult } from './lambda-event.ts'
import { elsewhereResponse, isLoopbackUrl } from './local-only.ts'
import { onDemand, type Started } from './on-demand.ts'
import { createService } from './service.ts'
import { openStore } from './stores.ts'
import { openTracer } from './tracing.ts'

const write = (line: string): void => void process.stdout.write(line)

const service = onDemand<NodeJS.ProcessEnv>({
  write,
  async start(env) {
    const config = configFrom(env, { readFile: (path) => readFileSync(path, 'utf8') })
    const opened = await openStore(config.bucket, { ...config, env })
    const tracer = await openTracer(env)
    return { config, tracer, app: await createService(config, { opened, write, tracer }) }
  },
})

/**
 * What Lambda calls. An event that is no request comes from a schedule: it asks whether the service is ready, and fails the
 * invocation when it is not, which is what alarms can see.
 */
export async function handler(event: unknown): Promise<GatewayResult | undefined> {
  const started = await service(process.env)
  if (isGatewayEvent(event))
    return resultOf(started instanceof Response ? started : await answer(started, event))
  const ready =
    started instanceof Response ? started : await started.app.fetch(new Request('https://localhost/ready'))
  if (ready.status !== 200) throw new Error(`not ready: ${await ready.text()}`)
  return undefined
}

const UNUSABLE: Problem = {
  reason: 'bad_request',
  detail: 'expected a path, headers and a body that make a request',
}

async function answer(started: Started, event: GatewayEvent): Promise<Response> {
  let request: Request
  try {
    request = requestOf(event)
  } catch {
    return started.app.refuse(UNUSABLE)
  }
  const response =
    elsewhereResponse(started, isLoopbackUrl(request.url)) ?? (await started.app.fetch(request))
  await started.tracer?.flush()
  return response
}
