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
  test.each([
    { cell: 'payload destroyed, 2 attempts · F4 F5', without: 'replay_without_payload', violates: 'C12' },
    { cell: 'payload destroyed, 2 writers · F4 F5', without: 'replay_without_payload', violates: 'C12' },
    { cell: 'payload destroyed, key reused · F4 F5', without: 'second_body_after_loss', violates: 'C8' },
  ] as const)('$cell: $violates without "$without"', ({ cell, without, violates }) => {
    const { concedes = [], ...scenario } = cellNamed(cell)
    const strict = { ...scenario, concedes: concedes.filter((concession) => concession !== without) }
    expect(violated(() => explore(strict, PRODUCTION))).toBe(violates)
  })

  test('with owner metadata the same payloads may be destroyed and nothing is conceded (R25)', () => {
    for (const casts of ['2 attempts', '2 writers']) {
      const { cast } = cellNamed(`payload destroyed, ${casts} · F4 F5`)
      const attributed = cellNamed(`owner metadata, payload destroyed, ${casts} · F4 F5`)
      expect(attributed).toMatchObject({ cast, meta: true })
      expect(attributed.concedes).toBeUndefined()
    }
  })
})
