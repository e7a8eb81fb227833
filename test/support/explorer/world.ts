/**
 * One moment of a scenario: the bucket, the clock, where every process stands, writes on their way, faults left.
 * Worlds are values: `apply` makes the next one, and equal keys mean equal worlds (spec/correctness.md 9.3).
 */
import type { PutResult } from '../../../lib/store/types.ts'
import type { Bucket } from './bucket.ts'
import { factsOf } from './facts.ts'
import { History, type Given, type StoreOp } from './history.ts'
import type { Budget } from './scenario.ts'
import type { Part, Setup } from './setup.ts'

/** Where one process stands. */
export interface Process {
  readonly part: Part
  readonly history: History
  /** Answers of the waiting batch, as far as they have come. */
  readonly given: readonly (Given | undefined)[]
  /** `asleep`: all answers are there, but the process does not go on before the clock has moved (F5). */
  readonly condition: 'live' | 'asleep' | 'killed'
}

/** A write whose caller was told an error and that may still land (F3). */
export interface Flying {
  readonly key: string
  readonly op: StoreOp & { readonly kind: 'put' }
  readonly by: string
}

/** A moment. */
export interface World {
  readonly bucket: Bucket
  /** How often the clock has moved. */
  readonly ticks: number
  readonly processes: readonly Process[]
  readonly flying: readonly Flying[]
  readonly budget: Budget
}

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

/** One thing that happens. Its text is a line of a script that `by-hand.ts` replays. */
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

/** The first moment of a scenario. */
export function firstWorld(setup: Setup): World {
  return {
    bucket: setup.first,
    ticks: 0,
    processes: setup.parts.map((part) => standing(part, History.begin(part.actor, setup.surroundings, 0))),
    flying: [],
    budget: setup.budget,
  }
}

function standing(part: Part, history: History): Process {
  return { part, history, given: history.ops.map(() => undefined), condition: 'live' }
}

/** Equal keys, equal worlds. */
export function keyOf(world: World): string {
  const { fail_before, fail_after, detach, kill, tick, throttle, resend } = world.budget
  let key = `${world.bucket.id}|${world.ticks}|${fail_before}${fail_after}${detach}${kill}${tick}${throttle}${resend}`
  for (const process of world.processes) {
    key += `|${process.condition === 'killed' ? 'x' : process.history.name}`
    if (process.condition === 'asleep') key += 'z'
    for (const given of process.given) key += `,${given?.name ?? ''}`
  }
  for (const flying of world.flying) key += `|~${flying.key}`
  return key
}

/** True when the process can still do something. */
export function isLive(process: Process): boolean {
  return process.condition !== 'killed' && process.history.ending === null
}

/** True when every process has ended or was killed. */
export function isOver(world: World): boolean {
  return !world.processes.some(isLive)
}

/** Whether no fault has been spent; the clock counts as one. */
export function isUndisturbed(setup: Setup, world: World): boolean {
  return world.budget === setup.budget
}

/** Everything that can happen next, in a fixed order. */
export function actions(setup: Setup, world: World): Action[] {
  const { budget } = world
  const found: Action[] = []
  for (const [index, process] of world.processes.entries()) {
    if (!isLive(process) || process.condition === 'asleep') continue
    for (const [op, waiting] of process.history.ops.entries()) {
      if (process.given[op] !== undefined) continue
      found.push({ do: 'step', process: index, op })
      if (budget.tick > 0 && isLast(process) && sleepMatters(setup, world, process, op)) {
        found.push({ do: 'stepAndSleep', process: index, op })
      }
      if (process.part.role !== 'commit' && process.part.role !== 'recover') continue
      if (budget.fail_before > 0) found.push({ do: 'failBefore', process: index, op })
      if (waiting.kind !== 'put') continue
      if (budget.fail_after > 0) found.push({ do: 'failAfter', process: index, op })
      if (budget.detach > 0) found.push({ do: 'detach', process: index, op })
      if (budget.throttle > 0) found.push({ do: 'throttle', process: index, op })
      if (budget.resend > 0) found.push({ do: 'resend', process: index, op })
    }
    if (budget.kill > 0 && hasJustWritten(process)) found.push({ do: 'kill', process: index })
  }
  if (budget.tick > 0 && tickMatters(setup, world)) found.push({ do: 'tick' })
  for (const [flying, { key }] of world.flying.entries()) {
    if (world.flying.findIndex((other) => other.key === key) === flying) found.push({ do: 'land', flying })
  }
  return found
}

/** The clock decides about reservations only: before there is one, it may as well move later. */
function tickMatters(setup: Setup, world: World): boolean {
  if (isOver(world)) return false
  if (setup.scenario.monotonic === 'moves') return true
  const waiting = world.processes.flatMap(({ condition, history }) =>
    condition === 'killed' ? [] : history.ops,
  )
  return (
    (factsOf(setup, world.bucket).state?.inflight ?? null) !== null ||
    [...waiting, ...world.flying.map(({ op }) => op)].some(
      (op) => op.kind === 'put' && reserves(op.body.text),
    )
  )
}

function reserves(text: string): boolean {
  return text.includes('"inflight":{')
}

/** Does it make a difference to read the clock only after it has moved? Timestamps alone are none. */
function sleepMatters(setup: Setup, world: World, process: Process, op: number): boolean {
  if (setup.scenario.monotonic === 'moves') return true
  const { given } = setup.perform(world.bucket, at(process.history.ops, op), world.ticks)
  const all = process.given.with(op, given).filter((answer) => answer !== undefined)
  const [soon, late] = [process.history.next(all, world.ticks), process.history.next(all, world.ticks + 1)]
  return outline(soon) !== outline(late)
}

