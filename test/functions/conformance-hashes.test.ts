import { describe } from 'vitest'
import { hashScenarios } from '../support/conformance/hashes.ts'
import { STORES } from '../support/stores.ts'

describe.each(STORES)('coordinator.md 4 on $name', ({ make }) => {
  hashScenarios(make)
})
