/** How many rounds of store operations a protocol operation takes (spec/coordinator.md 13, C18), counted while it runs. */
import type { Answer, Op, Protocol, Step } from '../../lib/protocol/effects.ts'

/** Rounds so far. */
export interface Rounds {
  count: number
}

/**
 * Run `protocol` and count: a step that touches the store is one round, however many operations it has. What a catalog
 * look-up reads behind the one step that asks for it is not counted apart.
 */
export function* countingRounds<R>(protocol: Protocol<R>, rounds: Rounds): Protocol<R> {
  try {
    let next = protocol.next()
    while (next.done !== true) {
      const step: Step = next.value
      if (touchesStore(step)) rounds.count += 1
      let answer: Answer | readonly Answer[]
      try {
        answer = (yield step) as Answer | readonly Answer[]
      } catch (error) {
        next = protocol.throw(error)
        continue
      }
      next = protocol.next(answer)
    }
    return next.value
  } finally {
    protocol.return(undefined as never)
  }
}

const OF_THE_STORE: ReadonlySet<Op['kind']> = new Set(['get', 'put', 'resolve'])

function touchesStore(step: Step): boolean {
  const ops = Array.isArray(step) ? (step as readonly Op[]) : [step as Op]
  return ops.some(({ kind }) => OF_THE_STORE.has(kind))
}
