/**
 * Tidemark on Deno: `deno task start`, or `deno serve functions/entry/deno.ts`. The permissions it needs are in deno.json:
 * the network, the environment, and the folder where the bucket is one.
 */
import process from 'node:process'
import { readFileSync } from 'node:fs'
import type { App } from '../app.ts'
import { readConfig } from '../config.ts'
import { createService } from './service.ts'
import { openStore } from './stores.ts'

const app = await start()

async function start(): Promise<App> {
  const read = readConfig(process.env, { readFile: (path) => readFileSync(path, 'utf8') })
  if (!read.ok) {
    process.stderr.write(
      `Tidemark does not start: the configuration is wrong.\n${read.problems.map((text) => `  ${text}\n`).join('')}`,
    )
    process.exit(1)
  }
  const { config } = read
  const opened = await openStore(config.bucket, { ...config, env: process.env })
  return createService(config, { opened, write: (line) => void process.stderr.write(line) })
}

/** What `deno serve` calls. */
export default {
  fetch: async (request: Request): Promise<Response> => app.fetch(request),
}
