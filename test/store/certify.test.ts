/** K-1…K-11 (providers.md 7) against stores that are right, and wrong in one way each. */
import { describe, expect, test } from 'vitest'
import { certify, type Certification, type CertificationStep } from '../../lib/store/certify.ts'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { CERTIFY_PREFIX } from '../../lib/store/unscoped.ts'
import {
  StoreError,
  type MaintenanceStore,
  type PutResult,
  type StoreErrorCode,
} from '../../lib/store/types.ts'
import type { Driver } from '../support/contract/row.ts'
import { bytesOf } from '../support/objects.ts'

const CONDITIONS = { create: 'If-None-Match: *', replace: 'If-Match: <ETag>', delete: 'If-Match: <ETag>' }

/** A driver of a service that does everything. */
function driverOf(store: MaintenanceStore): Driver {
  return {
    ...store,
    certification: {
      conditions: CONDITIONS,
      putWithWrongDigest: async () => 'refused',
      getIfChanged: async () => 'not_modified',
    },
  }
}

/** Waits are told, not waited. */
async function certified(
  driver: Driver,
): Promise<
  Certification & { readonly waited_ms: readonly number[]; readonly seen: readonly CertificationStep[] }
> {
  const waited_ms: number[] = []
  const seen: CertificationStep[] = []
  const result = await certify(driver, {
    sleep: async (ms) => void waited_ms.push(ms),
    onStep: (step) => void seen.push(step),
    limits: { sleep: async () => undefined },
  })
  return { ...result, waited_ms, seen }
}

/** Verdicts by step, as far as they were reached. */
function verdicts({ steps }: Certification): Record<string, string> {
  return Object.fromEntries(
    steps.filter(({ verdict }) => verdict !== 'not_run').map(({ id, verdict }) => [id, verdict]),
  )
}

function detailOf({ steps }: Certification, id: string): string {
  return steps.find((step) => step.id === id)?.detail ?? ''
}

/** A put that is changed on its way. */
function changedPut(
  store: MemoryStore,
  put: (call: Parameters<MaintenanceStore['put']>) => Promise<PutResult>,
): Driver {
  return driverOf({ ...store, put: async (...call) => put(call) })
}

describe('a store that is right', () => {
  test('passes every step, is left as it was, and is told about at each step', async () => {
    const store = memoryStore()
    store.seed('kept', bytesOf('kept'))
    const result = await certified(driverOf(store))
    expect(verdicts(result)).toEqual(
      Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`K-${i + 1}`, 'pass'])),
    )
    expect(result).toMatchObject({
      conclusion: 'certified',
      certified: true,
      if_match_style: 'quoted',
      conditional_delete: true,
      conditional_get: true,
      verifies_digest: true,
    })
    expect(result.seen).toEqual(result.steps)
    expect([...store.dump().keys()]).toEqual(['kept'])
  })

  test('is written to below __arco/certify/ only, each step under a fresh name', async () => {
    const keys = new Set<string>()
    const store = memoryStore()
    await certified(
      changedPut(store, async (call) => {
        keys.add(call[0])
        return store.put(...call)
      }),
    )
    expect(keys.size).toBeGreaterThanOrEqual(4)
    for (const key of keys) expect(key).toMatch(/^__arco\/certify\/[0-9A-HJKMNP-TV-Z]{26}$/)
  })

  test('is certified with what it cannot do: warnings are no reason to refuse', async () => {
    const store = memoryStore()
    const careless: Driver = {
      ...store,
      capabilities: { ...store.capabilities, conditional_delete: false },
      certification: {
        conditions: CONDITIONS,
        putWithWrongDigest: async () => 'accepted',
        getIfChanged: async () => 'sent',
        withConditionalDelete: () => driverOf({ ...store, delete: async (key) => store.delete(key) }),
      },
    }
    const result = await certified(careless)
    expect(verdicts(result)).toMatchObject({ 'K-8': 'pass', 'K-9': 'warn', 'K-10': 'warn', 'K-11': 'warn' })
    expect(result).toMatchObject({
      conclusion: 'certified',
      conditional_delete: false,
      conditional_get: false,
      verifies_digest: false,
    })
    expect(detailOf(result, 'K-10')).toContain('If-Match: <ETag>')
  })

  test('is certified by a driver that has no probes', async () => {
    const result = await certified({ ...memoryStore(), certification: { conditions: CONDITIONS } })
    expect(result.conclusion).toBe('certified')
    expect(verdicts(result)).toMatchObject({ 'K-9': 'warn', 'K-10': 'pass', 'K-11': 'warn' })
  })

  test('is certified although it allows one write a second to a key', async () => {
    const store = memoryStore()
    const written = new Set<string>()
    const slow = changedPut(store, async (call) => {
      if (written.has(call[0])) return { outcome: 'no_effect', retry_after_ms: 1_000 }
      const result = await store.put(...call)
      if (result.outcome === 'ok') written.add(call[0])
      return result
    })
    const waited_ms: number[] = []
    const result = await certify(slow, {
      async sleep(ms) {
        waited_ms.push(ms)
        written.clear()
      },
    })
    expect(result.conclusion).toBe('certified')
    // At least what the store asks for, and never without a bound.
    for (const ms of waited_ms) expect(ms).toBeGreaterThanOrEqual(1_000)
    for (const ms of waited_ms) expect(ms).toBeLessThanOrEqual(10_000)
  })
})

