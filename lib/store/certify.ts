/**
 * Certification (spec/providers.md 7): may this bucket be written to? K-1…K-11 against the real service, on fresh keys below
 * `__arco/certify/` that are deleted again. A store that ignores a condition would lose commits; it stays read-only.
 */
import { ulid } from 'ulid'
import { withLimits, type Limits } from './limits.ts'
import { ABORTED, unlessAborted } from './network.ts'
import { certificationStore, CERTIFY_PREFIX, type CertificationStore } from './unscoped.ts'
import { sameVersion } from './tokens.ts'
import {
  StoreError,
  type Certifiable,
  type CertificationHooks,
  type MaintenanceStore,
  type PutResult,
  type StoredObject,
  type Token,
} from './types.ts'

/** One step. The `detail` of one that failed says what the store got wrong, in words for its vendor. */
export interface CertificationStep {
  readonly id: `K-${number}`
  /** What was tried. */
  readonly action: string
  /** `warn`: worth knowing, and no reason to refuse. `undecided`: the store gave no answer that proves anything. */
  readonly verdict: 'pass' | 'fail' | 'warn' | 'undecided' | 'not_run'
  /** What was expected and what was seen. */
  readonly detail: string
}

/** What the steps came to, and what the driver must be told about this store. */
export interface Certification {
  /** `refused`: it got a condition wrong. `undecided`: it could not be asked, as with wrong credentials. */
  readonly conclusion: 'certified' | 'refused' | 'undecided'
  readonly certified: boolean
  readonly steps: readonly CertificationStep[]
  readonly if_match_style: 'quoted' | 'unquoted'
  readonly conditional_delete: boolean
  readonly conditional_get: boolean
  readonly verifies_digest: boolean
}

/** How many writers race in K-7 and K-8. */
const RACERS = 8

/** How often a put is sent that the store refuses to evaluate now: several allow one write a second to a key. */
const PUT_ATTEMPTS = 5
const PUT_WAIT_MS = 1_200

/** How long a probe may take that is no operation of the store interface. */
const PROBE_MS = 10_000

/** What a caller may take into its own hands. */
export interface CertifyOptions {
  /** Reports each step as it ends. */
  onStep?(step: CertificationStep): void
  sleep?(ms: number): Promise<void>
  /** Time limits of each operation; those of `limits.ts` unless told. */
  readonly limits?: Partial<Limits>
}

type Driver = MaintenanceStore & Certifiable

/** What the steps find out on their way. */
interface Findings {
  driver: Driver
  if_match_style: 'quoted' | 'unquoted'
  conditional_delete: boolean
  conditional_get: boolean
  verifies_digest: boolean
}

