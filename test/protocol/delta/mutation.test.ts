/**
 * The mutation gate of spec/correctness.md 9.9: for every rule R1–R15 a wrong variant, and a scenario whose exhaustive
 * exploration finds what is wrong with it without being told the schedule.
 */
import { describe, expect, test } from 'vitest'
import { ByHand } from '../../support/explorer/by-hand.ts'
import { violated, violationOf } from '../../support/explorer/counterexample.ts'
import { explore } from '../../support/explorer/explore.ts'
import { cellNamed } from '../../support/explorer/matrix.ts'
import { mutate } from '../../support/explorer/mutate.ts'
import { MUTANTS, type MutantId } from '../../support/explorer/mutants.ts'
import type { Scenario } from '../../support/explorer/scenario.ts'

/**
 * Where each wrong variant is caught, and what it violates there. `R3 of last_commit` needs a lost marker: it is
 * caught by X13 in counterexamples.test.ts.
 */
const CAUGHT: Readonly<
  Record<
    Exclude<MutantId, 'R3 of last_commit'>,
    { readonly cell: string; readonly violates: string; readonly breaks?: Scenario['breaks'] }
  >
> = {
  // `revision` counts wrongly at once (R13); what matters is where that leads.
  R1: { cell: 'payload destroyed, 2 attempts · –', violates: 'C4', breaks: ['R13'] },
  R2: { cell: '2 bodies of a key, one later · –', violates: 'C8' },
  'R2 one after the other': { cell: 'an existing table · –', violates: 'C18' },
  R3: { cell: 'an existing table · –', violates: 'R3' },
  'R3 in HELP': { cell: 'payload destroyed · F4 F5', violates: 'C12' },
  R4: { cell: 'foreign entry · –', violates: 'C6' },
  'R4 in HELP': { cell: 'foreign entry · F4 F5', violates: 'C6' },
  R5: { cell: 'a body and two attempts of another · –', violates: 'C8' },
  'R5 in HELP': { cell: '2 bodies of a key, one later · F4 F5', violates: 'C8' },
  R6: { cell: '2 attempts · –', violates: '9.4' },
  R7: { cell: '2 attempts · –', violates: 'C11' },
  R8: { cell: 'old attempt, payload destroyed · F4 F5', violates: 'C11' },
  'R8 marker only': { cell: 'old and new attempt · F3 F4 F5', violates: 'G-7' },
  R9: { cell: 'an existing table · –', violates: 'C11' },
  R10: { cell: 'payload replaced · F3 F4 F5', violates: 'C22' },
  R11: { cell: 'payload destroyed · F4 F5', violates: 'C14' },
  R12: { cell: 'a writer that sees that it is late · F4 F5', violates: 'C11' },
  'R12 takeover': { cell: '1 writer · F1 F2 F4 F5', violates: 'C14' },
  'R13 nonce': { cell: '2 attempts · –', violates: 'R13' },
  'R13 revision': { cell: '2 attempts · –', violates: 'R13' },
  R14: { cell: '2 attempts · –', violates: 'C11' },
  'R14 marker': { cell: '2 attempts · –', violates: 'G-7' },
  R15: { cell: 'a throttled writer · F2 F4 F11×3 F13', violates: 'C6' },
  R18: { cell: '2 attempts · –', violates: 'C19' },
  R25: { cell: 'owner metadata, payload destroyed, 2 attempts · F4 F5', violates: 'C12' },
  X15: { cell: 'payload destroyed, 2 attempts · –', violates: 'C11' },
  X20: { cell: '2 bodies of a key, one later · F4 F5', violates: 'C4' },
}

describe('a rule that is broken is noticed', () => {
  for (const [id, { cell, violates, breaks: unchecked = [] }] of Object.entries(CAUGHT)) {
    const { breaks, edits } = MUTANTS[id as keyof typeof CAUGHT]
    test(`${id}: ${breaks}`, { timeout: 60_000 }, async () => {
      const wrong = await mutate(edits)
      try {
        expect(violated(() => explore({ ...cellNamed(cell), breaks: unchecked }, wrong.protocol))).toBe(
          violates,
        )
      } finally {
        wrong.remove()
      }
    })
  }

  test('the printed schedule of a violation runs again by hand', async () => {
    const wrong = await mutate(MUTANTS.R4.edits)
    const scenario = cellNamed('foreign entry · F4 F5')
    try {
      const found = violationOf(() => explore(scenario, wrong.protocol))
      expect(found?.script.length).toBeGreaterThan(5)
      const again = violationOf(() => {
        const world = new ByHand(scenario, wrong.protocol)
        world.replay(found?.script ?? [])
        world.quiesce()
      })
      expect(again).toMatchObject({ rule: found?.rule, detail: found?.detail })
    } finally {
      wrong.remove()
    }
  })

  test('every rule R1–R15 has a wrong variant', () => {
    const rules = new Set(Object.keys(CAUGHT).map((id) => id.split(' ')[0]))
    for (let rule = 1; rule <= 15; rule++) expect(rules).toContain(`R${rule}`)
  })
})
