/**
 * Every schedule of every scenario of correctness.md 9.5 that is small enough for every run, through the production
 * generators: C1–C14 and C16–C22 after each step and at the end of all faults. The larger ones: `npm run prove`.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { violated } from '../../support/explorer/counterexample.ts'
import { explore } from '../../support/explorer/explore.ts'
import { cellNamed, MATRIX } from '../../support/explorer/matrix.ts'
import { PRODUCTION } from '../../support/explorer/protocol.ts'
import { tableOf, type Row } from '../../support/explorer/report.ts'
import type { Scenario } from '../../support/explorer/scenario.ts'

const rows: Row[] = []

afterAll(() => process.stdout.write(`\nDistinct states of the commit protocol:\n${tableOf(rows)}\n`))

describe('G1: no schedule violates an invariant', () => {
  for (const { scenario, runs_in } of MATRIX) {
    if (runs_in !== 'test') continue
    test(`${scenario.name}`, { timeout: 120_000 }, () => {
      const exploration = explore(scenario, PRODUCTION)
      rows.push({ name: scenario.name, ...exploration })
      expect(exploration).toMatchObject({ is_complete: true })
    })
  }
})

describe('what coordinator.md 14 concedes is needed, and no more', () => {
  for (const { scenario, runs_in } of MATRIX) {
    if (runs_in !== 'test' || scenario.tokens === 'content') continue
    const { concedes = [] } = scenario
    for (const conceded of concedes) {
      test(`${scenario.name}: ${conceded}`, { timeout: 120_000 }, () => {
        const strict = { ...scenario, concedes: concedes.filter((other) => other !== conceded) }
        expect(violated(() => explore(strict, PRODUCTION))).toMatch(/^C(8|12)$/)
      })
    }
  }

  test.each(['2 attempts', '2 writers'])(
    'with owner metadata nothing is: payload destroyed, %s (R25)',
    (who) => {
      const { cast } = cellNamed(`payload destroyed, ${who} · F4 F5`)
      const attributed = cellNamed(`owner metadata, payload destroyed, ${who} · F4 F5`)
      expect(attributed).toMatchObject({ cast, meta: true })
      expect(attributed.concedes).toBeUndefined()
    },
  )
})

describe('what the explorer leaves out makes no difference (9.4)', () => {
  test.each([
    '1 writer · F1 F2 F4 F5',
    '2 attempts · –',
    'foreign entry · F4 F5',
    'payload destroyed, 2 attempts · –',
    'recover · F2 F4 F5',
    '2 bodies of a key · F4 F5',
  ])('%s ends in the same buckets with the same answers', (name) => {
    expect(endsOf(cellNamed(name))).toEqual(endsOf({ ...cellNamed(name), is_plain: true }))
  })
})

/** Every bucket and every answer in which a scenario can end, without the times in them. */
function endsOf(scenario: Scenario): Set<string> {
  const found = new Set<string>()
  const add = (text: string): Set<string> => found.add(text.replaceAll(/("\w+_ms"|"revision"):\d+/g, '$1:0'))
  explore(scenario, PRODUCTION, {
    onEnd(setup, { bucket, processes }) {
      // Whoever is killed before its first write might as well not be there; that is another scenario.
      if (bucket === setup.first) return
      add(
        setup.buckets
          .objects(bucket)
          .map(({ path, body }) => `${path} ${body.text}`)
          .toSorted()
          .join(''),
      )
      for (const { part, history, condition } of processes) {
        if (condition !== 'killed') add(`${part.name} ${JSON.stringify(history.ending)}`)
      }
    },
  })
  return found
}
