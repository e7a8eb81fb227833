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
import { actions, apply, at, firstWorld, isOver, keyOf, settle, type Action, type World } from './world.ts'

/** What an exploration came to. A violation is thrown instead. */
export interface Exploration {
  /** Distinct worlds. */
  readonly states: number
  /** Distinct worlds in which everybody had ended. */
  readonly ends: number
  /** False when `states_max` stopped it. */
  readonly is_complete: boolean
}

/** Visit every world that a scenario can reach. */
export function explore(
  scenario: Scenario,
  protocol: DeltaProtocol,
  options: { readonly states_max?: number } = {},
): Exploration {
  const setup = new Setup(scenario, protocol)
  const quiescence = new Quiescence(setup)
  const states_max = options.states_max ?? Number.POSITIVE_INFINITY
  const visited = new Set<string>()
  const queue: (World | null)[] = []
  const came_from: number[] = []
  const came_by: (Action | null)[] = []
  let ends = 0

  function visit(world: World, before: World | null, from: number, action: Action | null): void {
    const key = keyOf(world)
    if (visited.has(key)) return
    visited.add(key)
    came_from.push(from)
    came_by.push(action)
    queue.push(world)
    try {
      checkWorld(setup, world, before)
      if (!isOver(world)) return
      ends += 1
      quiescence.check(world)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      throw error.after(scriptOf(setup, path(came_from, came_by, queue.length - 1)), scenario.name)
    }
  }

  visit(settle(setup, firstWorld(setup)), null, -1, null)
  let next = 0
  for (; next < queue.length && visited.size < states_max; next++) {
    const world = queue[next] ?? null
    if (world === null) continue
    queue[next] = null
    for (const action of actions(setup, world)) {
      visit(settle(setup, apply(setup, world, action)), world, next, action)
    }
  }
  return { states: visited.size, ends, is_complete: next === queue.length }
}

function path(came_from: readonly number[], came_by: readonly (Action | null)[], end: number): Action[] {
  const found: Action[] = []
  for (let index = end; index >= 0; index = at(came_from, index)) {
    const action = came_by[index] ?? null
    if (action !== null) found.push(action)
  }
  return found.toReversed()
}
