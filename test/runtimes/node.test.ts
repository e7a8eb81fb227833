/** Node: the entry file that `npm start` runs, over a folder and over MinIO. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import { s3Store } from '../../lib/store/s3.ts'
import { NODE_ENTRY, startServer } from '../support/server-process.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { startMinio } from '../support/servers/minio.ts'
import { SMOKE, SMOKE_ENV, type Runtime } from './smoke.ts'

describe('Node over a folder', () => {
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

  test.each(SMOKE)('$name', async ({ run }) => run(runtime))
})

describe.skipIf(whyNot('minio') !== null)(`Node over ${whyNot('minio') ?? 'MinIO'}`, () => {
  let runtime: Runtime
  beforeAll(async () => {
    const minio = await startMinio()
    const { endpoint, region, bucket, keys } = minio
    const server = await startServer(NODE_ENTRY, {
      ...SMOKE_ENV,
      ARCO_STORAGE_BUCKET: `s3://${bucket}`,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    })
    runtime = {
      base: server.base,
      ask: fetch,
      store: s3Store({ bucket, endpoint, region, credentials: keys }),
      async stop() {
        await server.stop('SIGKILL')
        await minio.stop()
      },
    }
  })
  afterAll(async () => runtime.stop())

  test.each(SMOKE)('$name', async ({ run }) => run(runtime))
})
