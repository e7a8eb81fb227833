/** K-1…K-11 of spec/providers.md 7: what is tried, and what a store must do then. */
import { failed, passed, PUT_ATTEMPTS, undecided, type CertifyRun, type Verdict } from './certify-run.ts'
import { ABORTED, unlessAborted } from './network.ts'
import { sameVersion } from './tokens.ts'
import { StoreError, type PutResult, type Token } from './types.ts'

/** How many writers race in K-7 and K-8. */
const RACERS = 8

/** How long a probe may take that is no operation of the store interface. */
const PROBE_MS = 10_000

/** One step. */
export interface Step {
  readonly id: `K-${number}`
  /** What is tried. */
  readonly action: string
  readonly is_required: boolean
  /** Which condition it sends, where it is one. */
  readonly sends?: 'create' | 'replace'
  check(run: CertifyRun): Promise<Verdict>
}

/** In the order in which they are run. */
export const STEPS: readonly Step[] = [
  { id: 'K-1', action: 'create a new key if absent', is_required: true, sends: 'create', check: createsNew },
  { id: 'K-2', action: 'read it back', is_required: true, check: readsBack },
  {
    id: 'K-3',
    action: 'create it again if absent',
    is_required: true,
    sends: 'create',
    check: refusesSecondCreate,
  },
  {
    id: 'K-4',
    action: 'replace it with its token',
    is_required: true,
    sends: 'replace',
    check: replacesWithToken,
  },
  {
    id: 'K-5',
    action: 'replace it with the old token',
    is_required: true,
    sends: 'replace',
    check: refusesOldToken,
  },
  {
    id: 'K-6',
    action: 'replace what does not exist',
    is_required: true,
    sends: 'replace',
    check: refusesMissingKey,
  },
  {
    id: 'K-7',
    action: `${RACERS} create one new key at once`,
    is_required: true,
    sends: 'create',
    check: oneCreateWins,
  },
  {
    id: 'K-8',
    action: `${RACERS} replace one object at once`,
    is_required: true,
    sends: 'replace',
    check: oneReplaceWins,
  },
  { id: 'K-9', action: 'put with a wrong digest', is_required: false, check: verifiesDigest },
  { id: 'K-10', action: 'delete with an old token', is_required: false, check: deletesConditionally },
  { id: 'K-11', action: 'read unless unchanged', is_required: false, check: readsConditionally },
]

/** The read comes first: it tells a bucket that cannot be reached from one that gets conditions wrong. */
async function createsNew(run: CertifyRun): Promise<Verdict> {
  const key = run.freshKey()
  const before = await lookFirst(run, key)
  if (before !== null) return before
  const bytes = run.freshBytes()
  const result = await run.put(key, bytes, 'doesNotExist')
  if (result.outcome === 'ok') {
    run.main = { key, bytes, first: result.token, token: result.token }
    return passed('created')
  }
  return expectOutcome(result, 'ok', `A put with ${run.conditions().create} must create a new key.`)
}

/** Null when the bucket answers. */
async function lookFirst(run: CertifyRun, key: string): Promise<Verdict | null> {
  try {
    return (await run.read(key)) === null
      ? null
      : failed('expected no object under a name that nobody ever used, saw one')
  } catch (error) {
    if (error instanceof StoreError) return undecided(`${error.code}: ${error.message}`)
    throw error
  }
}

async function readsBack(run: CertifyRun): Promise<Verdict> {
  const { key, bytes, token } = run.current()
  const object = await run.read(key)
  if (object === null)
    return failed('expected the object just written, saw none: reads are not consistent with writes')
  if (!same(object.bytes, bytes)) return failed('expected the bytes just written, saw others')
  return sameVersion(object.token, token)
    ? passed('same bytes, same token')
    : failed(`expected the token of the write (${token}), saw ${object.token}`)
}

async function refusesSecondCreate(run: CertifyRun): Promise<Verdict> {
  const { key } = run.current()
  const result = await run.put(key, run.freshBytes(), 'doesNotExist')
  return refusedAndUnchanged(
    run,
    result,
    `a put with ${run.conditions().create} on an existing key must be refused (412); this store replaced the object, so the condition is ignored, or stripped on the way`,
  )
}

