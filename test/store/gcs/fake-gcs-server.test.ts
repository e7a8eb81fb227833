/** Both GCS drivers over fake-gcs-server. */
import { afterAll, beforeAll } from 'vitest'
import { openGcsBench, type GcsBench } from '../../support/gcs-bench.ts'
import { startFakeGcs, type GcsServer } from '../../support/servers/fake-gcs.ts'
import { columnName, STORE_COLUMNS } from '../../support/store-columns.ts'
import { storeContract } from '../../support/store-contract.ts'

const { skipped } = STORE_COLUMNS.gcs_server
let server: GcsServer
let bench: GcsBench

beforeAll(async () => {
  if (skipped !== null) return
  server = await startFakeGcs()
  bench = await openGcsBench(server)
}, 60_000)

afterAll(async () => {
  if (skipped !== null) return
  await bench.close()
  await server.stop()
})

storeContract(columnName('gcs_server'), () => bench.contract('sdk'), STORE_COLUMNS.gcs_server)
storeContract(columnName('gcs_fetch_server'), () => bench.contract('fetch'), STORE_COLUMNS.gcs_fetch_server)
