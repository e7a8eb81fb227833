/** Faults on purpose (correctness.md 3, providers.md 3.5): what each does to the store and tells the caller. */
import { describe, expect, test } from 'vitest'
import { withFaults, type Fault, type FaultyCall } from '../../lib/store/faults.ts'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import type { MaintenanceStore, PutResult } from '../../lib/store/types.ts'
import { bytesOf, createText, readText, textOf } from '../support/objects.ts'

/** A store with `a`, and the same one behind a network where every call meets the fault. */
function behind(fault: Fault): { readonly inner: MemoryStore; readonly store: MaintenanceStore } {
  const inner = memoryStore()
  inner.seed('a', bytesOf('seed'))
  return { inner, store: withFaults(inner, () => fault) }
}

function textIn(store: MemoryStore, key: string): string | null {
  const object = store.peek(key)
  return object === null ? null : textOf(object.bytes)
}

/** A promise that is resolved by hand. */
function gate(): { readonly until: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { until: promise, open: () => resolve() }
}

describe('a put', () => {
  const FAULTS: readonly {
    readonly id: string
    readonly fault: Fault
    readonly result: PutResult
    readonly stored: boolean
  }[] = [
    { id: 'F1', fault: { fault: 'lost_request' }, result: { outcome: 'unknown' }, stored: false },
    { id: 'F1', fault: { fault: 'error_before' }, result: { outcome: 'unknown' }, stored: false },
    { id: 'F2', fault: { fault: 'lost_response' }, result: { outcome: 'unknown' }, stored: true },
    { id: 'F2', fault: { fault: 'error_after' }, result: { outcome: 'unknown' }, stored: true },
    { id: 'F11', fault: { fault: 'throttle' }, result: { outcome: 'no_effect' }, stored: false },
    {
      id: 'F11',
      fault: { fault: 'throttle', retry_after_ms: 7 },
      result: { outcome: 'no_effect', retry_after_ms: 7 },
      stored: false,
    },
    { id: 'F12', fault: { fault: 'conflict' }, result: { outcome: 'no_effect' }, stored: false },
  ]

  test.each(FAULTS)(
    '$id: $fault.fault is $result.outcome, stored: $stored',
    async ({ fault, result, stored }) => {
      const { inner, store } = behind(fault)
      expect(await store.put('b', bytesOf('put'), 'doesNotExist')).toEqual(result)
      expect(textIn(inner, 'b')).toBe(stored ? 'put' : null)
    },
  )

  test('F3: a late one is unknown now and lands when its time comes', async () => {
    const { until, open } = gate()
    const { inner, store } = behind({ fault: 'late', until })
    expect(await store.put('b', bytesOf('put'), 'doesNotExist')).toEqual({ outcome: 'unknown' })
    expect(textIn(inner, 'b')).toBeNull()
    open()
    await expect.poll(() => textIn(inner, 'b')).toBe('put')
  })

  test('F3: a late one that has become stale lands nowhere', async () => {
    const { until, open } = gate()
    const inner = memoryStore()
    const store = withFaults(inner, ({ index }) => (index === 0 ? { fault: 'late', until } : undefined))
    await store.put('b', bytesOf('late'), 'doesNotExist')
    await createText(store, 'b', 'in time')
    open()
    await new Promise((resolve) => setImmediate(resolve))
    expect(textIn(inner, 'b')).toBe('in time')
  })

  test('latency: is evaluated when its time comes', async () => {
    const { until, open } = gate()
    const { inner, store } = behind({ fault: 'latency', until })
    const putting = store.put('b', bytesOf('put'), 'doesNotExist')
    inner.seed('b', bytesOf('first'))
    open()
    expect(await putting).toEqual({ outcome: 'precondition_failed' })
    expect(textIn(inner, 'b')).toBe('first')
  })

  test('hang: is never answered until its caller gives up, then unknown', async () => {
    const { inner, store } = behind({ fault: 'hang' })
    const controller = new AbortController()
    const putting = store.put('b', bytesOf('put'), 'doesNotExist', { signal: controller.signal })
    const first = await Promise.race([
      putting,
      new Promise((resolve) => setImmediate(() => resolve('pending'))),
    ])
    expect(first).toBe('pending')
    controller.abort()
    expect(await putting).toEqual({ outcome: 'unknown' })
    expect(textIn(inner, 'b')).toBeNull()
    const signal = AbortSignal.abort()
    expect(await store.put('b', bytesOf('put'), 'doesNotExist', { signal })).toEqual({ outcome: 'unknown' })
  })
})

