/**
 * Protocol operations stepped by hand: a test decides which store operation happens next and what becomes of it. What an
 * operation asks of its own process, the clock, ids and hashes, is answered at once; what it asks of the store waits.
 */
import type { Answer, Op, Protocol, Step } from '../../lib/protocol/effects.ts'
import { isBatch, run, type Environment } from '../../lib/protocol/run.ts'
import { StoreError } from '../../lib/store/types.ts'

/** Operations that go to the store. */
type StoreOp = Extract<Op, { kind: 'get' | 'put' }>

/** One operation that waits for its turn. */
interface Waiting {
  readonly op: StoreOp
  readonly label: string
  answer: Answer
  is_answered: boolean
}

/** One process in a test's hands. Operations are named as `pending` shows them: `get pointer`, `put manifest 2`. */
export class Stepped<R> {
  readonly #protocol: Protocol<R>
  readonly #env: Environment
  readonly #Failure: typeof StoreError
  #waiting: Waiting[] = []
  #is_batch = false
  #next: IteratorResult<Step, R>
  #is_dead = false

  private constructor(protocol: Protocol<R>, env: Environment, Failure: typeof StoreError) {
    this.#protocol = protocol
    this.#env = env
    this.#Failure = Failure
    this.#next = protocol.next()
  }

  /**
   * Start a process; it stops at its first operation on the store. Reads fail with `Failure`: a copy of the code tells its
   * own class by `instanceof`.
   */
  static async start<R>(
    protocol: Protocol<R>,
    env: Environment,
    Failure: typeof StoreError = StoreError,
  ): Promise<Stepped<R>> {
    const process = new Stepped(protocol, env, Failure)
    await process.#settle()
    return process
  }

  /** Operations that wait, in the order in which they were issued. */
  get pending(): string[] {
    return this.#waiting.filter(({ is_answered }) => !is_answered).map(({ label }) => label)
  }

  /** What it returned; undefined while it has not. */
  get result(): R | undefined {
    return this.#next.done === true ? this.#next.value : undefined
  }

  /** Perform one operation, or all that wait, in order. */
  async step(label?: string): Promise<this> {
    for (const waiting of label === undefined ? [...this.#waiting] : [this.#find(label)]) {
      if (waiting.is_answered) continue
      waiting.answer = await this.#perform(waiting.op)
      waiting.is_answered = true
    }
    await this.#resume()
    return this
  }

  /** Step until this operation waits; without a name, to the end. */
  async run(until?: string): Promise<this> {
    for (
      let steps = 0;
      this.pending.length > 0 && !(until !== undefined && this.pending.includes(until));
      steps++
    ) {
      if (steps > 100_000) throw new Error('it does not end')
      await this.step()
    }
    if (until !== undefined && !this.pending.includes(until)) throw new Error(`never came to ${until}`)
    return this
  }

  /** F1: an error, and nothing happened. */
  async failBefore(label: string): Promise<this> {
    return this.#answer(label, this.#failed)
  }

  /** F2: it happened, and the answer is lost. */
  async failAfter(label: string): Promise<this> {
    await this.#perform(this.#find(label).op)
    return this.#answer(label, this.#failed)
  }

  /** F3: an error now; call what is returned to let the write land. */
  async detach(label: string): Promise<() => Promise<void>> {
    const { op } = this.#find(label)
    await this.#answer(label, this.#failed)
    return async () => {
      await this.#perform(op)
    }
  }

  /** F11: refused without effect. */
  async throttle(label: string): Promise<this> {
    return this.#answer(label, () => ({ outcome: 'no_effect' }))
  }

  /** F4: the process vanishes. */
  kill(): void {
    this.#is_dead = true
    this.#waiting = []
  }

  readonly #failed = (op: StoreOp): Answer =>
    op.kind === 'put'
      ? { outcome: 'unknown' }
      : { outcome: 'failed', error: new this.#Failure('unavailable', op.path, 'injected') }

  #find(label: string): Waiting {
    const found = this.#waiting.find((each) => each.label === label && !each.is_answered)
    if (found === undefined)
      throw new Error(`${label} does not wait; ${this.pending.join(', ') || 'nothing'} does`)
    return found
  }

  async #answer(label: string, answerTo: (op: StoreOp) => Answer): Promise<this> {
    const waiting = this.#find(label)
    waiting.answer = answerTo(waiting.op)
    waiting.is_answered = true
    await this.#resume()
    return this
  }

  async #perform(op: StoreOp): Promise<Answer> {
    return run(one(op), this.#env)
  }

  async #resume(): Promise<void> {
    if (this.#is_dead || this.#waiting.some(({ is_answered }) => !is_answered)) return
    const answers = this.#waiting.map(({ answer }) => answer)
    this.#next = this.#protocol.next(this.#is_batch ? answers : answers[0])
    await this.#settle()
  }

  /** Answer what is not the store's until something is. */
  async #settle(): Promise<void> {
    while (this.#next.done !== true) {
      const step = this.#next.value
      const ops = isBatch(step) ? step : [step]
      if (ops.some(isStoreOp)) {
        this.#is_batch = isBatch(step)
        this.#waiting = await Promise.all(ops.map(async (op) => this.#waitingFor(op)))
        return
      }
      const answers = await Promise.all(ops.map(async (op) => run(one(op), this.#env)))
      this.#next = this.#protocol.next(isBatch(step) ? answers : answers[0])
    }
    this.#waiting = []
  }

  async #waitingFor(op: Op): Promise<Waiting> {
    if (isStoreOp(op))
      return { op, label: `${op.kind} ${labelOf(op.path)}`, answer: undefined, is_answered: false }
    const answer = await run(one(op), this.#env)
    return { op: { kind: 'get', path: '', bytes_max: 0 }, label: op.kind, answer, is_answered: true }
  }
}

function isStoreOp(op: Op): op is StoreOp {
  return op.kind === 'get' || op.kind === 'put'
}

function* one(op: Op): Protocol<Answer> {
  return (yield op) as Answer
}

/** Short names for the keys of the projection; any other key is its own name. */
export function labelOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (path === 'locks/orchestration.compaction.lock.json') return 'lock'
  if (path === 'state/orchestration/manifest.pointer.json') return 'pointer'
  if (path === 'state/orchestration/manifest.json') return 'retired manifest'
  if (path.startsWith('state/orchestration/manifests/'))
    return `manifest ${Number(name.replace('.json', ''))}`
  if (path.startsWith('state/orchestration/rebuilds/')) {
    const chunk = /chunk-([0-9]+)\.json$/.exec(name)?.[1]
    if (chunk !== undefined) return `chunk ${Number(chunk)}`
    return name.startsWith('layer.') ? 'layer' : 'list'
  }
  const layer = /^state\/orchestration\/(base|l0)\/[^/]+\/(.+?)\.[0-9a-f]{12}\.(parquet|json)$/.exec(path)
  if (layer !== null) return `${layer[1] ?? ''} ${(layer[2] ?? '').replace(/\/org-.*/, '')}`
  return path.startsWith('ledger/') ? `event ${name.replace('.json', '')}` : path
}
