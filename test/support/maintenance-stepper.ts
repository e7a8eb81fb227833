/**
 * Maintenance stepped by hand, as `Stepped` does it with protocol operations: a test decides what happens between two of
 * its steps. What goes to the store waits; clocks, ids and hashes are answered at once.
 */
import type { Answer } from '../../lib/protocol/effects.ts'
import type { Maintenance, MaintenanceOp, MaintenanceStep } from '../../lib/protocol/maintenance/effects.ts'
import { runMaintenance, type MaintenanceEnvironment } from '../../lib/protocol/maintenance/run.ts'
import { isBatch } from '../../lib/protocol/run.ts'
import { labelOf } from './stepper.ts'

/** One maintenance operation in a test's hands; it is named as `waiting` shows: `get pointer`, `list state/…`. */
export class SteppedMaintenance<R> {
  readonly #work: Maintenance<R>
  readonly #env: MaintenanceEnvironment
  #next: IteratorResult<MaintenanceStep, R>

  private constructor(work: Maintenance<R>, env: MaintenanceEnvironment) {
    this.#work = work
    this.#env = env
    this.#next = work.next()
  }

  /** Start it; it stops before its first operation on the store. */
  static async start<R>(work: Maintenance<R>, env: MaintenanceEnvironment): Promise<SteppedMaintenance<R>> {
    const stepped = new SteppedMaintenance(work, env)
    await stepped.#settle()
    return stepped
  }

  /** Names of the operations that wait. */
  get waiting(): string[] {
    return this.#next.done === true ? [] : opsOf(this.#next.value).filter(goesToStore).map(nameOf)
  }

  /** What it returned; undefined while it has not. */
  get result(): R | undefined {
    return this.#next.done === true ? this.#next.value : undefined
  }

  /** Perform what waits. */
  async step(): Promise<void> {
    if (this.#next.done === true) return
    await this.#answer(this.#next.value)
    await this.#settle()
  }

  /** Step until an operation of this name waits; without a name, to the end. */
  async run(until?: string): Promise<this> {
    for (let steps = 0; this.#next.done !== true; steps++) {
      if (until !== undefined && this.waiting.includes(until)) return this
      if (steps > 100_000) throw new Error('it does not end')
      await this.step()
    }
    if (until !== undefined) throw new Error(`never came to ${until}`)
    return this
  }

  async #settle(): Promise<void> {
    while (this.#next.done !== true && !opsOf(this.#next.value).some(goesToStore)) {
      await this.#answer(this.#next.value)
    }
  }

  async #answer(step: MaintenanceStep): Promise<void> {
    this.#next = this.#work.next(await runMaintenance(same(step), this.#env))
  }
}

function* same(step: MaintenanceStep): Maintenance<Answer | readonly Answer[]> {
  return yield step
}

function opsOf(step: MaintenanceStep): readonly MaintenanceOp[] {
  return isBatch<MaintenanceOp>(step) ? step : [step]
}

function goesToStore({ kind }: MaintenanceOp): boolean {
  return kind === 'get' || kind === 'put' || kind === 'list' || kind === 'head' || kind === 'delete'
}

function nameOf(op: MaintenanceOp): string {
  if (op.kind === 'list') return `list ${op.prefix}`
  return 'path' in op ? `${op.kind} ${labelOf(op.path)}` : op.kind
}
