/**
 * The driver: performs what a protocol generator yields and hands back the answers. The only place in
 * `lib/protocol` that waits for anything (decisions.md, Sans-IO protocol).
 */
import { StoreError, type Store } from '../store/types.ts'
import type { Answer, Nesting, Note, Op, Protocol, ReadFailed } from './effects.ts'
import type { TableResolver } from './delta/resolve.ts'
import type { MaintenanceOp } from './maintenance/effects.ts'

/** Everything a protocol operation needs from the process it runs in. `functions/environment.ts` makes one. */
export interface Environment {
  /** Scoped to one tenant and workspace. */
  readonly store: Store
  readonly resolver: TableResolver
  /** Wall clock, epoch ms. */
  now(): number
  /** A clock that never goes back, ms. */
  monotonic(): number
  /** A fresh ULID from the platform's CSPRNG. */
  ulid(): string
  /** Uniform in [0, 1), for jitter only. */
  random(): number
  sleep(ms: number): Promise<void>
  /** Lower-case hex. */
  sha256(bytes: Uint8Array): Promise<string>
  parquetRows(
    bytes: Uint8Array,
    columns: readonly string[],
    nesting: Nesting,
  ): Promise<readonly Readonly<Record<string, unknown>>[]>
  note(note: Note): void
}

/**
 * Drive a protocol operation to its end on a real store. Operations of one batch run together. What the environment
 * throws is thrown into the operation, so that it can give back what it holds.
 */
export async function run<R>(protocol: Protocol<R>, env: Environment): Promise<R> {
  return drive(protocol, async (op) => performOp(op, env))
}

/** Resume a generator with the answers of `perform` until it ends. */
export async function drive<O extends MaintenanceOp, R>(
  work: Generator<O | readonly O[], R, Answer | readonly Answer[]>,
  perform: (op: O) => Promise<Answer>,
): Promise<R> {
  let next = work.next()
  while (next.done !== true) {
    const step = next.value
    let answer: Answer | readonly Answer[]
    try {
      answer = isBatch<O>(step) ? await Promise.all(step.map(perform)) : await perform(step)
    } catch (error) {
      next = work.throw(error)
      continue
    }
    next = work.next(answer)
  }
  return next.value
}

/** A batch is an array of operations. */
export function isBatch<O extends MaintenanceOp = Op>(step: O | readonly O[]): step is readonly O[] {
  return Array.isArray(step)
}

/** Perform one operation of the protocol. */
export async function performOp(op: Op, env: Environment): Promise<Answer> {
  switch (op.kind) {
    case 'get':
      return failing(async () => env.store.get(op.path, { bytes_max: op.bytes_max }))
    case 'put':
      return env.store.put(op.path, op.bytes, op.precondition, op.meta === undefined ? {} : { meta: op.meta })
    case 'resolve':
      return run(env.resolver.resolve(op.table_id), env)
    case 'known_root':
      return env.resolver.knownRoot(op.table_id, env.monotonic())
    case 'now':
      return { now_ms: env.now(), monotonic_ms: env.monotonic() }
    case 'ulid':
      return env.ulid()
    case 'pause':
      await env.sleep(op.min_ms + env.random() * (op.max_ms - op.min_ms))
      return undefined
    case 'sha256':
      return env.sha256(op.bytes)
    case 'parquet_rows':
      return failing(async () => ({
        outcome: 'ok',
        rows: await env.parquetRows(op.bytes, op.columns, op.nesting),
      }))
    case 'note':
      env.note(op.note)
      return undefined
  }
}

/** A failed read is an answer, so that the other operations of its batch are not lost with it. */
export async function failing<A>(read: () => Promise<A>): Promise<A | ReadFailed> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof StoreError) return { outcome: 'failed', error }
    throw error
  }
}
