/** Node over a folder: the entry file that `npm start` runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import { NODE_ENTRY, startServer } from '../support/server-process.ts'
import { SMOKE, SMOKE_ENV, type Runtime } from './smoke.ts'

let runtime: Runtime
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-node-'))
  const server = await startServer(NODE_ENTRY, { ...SMOKE_ENV, ARCO_STORAGE_BUCKET: `file:${folder}` })
  runtime = {
    base: server.base,
    ask: fetch,
    store: fsStore(folder),
    async stop() {
      await server.stop('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
})
afterAll(async () => runtime.stop())

test.each(SMOKE)('Node: $name', async ({ run }) => run(runtime))
