/** One process that nobody disturbs: how a scenario's table comes to be, and what quiescence sends (9.6). */
import type { Bucket } from './bucket.ts'
import { History, type Given } from './history.ts'
import type { Part, Setup } from './setup.ts'

/** How an undisturbed process ended. */
export interface Alone {
  readonly bucket: Bucket
  readonly history: History
}

/** Perform everything in order, without faults. */
export function runAlone(setup: Setup, part: Part, bucket: Bucket, ticks: number): Alone {
  let at = bucket
  let history = History.begin(part.actor, setup.surroundings, ticks)
  while (history.ending === null) {
    const given: Given[] = []
    for (const op of history.ops) {
      const performed = setup.perform(at, op, ticks)
      at = performed.bucket
      given.push(performed.given)
    }
    history = history.next(given, ticks)
  }
  return { bucket: at, history }
}
