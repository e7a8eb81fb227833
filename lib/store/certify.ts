/**
 * Certification (spec/providers.md 7): may this bucket be written to? K-1…K-11 against the real service, on fresh keys below
 * `__arco/certify/` that are deleted again. A store that ignores a condition would lose commits; it stays read-only.
 */
import { ulid } from 'ulid'
import { certificationStore, CERTIFY_PREFIX, type CertificationStore } from './unscoped.ts'
import { sameVersion } from './tokens.ts'
import {
  StoreError,
  type Certifiable,
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
  /** `warn`: worth knowing, and no reason to refuse. */
  readonly verdict: 'pass' | 'fail' | 'warn' | 'not_run'
  /** What was expected and what was seen. */
  readonly detail: string
}

/** What the steps came to, and what the driver must be told about this store. */
export interface Certification {
  readonly certified: boolean
  readonly steps: readonly CertificationStep[]
  readonly if_match_style: 'quoted' | 'unquoted'
  readonly conditional_delete: boolean
  readonly conditional_get: boolean
  readonly verifies_digest: boolean
}

/** How many writers race in K-7 and K-8. */
const RACERS = 8

/** Reports each step as it ends. */
export interface CertifyOptions {
  onStep?(step: CertificationStep): void
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

/** Run all steps. A required step that fails ends the run: what follows would prove nothing. */
export async function certify(driver: Driver, options: CertifyOptions = {}): Promise<Certification> {
  const found: Findings = {
    driver,
    if_match_style: 'quoted',
    conditional_delete: false,
    conditional_get: false,
    verifies_digest: false,
  }
  const run = new Run(found)
  const steps: CertificationStep[] = []
  let certified = true
  try {
    for (const { id, action, is_required, check } of STEPS) {
      const verdict = certified ? await judged(check, run) : null
      const step: CertificationStep =
        verdict === null
          ? { id, action, verdict: 'not_run', detail: 'not run: an earlier step failed' }
          : {
              id,
              action,
              verdict: verdict.passed ? 'pass' : is_required ? 'fail' : 'warn',
              detail: verdict.detail,
            }
      if (step.verdict === 'fail') certified = false
      steps.push(step)
      options.onStep?.(step)
    }
  } finally {
    await run.cleanUp()
  }
  const { if_match_style, conditional_delete, conditional_get, verifies_digest } = found
  return { certified, steps, if_match_style, conditional_delete, conditional_get, verifies_digest }
}

interface Verdict {
  readonly passed: boolean
  readonly detail: string
}

interface Step {
  readonly id: CertificationStep['id']
  readonly action: string
  readonly is_required: boolean
  check(run: Run): Promise<Verdict>
}

async function judged(check: Step['check'], run: Run): Promise<Verdict> {
  try {
    return await check(run)
  } catch (error) {
    const why = error instanceof StoreError ? `${error.code}: ${error.message}` : String(error)
    return { passed: false, detail: `expected an answer, the store failed with ${why}` }
  }
}

/** Keys and values of one certification. */
class Run {
  readonly found: Findings
  private readonly keys = new Set<string>()
  /** The object of K-1, as it was written last. */
  main: { readonly key: string; bytes: Uint8Array; first: Token; token: Token } | null = null

  constructor(found: Findings) {
    this.found = found
  }

