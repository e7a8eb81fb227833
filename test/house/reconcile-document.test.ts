/** docs/reconcile.md is what the catalogue of rules says, and every rule of it has a test that cites it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROJECTION_RULES } from '../../lib/protocol/maintenance/projection/rules.ts'
import { reconcileDocument } from '../support/reconcile-document.ts'
import { REPOSITORY } from './tools.ts'

test('docs/reconcile.md is current; `npm run docs:reconcile` writes it', () => {
  expect(readFileSync(join(REPOSITORY, 'docs', 'reconcile.md'), 'utf8')).toBe(reconcileDocument())
})

test('every rule is found by a test that cites it', () => {
  const folders = ['test/protocol/maintenance/projection', 'test/functions', 'test/cli']
  const text = folders
    .flatMap((folder) => readdirSync(join(REPOSITORY, folder)).map((name) => join(REPOSITORY, folder, name)))
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n')
  expect(Object.keys(PROJECTION_RULES).filter((rule) => !new RegExp(`'${rule}[' ]`).test(text))).toEqual([])
})