describe('a read or a delete', () => {
  const FAULTS: readonly Fault[] = [
    { fault: 'lost_request' },
    { fault: 'lost_response' },
    { fault: 'error_before' },
    { fault: 'error_after' },
    { fault: 'conflict' },
    { fault: 'throttle' },
  ]
  const EFFECTIVE = new Set<Fault['fault']>(['lost_response', 'error_after'])

  test.each(FAULTS)('$fault is unavailable', async (fault) => {
    const { inner, store } = behind(fault)
    const failure = { name: 'StoreError', code: 'unavailable' }
    await expect(store.get('a')).rejects.toMatchObject(failure)
    await expect(store.head('a')).rejects.toMatchObject(failure)
    await expect(store.listPage({ prefix: '', limit: 1 })).rejects.toMatchObject(failure)
    expect(textIn(inner, 'a')).toBe('seed')
    await expect(store.delete('a')).rejects.toMatchObject(failure)
    expect(textIn(inner, 'a')).toBe(EFFECTIVE.has(fault.fault) ? null : 'seed')
  })

  test('F3: a late delete is unavailable now and takes effect when its time comes', async () => {
    const { until, open } = gate()
    const { inner, store } = behind({ fault: 'late', until })
    await expect(store.delete('a')).rejects.toMatchObject({ code: 'unavailable' })
    expect(textIn(inner, 'a')).toBe('seed')
    open()
    await expect.poll(() => textIn(inner, 'a')).toBeNull()
  })

  test('hang ends with the signal of its caller', async () => {
    const { store } = behind({ fault: 'hang' })
    const signal = AbortSignal.abort()
    await expect(store.get('a', { signal })).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('latency: reads what is there when its time comes', async () => {
    const { until, open } = gate()
    const { inner, store } = behind({ fault: 'latency', until })
    const reading = readText(store, 'a')
    inner.seed('a', bytesOf('newer'))
    open()
    expect(await reading).toBe('newer')
  })
})

describe('a plan', () => {
  test('sees every call in order, and undefined lets it through', async () => {
    const seen: FaultyCall[] = []
    const store = withFaults(memoryStore(), (call) => void seen.push(call))
    await createText(store, 'a', 'x')
    await store.get('a')
    await store.head('a')
    await store.listPage({ prefix: 'p/', limit: 1 })
    await store.delete('a')
    expect(seen).toEqual([
      { kind: 'put', key: 'a', index: 0 },
      { kind: 'get', key: 'a', index: 1 },
      { kind: 'head', key: 'a', index: 2 },
      { kind: 'list', key: 'p/', index: 3 },
      { kind: 'delete', key: 'a', index: 4 },
    ])
  })

  test('ST-25: is not asked about an invalid key, which never gets onto the wire', async () => {
    let asked = 0
    const store = withFaults(memoryStore(), () => void (asked += 1))
    await expect(store.put('a//b', bytesOf('x'), 'none')).rejects.toMatchObject({ code: 'invalid_key' })
    await expect(store.get('..')).rejects.toMatchObject({ code: 'invalid_key' })
    await expect(store.listPage({ prefix: '../', limit: 1 })).rejects.toMatchObject({ code: 'invalid_key' })
    expect(asked).toBe(0)
  })
})
