/** Both S3 drivers over a real MinIO. */
import { afterAll, beforeAll } from 'vitest'
import { openS3Bench, type S3Bench } from '../../support/s3-bench.ts'
import { startMinio, type Minio } from '../../support/servers/minio.ts'
import { columnName, STORE_COLUMNS } from '../../support/store-columns.ts'
import { storeContract } from '../../support/store-contract.ts'

const { skipped } = STORE_COLUMNS.s3_minio
let minio: Minio
let bench: S3Bench

beforeAll(async () => {
  if (skipped !== null) return
  minio = await startMinio()
  bench = await openS3Bench(minio)
}, 60_000)

afterAll(async () => {
  if (skipped !== null) return
  await bench.close()
  await minio.stop()
})

storeContract(columnName('s3_minio'), () => bench.contract('sdk'), STORE_COLUMNS.s3_minio)
storeContract(columnName('s3_fetch_minio'), () => bench.contract('fetch'), STORE_COLUMNS.s3_fetch_minio)
