import { describe } from 'vitest'
import { faultScenarios } from '../support/conformance/faults.ts'
import { STORES } from '../support/stores.ts'

describe.each(STORES)('coordinator.md 14.1 with faults on $name', ({ make }) => {
  faultScenarios(make)
})
