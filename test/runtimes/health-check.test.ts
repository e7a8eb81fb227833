/** The health check by itself, on the runtimes whose process lives between requests: an interval, and Deno's cron. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { REPOSITORY } from '../house/tools.ts'
import {
  expectSettledAndTold,
  healthEnv,
  plantStuck,
  webhookReceiver,
  type WebhookReceiver,
} from '../support/health.ts'
import { startProcess, type Running } from '../support/process.ts'
import { NODE_ENTRY, startServer } from '../support/server-process.ts'
import { SMOKE_ENV } from './smoke.ts'

/** A start of Deno compiles what is not cached yet, on a machine that may be busy. */
const START_MS = 60_000

let folder: string
let store: MaintenanceStore
let receiver: WebhookReceiver
let table_id: string
let env: Record<string, string>
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-health-'))
  store = fsStore(folder)
  receiver = await webhookReceiver()
  table_id = await plantStuck(store)
  env = {
    ...SMOKE_ENV,
    ...healthEnv(receiver),
    ARCO_STORAGE_BUCKET: `file:${folder}`,
    TIDEMARK_HEALTH_INTERVAL_SECS: '1',
  }
  return async () => {
    await receiver.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('Node: every interval', async () => {
  const server = await startServer(NODE_ENTRY, env)
  await expectSettledAndTold(store, receiver, table_id)
  // The next run is clean, and tells the log only.
  await vi.waitFor(async () => expect(await runs(server)).toBeGreaterThan(1), { timeout: 10_000 })
  expect(receiver.received.length).toBe(1)
  // It does not keep a stop waiting.
  expect((await server.stop('SIGTERM')).code).toBe(0)
})

async function runs({ log }: Awaited<ReturnType<typeof startServer>>): Promise<number> {
  return (await log()).filter(({ route }) => route === '/internal/health-check').length
}

test('Deno: every interval, where there is no cron', { timeout: START_MS }, async () => {
  const running = deno('functions/entry/deno.ts')
  await expectSettledAndTold(store, receiver, table_id)
  running.kill('SIGKILL')
  await running.ended
})

test('Deno: by its cron, where there is one', { timeout: START_MS }, async () => {
  env['TIDEMARK_HEALTH_INTERVAL_SECS'] = '300'
  const running = deno('test/support/deno/cron-at-once.ts', '--unstable-cron')
  await expectSettledAndTold(store, receiver, table_id)
  running.kill('SIGKILL')
  await running.ended
  expect(running.stderr()).toContain('Deno.cron ["tidemark health check","*/5 * * * *"]')
})

function deno(entry: string, ...flags: readonly string[]): Running {
  const permissions = ['--allow-net', '--allow-env', '--allow-sys', '--allow-read', `--allow-write=${folder}`]
  return startProcess({
    command: join(REPOSITORY, 'node_modules/deno/deno'),
    args: ['serve', '--no-prompt', '--host', '127.0.0.1', '--port', '0', ...permissions, ...flags, entry],
    cwd: REPOSITORY,
    env: { NO_COLOR: '1', ...env },
  })
}
