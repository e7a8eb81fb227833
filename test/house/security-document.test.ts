/** docs/security.md is what the tests say, and no threat is without a test (correctness.md G7). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { citationsIn, idsIn, readProofs, securityDocument } from '../support/security-document.ts'
import { THREATS } from '../support/threats.ts'
import { REPOSITORY } from './tools.ts'

const proofs = readProofs(REPOSITORY)

test('docs/security.md is current; `npm run docs:security` writes it', () => {
  expect(readFileSync(join(REPOSITORY, 'docs', 'security.md'), 'utf8')).toBe(securityDocument(proofs))
})

test('G7: every one of the 40 threats has a test', () => {
  expect(Object.keys(THREATS)).toEqual(Array.from({ length: 40 }, (_, at) => `S${at + 1}`))
  expect([...proofs].filter(([, citations]) => citations.length === 0)).toEqual([])
})

test('a row without a test is visible', () => {
  expect(securityDocument(new Map())).toMatch(/^## S40: .*\n\n.*\n\n\*\*no test\*\*$/m)
})

describe('what counts as a citation', () => {
  test.each([
    ['%s, S7', ['S7']],
    ['S16 a repeated member is refused', ['S16']],
    ['S2, S4: %j is no place', ['S2', 'S4']],
    ['members that are there twice, S7 and S16', ['S7', 'S16']],
    ['a location that leads out of the scope, S3', ['S3']],
    ['S3 by AWS_ENDPOINT_URL_S3', []],
    ['the S3 SDK', []],
    ['S41 and S0 and S100', []],
    ['row PS7, xS9', []],
  ])('%j cites %j', (name, ids) => {
    expect(idsIn(name)).toEqual(ids)
  })

  test('names of tests and groups, of rows in tables, and the sentence at the top of the file; no other text', () => {
    const text = [
      '/**\n * Forged tokens,\n * S7.\n */',
      "test('it holds (S1)', () => undefined)",
      'describe.each(MODES)("%s, S2", () => undefined)',
      "test.each([\n  1,\n])(\n  'many, S4', () => undefined)",
      "const rows = [{ promise: 'S9 no ===' }]",
      '// S5',
      "const text = 'S6'",
    ].join('\n')
    expect(citationsIn('a.test.ts', text)).toEqual([
      { name: 'Forged tokens, S7.', file: 'a.test.ts', is_file: true },
      { name: 'it holds (S1)', file: 'a.test.ts', is_file: false },
      { name: '%s, S2', file: 'a.test.ts', is_file: false },
      { name: 'many, S4', file: 'a.test.ts', is_file: false },
      { name: 'S9 no ===', file: 'a.test.ts', is_file: false },
    ])
  })
})