function outline({ ops, ending }: History): string {
  return `${ops.map(({ kind, path }) => `${kind} ${path}`).join()} ${JSON.stringify(ending)}`
}

function isLast(process: Process): boolean {
  return process.given.filter((given) => given === undefined).length === 1
}

/**
 * A process that vanishes leaves only what it has written, so it is enough to kill it right after each write: a
 * kill later, but before its next write, comes to the same; without any write it is the scenario without it.
 */
function hasJustWritten({ history, given }: Process): boolean {
  const now = given.some((answer, op) => answer !== undefined && mayHaveWritten(history.ops[op], answer))
  if (now) return true
  if (given.some((answer) => answer !== undefined)) return false
  return history.last.some((answer, op) => mayHaveWritten(history.parent?.ops[op], answer))
}

function mayHaveWritten(op: StoreOp | undefined, answer: Given): boolean {
  if (op === undefined || op.kind === 'get') return false
  if (op.kind === 'delete') return true
  const { outcome } = answer.value as PutResult
  return outcome === 'ok' || outcome === 'unknown'
}

/** The world after an action, and the write that took effect with it, if any. */
export function apply(setup: Setup, world: World, action: Action): World {
  const spent = spend(world, action)
  switch (action.do) {
    case 'tick':
      return wakeUp({ ...spent, ticks: world.ticks + 1 })
    case 'kill':
      return withProcess(spent, action.process, (process) => ({ ...process, condition: 'killed', given: [] }))
    case 'land': {
      const flying = at(world.flying, action.flying)
      const { bucket } = setup.perform(world.bucket, flying.op, world.ticks)
      return { ...spent, bucket, flying: world.flying.filter((_, index) => index !== action.flying) }
    }
    case 'step':
    case 'stepAndSleep':
    case 'failBefore':
    case 'failAfter':
    case 'detach':
    case 'throttle':
    case 'resend':
      return applyToOp(setup, spent, action)
  }
}

function applyToOp(setup: Setup, world: World, action: Action & { do: OpAction }): World {
  const process = at(world.processes, action.process)
  const op = at(process.history.ops, action.op)
  const honest = () => setup.perform(world.bucket, op, world.ticks)
  switch (action.do) {
    case 'step':
    case 'stepAndSleep': {
      const { bucket, given } = honest()
      return answer({ ...world, bucket }, action, given)
    }
    case 'failBefore':
      return answer(world, action, op.kind === 'get' ? failedRead(setup, op.path) : UNKNOWN)
    case 'failAfter':
      return answer({ ...world, bucket: honest().bucket }, action, UNKNOWN)
    case 'detach': {
      if (op.kind !== 'put') throw new Error('only a put can be detached')
      return answer({ ...world, flying: withFlying(world.flying, op, process.part.name) }, action, UNKNOWN)
    }
    case 'throttle':
      return answer(world, action, NO_EFFECT)
    case 'resend': {
      const first = honest()
      return answer(
        { ...world, bucket: first.bucket },
        action,
        setup.perform(first.bucket, op, world.ticks).given,
      )
    }
  }
}

/** Hand one answer to a process; with the last of a batch it goes on, unless it falls asleep. */
function answer(world: World, action: Action & { do: OpAction }, given: Given): World {
  return withProcess(world, action.process, (process) => {
    const all = process.given.with(action.op, given)
    if (all.includes(undefined)) return { ...process, given: all }
    return action.do === 'stepAndSleep'
      ? { ...process, given: all, condition: 'asleep' }
      : goOn(process, all, world.ticks)
  })
}

function goOn(process: Process, given: readonly (Given | undefined)[], ticks: number): Process {
  return standing(
    process.part,
    process.history.next(
      given.filter((answer) => answer !== undefined),
      ticks,
    ),
  )
}

function wakeUp(world: World): World {
  return {
    ...world,
    processes: world.processes.map((process) =>
      process.condition === 'asleep' ? goOn(process, process.given, world.ticks) : process,
    ),
  }
}

function withProcess(world: World, index: number, change: (process: Process) => Process): World {
  return { ...world, processes: world.processes.with(index, change(at(world.processes, index))) }
}

function withFlying(flying: readonly Flying[], op: Flying['op'], by: string): Flying[] {
  const { path, body, precondition } = op
  const condition = typeof precondition === 'string' ? precondition : precondition.matchesVersion
  return [...flying, { key: `${path} ${body.id} ${condition}`, op, by }].toSorted((a, b) =>
    a.key < b.key ? -1 : 1,
  )
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

/** The element at an index that must exist. */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index]
  if (element === undefined) throw new RangeError(`nothing at ${index}`)
  return element
}

/**
 * Run what commutes with everything (9.4): reads of objects that cannot change any more, and puts that are lost
 * already. Not where a fault could still hit them, and not the last of a batch while the clock can move, since
 * then the process would read it too early.
 */
export function settle(setup: Setup, world: World, log?: Action[]): World {
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
  for (const [op, waiting] of process.history.ops.entries()) {
    if (process.given[op] === undefined && isQuiet(setup, world, waiting))
      return { do: 'step', process: index, op }
  }
  return null
}

function isQuiet(setup: Setup, { bucket, budget }: World, op: StoreOp): boolean {
  const is_there = setup.buckets.at(bucket, op.path) !== undefined
  switch (op.kind) {
    case 'get':
      return budget.fail_before === 0 && setup.isFixed(op.path, is_there)
    case 'put': {
      const is_safe =
        budget.fail_before + budget.fail_after + budget.detach + budget.throttle + budget.resend === 0
      return is_safe && is_there && op.precondition === 'doesNotExist' && setup.isFixed(op.path, is_there)
    }
    case 'delete':
      return false
  }
}
