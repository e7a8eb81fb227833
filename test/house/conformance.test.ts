/** Every minimum conformance scenario is one of those that every store has to pass, MinIO and R2 among them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { REPOSITORY } from './tools.ts'

/** Where they are, by the function that runs them. */
const SCENARIOS = {
  requestScenarios: 'requests',
  faultScenarios: 'faults',
  concurrencyScenarios: 'concurrency',
  hashScenarios: 'hashes',
}

const textOf = (...path: readonly string[]): string => readFileSync(join(REPOSITORY, 'test', ...path), 'utf8')

/** The title of a test or of a group, the id of a row, or a row that begins with its title. */
const TITLED = /(?:test\(|describe\(|\]\)\(|id: |\[)\s*["'`](CO-\d\d)/g

test('CO-01 to CO-33 are there', () => {
  const ids = Object.values(SCENARIOS).flatMap((name) =>
    Array.from(textOf('support', 'conformance', `${name}.ts`).matchAll(TITLED), ([, id = '']) => id),
  )
  expect([...new Set(ids)].toSorted()).toEqual(
    Array.from({ length: 33 }, (_, at) => `CO-${String(at + 1).padStart(2, '0')}`),
  )
})

test.each(['conformance-minio-sdk', 'conformance-minio-fetch', 'conformance-r2'])(
  '%s runs all of them',
  (name) => {
    const code = textOf('functions', `${name}.test.ts`)
    for (const scenarios of Object.keys(SCENARIOS))
      expect(code).toMatch(new RegExp(`^ +${scenarios}\\(make`, 'm'))
  },
)
