/**
 * Tidemark on AWS Lambda, behind API Gateway (payload formats 1.0 and 2.0) or a function URL. The runtime freezes the
 * process after the answer, so nothing is left for later: an answer is complete when it is sent.
 */
import { Hono } from 'hono'
import { handle, type LambdaContext, type LambdaEvent } from 'hono/aws-lambda'
import type { App } from '../app.ts'
import { readConfig } from '../config.ts'
import { createService } from './service.ts'
import { openStore } from './stores.ts'

let app: Promise<App> | null = null

/** The app of this sandbox. A failed start is tried again by the next event. */
function appOf(): Promise<App> {
  app ??= start().catch((error: unknown) => {
    app = null
    throw error
  })
  return app
}

async function start(): Promise<App> {
  const read = readConfig(process.env)
  if (!read.ok) throw new Error(`the configuration is wrong: ${read.problems.join('; ')}`)
  const { config } = read
  const opened = await openStore(config.bucket, { ...config, env: process.env })
  return createService(config, { opened, write: (line) => process.stdout.write(line) })
}

const bridge = new Hono().all('*', async (c) => (await appOf()).fetch(c.req.raw))
const answer = handle(bridge)

/** What Lambda calls. */
export async function handler(event: LambdaEvent, context: LambdaContext): Promise<unknown> {
  return answer(event, context)
}
