/** Time limits and retries in front of a driver (storage.md 9, providers.md P-1, P-5, P-7). Time moves only when told. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { withFaults, type Fault, type FaultyCall } from '../../lib/store/faults.ts'
import { withLimits, type Limits } from '../../lib/store/limits.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { StoreError, type MaintenanceStore, type StoreErrorCode } from '../../lib/store/types.ts'
import { bytesOf, createText, readObject, readText } from '../support/objects.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(() => {
  const timers_left = vi.getTimerCount()
  vi.useRealTimers()
  if (timers_left > 0) throw new Error(`${timers_left} timers are left`)
})

/** A store with an object at `a`, behind limits, that notes the calls which reach it and how long was slept. */
function limited(
  plan: (call: FaultyCall, attempt: number) => Fault | undefined,
  overrides: Partial<Limits> = {},
): { readonly store: MaintenanceStore; readonly calls: string[]; readonly slept_ms: number[] } {
  const inner = memoryStore()
  inner.seed('a', bytesOf('seed'))
  const calls: string[] = []
  const slept_ms: number[] = []
  const faulty = withFaults(inner, (call) => {
    calls.push(call.kind)
    return plan(call, calls.length)
  })
  const store = withLimits(faulty, {
    random: () => 1,
    sleep: async (ms) => {
      slept_ms.push(ms)
      vi.advanceTimersByTime(ms)
    },
    ...overrides,
  })
  return { store, calls, slept_ms }
}

const failing =
  (attempts: number) =>
  (_call: FaultyCall, attempt: number): Fault | undefined =>
    attempt <= attempts ? { fault: 'error_before' } : undefined

const hanging = (): Fault => ({ fault: 'hang' })

/** What a call came to and after how much time, once all timers that it sets have fired. */
async function timed<T>(
  call: () => Promise<T>,
): Promise<{ readonly result: T | StoreError; readonly after_ms: number }> {
  const started_ms = performance.now()
  const running = call().then(
    (result) => ({ result, after_ms: performance.now() - started_ms }),
    (error: unknown) => {
      if (!(error instanceof StoreError)) throw error
      return { result: error, after_ms: performance.now() - started_ms }
    },
  )
  await vi.runAllTimersAsync()
  return running
}

