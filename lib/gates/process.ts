/**
 * A process that can be stopped between two writes: it drives a protocol operation on a real store, and whoever holds it
 * decides in front of which write it stops. One that is never driven on is a process that was killed there.
 */
import type { Answer, Op, Protocol, PutOp, Step } from '../protocol/effects.ts'
import { isBatch, performOp, type Environment } from '../protocol/run.ts'
import { Undecided } from './gate.ts'

/** One operation under way. */
export class Process<R> {
  readonly #protocol: Protocol<R>
  readonly #env: Environment
  #next: IteratorResult<Step, R>
  /** Writes that took effect. */
  #written = 0

  constructor(protocol: Protocol<R>, env: Environment) {
    this.#protocol = protocol
    this.#env = env
    this.#next = protocol.next()
  }

  /**
   * Drive it until it is about to do a write for which `stop` says so. True when it stands there, false when it ended
   * first. Throws `Undecided` when the store did not answer a write: nobody could say then where the process stands.
   */
  async runUntil(stop: (put: PutOp, written: number) => boolean): Promise<boolean> {
    while (this.#next.done !== true) {
      const step = this.#next.value
      const ops = isBatch(step) ? step : [step]
      if (ops.some((op) => op.kind === 'put' && stop(op, this.#written))) return true
      const answers = await Promise.all(ops.map(async (op) => this.#perform(op)))
      this.#next = this.#protocol.next(isBatch(step) ? answers : answers[0])
    }
    return false
  }

  /** Drive it to its end. */
  async finish(): Promise<R> {
    await this.runUntil(() => false)
    if (this.#next.done !== true) throw new Error('a process that nobody stops ends')
    return this.#next.value
  }

  async #perform(op: Op): Promise<Answer> {
    const answer = await performOp(op, this.#env)
    if (op.kind !== 'put') return answer
    const { outcome } = answer as Answer<PutOp>
    if (outcome === 'unknown') throw new Undecided('the store did not answer a write')
    if (outcome === 'ok') this.#written += 1
    return answer
  }
}
