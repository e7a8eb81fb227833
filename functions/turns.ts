/**
 * Commits of one table take turns (S30): a few at work, a bounded queue of others in the order in which they came, and
 * whoever comes when the queue is full is told to come back. A table that is stormed costs a bounded number of
 * store calls and of requests in memory, and other tables nothing. Promises nothing: the conditional puts decide.
 */
import type { Problem } from './problem.ts'

/** Bounds for one table in one process. */
export interface TurnLimits {
  readonly at_once_max: number
  readonly waiting_max: number
  /** How long one may wait for its turn, ms. */
  readonly wait_ms: number
}

/** Those of every deployment: clients of the reference give up after 6 s (spec/http-api.md 5.5). */
export const DEFAULT_TURN_LIMITS: TurnLimits = { at_once_max: 16, waiting_max: 128, wait_ms: 5_000 }

/** Ends a turn; more than once does nothing. */
export type EndTurn = () => void

/** Who is at work on what. */
export interface Turns {
  /** Wait for a turn on `table`; null when there is none to be had. */
  take(table: string): Promise<EndTurn | null>
  /** Tables somebody is at work on. */
  size(): number
}

/** For whoever gets no turn. */
export const NO_TURN: Problem = {
  reason: 'rate_limited',
  detail: 'Too many commits on this table are waiting for their turn. Retry after 1 seconds.',
  members: { retry_after_ms: 1000 },
}

interface Line {
  at_work: number
  readonly waiting: Set<() => void>
}

/** Make one for a process. */
export function createTurns(limits: TurnLimits = DEFAULT_TURN_LIMITS): Turns {
  const lines = new Map<string, Line>()

  function turnOn(table: string, line: Line): EndTurn {
    let has_ended = false
    return () => {
      if (has_ended) return
      has_ended = true
      const [next] = line.waiting
      // The turn is handed on, so that nobody who comes now overtakes those who wait.
      if (next !== undefined) next()
      else if (--line.at_work === 0) lines.delete(table)
    }
  }

  return {
    async take(table) {
      const line = lines.get(table) ?? { at_work: 0, waiting: new Set() }
      lines.set(table, line)
      if (line.at_work < limits.at_once_max) {
        line.at_work += 1
        return turnOn(table, line)
      }
      if (line.waiting.size >= limits.waiting_max) return null
      return new Promise((resolve) => {
        function begin(): void {
          clearTimeout(timer)
          line.waiting.delete(begin)
          resolve(turnOn(table, line))
        }
        const timer = setTimeout(() => {
          line.waiting.delete(begin)
          resolve(null)
        }, limits.wait_ms)
        line.waiting.add(begin)
      })
    },
    size: () => lines.size,
  }
}