  store(): CertificationStore {
    return certificationStore(this.found.driver)
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

async function createsNew(run: Run): Promise<Verdict> {
  const key = run.freshKey()
  const bytes = run.freshBytes()
  const result = await run.store().put(key, bytes, 'doesNotExist')
  if (result.outcome === 'ok') run.main = { key, bytes, first: result.token, token: result.token }
  return expectOutcome(result, 'ok', 'The store must accept a put with "if absent" on a new key.')
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
  const result = await run.store().put(key, run.freshBytes(), 'doesNotExist')
  return refusedAndUnchanged(run, result, {
    ignored:
      'a put with "if absent" (If-None-Match: *) on an existing key must be refused with 412; this store replaced the object, so the header is ignored or stripped on the way',
  })
}

async function replacesWithToken(run: Run): Promise<Verdict> {
  const quoted = await replaceMain(run)
  if (quoted.outcome === 'ok') return passed('replaced; the token changed')
  const unquoted = run.found.driver.certification.withIfMatchStyle?.('unquoted')
  if (quoted.outcome !== 'precondition_failed' || unquoted === undefined) {
    return expectOutcome(quoted, 'ok', 'A put with the current token (If-Match) must replace the object.')
  }
  run.found.driver = unquoted
  run.found.if_match_style = 'unquoted'
  const again = await replaceMain(run)
  return again.outcome === 'ok'
    ? passed('replaced; this store wants If-Match without quotes')
    : expectOutcome(
        again,
        'ok',
        'A put with the current token (If-Match, quoted or not) must replace the object.',
      )
}

async function replaceMain(run: Run): Promise<PutResult> {
  const main = run.current()
  const bytes = run.freshBytes()
  const result = await run.store().put(main.key, bytes, { matchesVersion: main.token })
  if (result.outcome === 'ok' && !sameVersion(result.token, main.token)) {
    main.bytes = bytes
    main.token = result.token
  }
  return result
}

async function refusesOldToken(run: Run): Promise<Verdict> {
  const { key, first, token } = run.current()
  if (sameVersion(first, token)) return failed('expected another token after a replacement, saw the same')
  const result = await run.store().put(key, run.freshBytes(), { matchesVersion: first })
  return refusedAndUnchanged(run, result, {
    ignored:
      'a put with an old token (If-Match) must be refused with 412; this store replaced the object, so the header is ignored or stripped on the way',
  })
}

async function refusesMissingKey(run: Run): Promise<Verdict> {
  const key = run.freshKey()
  const result = await run.store().put(key, run.freshBytes(), { matchesVersion: run.current().token })
  if (result.outcome !== 'precondition_failed') {
    return expectOutcome(result, 'precondition_failed', 'If-Match on a missing key must not create it.')
  }
  return (await read(run, key)) === null
    ? passed('refused; the key is still absent')
    : failed('expected no object after a refused put, saw one')
}

async function oneCreateWins(run: Run): Promise<Verdict> {
  const key = run.freshKey()
  return race(run, key, 'doesNotExist')
}

async function oneReplaceWins(run: Run): Promise<Verdict> {
  const key = run.freshKey()
  const created = await run.store().put(key, run.freshBytes(), 'doesNotExist')
  if (created.outcome !== 'ok') return expectOutcome(created, 'ok', 'A new key could not be created.')
  return race(run, key, { matchesVersion: created.token })
}

async function race(
  run: Run,
  key: string,
  precondition: 'doesNotExist' | { readonly matchesVersion: Token },
): Promise<Verdict> {
  const store = run.store()
  const bodies = Array.from({ length: RACERS }, () => run.freshBytes())
  const results = await Promise.all(bodies.map(async (bytes) => store.put(key, bytes, precondition)))
  const winners = results.flatMap((result, index) => (result.outcome === 'ok' ? [index] : []))
  const undecided = results.filter(({ outcome }) => outcome === 'unknown').length
  if (winners.length !== 1 || undecided > 0) {
    return failed(
      `expected exactly one of ${RACERS} simultaneous puts to succeed, ${winners.length} did and ${undecided} had no clear answer: conditions are checked before the write, not with it`,
    )
  }
  const stored = await read(run, key)
  const winner = bodies[winners[0] ?? 0]
  return stored !== null && winner !== undefined && same(stored.bytes, winner)
    ? passed('one succeeded, the others were refused, the bytes are the winner’s')
    : failed('expected the bytes of the put that succeeded, saw others')
}

async function verifiesDigest(run: Run): Promise<Verdict> {
  const probe = run.found.driver.certification.putWithWrongDigest
  if (probe === undefined) return failed('this driver sends no digest')
  run.found.verifies_digest = (await probe(run.freshKey(), run.freshBytes())) === 'refused'
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
  const store = certificationStore(conditional)
  const key = run.freshKey()
  const first = await store.put(key, run.freshBytes(), 'doesNotExist')
  if (first.outcome !== 'ok') return failed('a scratch object could not be created')
  const second = await store.put(key, run.freshBytes(), { matchesVersion: first.token })
  if (second.outcome !== 'ok') return failed('a scratch object could not be replaced')
  const result = await store.delete(key, { token: first.token })
  run.found.conditional_delete = result.outcome === 'precondition_failed' && (await read(run, key)) !== null
  return run.found.conditional_delete
    ? passed('refused: the object is still there')
    : failed('the object is gone: If-Match on DELETE is ignored; collectors will delete without it')
}

async function readsConditionally(run: Run): Promise<Verdict> {
  const probe = run.found.driver.certification.getIfChanged
  if (probe === undefined) return failed('this driver reads whole objects only')
  const { key, token } = run.current()
  run.found.conditional_get = (await probe(key, token)) === 'not_modified'
  return run.found.conditional_get ? passed('not sent again') : failed('sent again; only slower')
}

async function refusedAndUnchanged(
  run: Run,
  result: PutResult,
  texts: { readonly ignored: string },
): Promise<Verdict> {
  if (result.outcome === 'ok') return failed(texts.ignored)
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

function expectOutcome(result: PutResult, expected: PutResult['outcome'], rule: string): Verdict {
  return result.outcome === expected
    ? passed(expected)
    : failed(`expected ${expected}, saw ${result.outcome}. ${rule}`)
}

function passed(detail: string): Verdict {
  return { passed: true, detail }
}

function failed(detail: string): Verdict {
  return { passed: false, detail }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function secureRandom(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32
}
