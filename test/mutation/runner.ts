/**
 * Just enough of a test runner to run our own test files in one process: a test is collected at import, and run by
 * whoever imported the file. `mutate.ts` gives this module to files that ask for vitest.
 */
import { isDeepStrictEqual } from 'node:util'

/** One test of a file. */
export interface Collected {
  readonly name: string
  readonly run: () => unknown
}

let collected: Collected[] = []

/** The tests of the files that were imported since the last time. */
export function takeCollected(): Collected[] {
  const tests = collected
  collected = []
  return tests
}

type Body = () => unknown

/** Collect a test; options do not count here. */
export function test(name: string, options: object | Body, body?: Body): void {
  const run = typeof options === 'function' ? (options as Body) : body
  if (run !== undefined) collected.push({ name, run })
}

/** Collect a test for each row. */
test.each = function each(rows: readonly unknown[]) {
  return (name: string, body: (...row: readonly unknown[]) => unknown): void => {
    for (const [index, row] of rows.entries())
      test(`${name} (${index})`, () => body(...(Array.isArray(row) ? (row as unknown[]) : [row])))
  }
}

/** A group; its tests are collected like others. */
export function describe(_name: string, body: Body): void {
  body()
}

/** Expectations that the tests of the fold make. */
export function expect(actual: unknown) {
  return {
    toBe: (expected: unknown) => insist(Object.is(actual, expected), actual, expected),
    toEqual: (expected: unknown) => insist(isDeepStrictEqual(actual, expected), actual, expected),
    toContain: (expected: unknown) =>
      insist(Array.from(actual as Iterable<unknown>).includes(expected), actual, expected),
    toHaveLength: (expected: number) =>
      insist((actual as ArrayLike<unknown>).length === expected, actual, expected),
    toBeNull: () => insist(actual === null, actual, null),
    toBeGreaterThan: (expected: number) => insist((actual as number) > expected, actual, expected),
    toBeLessThan: (expected: number) => insist((actual as number) < expected, actual, expected),
  }
}

function insist(holds: boolean, actual: unknown, expected: unknown): void {
  if (!holds) throw new Error('not as expected', { cause: { actual, expected } })
}
