/**
 * What one execution of one request has seen so far (spec/correctness.md 9.3). A process is deterministic in the
 * answers it was given, clock readings and drawn ids included, so its position is identified by them: the
 * positions of an actor form a tree, and the generator runs once for every branch of it, not once for every
 * schedule. The generators are the production ones; nothing here knows what they do.
 */
import type { Answer, Clock, Note, Op, Step } from '../../../lib/protocol/effects.ts'
import type { ResolvedRoot } from '../../../lib/protocol/delta/resolve.ts'
import type { Meta } from '../../../lib/store/types.ts'
import type { Body, BucketPut } from './bucket.ts'

/** An operation on the store that waits for its turn. Agents outside the protocol may delete and overwrite. */
export type StoreOp =
  | { readonly kind: 'get'; readonly path: string }
  | ({ readonly kind: 'put' } & BucketPut)
  | { readonly kind: 'delete'; readonly path: string }

/** What an actor may yield: the steps of the protocol, and what only agents outside of it do. */
export type ActorStep = Step | { readonly kind: 'delete'; readonly path: string } | Overwrite

/** A put without a condition: an operator or another program replaces an object. */
export interface Overwrite {
  readonly kind: 'overwrite'
  readonly path: string
  readonly bytes: Uint8Array
}

/** Somebody with a part in a scenario: every start is one more process that does the same. */
export interface Actor {
  readonly name: string
  /** Distinguishes the ids that this actor draws from those of all others. */
  readonly index: number
  /** How far this actor's wall clock is from the others' (F10). */
  readonly skew_ms: number
  /** Whether an id is one of those that this actor draws. */
  drew(id: string): boolean
  start(): Generator<ActorStep, unknown, Answer | readonly Answer[]>
}

/** What an operation was answered, with a name: equal names, equal answers. */
export interface Given {
  readonly name: string
  readonly value: Answer
}

/** The world of one process besides the store. */
export interface Surroundings {
  /** The clocks after `ticks` moves. */
  clock(ticks: number): Clock
  body(bytes: Uint8Array): Body
  readonly root: ResolvedRoot
  /** Whether the root is known without a read; else it is looked up, in the batch that asks for it. */
  readonly root_is_known: boolean
}

/** How a process ended. */
export type Ending = { readonly answered: unknown } | { readonly threw: unknown }

/** One position of one actor. */
export class History {
  readonly id: number
  readonly actor: Actor
  /** Operations that wait, in the order they were issued; none at the end. */
  readonly ops: readonly StoreOp[]
  readonly ending: Ending | null
  /** Equal names, equal future: the position, or at the end only what was answered. */
  readonly name: string
  /** What the last batch was answered; empty at the start. */
  readonly last: readonly Given[]
  readonly parent: History | null
  /** Store operations issued up to here, those of `ops` included. */
  readonly operations: number
  /** Batches issued up to here: sequential round trips. */
  readonly rounds: number
  /** What was told to the operator on the way from the parent to here. */
  readonly notes: readonly Note[]
  readonly #tree: Tree
  readonly #ticks: number
  readonly #children = new Map<string, History>()
  #parked: Run | null

  /** Made by `begin` and `next` only. */
  constructor(tree: Tree, position: Position) {
    this.#tree = tree
    this.id = tree.size
    tree.size += 1
    this.actor = tree.actor
    this.parent = position.parent
    this.last = position.last
    this.#ticks = position.ticks
    this.#parked = position.run
    const { paused, notes } = position.paused
    this.ops = paused.ops
    this.ending = paused.ending
    this.name = paused.ending === null ? String(this.id) : `=${JSON.stringify(paused.ending)}`
    this.notes = notes
    this.operations = (position.parent?.operations ?? 0) + this.ops.length
    this.rounds = (position.parent?.rounds ?? 0) + (this.ops.length > 0 ? 1 : 0)
  }

  /** The first position of an actor. */
  static begin(actor: Actor, surroundings: Surroundings, ticks: number): History {
    const run = new Run(actor, surroundings)
    const paused = run.begin(ticks)
    return new History({ actor, surroundings, size: 0 }, { parent: null, last: [], ticks, run, paused })
  }

