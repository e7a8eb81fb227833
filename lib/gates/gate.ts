/**
 * One safety gate: a promise of the protocol in words, and how it is put to the test on the deployment's own store
 * (section 3 of docs/runbook.md). A gate plants what a crash or an overtaken process leaves, lets the code that ships go
 * on from there, and looks into the bucket.
 */
import type { Bench } from './bench.ts'

/** A promise and its proof. */
export interface Gate {
  /** Short and stable, for scripts: `replay-w2`. */
  readonly id: string
  /** What holds, as a sentence that is true when it does. */
  readonly promise: string
  /** Resolves with what was seen; throws `Broken` when the promise does not hold, `Undecided` when nothing was proven. */
  prove(bench: Bench): Promise<string>
}

/** What a gate came to. `undecided`: the store gave no answer that proves anything. */
export interface GateResult {
  readonly id: string
  readonly promise: string
  readonly verdict: 'holds' | 'broken' | 'undecided' | 'not_run'
  /** What was seen, and where it is not what was promised, what was expected. */
  readonly evidence: string
}

/** The promise does not hold: the message says what was expected and what was seen. */
export class Broken extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Broken'
  }
}

/** Neither proven nor broken: the store did not do what it was asked. */
export class Undecided extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Undecided'
  }
}

/** Throws `Broken` unless what was seen is what was expected; both are compared as JSON. */
export function expectSame(what: string, expected: unknown, seen: unknown): void {
  const [wanted, got] = [JSON.stringify(expected), JSON.stringify(seen)]
  if (wanted !== got) throw new Broken(`${what}: expected ${wanted}, saw ${got}`)
}

/** Refusals that come from a store that is busy or away; they say nothing about a promise. */
const STORE_REASONS: ReadonlySet<string> = new Set([
  'outcome_unknown',
  'storage_unavailable',
  'throttled',
  'contention',
])

/** The answer of an operation that has to succeed. */
export function succeeded<R extends { readonly ok: boolean }>(
  what: string,
  result: R,
): Extract<R, { readonly ok: true }> {
  if (result.ok) return result as Extract<R, { readonly ok: true }>
  throw failure(`${what}: expected it to succeed`, result)
}

/** Throws unless an operation was refused for one of these reasons. */
export function expectRefused(
  what: string,
  reasons: readonly string[],
  result: { readonly ok: boolean; readonly reason?: string },
): void {
  if (!result.ok && reasons.includes(result.reason ?? '')) return
  throw failure(`${what}: expected ${reasons.join(' or ')}`, result)
}

function failure(expected: string, result: { readonly ok: boolean; readonly reason?: string }): Error {
  const reason = result.reason ?? ''
  const seen = result.ok ? 'it succeeded' : `saw ${reason}`
  return STORE_REASONS.has(reason)
    ? new Undecided(`${expected}, ${seen}`)
    : new Broken(`${expected}, ${seen}`)
}
