/** docs/verify.md is what the catalogue of rules says, and every rule of it has a test that breaks it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TABLE_RULES } from '../../lib/protocol/maintenance/delta/findings.ts'
import { NOT_LOOKED_FOR, verifyDocument } from '../support/verify-document.ts'
import { SHARED } from '../support/workspace.ts'
import { REPOSITORY } from './tools.ts'

test('docs/verify.md is current; `npm run docs:verify` writes it', () => {
  expect(readFileSync(join(REPOSITORY, 'docs', 'verify.md'), 'utf8')).toBe(verifyDocument())
})

test('every rule is found by a test that cites it', () => {
  const folder = join(REPOSITORY, 'test', 'protocol', 'maintenance')
  const tests = readdirSync(folder).filter((name) => name.startsWith('verify-'))
  const text = tests.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
  const found = new Set(
    Array.from(text.matchAll(/(?:DL|TM)-\d+ (?:error|warn|info)/g), ([each]) => each.split(' ')[0]),
  )
  expect(Object.keys(TABLE_RULES).filter((rule) => !found.has(rule))).toEqual([])
})

test('every rule of the specification is looked for, or said not to be', () => {
  const spec = readFileSync(join(SHARED, 'spec', 'delta-log-rules.md'), 'utf8')
  const ids = new Set(Array.from(spec.matchAll(/^\| (DL-\d+) \|/gm), ([, id]) => id ?? ''))
  const known = new Set([...Object.keys(TABLE_RULES), ...Object.keys(NOT_LOOKED_FOR)])
  expect(ids.size).toBeGreaterThan(80)
  expect([...ids].filter((id) => !known.has(id))).toEqual([])
})