  /** The position after all operations were answered and the process went on at this time. */
  next(given: readonly Given[], ticks: number): History {
    const key = `${ticks} ${given.map(({ name }) => name).join(' ')}`
    const known = this.#children.get(key)
    if (known !== undefined) return known
    const run = this.#run()
    const paused = run.resume(given, ticks)
    const child = new History(this.#tree, { parent: this, last: given, ticks, run, paused })
    this.#children.set(key, child)
    return child
  }

  /** A generator that stands here: the parked one, or a new one that is told everything again. */
  #run(): Run {
    const parked = this.#parked
    if (parked !== null) {
      this.#parked = null
      return parked
    }
    const { actor, surroundings } = this.#tree
    const run = new Run(actor, surroundings)
    for (const position of this.#fromStart()) {
      const { paused } =
        position.parent === null ? run.begin(position.#ticks) : run.resume(position.last, position.#ticks)
      assertSame(position, paused.ops)
    }
    return run
  }

  #fromStart(): History[] {
    return this.parent === null ? [this] : [...this.parent.#fromStart(), this]
  }
}

interface Tree {
  readonly actor: Actor
  readonly surroundings: Surroundings
  size: number
}

interface Position {
  readonly parent: History | null
  readonly last: readonly Given[]
  readonly ticks: number
  readonly run: Run
  readonly paused: { readonly paused: Paused; readonly notes: readonly Note[] }
}

interface Paused {
  readonly ops: readonly StoreOp[]
  readonly ending: Ending | null
}

/** The determinism guard: an actor that was told the same asks for the same. */
function assertSame(position: History, ops: readonly StoreOp[]): void {
  const same =
    ops.length === position.ops.length &&
    ops.every((op, index) => {
      const other = position.ops[index]
      if (other === undefined || op.kind !== other.kind || op.path !== other.path) return false
      return op.kind !== 'put' || other.kind !== 'put' || op.body === other.body
    })
  if (!same) throw new Error(`${position.actor.name} did not repeat itself`)
}

/** One running generator. Everything but the store is answered on the spot. */
class Run {
  readonly #generator: ReturnType<Actor['start']>
  readonly #actor: Actor
  readonly #surroundings: Surroundings
  #drawn = 0
  /** Which operations of the batch are the store's; the others are answered already. */
  #batch: { readonly is_array: boolean; readonly answers: (Answer | typeof STORE)[] } | null = null

  constructor(actor: Actor, surroundings: Surroundings) {
    this.#actor = actor
    this.#surroundings = surroundings
    this.#generator = actor.start()
  }

  begin(ticks: number): Position['paused'] {
    return this.#until(() => this.#generator.next(), ticks)
  }

  resume(given: readonly Given[], ticks: number): Position['paused'] {
    const batch = this.#batch
    if (batch === null) throw new Error(`${this.#actor.name} has ended`)
    let next = 0
    const answers = batch.answers.map((answer) => (answer === STORE ? given[next++]?.value : answer))
    return this.#until(() => this.#generator.next(batch.is_array ? answers : answers[0]), ticks)
  }

  /** Run to the next step that needs the store, or to the end. */
  #until(start: () => IteratorResult<ActorStep, unknown>, ticks: number): Position['paused'] {
    const notes: Note[] = []
    this.#batch = null
    try {
      for (let next = start(); ;) {
        if (next.done === true) return { paused: { ops: [], ending: { answered: next.value } }, notes }
        const is_array = Array.isArray(next.value)
        const step = (is_array ? next.value : [next.value]) as readonly Exclude<ActorStep, readonly Op[]>[]
        const answers = step.map((op) => this.#here(op, ticks, notes))
        if (answers.includes(STORE)) {
          this.#batch = { is_array, answers }
          const ops = step.filter((_, index) => answers[index] === STORE).map((op) => this.#storeOp(op))
          return { paused: { ops, ending: null }, notes }
        }
        next = this.#generator.next((is_array ? answers : answers[0]) as Answer)
      }
    } catch (threw) {
      return { paused: { ops: [], ending: { threw } }, notes }
    }
  }

  /** The answer of an operation that needs no store, or `STORE`. */
  #here(op: Exclude<ActorStep, readonly Op[]>, ticks: number, notes: Note[]): Answer | typeof STORE {
    const { clock, body, root, root_is_known } = this.#surroundings
    switch (op.kind) {
      case 'get':
      case 'put':
      case 'delete':
      case 'overwrite':
        return STORE
      case 'now': {
        const { now_ms, monotonic_ms } = clock(ticks)
        return { now_ms: now_ms + this.#actor.skew_ms, monotonic_ms }
      }
      case 'ulid':
        this.#drawn += 1
        return `${idPrefix(this.#actor.index)}${String(this.#drawn).padStart(12, '0')}`
      case 'sha256':
        return body(op.bytes).sha256
      case 'known_root':
        return root_is_known ? root : null
      case 'resolve':
        return root
      case 'pause':
        return undefined
      case 'note':
        notes.push(op.note)
        return undefined
      case 'parquet_rows':
        throw new Error('no catalog in an explored world')
    }
  }

  #storeOp(op: Exclude<ActorStep, readonly Op[]>): StoreOp {
    switch (op.kind) {
      case 'get':
        return { kind: 'get', path: op.path }
      case 'put': {
        const { path, precondition } = op
        const meta: Meta | undefined = op.meta
        return { kind: 'put', path, body: this.#surroundings.body(op.bytes), precondition, meta }
      }
      case 'overwrite': {
        const body = this.#surroundings.body(op.bytes)
        return { kind: 'put', path: op.path, body, precondition: 'anyway', meta: undefined }
      }
      case 'delete':
        return { kind: 'delete', path: op.path }
      case 'now':
      case 'ulid':
      case 'pause':
      case 'sha256':
      case 'known_root':
      case 'resolve':
      case 'parquet_rows':
      case 'note':
        throw new Error(`${op.kind} is not a store operation`)
    }
  }
}

const STORE = Symbol('store')

/** What the ULIDs that an actor draws begin with. */
export function idPrefix(index: number): string {
  return `01JKTT0G00${String(index).padStart(4, '0')}`
}