/** What is wrong, the step that notices it, and a part of what the vendor is told. */
const WRONG: readonly {
  readonly wrong: string
  readonly step: string
  readonly says: string
  make(store: MemoryStore): Driver
}[] = [
  {
    wrong: 'a new key cannot be created',
    step: 'K-1',
    says: 'expected ok, saw precondition_failed. A put with If-None-Match: * must create a new key.',
    make: (store) => changedPut(store, async () => ({ outcome: 'precondition_failed' })),
  },
  {
    wrong: 'conditions are not implemented',
    step: 'K-1',
    says: 'misconfigured: the store cannot serve this bucket: 501 NotImplemented',
    make: (store) =>
      changedPut(store, async ([key]) => {
        throw new StoreError('misconfigured', key, 'the store cannot serve this bucket: 501 NotImplemented')
      }),
  },
  {
    wrong: 'a fresh name is taken',
    step: 'K-1',
    says: 'expected no object under a name that nobody ever used, saw one',
    make: (store) =>
      driverOf({
        ...store,
        get: async () => ({ outcome: 'ok', bytes: bytesOf('index.html'), token: '"e"' }),
      }),
  },
  {
    wrong: 'what was written is not there',
    step: 'K-2',
    says: 'reads are not consistent with writes',
    make: (store) => driverOf({ ...store, get: async () => ({ outcome: 'not_found' }) }),
  },
  {
    wrong: 'other bytes come back',
    step: 'K-2',
    says: 'expected the bytes just written, saw others',
    make: (store) =>
      changedPut(store, async ([key, , condition]) => store.put(key, bytesOf('changed'), condition)),
  },
  {
    wrong: 'a read has another token than the write',
    step: 'K-2',
    says: 'expected the token of the write',
    make: (store) =>
      driverOf({
        ...store,
        async get(key, options) {
          const found = await store.get(key, options)
          return found.outcome === 'ok' ? { ...found, token: `${found.token}0` } : found
        },
      }),
  },
  {
    wrong: 'if absent is ignored',
    step: 'K-3',
    says: 'a put with If-None-Match: * on an existing key must be refused (412); this store replaced the object',
    make: (store) =>
      changedPut(store, async ([key, bytes, condition]) =>
        store.put(key, bytes, condition === 'doesNotExist' ? 'none' : condition),
      ),
  },
  {
    wrong: 'a refused create is stored all the same',
    step: 'K-3',
    says: 'refused, and yet the object changed',
    make: (store) =>
      changedPut(store, async (call) => {
        const result = await store.put(...call)
        if (result.outcome === 'precondition_failed') await store.put(call[0], call[1], 'none')
        return result
      }),
  },
  {
    wrong: 'the current token is refused',
    step: 'K-4',
    says: 'expected ok, saw precondition_failed. A put with If-Match: <ETag> of the current version must replace',
    make: (store) =>
      changedPut(store, async (call) =>
        call[2] === 'doesNotExist' ? store.put(...call) : { outcome: 'precondition_failed' },
      ),
  },
  {
    wrong: 'If-Match is not implemented',
    step: 'K-4',
    says: 'expected ok, saw an error. A put with If-Match: <ETag>',
    make: (store) =>
      changedPut(store, async (call) => {
        if (call[2] === 'doesNotExist') return store.put(...call)
        throw new StoreError('misconfigured', call[0], '501 NotImplemented')
      }),
  },
  {
    wrong: 'a replacement has the same token',
    step: 'K-4',
    says: 'expected another token after a replacement, saw the same',
    make: (store) =>
      changedPut(store, async (call) =>
        typeof call[2] === 'object' ? { outcome: 'ok', token: call[2].matchesVersion } : store.put(...call),
      ),
  },
  {
    wrong: 'if unchanged is ignored',
    step: 'K-5',
    says: 'a put with If-Match: <ETag> of an old version must be refused (412); this store replaced the object',
    make: (store) =>
      changedPut(store, async ([key, bytes, condition]) =>
        store.put(key, bytes, typeof condition === 'object' ? 'none' : condition),
      ),
  },
  {
    wrong: 'if unchanged creates what is not there',
    step: 'K-6',
    says: 'must not create a key that does not exist',
    make: (store) =>
      changedPut(store, async ([key, bytes, condition]) =>
        store.put(key, bytes, typeof condition === 'object' && store.peek(key) === null ? 'none' : condition),
      ),
  },
  {
    wrong: 'a refused replace creates what is not there all the same',
    step: 'K-6',
    says: 'expected no object after a refused put, saw one',
    make: (store) =>
      changedPut(store, async (call) => {
        const result = await store.put(...call)
        if (result.outcome === 'precondition_failed' && store.peek(call[0]) === null)
          store.seed(call[0], call[1])
        return result
      }),
  },
  {
    wrong: 'creates are checked first and written later',
    step: 'K-7',
    says: 'this store checks the condition first and writes later',
    make: (store) => changedPut(store, async (call) => checkedThenWritten(store, call, 'doesNotExist')),
  },
  {
    wrong: 'replaces are checked first and written later',
    step: 'K-8',
    says: 'this store checks the condition first and writes later',
    make: (store) => changedPut(store, async (call) => checkedThenWritten(store, call, 'matchesVersion')),
  },
  {
    wrong: 'nobody wins a race',
    step: 'K-7',
    says: 'expected exactly one of 8 simultaneous puts to succeed, none did',
    make(store) {
      let running = 0
      return changedPut(store, async (call) => {
        running += 1
        await new Promise((resolve) => setImmediate(resolve))
        const is_race = running > 1
        await new Promise((resolve) => setImmediate(resolve))
        running -= 1
        return is_race ? { outcome: 'precondition_failed' } : store.put(...call)
      })
    },
  },
  {
    wrong: 'the bytes of a loser stay',
    step: 'K-7',
    says: 'expected the bytes of the put that succeeded, saw others',
    make(store) {
      let puts = 0
      return changedPut(store, async (call) => {
        const nth = ++puts
        const result = await store.put(...call)
        // The last of the racers of K-7; one put of each earlier step but K-2 came before.
        if (nth === 13) await store.put(call[0], call[1], 'none')
        return result
      })
    },
  },
]

