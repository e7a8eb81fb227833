/** The minimum conformance scenarios over the R2 driver in real workerd, on its real binding. */
import { describe } from 'vitest'
import { concurrencyScenarios } from '../support/conformance/concurrency.ts'
import { faultScenarios } from '../support/conformance/faults.ts'
import { hashScenarios } from '../support/conformance/hashes.ts'
import { requestScenarios } from '../support/conformance/requests.ts'
import { useR2InWorkerd } from '../support/servers/r2-in-workerd.ts'

describe('coordinator.md 14.1 over the R2 binding in workerd', () => {
  const make = useR2InWorkerd()
  requestScenarios(make)
  faultScenarios(make)
  concurrencyScenarios(make, { woken: 1 })
  hashScenarios(make)
})
