/** What expires next: a binary heap by time. An entry is only a reminder, to be checked against the row when it is due. */
import type { Slot } from './rows.ts'

/** A reminder to look at a row. */
export interface Deadline<R> {
  readonly at_ms: number
  readonly slot: Slot<R>
}

/** Reminders, the earliest first; element `i` is not later than `2i + 1` and `2i + 2`. */
export type Deadlines<R> = Deadline<R>[]

/** Add a reminder. */
export function addDeadline<R>(heap: Deadlines<R>, deadline: Deadline<R>): void {
  heap.push(deadline)
  let at = heap.length - 1
  while (at > 0) {
    const parent = (at - 1) >>> 1
    if (timeAt(heap, parent) <= deadline.at_ms) return
    swap(heap, at, parent)
    at = parent
  }
}

/** Take the earliest reminder if it is before `cutoff_ms`, else null. */
export function takeBefore<R>(heap: Deadlines<R>, cutoff_ms: number): Deadline<R> | null {
  const first = heap[0]
  if (first === undefined || first.at_ms >= cutoff_ms) return null
  const last = heap.pop()
  if (last !== undefined && heap.length > 0) {
    heap[0] = last
    sink(heap)
  }
  return first
}

function sink<R>(heap: Deadlines<R>): void {
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const least = timeAt(heap, left + 1) < timeAt(heap, left) ? left + 1 : left
    if (timeAt(heap, least) >= timeAt(heap, at)) return
    swap(heap, at, least)
    at = least
  }
}

/** Later than everything beyond the end. */
function timeAt<R>(heap: Deadlines<R>, index: number): number {
  return heap[index]?.at_ms ?? Number.POSITIVE_INFINITY
}

function swap<R>(heap: Deadlines<R>, a: number, b: number): void {
  const [at_a, at_b] = [heap[a], heap[b]]
  if (at_a === undefined || at_b === undefined) return
  heap[a] = at_b
  heap[b] = at_a
}
