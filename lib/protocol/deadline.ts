/**
 * A time limit around any operation, protocol or maintenance (spec/http-api.md 11). When the time is up the operation can read nothing more:
 * it ends as if the store did not answer, by its own rules, and still gives back what it holds. Writes are never cut:
 * one that was sent may have landed, and only the operation knows how to find out.
 */
import { StoreError } from '../store/types.ts'
import { isBatch } from './run.ts'
import { now, type Answer, type Op, type ReadFailed, type Step } from './effects.ts'
import type { MaintenanceOp } from './maintenance/effects.ts'

/** An operation that asks for steps of one kind. */
type Work<O extends MaintenanceOp, R> = Generator<O | readonly O[], R, Answer | readonly Answer[]>

/** Run `work` for at most `limit_ms`, measured from its first step. */
export function* withDeadline<R, O extends MaintenanceOp = Op>(
  work: Work<O, R>,
  limit_ms: number,
): Generator<O | readonly O[] | Step, R, Answer | readonly Answer[]> {
  const { monotonic_ms } = yield* now()
  const ends_ms = monotonic_ms + limit_ms
  let next = work.next()
  while (next.done !== true) {
    let answer: Answer | readonly Answer[]
    try {
      answer = yield* inTime(next.value, ends_ms)
    } catch (error) {
      next = work.throw(error)
      continue
    }
    next = work.next(answer)
  }
  return next.value
}

/** The step as it is, or with every read of it refused. */
function* inTime<O extends MaintenanceOp>(
  step: O | readonly O[],
  ends_ms: number,
): Generator<O | readonly O[] | Step, Answer | readonly Answer[], Answer | readonly Answer[]> {
  const ops: readonly O[] = isBatch<O>(step) ? step : [step]
  if (!ops.some((op) => readOf(op) !== null) || (yield* now()).monotonic_ms < ends_ms) {
    return (yield step) as Answer | readonly Answer[]
  }
  const others = ops.filter((op) => readOf(op) === null)
  const performed = others.length === 0 ? [] : ((yield others) as readonly Answer[])
  let at = 0
  const answers = ops.map((op) => {
    const path = readOf(op)
    return path === null ? (performed[at++] as Answer) : tooLate(path)
  })
  return isBatch<O>(step) ? answers : (answers[0] as Answer)
}

/** What a read is about; null for an operation that reads nothing of the store. */
function readOf(op: MaintenanceOp): string | null {
  if (op.kind === 'list') return op.prefix
  return op.kind === 'get' || op.kind === 'head' ? op.path : null
}

function tooLate(path: string): ReadFailed {
  return { outcome: 'failed', error: new StoreError('unavailable', path, 'the time of the request is up') }
}