/** Run all steps. A required step that does not pass ends the run: what follows would prove nothing. */
export async function certify(driver: Driver, options: CertifyOptions = {}): Promise<Certification> {
  const found: Findings = {
    driver,
    if_match_style: 'quoted',
    conditional_delete: false,
    conditional_get: false,
    verifies_digest: false,
  }
  const run = new Run(found, options)
  const steps: CertificationStep[] = []
  let conclusion: Certification['conclusion'] = 'certified'
  try {
    for (const { id, action, is_required, check } of STEPS) {
      const seen = conclusion === 'certified' ? await judged(check, run) : NOT_RUN
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
  const { if_match_style, conditional_delete, conditional_get, verifies_digest } = found
  const certified = conclusion === 'certified'
  return {
    conclusion,
    certified,
    steps,
    if_match_style,
    conditional_delete,
    conditional_get,
    verifies_digest,
  }
}

type Verdict = Pick<CertificationStep, 'verdict' | 'detail'>

interface Step {
  readonly id: CertificationStep['id']
  readonly action: string
  readonly is_required: boolean
  check(run: Run): Promise<Verdict>
}

const NOT_RUN: Verdict = { verdict: 'not_run', detail: 'not run: an earlier step did not pass' }

async function judged(check: Step['check'], run: Run): Promise<Verdict> {
  try {
    return await check(run)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    const text = `${error.code}: ${error.message}`
    // The read of K-1 has shown that the bucket is there: a request that it cannot serve is one of ours.
    return error.code === 'misconfigured' || error.code === 'corrupt' || error.code === 'unsupported'
      ? failed(`expected an answer, the store failed with ${text}`)
      : undecided(text)
  }
}

/** Keys and values of one certification. */
class Run {
  readonly found: Findings
  private readonly options: CertifyOptions
  private readonly keys = new Set<string>()
  /** The object of K-1, as it was written last. */
  main: { readonly key: string; bytes: Uint8Array; first: Token; token: Token } | null = null

  constructor(found: Findings, options: CertifyOptions) {
    this.found = found
    this.options = options
  }

  store(driver: Driver = this.found.driver): CertificationStore {
    return certificationStore(withLimits(driver, this.options.limits))
  }

  conditions(): CertificationHooks['conditions'] {
    return this.found.driver.certification.conditions
  }

  /** A put; sent again while the store refuses to evaluate it. */
  async put(
    key: string,
    bytes: Uint8Array,
    precondition: 'doesNotExist' | { readonly matchesVersion: Token },
  ): Promise<PutResult> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.store().put(key, bytes, precondition)
      if (result.outcome !== 'no_effect' || attempt === PUT_ATTEMPTS) return result
      await this.wait(result.retry_after_ms)
    }
  }

  async wait(retry_after_ms = 0): Promise<void> {
    const { sleep = async (ms) => new Promise((resolve) => setTimeout(resolve, ms)) } = this.options
    await sleep(Math.min(Math.max(retry_after_ms, PUT_WAIT_MS), PROBE_MS))
  }

  freshKey(): string {
    const key = `${CERTIFY_PREFIX}${ulid(undefined, secureRandom)}`
    this.keys.add(key)
    return key
  }

  /** Bytes that no other put has. */
  freshBytes(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify({ tidemark: 'certification', nonce: crypto.randomUUID() }))
  }

  /** The object of K-1; later steps only run when it is there. */
  current(): NonNullable<Run['main']> {
    if (this.main === null) throw new Error('K-1 has not run')
    return this.main
  }

  async cleanUp(): Promise<void> {
    await Promise.allSettled([...this.keys].map(async (key) => this.store().delete(key)))
  }
}

const STEPS: readonly Step[] = [
  { id: 'K-1', action: 'create a new key if absent', is_required: true, check: createsNew },
  { id: 'K-2', action: 'read it back', is_required: true, check: readsBack },
  { id: 'K-3', action: 'create it again if absent', is_required: true, check: refusesSecondCreate },
  { id: 'K-4', action: 'replace it with its token', is_required: true, check: replacesWithToken },
  { id: 'K-5', action: 'replace it with the old token', is_required: true, check: refusesOldToken },
  { id: 'K-6', action: 'replace a key that does not exist', is_required: true, check: refusesMissingKey },
  { id: 'K-7', action: `${RACERS} create one new key at once`, is_required: true, check: oneCreateWins },
  { id: 'K-8', action: `${RACERS} replace one object at once`, is_required: true, check: oneReplaceWins },
  { id: 'K-9', action: 'put with a wrong digest', is_required: false, check: verifiesDigest },
  { id: 'K-10', action: 'delete with an old token', is_required: false, check: deletesConditionally },
  { id: 'K-11', action: 'read unless unchanged', is_required: false, check: readsConditionally },
]

/** The read comes first: it tells a bucket that cannot be reached from one that gets conditions wrong. */
async function createsNew(run: Run): Promise<Verdict> {
  const key = run.freshKey()
  const before = await lookFirst(run, key)
  if (before !== null) return before
  const bytes = run.freshBytes()
  const result = await run.put(key, bytes, 'doesNotExist')
  if (result.outcome === 'ok') run.main = { key, bytes, first: result.token, token: result.token }
  return expectOutcome(result, 'ok', `A put with ${run.conditions().create} must create a new key.`)
}

/** Null when the bucket answers. */
async function lookFirst(run: Run, key: string): Promise<Verdict | null> {
  try {
    return (await read(run, key)) === null
      ? null
      : failed('expected no object under a name that nobody ever used, saw one')
  } catch (error) {
    if (error instanceof StoreError) return undecided(`${error.code}: ${error.message}`)
    throw error
  }
}

async function readsBack(run: Run): Promise<Verdict> {
  const { key, bytes, token } = run.current()
  const object = await read(run, key)
  if (object === null)
    return failed('expected the object just written, saw none: reads are not consistent with writes')
  if (!same(object.bytes, bytes)) return failed('expected the bytes just written, saw others')
  return sameVersion(object.token, token)
    ? passed('same bytes, same token')
    : failed(`expected the token of the write (${token}), saw ${object.token}`)
}

