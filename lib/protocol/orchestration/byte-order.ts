/**
 * Every comparison of texts in the ledger and its projection is of UTF-8 bytes (spec/events.md 0). JavaScript's `<`
 * compares UTF-16 units, which puts U+FFFD after U+1F600 and is a different order of events.
 */
import { compareKeys } from '../../store/keys.ts'

/** Negative, zero or positive, as `a` sorts before, with or after `b` by UTF-8 bytes. */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0
  // Only surrogates put the two orders apart, and the platform compares several times faster than a loop.
  if (SURROGATE.test(a) || SURROGATE.test(b)) return compareKeys(a, b)
  return a < b ? -1 : 1
}

const SURROGATE = /[\ud800-\udfff]/

/** The later of two row versions. */
export function laterVersion(a: string, b: string): string {
  return compareBytes(a, b) >= 0 ? a : b
}
