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
  /** After this long a turn is over, whatever became of it: a platform may end a request without a word. */
  readonly turn_ms: number
}

/**
 * Those of every deployment: clients of the reference give up after 6 s (spec/http-api.md 5.5), and a commit ends after 60 s
 * (11).
 */
export const DEFAULT_TURN_LIMITS: TurnLimits = {
  at_once_max: 16,
  waiting_max: 128,
  wait_ms: 5_000,
  turn_ms: 90_000,
}

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

interface Turn {
  readonly ends_ms: number
}

interface Line {
  readonly at_work: Set<Turn>
  readonly waiting: Set<() => void>
}

/** Make one for a process; `now` is a clock that never goes back, ms. */
export function createTurns(
  limits: TurnLimits = DEFAULT_TURN_LIMITS,
  now: () => number = () => performance.now(),
): Turns {
  const lines = new Map<string, Line>()

  function begin(table: string, line: Line): EndTurn {
    const turn = { ends_ms: now() + limits.turn_ms }
    line.at_work.add(turn)
    return () => {
      if (line.at_work.delete(turn)) handOn(table, line)
    }
  }

  /** Whoever waits comes before whoever comes now. */
  function handOn(table: string, line: Line): void {
    for (const next of line.waiting) {
      if (line.at_work.size >= limits.at_once_max) return
      next()
    }
    if (line.at_work.size === 0 && lines.get(table) === line) lines.delete(table)
  }

  function dropEnded(table: string, line: Line): void {
    for (const turn of line.at_work) if (turn.ends_ms <= now()) line.at_work.delete(turn)
    handOn(table, line)
  }

  return {
    async take(table) {
      const line = lines.get(table) ?? { at_work: new Set(), waiting: new Set() }
      if (line.at_work.size >= limits.at_once_max) dropEnded(table, line)
      lines.set(table, line)
      if (line.at_work.size < limits.at_once_max) return begin(table, line)
      if (line.waiting.size >= limits.waiting_max) return null
      return new Promise((resolve) => {
        function take(): void {
          clearTimeout(timer)
          line.waiting.delete(take)
          resolve(begin(table, line))
        }
        const timer = setTimeout(() => {
          line.waiting.delete(take)
          resolve(null)
        }, limits.wait_ms)
        line.waiting.add(take)
      })
    },
    size: () => lines.size,
  }
}
