/**
 * What expires next: a binary heap by time, in two arrays so that a reminder costs two words. An entry is only a
 * reminder: the row is looked at again when it is due.
 */
import type { Slot } from './rows.ts'

/** Reminders, the earliest first: entry `i` is not later than entries `2i + 1` and `2i + 2`. */
export interface Deadlines<R> {
  readonly times_ms: number[]
  readonly slots: Slot<R>[]
}

/** Nothing to remind of. */
export function noDeadlines<R>(): Deadlines<R> {
  return { times_ms: [], slots: [] }
}

/** Remind of a row at a time. */
export function addDeadline<R>({ times_ms, slots }: Deadlines<R>, at_ms: number, slot: Slot<R>): void {
  let at = times_ms.length
  times_ms.push(at_ms)
  slots.push(slot)
  while (at > 0) {
    const parent = (at - 1) >>> 1
    if ((times_ms[parent] ?? 0) <= at_ms) return
    swap(times_ms, at, parent)
    swap(slots, at, parent)
    at = parent
  }
}

/** The time of the earliest reminder; infinite when there is none. */
export function nextDeadline_ms<R>({ times_ms }: Deadlines<R>): number {
  return times_ms[0] ?? Number.POSITIVE_INFINITY
}

/** Take the earliest reminder. */
export function takeDeadline<R>(deadlines: Deadlines<R>): Slot<R> | undefined {
  const { times_ms, slots } = deadlines
  swap(times_ms, 0, times_ms.length - 1)
  swap(slots, 0, slots.length - 1)
  times_ms.pop()
  const slot = slots.pop()
  sink(deadlines)
  return slot
}

function sink<R>({ times_ms, slots }: Deadlines<R>): void {
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const least = timeAt(times_ms, left + 1) < timeAt(times_ms, left) ? left + 1 : left
    if (timeAt(times_ms, least) >= timeAt(times_ms, at)) return
    swap(times_ms, at, least)
    swap(slots, at, least)
    at = least
  }
}

/** Later than everything beyond the end. */
function timeAt(times_ms: readonly number[], index: number): number {
  return times_ms[index] ?? Number.POSITIVE_INFINITY
}

function swap<V>(values: V[], a: number, b: number): void {
  const [at_a, at_b] = [values[a], values[b]]
  if (at_a === undefined || at_b === undefined) return
  values[a] = at_b
  values[b] = at_a
}