async function refusesSecondCreate(run: Run): Promise<Verdict> {
  const { key } = run.current()
  const result = await run.put(key, run.freshBytes(), 'doesNotExist')
  return refusedAndUnchanged(
    run,
    result,
    `a put with ${run.conditions().create} on an existing key must be refused (412); this store replaced the object, so the condition is ignored, or stripped on the way`,
  )
}

async function replacesWithToken(run: Run): Promise<Verdict> {
  const rule = `A put with ${run.conditions().replace} of the current version must replace the object.`
  const quoted = await replaceMain(run)
  if (quoted === 'same token') return failed('expected another token after a replacement, saw the same')
  if (quoted !== null && quoted.outcome === 'ok') return passed('replaced; the token changed')
  const unquoted = run.found.driver.certification.withIfMatchStyle?.('unquoted')
  if (unquoted === undefined || (quoted !== null && quoted.outcome !== 'precondition_failed')) {
    return quoted === null ? failed(`expected ok, saw an error. ${rule}`) : expectOutcome(quoted, 'ok', rule)
  }
  run.found.driver = unquoted
  run.found.if_match_style = 'unquoted'
  const again = await replaceMain(run)
  if (again === null || again === 'same token') return failed(`expected ok, saw an error. ${rule}`)
  return again.outcome === 'ok'
    ? passed('replaced; this store wants If-Match without quotes')
    : expectOutcome(again, 'ok', `${rule} It was tried with and without quotes.`)
}

/** Null for a request that the store cannot serve, as some answer a spelling that they do not know. */
async function replaceMain(run: Run): Promise<PutResult | 'same token' | null> {
  const main = run.current()
  const bytes = run.freshBytes()
  try {
    const result = await run.put(main.key, bytes, { matchesVersion: main.token })
    if (result.outcome !== 'ok') return result
    if (sameVersion(result.token, main.token)) return 'same token'
    main.bytes = bytes
    main.token = result.token
    return result
  } catch (error) {
    if (error instanceof StoreError && error.code === 'misconfigured') return null
    throw error
  }
}

async function refusesOldToken(run: Run): Promise<Verdict> {
  const { key, first } = run.current()
  const result = await run.put(key, run.freshBytes(), { matchesVersion: first })
  return refusedAndUnchanged(
    run,
    result,
    `a put with ${run.conditions().replace} of an old version must be refused (412); this store replaced the object, so the condition is ignored, or stripped on the way`,
  )
}

async function refusesMissingKey(run: Run): Promise<Verdict> {
  const key = run.freshKey()
  const result = await run.put(key, run.freshBytes(), { matchesVersion: run.current().token })
  if (result.outcome !== 'precondition_failed') {
    const rule = `A put with ${run.conditions().replace} must not create a key that does not exist.`
    return expectOutcome(result, 'precondition_failed', rule)
  }
  return (await read(run, key)) === null
    ? passed('refused; the key is still absent')
    : failed('expected no object after a refused put, saw one')
}

async function oneCreateWins(run: Run): Promise<Verdict> {
  return race(run, async () => ({ key: run.freshKey(), precondition: 'doesNotExist' }))
}

async function oneReplaceWins(run: Run): Promise<Verdict> {
  return race(run, async () => {
    const key = run.freshKey()
    const created = await run.put(key, run.freshBytes(), 'doesNotExist')
    if (created.outcome !== 'ok') return expectOutcome(created, 'ok', 'A new key could not be created.')
    // A store that allows one write a second to a key would refuse to evaluate any of the racers.
    await run.wait()
    return { key, precondition: { matchesVersion: created.token } }
  })
}

/** Where the racers start. */
interface Start {
  readonly key: string
  readonly precondition: 'doesNotExist' | { readonly matchesVersion: Token }
}

