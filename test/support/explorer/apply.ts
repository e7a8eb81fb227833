/** How a world becomes the next: one operation performed, failed or delayed, a process gone, the clock moved. */
import type { Given } from './history.ts'
import type { Budget } from './scenario.ts'
import type { Setup } from './setup.ts'
import { at, killed, standing, waiting, type Flying, type Process, type World } from './world.ts'

/** What can happen to one waiting operation. */
export type OpAction =
  | 'step'
  /** It happens, and its process sleeps until the clock has moved. */
  | 'stepAndSleep'
  | 'failBefore'
  | 'failAfter'
  | 'detach'
  | 'throttle'
  | 'resend'

/** One thing that happens. Its text is a line of a schedule that `by-hand.ts` replays. */
export type Action =
  | { readonly do: OpAction; readonly process: number; readonly op: number }
  | { readonly do: 'kill'; readonly process: number }
  | { readonly do: 'land'; readonly flying: number }
  | { readonly do: 'tick' }

/** Which fault an action spends. */
const SPENDS: Readonly<Record<Action['do'], keyof Budget | null>> = {
  step: null,
  stepAndSleep: null,
  failBefore: 'fail_before',
  failAfter: 'fail_after',
  detach: 'detach',
  throttle: 'throttle',
  resend: 'resend',
  kill: 'kill',
  land: null,
  tick: 'tick',
}

/** The world after an action. */
export function apply(setup: Setup, before: World, action: Action): World {
  const world = spend(before, action)
  switch (action.do) {
    case 'tick':
      return wakeUp(setup, { ...world, ticks: world.ticks + 1 })
    case 'kill':
      return withProcess(world, action.process, (process) => killed(setup, process))
    case 'land': {
      const { bucket } = setup.perform(world.bucket, at(world.flying, action.flying).op, world.ticks)
      return { ...world, bucket, flying: world.flying.toSpliced(action.flying, 1) }
    }
    case 'step':
    case 'stepAndSleep':
    case 'failBefore':
    case 'failAfter':
    case 'detach':
    case 'throttle':
    case 'resend':
      return applyToOp(setup, world, action)
  }
}

function applyToOp(setup: Setup, world: World, action: Action & { do: OpAction }): World {
  const process = at(world.processes, action.process)
  const op = at(process.history.ops, action.op)
  switch (action.do) {
    case 'step':
    case 'stepAndSleep': {
      const { bucket, given } = setup.perform(world.bucket, op, world.ticks)
      return answer(setup, { ...world, bucket }, action, given)
    }
    case 'failBefore':
      return answer(setup, world, action, op.kind === 'get' ? failedRead(setup, op.path) : UNKNOWN)
    case 'failAfter': {
      const { bucket } = setup.perform(world.bucket, op, world.ticks)
      return answer(setup, { ...world, bucket }, action, UNKNOWN)
    }
    case 'detach': {
      if (op.kind !== 'put') throw new Error('only a put can be detached')
      const flying = withFlying(setup, world.flying, op, process.part.name)
      return answer(setup, { ...world, flying }, action, UNKNOWN)
    }
    case 'throttle':
      return answer(setup, world, action, NO_EFFECT)
    case 'resend': {
      const { bucket } = setup.perform(world.bucket, op, world.ticks)
      return answer(setup, { ...world, bucket }, action, setup.perform(bucket, op, world.ticks).given)
    }
  }
}

/** Hand one answer to a process; with the last of a batch it goes on, unless it falls asleep. */
function answer(setup: Setup, world: World, action: Action & { do: OpAction }, given: Given): World {
  return withProcess(world, action.process, (process) => {
    const all = process.given.with(action.op, given)
    if (all.includes(undefined)) return waiting(setup, process, all, 'live')
    return action.do === 'stepAndSleep'
      ? waiting(setup, process, all, 'asleep')
      : goOn(setup, process, all, world.ticks)
  })
}

function goOn(setup: Setup, process: Process, given: readonly (Given | undefined)[], ticks: number): Process {
  const all = given.filter((one) => one !== undefined)
  return standing(setup, process.part, process.history.next(all, ticks))
}

function wakeUp(setup: Setup, world: World): World {
  const processes = world.processes.map((process) =>
    process.condition === 'asleep' ? goOn(setup, process, process.given, world.ticks) : process,
  )
  return { ...world, processes }
}

function withProcess(world: World, index: number, change: (process: Process) => Process): World {
  return { ...world, processes: world.processes.with(index, change(at(world.processes, index))) }
}

function withFlying(
  setup: Setup,
  flying: readonly Flying[],
  op: Flying['op'],
  by: string,
): readonly Flying[] {
  const { path, body, precondition } = op
  const condition = typeof precondition === 'string' ? precondition : precondition.matchesVersion
  const number = setup.numberOf(`${path} ${body.id} ${condition}`)
  return [...flying, { number, op, by }].toSorted((a, b) => a.number - b.number)
}

function spend(world: World, action: Action): World {
  const fault = SPENDS[action.do]
  if (fault === null) return world
  return { ...world, budget: { ...world.budget, [fault]: world.budget[fault] - 1 } }
}

/** What the caller of a write without an answer is told. */
const UNKNOWN: Given = { name: 'unknown', value: { outcome: 'unknown' } }

/** Refused before it was looked at. */
const NO_EFFECT: Given = { name: 'no_effect', value: { outcome: 'no_effect' } }

function failedRead(setup: Setup, path: string): Given {
  const error = new setup.protocol.StoreError('unavailable', path, 'injected')
  return { name: 'failed', value: { outcome: 'failed', error } }
}
