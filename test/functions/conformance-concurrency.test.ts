import { describe } from 'vitest'
import { concurrencyScenarios } from '../support/conformance/concurrency.ts'
import { STORES } from '../support/stores.ts'

describe.each(STORES)('coordinator.md 14.1, many at once on $name', ({ make }) => {
  concurrencyScenarios(make)
})
