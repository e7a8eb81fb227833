/** What can happen next in a world, faults included, without what makes no difference to anybody. */
import type { PutResult } from '../../../lib/store/types.ts'
import { apply, type Action } from './apply.ts'
import { factsOf } from './facts.ts'
import type { Given, History, StoreOp } from './history.ts'
import { isTidemark, type Setup } from './setup.ts'
import { at, isLive, isOver, type Process, type World } from './world.ts'

/** Everything that can happen next, in a fixed order. */
export function actions(setup: Setup, world: World): Action[] {
  const { budget } = world
  const found: Action[] = []
  for (const [index, process] of world.processes.entries()) {
    if (!isLive(process) || process.condition === 'asleep') continue
    for (const [op, { kind }] of process.history.ops.entries()) {
      if (process.given[op] !== undefined) continue
      found.push({ do: 'step', process: index, op })
      if (budget.tick > 0 && isLast(process) && sleepMatters(setup, world, process, op)) {
        found.push({ do: 'stepAndSleep', process: index, op })
      }
      // Whoever is not Tidemark does what it does; its faults are not ours to explore.
      if (!isTidemark(process.part)) continue
      if (budget.fail_before > 0) found.push({ do: 'failBefore', process: index, op })
      if (kind !== 'put') continue
      if (budget.fail_after > 0) found.push({ do: 'failAfter', process: index, op })
      if (budget.detach > 0) found.push({ do: 'detach', process: index, op })
      if (budget.throttle > 0) found.push({ do: 'throttle', process: index, op })
      if (budget.resend > 0) found.push({ do: 'resend', process: index, op })
    }
    if (budget.kill > 0 && killMatters(setup, process)) found.push({ do: 'kill', process: index })
  }
  if (budget.tick > 0 && tickMatters(setup, world)) found.push({ do: 'tick' })
  for (const [flying, { number }] of world.flying.entries()) {
    if (world.flying[flying - 1]?.number !== number) found.push({ do: 'land', flying })
  }
  return found
}

/**
 * Run what commutes with everything (9.4): reads of objects that cannot change any more, and puts that are lost
 * already. Not where a fault could still hit them, and not the last of a batch while the clock can move, since
 * then the process would read it too early. `log` is told each.
 */
export function settle(setup: Setup, world: World, log?: Action[]): World {
  if (setup.scenario.is_plain === true) return world
  let now = world
  for (let index = 0; index < now.processes.length;) {
    const action = quietAction(setup, now, index)
    if (action === null) {
      index += 1
      continue
    }
    log?.push(action)
    now = apply(setup, now, action)
  }
  return now
}

function quietAction(setup: Setup, world: World, index: number): Action | null {
  const process = at(world.processes, index)
  if (!isLive(process) || process.condition === 'asleep') return null
  if (world.budget.tick > 0 && isLast(process)) return null
  const op = process.history.ops.findIndex(
    (waiting, place) => process.given[place] === undefined && isQuiet(setup, world, waiting),
  )
  return op === -1 ? null : { do: 'step', process: index, op }
}

function isQuiet(setup: Setup, { bucket, budget }: World, op: StoreOp): boolean {
  const is_there = setup.buckets.at(bucket, op.path) !== undefined
  switch (op.kind) {
    case 'get':
      return budget.fail_before === 0 && setup.isFixed(op.path, is_there)
    case 'put': {
      const { fail_before, fail_after, detach, throttle, resend } = budget
      const is_safe = fail_before + fail_after + detach + throttle + resend === 0
      return is_safe && is_there && op.precondition === 'doesNotExist' && setup.isFixed(op.path, is_there)
    }
    case 'delete':
      return false
  }
}

function isLast(process: Process): boolean {
  return process.given.filter((given) => given === undefined).length === 1
}

/**
 * A process that vanishes leaves only what it has written, so it is enough to kill it right after each write: a
 * kill later, but before its next write, comes to the same; without any write it is the scenario without it.
 */
function killMatters(setup: Setup, process: Process): boolean {
  return setup.scenario.is_plain === true || hasJustWritten(process)
}

function hasJustWritten({ history, given }: Process): boolean {
  if (given.some((answer, op) => answer !== undefined && mayHaveWritten(history.ops[op], answer))) return true
  if (given.some((answer) => answer !== undefined)) return false
  return history.last.some((answer, op) => mayHaveWritten(history.parent?.ops[op], answer))
}

function mayHaveWritten(op: StoreOp | undefined, answer: Given): boolean {
  if (op === undefined || op.kind === 'get') return false
  if (op.kind === 'delete') return true
  const { outcome } = answer.value as PutResult
  return outcome === 'ok' || outcome === 'unknown'
}

/** The clock decides about reservations only: before there is one, it may as well move later. */
function tickMatters(setup: Setup, world: World): boolean {
  if (isOver(world)) return false
  if (setup.scenario.monotonic === 'moves' || setup.scenario.is_plain === true) return true
  const { state } = factsOf(setup, world.bucket)
  return (
    (state?.inflight ?? null) !== null ||
    world.flying.some(({ op }) => reserves(op)) ||
    world.processes.some((process) => isLive(process) && process.history.ops.some(reserves))
  )
}

function reserves(op: StoreOp): boolean {
  return op.kind === 'put' && op.body.text.includes('"inflight":{')
}

/** Does it make a difference to read the clock only after it has moved? Timestamps alone are none. */
function sleepMatters(setup: Setup, world: World, process: Process, op: number): boolean {
  if (setup.scenario.monotonic === 'moves' || setup.scenario.is_plain === true) return true
  const { given } = setup.perform(world.bucket, at(process.history.ops, op), world.ticks)
  const all = process.given.with(op, given).filter((answer) => answer !== undefined)
  const [soon, late] = [process.history.next(all, world.ticks), process.history.next(all, world.ticks + 1)]
  return outline(soon) !== outline(late)
}

function outline({ ops, ending }: History): string {
  return `${ops.map(({ kind, path }) => `${kind} ${path}`).join(' ')} ${JSON.stringify(ending)}`
}
