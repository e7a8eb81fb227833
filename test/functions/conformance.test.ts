import { describe } from 'vitest'
import { requestScenarios } from '../support/conformance/requests.ts'
import { STORES } from '../support/stores.ts'

describe.each(STORES)('coordinator.md 14.1 on $name', ({ make }) => {
  requestScenarios(make)
})