describe('a read', () => {
  test.each(['get', 'head', 'list'] as const)(
    'P-5: %s is tried again until the store answers',
    async (kind) => {
      const { store, calls } = limited(failing(3))
      const answer = {
        get: async () => store.get('a'),
        head: async () => store.head('a'),
        list: async () => store.listPage({ prefix: '', limit: 10 }),
      }[kind]
      await expect(answer()).resolves.toBeDefined()
      expect(calls).toEqual([kind, kind, kind, kind])
    },
  )

  test('9: is given up after 4 attempts, with full jitter of 50 ms that doubles', async () => {
    const { store, calls, slept_ms } = limited(failing(9))
    await expect(store.get('a')).rejects.toMatchObject({ code: 'unavailable' })
    expect(calls).toHaveLength(4)
    expect(slept_ms).toEqual([50, 100, 200])
  })

  test('9: a pause is at most 2 s, and any part of that down to nothing', async () => {
    const patient = { read_attempts: 9, total_ms: 60_000 }
    const { store, slept_ms } = limited(failing(8), patient)
    await readObject(store, 'a')
    expect(slept_ms).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000])
    const eager = limited(failing(3), { random: () => 0 })
    await readObject(eager.store, 'a')
    expect(eager.slept_ms).toEqual([0, 0, 0])
  })

  test('P-8: a busy store is left alone for as long as it asks', async () => {
    const throttled = (retry_after_ms: number) => (_call: FaultyCall, attempt: number) =>
      attempt <= 2 ? ({ fault: 'throttle', retry_after_ms } as const) : undefined
    const { store, slept_ms } = limited(throttled(3_000))
    expect(await readText(store, 'a')).toBe('seed')
    expect(slept_ms).toEqual([3_000, 3_000])
    // A pause of nothing is no wish: the backoff stands.
    const soon = limited(throttled(0))
    await readObject(soon.store, 'a')
    expect(soon.slept_ms).toEqual([50, 100])
  })

  test('P-8: one that asks for more than the time that is left is not asked again', async () => {
    const { store, calls, slept_ms } = limited(() => ({ fault: 'throttle', retry_after_ms: 20_000 }))
    await expect(store.get('a')).rejects.toMatchObject({ code: 'unavailable', retry_after_ms: 20_000 })
    expect(calls).toEqual(['get'])
    expect(slept_ms).toEqual([])
  })

  test('9: an attempt has 10 s, all of them together 20 s', async () => {
    const { store, calls } = limited(hanging)
    const { result, after_ms } = await timed(async () => store.get('a'))
    expect(result).toMatchObject({ code: 'unavailable', key: 'a' })
    expect(after_ms).toBe(20_000)
    expect(calls).toHaveLength(2)
  })

  test('not_found is an answer and is not asked for again', async () => {
    const { store, calls } = limited(() => undefined)
    expect(await store.get('absent')).toEqual({ outcome: 'not_found' })
    expect(calls).toEqual(['get'])
  })

  const FINAL: readonly StoreErrorCode[] = [
    'invalid_key',
    'denied',
    'too_large',
    'misconfigured',
    'unsupported',
  ]
  test.each(FINAL)('8: %s is not tried again', async (code) => {
    let calls = 0
    const broken: MaintenanceStore = {
      ...memoryStore(),
      async get(key) {
        calls += 1
        throw new StoreError(code, key, 'final')
      },
    }
    await expect(withLimits(broken).get('a')).rejects.toMatchObject({ code })
    expect(calls).toBe(1)
  })

  test.each([
    { failures: 1, calls: 2, result: { outcome: 'ok' } },
    { failures: 9, calls: 2, result: { code: 'corrupt' } },
  ])('8: bytes that do not fit their checksum are read once more ($failures times)', async (expected) => {
    const inner = memoryStore()
    inner.seed('a', bytesOf('one'))
    let calls = 0
    const broken: MaintenanceStore = {
      ...inner,
      async get(key) {
        calls += 1
        if (calls <= expected.failures) throw new StoreError('corrupt', key, 'checksum')
        return inner.get(key)
      },
    }
    const read = withLimits(broken, { sleep: async () => undefined }).get('a')
    const result = await read.catch((error: unknown) => error)
    expect(result).toMatchObject(expected.result)
    expect(calls).toBe(expected.calls)
  })

  test('a bug of the driver is not tried again', async () => {
    let calls = 0
    const broken: MaintenanceStore = {
      ...memoryStore(),
      async get() {
        calls += 1
        throw new TypeError('a bug')
      },
    }
    await expect(withLimits(broken).get('a')).rejects.toThrow(TypeError)
    expect(calls).toBe(1)
  })

  test('ST-33: that its caller aborts ends at once and is not tried again', async () => {
    const { store, calls } = limited(hanging)
    const controller = new AbortController()
    const reading = store.get('a', { signal: controller.signal })
    controller.abort()
    await expect(reading).rejects.toMatchObject({ code: 'unavailable', message: 'the call was aborted' })
    expect(calls).toEqual(['get'])
    expect(performance.now()).toBe(0)
  })

  test('passes its options on', async () => {
    const { store } = limited(() => undefined)
    await expect(store.get('a', { bytes_max: 3 })).rejects.toMatchObject({ code: 'too_large' })
  })
})