/** Again from a fresh start when the store evaluated none of them. */
async function race(run: Run, prepare: () => Promise<Start | Verdict>): Promise<Verdict> {
  for (let attempt = 1; ; attempt++) {
    const start = await prepare()
    if ('verdict' in start) return start
    const bodies = Array.from({ length: RACERS }, () => run.freshBytes())
    const store = run.store()
    const results = await Promise.all(
      bodies.map(async (bytes) => store.put(start.key, bytes, start.precondition)),
    )
    const winners = results.flatMap(({ outcome }, i) => (outcome === 'ok' ? [bodies[i]] : []))
    const count = (outcome: PutResult['outcome']): number =>
      results.filter((result) => result.outcome === outcome).length
    if (winners.length > 1) {
      return failed(
        `expected exactly one of ${RACERS} simultaneous puts to succeed, ${winners.length} did: this store checks the condition first and writes later, instead of both at once`,
      )
    }
    if (count('unknown') > 0) {
      return undecided(`${count('unknown')} of ${RACERS} simultaneous puts had no clear answer; run it again`)
    }
    const [winner] = winners
    if (winner !== undefined) {
      const stored = await read(run, start.key)
      return stored !== null && same(stored.bytes, winner)
        ? passed('one succeeded, the others were refused, the bytes are the winner’s')
        : failed('expected the bytes of the put that succeeded, saw others')
    }
    if (count('no_effect') === 0) {
      return failed(`expected exactly one of ${RACERS} simultaneous puts to succeed, none did`)
    }
    if (attempt === PUT_ATTEMPTS) return undecided('the store evaluated none of the simultaneous puts (429)')
    await run.wait()
  }
}

async function verifiesDigest(run: Run): Promise<Verdict> {
  const probe = run.found.driver.certification.putWithWrongDigest
  if (probe === undefined) return failed('this driver sends no digest')
  const seen = await unlessAborted(AbortSignal.timeout(PROBE_MS), probe(run.freshKey(), run.freshBytes()))
  if (seen === ABORTED) return failed(NO_ANSWER)
  run.found.verifies_digest = seen === 'refused'
  return run.found.verifies_digest
    ? passed('refused: the store checks what arrives')
    : failed('accepted: the store does not notice bytes that change on their way')
}

async function deletesConditionally(run: Run): Promise<Verdict> {
  const { driver } = run.found
  const conditional = driver.capabilities.conditional_delete
    ? driver
    : driver.certification.withConditionalDelete?.()
  if (conditional === undefined)
    return failed('this driver cannot delete one version only; collectors will not try')
  const key = run.freshKey()
  const first = await run.put(key, run.freshBytes(), 'doesNotExist')
  if (first.outcome !== 'ok') return failed('a scratch object could not be created')
  const second = await run.put(key, run.freshBytes(), { matchesVersion: first.token })
  if (second.outcome !== 'ok') return failed('a scratch object could not be replaced')
  const result = await run.store(conditional).delete(key, { token: first.token })
  run.found.conditional_delete = result.outcome === 'precondition_failed' && (await read(run, key)) !== null
  return run.found.conditional_delete
    ? passed('refused: the object is still there')
    : failed(
        `the object is gone: a delete with ${run.conditions().delete} of an old version was not refused; collectors will delete without it`,
      )
}

async function readsConditionally(run: Run): Promise<Verdict> {
  const probe = run.found.driver.certification.getIfChanged
  if (probe === undefined) return failed('this driver reads whole objects only')
  const { key, token } = run.current()
  const seen = await unlessAborted(AbortSignal.timeout(PROBE_MS), probe(key, token))
  if (seen === ABORTED) return failed(NO_ANSWER)
  run.found.conditional_get = seen === 'not_modified'
  return run.found.conditional_get ? passed('not sent again') : failed('sent again; only slower')
}

const NO_ANSWER = `no answer within ${PROBE_MS / 1000} s`

async function refusedAndUnchanged(run: Run, result: PutResult, ignored: string): Promise<Verdict> {
  if (result.outcome === 'ok') return failed(ignored)
  if (result.outcome !== 'precondition_failed') {
    return expectOutcome(result, 'precondition_failed', 'The refusal must be clear.')
  }
  const { key, bytes } = run.current()
  const stored = await read(run, key)
  return stored !== null && same(stored.bytes, bytes)
    ? passed('refused; the object is unchanged')
    : failed('refused, and yet the object changed')
}

async function read(run: Run, key: string): Promise<StoredObject | null> {
  const result = await run.store().get(key)
  return result.outcome === 'ok' ? result : null
}

/** What has no clear answer proves nothing about the store. */
function expectOutcome(result: PutResult, expected: PutResult['outcome'], rule: string): Verdict {
  if (result.outcome === expected) return passed(expected)
  const text = `expected ${expected}, saw ${result.outcome}. ${rule}`
  return result.outcome === 'unknown' || result.outcome === 'no_effect' ? undecided(text) : failed(text)
}

function passed(detail: string): Verdict {
  return { verdict: 'pass', detail }
}

function failed(detail: string): Verdict {
  return { verdict: 'fail', detail }
}

function undecided(detail: string): Verdict {
  return { verdict: 'undecided', detail }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function secureRandom(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32
}
