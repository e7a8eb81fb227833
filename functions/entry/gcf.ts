/**
 * Tidemark on Cloud Functions and Cloud Run by the Functions Framework: `functions-framework --target=tidemark`. The CPU may
 * be taken away after the answer, so nothing is left for later.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readFileSync } from 'node:fs'
import { getRequestListener } from '@hono/node-server'
import type { App } from '../app.ts'
import { readConfig } from '../config.ts'
import { createService } from './service.ts'
import { openStore } from './stores.ts'

let app: Promise<App> | null = null

/** The app of this instance. A failed start is tried again by the next request. */
function appOf(): Promise<App> {
  app ??= start().catch((error: unknown) => {
    app = null
    throw error
  })
  return app
}

async function start(): Promise<App> {
  const read = readConfig(process.env, { readFile: (path) => readFileSync(path, 'utf8') })
  if (!read.ok) throw new Error(`the configuration is wrong: ${read.problems.join('; ')}`)
  const { config } = read
  const opened = await openStore(config.bucket, { ...config, env: process.env })
  return createService(config, {
    opened,
    write: (line) => process.stderr.write(line),
    version: { cloudRunRevision: process.env['K_REVISION'] ?? 'unknown' },
  })
}

const listener = getRequestListener(async (request, env) => (await appOf()).fetch(request, env))

/** What the framework calls for each request; it has read the body already and keeps it as `rawBody`. */
export async function tidemark(request: IncomingMessage, response: ServerResponse): Promise<void> {
  await listener(request, response)
}
