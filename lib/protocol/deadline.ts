/**
 * A time limit around any protocol operation (spec/http-api.md 11). When the time is up the operation can read nothing more:
 * it ends as if the store did not answer, by its own rules, and still gives back what it holds. Writes are never cut:
 * one that was sent may have landed, and only the operation knows how to find out.
 */
import { StoreError } from '../store/types.ts'
import { isBatch } from './run.ts'
import { now, type Answer, type Op, type Protocol, type ReadFailed, type Step } from './effects.ts'

/** Run `protocol` for at most `limit_ms`, measured from its first step. */
export function* withDeadline<R>(protocol: Protocol<R>, limit_ms: number): Protocol<R> {
  const { monotonic_ms } = yield* now()
  const ends_ms = monotonic_ms + limit_ms
  let next = protocol.next()
  while (next.done !== true) {
    let answer: Answer | readonly Answer[]
    try {
      answer = yield* inTime(next.value, ends_ms)
    } catch (error) {
      next = protocol.throw(error)
      continue
    }
    next = protocol.next(answer)
  }
  return next.value
}

/** The step as it is, or with every read of it refused. */
function* inTime(step: Step, ends_ms: number): Protocol<Answer | readonly Answer[]> {
  const ops: readonly Op[] = isBatch(step) ? step : [step]
  if (!ops.some(isRead) || (yield* now()).monotonic_ms < ends_ms) {
    return (yield step) as Answer | readonly Answer[]
  }
  const others = ops.filter((op) => !isRead(op))
  const performed = others.length === 0 ? [] : ((yield others) as readonly Answer[])
  let at = 0
  const answers = ops.map((op) => (op.kind === 'get' ? tooLate(op.path) : (performed[at++] as Answer)))
  return isBatch(step) ? answers : (answers[0] as Answer)
}

function isRead({ kind }: Op): boolean {
  return kind === 'get'
}

function tooLate(path: string): ReadFailed {
  return { outcome: 'failed', error: new StoreError('unavailable', path, 'the time of the request is up') }
}
