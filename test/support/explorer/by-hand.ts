/**
 * A scenario stepped by hand: a test decides what happens next, operation by operation, fault by fault. Every
 * invariant is checked after every step. No promises, no timers: what a test does not ask for does not happen.
 */
import type { CommitResult } from '../../../lib/protocol/delta/outcomes.ts'
import { apply, type Action, type OpAction } from './apply.ts'
import { factsOf, type Facts } from './facts.ts'
import { answerOf, checkWorld } from './invariants.ts'
import { PRODUCTION, type DeltaProtocol } from './protocol.ts'
import { Quiescence } from './quiescence.ts'
import type { Budget, Scenario } from './scenario.ts'
import { lineOf, parseLine } from './script.ts'
import { Setup } from './setup.ts'
import { Violation } from './violation.ts'
import { at, firstWorld, isLive, killed, type Process, type World } from './world.ts'

/** By hand every fault may happen; the budget is the explorer's. */
const UNLIMITED: Budget = {
  fail_before: 99,
  fail_after: 99,
  detach: 99,
  kill: 99,
  tick: 99,
  throttle: 99,
  resend: 99,
}

/** A world in a test's hands. */
export class ByHand {
  readonly #setup: Setup
  readonly #script: string[] = []
  #world: World

  constructor(scenario: Scenario, protocol: DeltaProtocol = PRODUCTION) {
    this.#setup = new Setup({ ...scenario, budget: UNLIMITED }, protocol)
    this.#world = firstWorld(this.#setup)
    this.#check(null)
  }

  /** A process of the cast by its name: `A1`, `A1#2` for a second attempt, `foreign`, `collector`, `recover`. */
  process(name: string): HandProcess {
    const index = this.#setup.parts.findIndex((part) => part.name === name)
    if (index === -1) throw new RangeError(`${name} is not in the cast`)
    return new HandProcess({
      now: () => at(this.#world.processes, index),
      act: (action) => this.#act({ do: action.do, process: index, op: action.op }),
      kill: () => this.#act({ do: 'kill', process: index }),
      label: (path) => this.#setup.label(path),
    })
  }

  /** The clock passes every `expires_at_ms`. */
  tick(): void {
    this.#act({ do: 'tick' })
  }

  /** A detached write lands. */
  land(flying = 0): void {
    this.#act({ do: 'land', flying })
  }

  /** What is in the bucket now. */
  get facts(): Facts {
    return factsOf(this.#setup, this.#world.bucket)
  }

  /** Faults stop, and clients come back: C12, C13, C14 and C19, in both orders. Live processes are gone. */
  quiesce(): void {
    this.#attempt(() => {
      new Quiescence(this.#setup).check({
        ...this.#world,
        processes: this.#world.processes.map((process) =>
          isLive(process) ? killed(this.#setup, process) : process,
        ),
      })
    })
  }

  /** Run a schedule that the explorer has printed. */
  replay(lines: readonly string[]): void {
    for (const line of lines) {
      const action = parseLine(this.#setup, line)
      if (action !== null) this.#act(action)
    }
  }

  #act(action: Action): void {
    this.#script.push(lineOf(this.#setup, this.#world, action))
    const before = this.#world
    this.#world = apply(this.#setup, before, action)
    this.#check(before)
  }

  #check(before: World | null): void {
    this.#attempt(() => checkWorld(this.#setup, this.#world, before))
  }

  #attempt(check: () => void): void {
    try {
      check()
    } catch (error) {
      throw error instanceof Violation ? error.after(this.#script, this.#setup.scenario.name) : error
    }
  }
}

interface Handle {
  now(): Process
  act(action: { readonly do: OpAction; readonly op: number }): void
  kill(): void
  label(path: string): string
}

/** One process in a test's hands. Operations are named as `pending` shows them: `get state`, `put log 0`. */
export class HandProcess {
  readonly #handle: Handle

  constructor(handle: Handle) {
    this.#handle = handle
  }

  /** The operations that wait for their turn, in the order they were issued. */
  get pending(): string[] {
    const { history, given } = this.#handle.now()
    return history.ops.flatMap(({ kind, path }, op) =>
      given[op] === undefined ? [`${kind} ${this.#handle.label(path)}`] : [],
    )
  }

  /** What the commit answered; null while it has not. */
  get answer(): CommitResult | null {
    const { part, history } = this.#handle.now()
    return answerOf(part, history)
  }

  /** What any process returned; null while it has not, or if that is no object. */
  get returned(): object | null {
    const { ending } = this.#handle.now().history
    const returned = ending !== null && 'answered' in ending ? ending.answered : null
    return typeof returned === 'object' ? returned : null
  }

  /** Perform one operation, or all that wait, in order. */
  step(...ops: string[]): this {
    for (const op of ops.length === 0 ? this.pending : ops) this.#act('step', op)
    return this
  }

  /** Step whole batches until this operation waits, or, without a name, to the end. */
  run(until?: string): this {
    while (this.pending.length > 0 && !(until !== undefined && this.pending.includes(until))) this.step()
    if (until !== undefined && !this.pending.includes(until)) throw new Error(`never came to ${until}`)
    return this
  }

  /** F1: an error, and nothing happened. */
  failBefore(op: string): this {
    return this.#act('failBefore', op)
  }

  /** F2: it happened, and the answer is lost. */
  failAfter(op: string): this {
    return this.#act('failAfter', op)
  }

  /** F3: an error now; the write is on its way until the test lands it. */
  detach(op: string): this {
    return this.#act('detach', op)
  }

  /** F13: the transport sent it twice and hands over the second answer. */
  resend(op: string): this {
    return this.#act('resend', op)
  }

  /** F11, F12: refused without effect. */
  throttle(op: string): this {
    return this.#act('throttle', op)
  }

  /** F4: the process vanishes. */
  kill(): void {
    this.#handle.kill()
  }

  #act(action: OpAction, name: string): this {
    const { history, given } = this.#handle.now()
    const op = history.ops.findIndex(
      ({ kind, path }, index) => given[index] === undefined && `${kind} ${this.#handle.label(path)}` === name,
    )
    if (op === -1) throw new Error(`${name} does not wait; ${this.pending.join(', ') || 'nothing'} does`)
    this.#handle.act({ do: action, op })
    return this
  }
}
