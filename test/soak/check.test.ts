/** The soak's checker finds every violation that is planted, and none in a run that kept its promises. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { check, CHECKED, type Violation } from './check.ts'
import { readEvidence } from './evidence.ts'
import { layoutOf, openJournal, SCOPE } from './journal.ts'
import { goodRun, PLANTS, type Run } from './planted.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tidemark-check-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Write the run as a soak would, then read and check it. */
function checked({ objects, lines, readings }: Run): readonly Violation[] {
  const layout = layoutOf(root)
  for (const [path, text] of objects) {
    const file = join(layout.folder, `tenant=${SCOPE.tenant}/workspace=${SCOPE.workspace}`, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  const journal = openJournal(layout, 'client')
  for (const line of lines) journal(line)
  return check(readEvidence(layout, readings))
}

describe('the checker', () => {
  test('finds nothing in a run that kept every promise', () => {
    expect(checked(goodRun())).toEqual([])
  })

  test.for(PLANTS)('sees it when $what: $rules', ({ rules, plant }) => {
    const run = goodRun()
    plant(run)
    expect(Array.from(new Set(checked(run).map(({ rule }) => rule)))).toEqual(rules)
  })

  test('has no rule that was not seen to fail', () => {
    expect(CHECKED.filter((rule) => !PLANTS.some(({ rules }) => rules.includes(rule)))).toEqual([])
  })

  test('counts what the store of a killed process left behind, and does not take it for objects', () => {
    const layout = layoutOf(root)
    const temp = join(layout.folder, '.arco-meta/tmp/01JKTT0G00Z4N2V8R6W1X3Y5ZB')
    mkdirSync(dirname(temp), { recursive: true })
    writeFileSync(temp, 'half a st')
    expect(checked(goodRun())).toEqual([])
    expect(readEvidence(layout).leftovers).toBe(1)
  })
})
