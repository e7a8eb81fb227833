/** A schedule of spec/correctness.md 8 as two tests: the code that ships passes it, its wrong variant does not. */
import { describe, expect, test } from 'vitest'
import { ByHand } from './by-hand.ts'
import { mutate } from './mutate.ts'
import { MUTANTS, type MutantId } from './mutants.ts'
import type { Scenario } from './scenario.ts'
import { Violation } from './violation.ts'

/** A schedule and what it is about. */
export interface Counterexample {
  /** `X1`, … and what the real code promises. */
  readonly promise: string
  readonly scenario: Omit<Scenario, 'name'>
  /** The wrong variant that the schedule tells from the real code. */
  readonly mutant: MutantId
  /** What the wrong variant violates. */
  readonly violates: string
  /** The schedule; it runs on both. */
  schedule(world: ByHand): void
  /** How it ends on the real code. */
  readonly ends: {
    /** What the processes returned, by name. */
    readonly returned?: Readonly<Record<string, object>>
    readonly state?: object
    /** How many markers there are. */
    readonly markers?: number
  }
}

/** Register the tests. */
export function counterexample(example: Counterexample): void {
  const scenario = { ...example.scenario, name: example.promise }
  const { breaks, edits } = MUTANTS[example.mutant]

  describe(`${example.promise}`, () => {
    test('the code that ships', () => {
      const world = new ByHand(scenario)
      example.schedule(world)
      expect(outcome(world, example)).toMatchObject(example.ends)
      world.quiesce()
    })

    test(`${example.violates} on the wrong variant: ${breaks}`, async () => {
      const wrong = await mutate(edits)
      try {
        const rule = violated(() => {
          const world = new ByHand(scenario, wrong.protocol)
          example.schedule(world)
          world.quiesce()
        })
        expect(rule).toBe(example.violates)
      } finally {
        wrong.remove()
      }
    })
  })
}

function outcome(world: ByHand, { ends }: Counterexample): Required<Counterexample['ends']> {
  const names = Object.keys(ends.returned ?? {})
  return {
    returned: Object.fromEntries(names.map((name) => [name, { ...world.process(name).returned }])),
    state: { ...world.facts.state },
    markers: world.facts.markers.size,
  }
}

/** The rule that a run violates, or null. */
export function violated(run: () => void): string | null {
  return violationOf(run)?.rule ?? null
}

/** The violation that a run ends with, or null. */
export function violationOf(run: () => void): Violation | null {
  try {
    run()
    return null
  } catch (error) {
    if (error instanceof Violation) return error
    throw error
  }
}