async function checkedThenWritten(
  store: MemoryStore,
  [key, bytes, condition]: Parameters<MaintenanceStore['put']>,
  which: 'doesNotExist' | 'matchesVersion',
): Promise<PutResult> {
  if ((condition === 'doesNotExist') !== (which === 'doesNotExist')) return store.put(key, bytes, condition)
  const found = store.peek(key)
  const holds = typeof condition === 'object' ? found?.token === condition.matchesVersion : found === null
  await new Promise((resolve) => setImmediate(resolve))
  return holds ? store.put(key, bytes, 'none') : { outcome: 'precondition_failed' }
}

describe('a store that is wrong is refused', () => {
  test.each(WRONG)('$step when $wrong', async ({ step, says, make }) => {
    const store = memoryStore()
    const result = await certified(make(store))
    const failed = result.steps.filter(({ verdict }) => verdict === 'fail')
    expect(failed.map(({ id }) => id)).toEqual([step])
    expect(failed[0]?.detail).toContain(says)
    expect(result).toMatchObject({ conclusion: 'refused', certified: false })
    const reached = Object.keys(verdicts(result))
    expect(reached.at(-1)).toBe(step)
    // Nothing of it is left behind.
    expect([...store.dump().keys()].filter((key) => key.startsWith(CERTIFY_PREFIX))).toEqual([])
  })
})

