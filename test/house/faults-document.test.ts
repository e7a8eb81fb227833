/** docs/faults.md is what the planted faults say. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { faultsDocument } from '../support/faults-document.ts'
import { REPOSITORY } from './tools.ts'

test('docs/faults.md is current; `npm run docs:faults` writes it', async () => {
  expect(readFileSync(join(REPOSITORY, 'docs', 'faults.md'), 'utf8')).toBe(await faultsDocument())
})
