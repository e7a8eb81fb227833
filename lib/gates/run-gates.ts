/**
 * Runs the safety gates of section 3 of docs/runbook.md over a deployment's own store, in workspaces of their own that are
 * empty again afterwards. All of them run, whatever an earlier one came to.
 */
import { StoreError } from '../store/types.ts'
import { Bench, type GatesDeps } from './bench.ts'
import { COMMIT_GATES } from './commit-gates.ts'
import { Broken, Undecided, type Gate, type GateResult } from './gate.ts'
import { PROJECTION_GATES } from './projection-gates.ts'
import { STORE_GATES } from './store-gates.ts'

/** Every gate, what all rest on first. */
export const GATES: readonly Gate[] = [...STORE_GATES, ...COMMIT_GATES, ...PROJECTION_GATES]

/** What the gates came to. `undecided`: nothing broke, and not everything could be proven. */
export interface GatesReport {
  readonly conclusion: 'held' | 'broken' | 'undecided'
  /** What every key of this run starts with. */
  readonly scratch: string
  readonly gates: readonly GateResult[]
}

/** What a caller may take into its own hands. */
export interface GatesOptions {
  /** Ends the run: the gate at work is finished, the others are not begun, and what they wrote is removed. */
  readonly signal?: AbortSignal
  /** Reports each gate as it ends. */
  onGate?(result: GateResult): void
  /** What is said of a store that failed: its code and its words, unless told. */
  explain?(error: StoreError): string
}

/** Run all gates. Never throws for what a store does. */
export async function runGates(deps: GatesDeps, options: GatesOptions = {}): Promise<GatesReport> {
  const bench = new Bench(deps)
  const gates: GateResult[] = []
  const tell = (result: GateResult): void => {
    gates.push(result)
    options.onGate?.(result)
  }
  try {
    for (const gate of GATES) {
      tell(options.signal?.aborted === true ? notRun(gate) : await judged(gate, bench, options))
    }
  } finally {
    tell(await judged(CLEAN_UP, bench, options))
  }
  return { conclusion: conclusionOf(gates), scratch: bench.prefix, gates }
}

const CLEAN_UP: Gate = {
  id: 'clean-up',
  promise: 'Nothing of this run is left in the bucket',
  async prove(bench) {
    const { removed, left } = await bench.cleanUp()
    if (left > 0) throw new Undecided(`objects left below ${bench.prefix}: ${left}; delete that prefix`)
    return `${removed} objects deleted, none left below ${bench.prefix}`
  },
}

function notRun({ id, promise }: Gate): GateResult {
  return { id, promise, verdict: 'not_run', evidence: 'not run: the time was over' }
}

async function judged(gate: Gate, bench: Bench, { explain = inItsWords }: GatesOptions): Promise<GateResult> {
  const { id, promise } = gate
  try {
    return { id, promise, verdict: 'holds', evidence: await gate.prove(bench) }
  } catch (error) {
    if (error instanceof Broken) return { id, promise, verdict: 'broken', evidence: error.message }
    if (error instanceof StoreError) {
      return { id, promise, verdict: 'undecided', evidence: explain(error) }
    }
    if (error instanceof Undecided) return { id, promise, verdict: 'undecided', evidence: error.message }
    // A failed assertion of the protocol itself: it stopped before it did something wrong, and that is not what it promises.
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return { id, promise, verdict: 'broken', evidence: `the operation failed with ${what}` }
  }
}

function inItsWords({ code, message }: StoreError): string {
  return `${code}: ${message}`
}

function conclusionOf(gates: readonly GateResult[]): GatesReport['conclusion'] {
  if (gates.some(({ verdict }) => verdict === 'broken')) return 'broken'
  return gates.every(({ verdict }) => verdict === 'holds') ? 'held' : 'undecided'
}
