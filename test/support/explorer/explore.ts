/**
 * The explorer of spec/correctness.md 9.2: every schedule of a scenario, breadth first, so that the first violation
 * found has a shortest schedule. Equal worlds are visited once; their keys are kept whole, so that no two different
 * worlds can be taken for one.
 */
import { checkWorld } from './invariants.ts'
import type { DeltaProtocol } from './protocol.ts'
import { Quiescence } from './quiescence.ts'
import type { Scenario } from './scenario.ts'
import { scriptOf } from './script.ts'
import { Setup } from './setup.ts'
import { Violation } from './violation.ts'
import { actions, settle } from './actions.ts'
import { apply } from './apply.ts'
import { at, firstWorld, isOver, keyOf, type World } from './world.ts'

/** What an exploration came to. A violation is thrown instead. */
export interface Exploration {
  /** Distinct worlds. */
  readonly states: number
  /** Distinct worlds in which everybody had ended. */
  readonly ends: number
  /** False when `states_max` stopped it. */
  readonly is_complete: boolean
}

/** Visit every world that a scenario can reach. `onEnd` is told those in which everybody has ended. */
export function explore(
  scenario: Scenario,
  protocol: DeltaProtocol,
  options: { readonly states_max?: number; onEnd?(setup: Setup, world: World): void } = {},
): Exploration {
  const setup = new Setup(scenario, protocol)
  const quiescence = new Quiescence(setup)
  const states_max = options.states_max ?? Number.POSITIVE_INFINITY
  const visited = new Set<string>()
  const queue: (World | null)[] = []
  /** Of every world in the queue: from where, and by which of the actions there, it was first reached. */
  const reached: { readonly from: number[]; readonly by: number[] } = { from: [], by: [] }
  let ends = 0

  function visit(world: World, before: World | null, from: number, by: number): void {
    const key = keyOf(world)
    if (visited.has(key)) return
    visited.add(key)
    reached.from.push(from)
    reached.by.push(by)
    queue.push(world)
    try {
      checkWorld(setup, world, before)
      if (!isOver(world)) return
      ends += 1
      options.onEnd?.(setup, world)
      quiescence.check(world)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      throw error.after(scriptOf(setup, path(reached, queue.length - 1)), scenario.name)
    }
  }

  visit(settle(setup, firstWorld(setup)), null, -1, -1)
  let next = 0
  for (; next < queue.length && visited.size < states_max; next++) {
    const world = queue[next] ?? null
    if (world === null) continue
    queue[next] = null
    for (const [by, action] of actions(setup, world).entries()) {
      visit(settle(setup, apply(setup, world, action)), world, next, by)
    }
  }
  return { states: visited.size, ends, is_complete: next === queue.length }
}

/** Which action was taken in each world, from the first to this one. */
function path({ from, by }: { readonly from: number[]; readonly by: number[] }, end: number): number[] {
  const found: number[] = []
  for (let index = end; at(from, index) !== -1; index = at(from, index)) found.push(at(by, index))
  return found.toReversed()
}