async function replacesWithToken(run: CertifyRun): Promise<Verdict> {
  const rule = `A put with ${run.conditions().replace} of the current version must replace the object.`
  const quoted = await replaceMain(run)
  if (quoted === 'same token') return failed('expected another token after a replacement, saw the same')
  if (quoted !== null && quoted.outcome === 'ok') return passed('replaced; the token changed')
  const unquoted = run.driver.certification.withIfMatchStyle?.('unquoted')
  if (unquoted === undefined || (quoted !== null && quoted.outcome !== 'precondition_failed')) {
    return quoted === null ? failed(`expected ok, saw an error. ${rule}`) : expectOutcome(quoted, 'ok', rule)
  }
  run.driver = unquoted
  run.found({ if_match_style: 'unquoted' })
  const again = await replaceMain(run)
  if (again === null || again === 'same token') return failed(`expected ok, saw an error. ${rule}`)
  return again.outcome === 'ok'
    ? passed('replaced; this store wants If-Match without quotes')
    : expectOutcome(again, 'ok', `${rule} It was tried with and without quotes.`)
}

/** Null for a request that the store cannot serve, as some answer a spelling that they do not know. */
async function replaceMain(run: CertifyRun): Promise<PutResult | 'same token' | null> {
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

async function refusesOldToken(run: CertifyRun): Promise<Verdict> {
  const { key, first } = run.current()
  const result = await run.put(key, run.freshBytes(), { matchesVersion: first })
  return refusedAndUnchanged(
    run,
    result,
    `a put with ${run.conditions().replace} of an old version must be refused (412); this store replaced the object, so the condition is ignored, or stripped on the way`,
  )
}

async function refusesMissingKey(run: CertifyRun): Promise<Verdict> {
  const key = run.freshKey()
  const result = await run.put(key, run.freshBytes(), { matchesVersion: run.current().token })
  if (result.outcome !== 'precondition_failed') {
    const rule = `A put with ${run.conditions().replace} must not create a key that does not exist.`
    return expectOutcome(result, 'precondition_failed', rule)
  }
  return (await run.read(key)) === null
    ? passed('refused; the key is still absent')
    : failed('expected no object after a refused put, saw one')
}

async function oneCreateWins(run: CertifyRun): Promise<Verdict> {
  return race(run, async () => ({ key: run.freshKey(), precondition: 'doesNotExist' }))
}

async function oneReplaceWins(run: CertifyRun): Promise<Verdict> {
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
async function race(run: CertifyRun, prepare: () => Promise<Start | Verdict>): Promise<Verdict> {
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
      const stored = await run.read(start.key)
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

async function verifiesDigest(run: CertifyRun): Promise<Verdict> {
  const probe = run.driver.certification.putWithWrongDigest
  if (probe === undefined) return failed('this driver sends no digest')
  const seen = await unlessAborted(AbortSignal.timeout(PROBE_MS), probe(run.freshKey(), run.freshBytes()))
  if (seen === ABORTED) return failed(NO_ANSWER)
  const verifies_digest = seen === 'refused'
  run.found({ verifies_digest })
  return verifies_digest
    ? passed('refused: the store checks what arrives')
    : failed('accepted: the store does not notice bytes that change on their way')
}

async function deletesConditionally(run: CertifyRun): Promise<Verdict> {
  const { driver } = run
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
  const conditional_delete = result.outcome === 'precondition_failed' && (await run.read(key)) !== null
  run.found({ conditional_delete })
  return conditional_delete
    ? passed('refused: the object is still there')
    : failed(
        `the object is gone: a delete with ${run.conditions().delete} of an old version was not refused; collectors will delete without it`,
      )
}

async function readsConditionally(run: CertifyRun): Promise<Verdict> {
  const probe = run.driver.certification.getIfChanged
  if (probe === undefined) return failed('this driver reads whole objects only')
  const { key, token } = run.current()
  const seen = await unlessAborted(AbortSignal.timeout(PROBE_MS), probe(key, token))
  if (seen === ABORTED) return failed(NO_ANSWER)
  const conditional_get = seen === 'not_modified'
  run.found({ conditional_get })
  return conditional_get ? passed('not sent again') : failed('sent again; only slower')
}

const NO_ANSWER = `no answer within ${PROBE_MS / 1000} s`

async function refusedAndUnchanged(run: CertifyRun, result: PutResult, ignored: string): Promise<Verdict> {
  if (result.outcome === 'ok') return failed(ignored)
  if (result.outcome !== 'precondition_failed') {
    return expectOutcome(result, 'precondition_failed', 'The refusal must be clear.')
  }
  const { key, bytes } = run.current()
  const stored = await run.read(key)
  return stored !== null && same(stored.bytes, bytes)
    ? passed('refused; the object is unchanged')
    : failed('refused, and yet the object changed')
}

/** What has no clear answer proves nothing about the store. */
function expectOutcome(result: PutResult, expected: PutResult['outcome'], rule: string): Verdict {
  if (result.outcome === expected) return passed(expected)
  const text = `expected ${expected}, saw ${result.outcome}. ${rule}`
  return result.outcome === 'unknown' || result.outcome === 'no_effect' ? undecided(text) : failed(text)
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