describe('a store that cannot be asked is neither certified nor refused', () => {
  const failing =
    (code: StoreErrorCode, why: string) =>
    async (key: string): Promise<never> => {
      throw new StoreError(code, key, why)
    }

  test.each([
    { code: 'unavailable', why: 'the store did not answer: connect ECONNREFUSED 127.0.0.1:9' },
    { code: 'denied', why: 'the store refused the credentials: 403 InvalidAccessKeyId' },
    { code: 'misconfigured', why: 'the store cannot serve this bucket: 404 NoSuchBucket' },
  ] as const)('when nothing can be read: $code', async ({ code, why }) => {
    const result = await certified(driverOf({ ...memoryStore(), get: failing(code, why) }))
    expect(result).toMatchObject({ conclusion: 'undecided', certified: false })
    expect(verdicts(result)).toEqual({ 'K-1': 'undecided' })
    expect(detailOf(result, 'K-1')).toBe(`${code}: ${why}`)
  })

  test('when nothing may be written', async () => {
    const result = await certified(
      driverOf({
        ...memoryStore(),
        put: failing('denied', 'the store refused the credentials: 403 AccessDenied'),
      }),
    )
    expect(verdicts(result)).toEqual({ 'K-1': 'undecided' })
    expect(detailOf(result, 'K-1')).toContain('403 AccessDenied')
  })

  test('when a put has no clear answer', async () => {
    const result = await certified(changedPut(memoryStore(), async () => ({ outcome: 'unknown' })))
    expect(verdicts(result)).toEqual({ 'K-1': 'undecided' })
    expect(detailOf(result, 'K-1')).toContain('expected ok, saw unknown')
  })

  test('when a put is never evaluated, after five attempts', async () => {
    const store = memoryStore()
    let puts = 0
    const result = await certified(
      changedPut(store, async () => {
        puts += 1
        return { outcome: 'no_effect' }
      }),
    )
    expect(verdicts(result)).toEqual({ 'K-1': 'undecided' })
    expect(puts).toBe(5)
    expect(result.waited_ms).toHaveLength(4)
  })

  test('when one of the racers has no clear answer', async () => {
    const store = memoryStore()
    let puts = 0
    const result = await certified(
      changedPut(store, async (call) => {
        const nth = ++puts
        const put = await store.put(...call)
        return nth === 8 ? { outcome: 'unknown' } : put
      }),
    )
    expect(verdicts(result)).toMatchObject({ 'K-6': 'pass', 'K-7': 'undecided' })
    expect(detailOf(result, 'K-7')).toContain('1 of 8 simultaneous puts had no clear answer')
  })

  test('when none of the racers is ever evaluated', async () => {
    const store = memoryStore()
    let puts = 0
    const result = await certified(
      changedPut(store, async (call) => {
        puts += 1
        return puts > 5 ? { outcome: 'no_effect' } : store.put(...call)
      }),
    )
    expect(verdicts(result)).toMatchObject({ 'K-6': 'pass', 'K-7': 'undecided' })
  })

  test('a bug of the driver is not the store’s fault', async () => {
    const broken = driverOf({ ...memoryStore(), get: async () => Promise.reject(new TypeError('a bug')) })
    await expect(certified(broken)).rejects.toThrow('a bug')
  })
})

describe('a race', () => {
  test('that the store did not evaluate is run again from a fresh start', async () => {
    const store = memoryStore()
    let puts = 0
    const keys: string[] = []
    const result = await certified(
      changedPut(store, async (call) => {
        puts += 1
        keys.push(call[0])
        // The first eight racers of K-7.
        return puts > 5 && puts <= 13 ? { outcome: 'no_effect' } : store.put(...call)
      }),
    )
    expect(result.conclusion).toBe('certified')
    expect(new Set(keys.slice(5, 13)).size).toBe(1)
    expect(keys[13]).not.toBe(keys[5])
  })

  test('may tell its losers of a conflict', async () => {
    const store = memoryStore()
    const result = await certified(
      changedPut(store, async (call) => {
        const put = await store.put(...call)
        const is_racer = call[2] === 'doesNotExist' && store.peek(call[0]) !== null
        return put.outcome === 'precondition_failed' && is_racer && store.dump().size > 1
          ? { outcome: 'no_effect' }
          : put
      }),
    )
    expect(result.conclusion).toBe('certified')
  })
})

test('a probe that fails is a warning', async () => {
  const failing: Driver = {
    ...memoryStore(),
    certification: {
      conditions: CONDITIONS,
      getIfChanged: async () => Promise.reject(new StoreError('unavailable', 'k', 'away')),
    },
  }
  const result = await certified(failing)
  expect(result.conclusion).toBe('certified')
  expect(verdicts(result)['K-11']).toBe('warn')
  expect(detailOf(result, 'K-11')).toBe('unavailable: away')
})
