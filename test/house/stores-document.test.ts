/** docs/stores.md is what the columns and rows of the contract say, each of them passing. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { STORE_COLUMNS, type StoreColumn } from '../support/store-columns.ts'
import { CONTRACT_IDS } from '../support/store-contract.ts'
import { storesDocument } from '../support/stores-document.ts'
import { REPOSITORY } from './tools.ts'

test('docs/stores.md is current; `npm run docs:stores` runs the rows and writes it', () => {
  const written = readFileSync(join(REPOSITORY, 'docs', 'stores.md'), 'utf8')
  expect(written).toBe(storesDocument(() => 'passed'))
})

test('a row that failed or was not run is visible', () => {
  const document = storesDocument((column, id) =>
    column === 'r2' && id === 'ST-02'
      ? 'failed'
      : column === 'memory' && id === 'ST-03'
        ? 'not run'
        : 'passed',
  )
  expect(document).toMatch(/^\| ST-02 \|.*\*\*✗\*\* \|$/m)
  expect(document).toMatch(/^\| ST-03 \|[^|]*\| \? \|/m)
})

test('a row that does not apply is one of the contract, and has a reason', () => {
  for (const { not_applicable } of Object.values<StoreColumn>(STORE_COLUMNS)) {
    for (const [id, reason] of Object.entries(not_applicable)) {
      expect(CONTRACT_IDS).toContain(id)
      expect(reason.length).toBeGreaterThan(5)
    }
  }
})
