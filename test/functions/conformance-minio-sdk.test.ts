import { describe } from 'vitest'
import { concurrencyScenarios } from '../support/conformance/concurrency.ts'
import { faultScenarios } from '../support/conformance/faults.ts'
import { hashScenarios } from '../support/conformance/hashes.ts'
import { requestScenarios } from '../support/conformance/requests.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { openBySdk, useMinio } from '../support/servers/minio-stores.ts'

const without = whyNot('minio')
describe.skipIf(without !== null)(`coordinator.md 14.1 over MinIO by the S3 SDK ${without ?? ''}`, () => {
  const make = useMinio(openBySdk)
  requestScenarios(make)
  faultScenarios(make)
  concurrencyScenarios(make, { woken: 1 })
  hashScenarios(make)
})
