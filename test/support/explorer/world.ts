/**
 * One moment of a scenario: the bucket, the clock, where every process stands, writes on their way, faults left.
 * Worlds are values, and equal keys mean equal worlds (spec/correctness.md 9.3).
 */
import type { Bucket } from './bucket.ts'
import { History, type Given, type StoreOp } from './history.ts'
import type { Budget } from './scenario.ts'
import type { Part, Setup } from './setup.ts'

/** Where one process stands. */
export interface Process {
  /** Equal numbers, equal futures. */
  readonly number: number
  readonly part: Part
  readonly history: History
  /** Answers of the waiting batch, as far as they have come. */
  readonly given: readonly (Given | undefined)[]
  /** `asleep`: all answers are there, but the process does not go on before the clock has moved (F5). */
  readonly condition: 'live' | 'asleep' | 'killed'
}

/** A write whose caller was told an error and that may still land (F3). */
export interface Flying {
  /** Equal numbers, equal effects. */
  readonly number: number
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
  /** Faults that may still happen. */
  readonly budget: Budget
}

/** The first moment of a scenario. */
export function firstWorld(setup: Setup): World {
  return {
    bucket: setup.first,
    ticks: 0,
    processes: setup.parts.map((part) =>
      standing(setup, part, History.begin(part.actor, setup.surroundings, 0)),
    ),
    flying: [],
    budget: setup.budget,
  }
}

/** A process that has just come to this position. */
export function standing(setup: Setup, part: Part, history: History): Process {
  const given = history.ops.map(() => undefined)
  return { number: setup.numberOf(history.name), part, history, given, condition: 'live' }
}

/** A process in the middle of a batch, or waiting for the clock behind one. */
export function waiting(
  setup: Setup,
  process: Process,
  given: readonly (Given | undefined)[],
  condition: 'live' | 'asleep',
): Process {
  const names = given.map((answer) => answer?.name ?? '')
  const number = setup.numberOf(`${process.history.name} ${condition} ${names.join(' ')}`)
  return { ...process, number, given, condition }
}

/** A process that has vanished; what it knew is of no more use to anybody. */
export function killed(setup: Setup, process: Process): Process {
  return { ...process, number: setup.numberOf('killed'), given: [], condition: 'killed' }
}

/** Equal keys, equal worlds. */
export function keyOf({ bucket, ticks, processes, flying, budget }: World): string {
  const { fail_before, fail_after, detach, kill, tick, throttle, resend } = budget
  let key = `${fail_before}${fail_after}${detach}${kill}${tick}${throttle}${resend}${ticks} ${bucket.id}`
  for (const { number } of processes) key += ` ${number}`
  for (const { number } of flying) key += `~${number}`
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

/** The element at an index that must exist. */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index]
  if (element === undefined) throw new RangeError(`nothing at ${index}`)
  return element
}
