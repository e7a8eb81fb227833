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
  const unable = await judged(MAY_CLEAN_UP, bench, options)
  if (unable.verdict !== 'holds') {
    for (const gate of GATES) tell(notRun(gate, 'nothing may be written that cannot be removed'))
    tell({ ...unable, id: CLEAN_UP.id, promise: CLEAN_UP.promise })
    return { conclusion: conclusionOf(gates), scratch: bench.prefix, gates }
  }
  try {
    for (const gate of GATES) {
      tell(
        options.signal?.aborted === true
          ? notRun(gate, 'the time was over')
          : await judged(gate, bench, options),
      )
    }
  } finally {
    tell(await judged(CLEAN_UP, bench, options))
  }
  return { conclusion: conclusionOf(gates), scratch: bench.prefix, gates }
}

/** Asked before anything is written: many credentials may neither list nor delete. */
const MAY_CLEAN_UP: Gate = {
  id: 'may-clean-up',
  promise: 'What this run writes can be listed and deleted again',
  async prove(bench) {
    await bench.checkCleanUp()
    return 'a listing and a delete were answered'
  },
}

const CLEAN_UP: Gate = {
  id: 'clean-up',
  promise: 'Nothing of this run is left in the bucket',
  async prove(bench) {
    const { removed, left } = await cleanedUp(bench)
    if (left > 0) throw new Undecided(`objects left below ${bench.prefix}: ${left}; delete that prefix`)
    return `${removed} objects deleted, none left below ${bench.prefix}`
  },
}

function notRun({ id, promise }: Gate, why: string): GateResult {
  return { id, promise, verdict: 'not_run', evidence: `not run: ${why}` }
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

/** A store that fails now is told as such, with where to look. */
async function cleanedUp(bench: Bench): ReturnType<Bench['cleanUp']> {
  try {
    return await bench.cleanUp()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    throw new Undecided(
      `the store failed (${error.code}): objects may be left below ${bench.prefix}; delete that prefix`,
    )
  }
}

function inItsWords({ code, message }: StoreError): string {
  return `${code}: ${message}`
}

function conclusionOf(gates: readonly GateResult[]): GatesReport['conclusion'] {
  if (gates.some(({ verdict }) => verdict === 'broken')) return 'broken'
  return gates.every(({ verdict }) => verdict === 'holds') ? 'held' : 'undecided'
}