describe('a put', () => {
  const FAULTS: readonly Fault[] = [
    { fault: 'lost_request' },
    { fault: 'lost_response' },
    { fault: 'error_before' },
    { fault: 'error_after' },
    { fault: 'conflict' },
    { fault: 'throttle', retry_after_ms: 700 },
  ]

  test.each(FAULTS)('P-1: is sent once when it meets $fault', async (fault) => {
    const { store, calls, slept_ms } = limited(() => fault)
    await store.put('b', bytesOf('x'), 'doesNotExist')
    expect(calls).toEqual(['put'])
    expect(slept_ms).toEqual([])
  })

  test.each([
    { what: '64 KiB', bytes: 64 * 1024, after: 10_000 },
    { what: 'more', bytes: 64 * 1024 + 1, after: 30_000 },
  ])('9, P-7: of $what is unknown after $after ms, sent once', async ({ bytes, after }) => {
    const { store, calls } = limited(hanging)
    const { result, after_ms } = await timed(async () =>
      store.put('b', new Uint8Array(bytes), 'doesNotExist'),
    )
    expect(result).toEqual({ outcome: 'unknown' })
    expect(after_ms).toBe(after)
    expect(calls).toEqual(['put'])
  })

  test('P-7: that took too long tells the driver to stop', async () => {
    let told: AbortSignal | undefined
    const deaf: MaintenanceStore = {
      ...memoryStore(),
      async put(_key, _bytes, _precondition, options) {
        told = options?.signal
        return new Promise(() => undefined)
      },
    }
    const { result } = await timed(async () => withLimits(deaf).put('b', bytesOf('x'), 'doesNotExist'))
    expect(result).toEqual({ outcome: 'unknown' })
    expect(told?.aborted).toBe(true)
  })

  test('ST-33: that its caller aborts is unknown at once', async () => {
    const { store } = limited(hanging)
    const controller = new AbortController()
    const putting = store.put('b', bytesOf('x'), 'doesNotExist', { signal: controller.signal })
    controller.abort()
    expect(await putting).toEqual({ outcome: 'unknown' })
    expect(performance.now()).toBe(0)
  })

  test('that fails after it was given up disturbs nobody', async () => {
    let fail: (error: Error) => void = () => undefined
    const late: MaintenanceStore = {
      ...memoryStore(),
      put: async () =>
        new Promise((_resolve, reject) => {
          fail = reject
        }),
    }
    const { result } = await timed(async () => withLimits(late).put('b', bytesOf('x'), 'doesNotExist'))
    fail(new Error('nobody hears this'))
    expect(result).toEqual({ outcome: 'unknown' })
  })

  test('is thrown when the driver throws', async () => {
    const { store } = limited(() => undefined)
    await expect(store.put('a//b', bytesOf('x'), 'doesNotExist')).rejects.toMatchObject({
      code: 'invalid_key',
    })
  })

  test('hands metadata and conditions on', async () => {
    const inner = memoryStore({ meta: true })
    const store = withLimits(inner)
    await store.put('a', bytesOf('x'), 'doesNotExist', { meta: { owner: 'me' } })
    expect(inner.peek('a')).toMatchObject({ meta: { owner: 'me' } })
    expect(await store.put('a', bytesOf('x'), 'doesNotExist')).toEqual({ outcome: 'precondition_failed' })
    expect(store.capabilities).toBe(inner.capabilities)
  })
})

describe('a delete', () => {
  test('is sent once: a second one could remove what was written after the first', async () => {
    const { store, calls } = limited((call) =>
      call.kind === 'delete' ? { fault: 'lost_response' } : undefined,
    )
    await expect(store.delete('a')).rejects.toMatchObject({ code: 'unavailable' })
    expect(calls).toEqual(['delete'])
    await createText(store, 'a', 'written after')
    expect(await readText(store, 'a')).toBe('written after')
  })

  test('is unavailable after 10 s', async () => {
    const { store } = limited(hanging)
    const { result, after_ms } = await timed(async () => store.delete('a'))
    expect(result).toMatchObject({ code: 'unavailable', message: 'no answer within 10000 ms' })
    expect(after_ms).toBe(10_000)
  })
})
