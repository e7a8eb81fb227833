/** Both GCS drivers over the strict fake of the JSON API. */
import { afterAll, beforeAll } from 'vitest'
import { openGcsBench, type GcsBench } from '../../support/gcs-bench.ts'
import { startGcsFake, type GcsFake } from '../../support/servers/gcs-fake.ts'
import { columnName, STORE_COLUMNS } from '../../support/store-columns.ts'
import { storeContract } from '../../support/store-contract.ts'

let server: GcsFake
let bench: GcsBench

beforeAll(async () => {
  server = await startGcsFake()
  bench = await openGcsBench(server)
})

afterAll(async () => {
  await bench.close()
  await server.stop()
})

storeContract(columnName('gcs_fake'), () => bench.contract('sdk'), STORE_COLUMNS.gcs_fake)
storeContract(columnName('gcs_fetch_fake'), () => bench.contract('fetch'), STORE_COLUMNS.gcs_fetch_fake)
