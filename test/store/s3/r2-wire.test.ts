/** Both S3 drivers over R2's S3 wire, as miniflare serves it. */
import { afterAll, beforeAll } from 'vitest'
import { openS3Bench, type S3Bench } from '../../support/s3-bench.ts'
import { startMiniflareS3 } from '../../support/servers/miniflare-s3.ts'
import type { S3Server } from '../../support/servers/minio.ts'
import { columnName, STORE_COLUMNS } from '../../support/store-columns.ts'
import { storeContract } from '../../support/store-contract.ts'

let server: S3Server
let bench: S3Bench

beforeAll(async () => {
  server = await startMiniflareS3()
  bench = await openS3Bench(server)
}, 60_000)

afterAll(async () => {
  await bench.close()
  await server.stop()
})

storeContract(columnName('s3_r2'), () => bench.contract('sdk'), STORE_COLUMNS.s3_r2)
storeContract(columnName('s3_fetch_r2'), () => bench.contract('fetch'), STORE_COLUMNS.s3_fetch_r2)
