/** Waiting until nobody else comes: what a service needs that checks first and writes later, to be wrong each time. */
import { setTimeout as wait } from 'node:timers/promises'

/** Silence that counts, ms: longer than the pauses between the racers of one certification, on a busy machine too. */
const SILENCE_MS = 80

/** When somebody was last seen. */
export interface Quiet {
  /** Somebody came, or got one step further. */
  seen(): void
  /** Resolves when nobody was seen for a while. */
  over(): Promise<void>
}

/** Make one for everybody who may race. */
export function quiet(): Quiet {
  let steps = 0
  return {
    seen: () => void (steps += 1),
    async over() {
      for (let before = -1; before !== steps;) {
        before = steps
        await wait(SILENCE_MS)
      }
    },
  }
}
