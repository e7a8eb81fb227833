/** Schedules as text that people read and `by-hand.ts` replays. */
import type { Setup } from './setup.ts'
import { actions, settle } from './actions.ts'
import { apply, type Action } from './apply.ts'
import { at, firstWorld, type World } from './world.ts'

/**
 * The whole schedule, the operations that the explorer ran by itself included, one line an action. `chosen` says
 * which of the possible actions was taken in each world.
 */
export function scriptOf(setup: Setup, chosen: readonly number[]): string[] {
  const lines: string[] = []
  let world = firstWorld(setup)
  function take(action: Action): void {
    lines.push(lineOf(setup, world, action))
    world = apply(setup, world, action)
  }
  function takeQuiet(): void {
    const quiet: Action[] = []
    settle(setup, world, quiet)
    for (const action of quiet) take(action)
  }
  takeQuiet()
  for (const index of chosen) {
    take(at(actions(setup, world), index))
    takeQuiet()
  }
  for (const { part, history, condition } of world.processes) {
    const end =
      condition === 'killed' ? 'killed' : history.ending === null ? condition : JSON.stringify(history.ending)
    lines.push(`// ${part.name}: ${end}`)
  }
  return lines
}

/** One action: `A1.step(0) // get state`. */
export function lineOf(setup: Setup, world: World, action: Action): string {
  switch (action.do) {
    case 'tick':
      return 'tick()'
    case 'land': {
      const { op, by } = at(world.flying, action.flying)
      return `land(${action.flying}) // put ${setup.label(op.path)} of ${by}`
    }
    case 'kill':
      return `${at(world.processes, action.process).part.name}.kill()`
    case 'step':
    case 'stepAndSleep':
    case 'failBefore':
    case 'failAfter':
    case 'detach':
    case 'throttle':
    case 'resend': {
      const { part, history } = at(world.processes, action.process)
      const op = at(history.ops, action.op)
      return `${part.name}.${action.do}(${action.op}) // ${op.kind} ${setup.label(op.path)}`
    }
  }
}

/** Read a line back. */
export function parseLine(setup: Setup, line: string): Action | null {
  const text = line.replace(/\/\/.*$/, '').trim()
  if (text === '') return null
  const match = /^(?:(?<name>[\w# ]+)\.)?(?<verb>\w+)\((?<index>\d*)\)$/.exec(text)
  const { name, verb, index } = match?.groups ?? {}
  const process = setup.parts.findIndex((part) => part.name === name)
  const number = Number(index ?? '')
  switch (verb) {
    case 'tick':
      return { do: 'tick' }
    case 'land':
      return { do: 'land', flying: number }
    case 'kill':
      return { do: 'kill', process }
    case 'step':
    case 'stepAndSleep':
    case 'failBefore':
    case 'failAfter':
    case 'detach':
    case 'throttle':
    case 'resend':
      return { do: verb, process, op: number }
    case undefined:
  }
  throw new SyntaxError(`not a line of a schedule: ${line}`)
}
