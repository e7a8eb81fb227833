/**
 * Certification (spec/providers.md 7): may this bucket be written to? K-1…K-11 against the real service, on fresh keys below
 * `__arco/certify/` that are deleted again. A store that ignores a condition would lose commits; it stays read-only.
 */
import {
  CertifyRun,
  failed,
  undecided,
  type CertifyOptions,
  type Findings,
  type Verdict,
} from './certify-run.ts'
import { STEPS, type Step } from './certify-steps.ts'
import { StoreError, type Certifiable, type MaintenanceStore } from './types.ts'

/** One step. The `detail` of one that failed says what the store got wrong, in words for its vendor. */
export interface CertificationStep {
  readonly id: `K-${number}`
  /** What was tried. */
  readonly action: string
  /** `warn`: worth knowing, and no reason to refuse. `undecided`: the store gave no answer that proves anything. */
  readonly verdict: Verdict['verdict'] | 'warn' | 'not_run'
  /** What was expected and what was seen. */
  readonly detail: string
}

/** What the steps came to, and what the driver must be told about this store. */
export interface Certification extends Findings {
  /** `refused`: it got a condition wrong. `undecided`: it could not be asked, as with wrong credentials. */
  readonly conclusion: 'certified' | 'refused' | 'undecided'
  readonly certified: boolean
  readonly steps: readonly CertificationStep[]
}

/** What a caller may take into its own hands. */
export interface CertificationOptions extends CertifyOptions {
  /** Reports each step as it ends. */
  onStep?(step: CertificationStep): void
}

/** Run all steps. A required step that does not pass ends the run: what follows would prove nothing. */
export async function certify(
  driver: MaintenanceStore & Certifiable,
  options: CertificationOptions = {},
): Promise<Certification> {
  const run = new CertifyRun(driver, options)
  const steps: CertificationStep[] = []
  let conclusion: Certification['conclusion'] = 'certified'
  try {
    for (const each of STEPS) {
      const { id, action, is_required } = each
      const seen = conclusion === 'certified' ? await judged(each, run) : NOT_RUN
      const verdict =
        is_required || seen.verdict === 'pass' || seen.verdict === 'not_run' ? seen.verdict : 'warn'
      const step: CertificationStep = { id, action, verdict, detail: seen.detail }
      if (verdict === 'fail') conclusion = 'refused'
      if (verdict === 'undecided') conclusion = 'undecided'
      steps.push(step)
      options.onStep?.(step)
    }
  } finally {
    await run.cleanUp()
  }
  return { conclusion, certified: conclusion === 'certified', steps, ...run.findings }
}

const NOT_RUN = { verdict: 'not_run', detail: 'not run: an earlier step did not pass' } as const

async function judged({ sends, check }: Step, run: CertifyRun): Promise<Verdict> {
  try {
    return await check(run)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    const text = `${error.code}: ${error.message}`
    // The read of K-1 has shown that the bucket is there: a request that it cannot serve is one of ours.
    const expected =
      sends === undefined ? 'an answer' : `a put with ${run.conditions()[sends]} to be evaluated`
    return error.code === 'misconfigured' || error.code === 'corrupt' || error.code === 'unsupported'
      ? failed(`expected ${expected}, the store failed with ${text}`)
      : undecided(text)
  }
}
