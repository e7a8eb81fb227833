/** The only ways out of a scope (storage.md S-6). */
import { describe, expect, expectTypeOf, test } from 'vitest'
import { ulid } from 'ulid'
import { memoryStore } from '../../lib/store/memory.ts'
import type { MaintenanceStore, Store } from '../../lib/store/types.ts'
import {
  bucketRootLockStore,
  CERTIFY_PREFIX,
  certificationStore,
  READY_CHECK_KEY,
  unscopedProbe,
  type CertificationStore,
} from '../../lib/store/unscoped.ts'
import { bytesOf, createText, readText } from '../support/objects.ts'
import { readBucket } from '../support/stores.ts'

/** A store that notes which keys it is asked for. */
function recorded(): { readonly store: MaintenanceStore; readonly asked: string[] } {
  const inner = memoryStore()
  const asked: string[] = []
  return {
    asked,
    store: {
      ...inner,
      get: async (key, options) => (asked.push(key), inner.get(key, options)),
      head: async (key, options) => (asked.push(key), inner.head(key, options)),
      put: async (key, bytes, precondition, options) => (
        asked.push(key),
        inner.put(key, bytes, precondition, options)
      ),
      delete: async (key, options) => (asked.push(key), inner.delete(key, options)),
    },
  }
}

async function expectRefused(view: Store, key: string): Promise<void> {
  const refused = { name: 'StoreError', code: 'invalid_key' }
  await expect(view.get(key)).rejects.toMatchObject(refused)
  await expect(view.head(key)).rejects.toMatchObject(refused)
  await expect(view.put(key, bytesOf('x'), 'doesNotExist')).rejects.toMatchObject(refused)
}

describe('the readiness probe', () => {
  test('S-6: heads __arco/ready-check and can do nothing else', async () => {
    const { store, asked } = recorded()
    const probe = unscopedProbe(store)
    expect(Object.keys(probe)).toEqual(['readyCheck'])
    expect(await probe.readyCheck()).toEqual({ outcome: 'not_found' })
    await createText(store, '__arco/ready-check', 'x')
    expect(await probe.readyCheck()).toMatchObject({ outcome: 'ok' })
    await expect(probe.readyCheck({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'unavailable',
    })
    expect(new Set(asked)).toEqual(new Set(['__arco/ready-check']))
    expect(READY_CHECK_KEY).toBe('__arco/ready-check')
  })
})

describe('the certification view', () => {
  test('S-6: writes, reads and deletes __arco/certify/{ulid}', async () => {
    const { store } = recorded()
    const view = certificationStore(store)
    const key = `${CERTIFY_PREFIX}${ulid()}`
    await createText(view, key, 'nonce')
    expect(await readBucket(store)).toEqual({ [key]: 'nonce' })
    expect(await readText(view, key)).toBe('nonce')
    expect(await view.head(key)).toMatchObject({ size: 5 })
    expect(await view.delete(key)).toEqual({ outcome: 'ok' })
    expect(await readBucket(store)).toEqual({})
  })

  test.each([
    '__arco/certify/',
    '__arco/certify/x',
    `__arco/certify/${ulid().toLowerCase()}`,
    `__arco/certify/${ulid()}/x`,
    `__arco/certify/${ulid()}\n`,
    `x/__arco/certify/${ulid()}`,
    '__arco/ready-check',
    'tenant=acme/workspace=analytics/a',
  ])('S-6: %j is refused before the store is asked', async (key) => {
    const { store, asked } = recorded()
    const view = certificationStore(store)
    await expectRefused(view, key)
    await expect(view.delete(key)).rejects.toMatchObject({ code: 'invalid_key' })
    expect(asked).toEqual([])
  })

  test('has no way to list, at run time and by its type', () => {
    expect('listPage' in certificationStore(memoryStore())).toBe(false)
    expectTypeOf<CertificationStore>().not.toHaveProperty('listPage')
  })
})

describe('the lock view at the bucket root', () => {
  test.each(['locks/root.lock.json', 'locks/transactions/orchestration/7.repair.lock.json'])(
    'S-6, S-7: %s is written and read at the root',
    async (key) => {
      const { store } = recorded()
      await createText(bucketRootLockStore(store), key, '{}')
      expect(await readBucket(store)).toEqual({ [key]: '{}' })
    },
  )

  test.each([
    'locks/.lock.json',
    'locks/root.lock',
    'locks/root.json',
    'locks/../a.lock.json',
    'locks//a.lock.json',
    'xlocks/root.lock.json',
    'tenant=acme/workspace=analytics/locks/root.lock.json',
    'delta/coordinator/x.json',
    '',
  ])('S-6: %j is refused before the store is asked', async (key) => {
    const { store, asked } = recorded()
    await expectRefused(bucketRootLockStore(store), key)
    expect(asked).toEqual([])
  })

  test('has no way to list or delete, at run time and by its type', () => {
    expect(Object.keys(bucketRootLockStore(memoryStore())).toSorted()).toEqual([
      'capabilities',
      'get',
      'head',
      'put',
    ])
    expectTypeOf(bucketRootLockStore).returns.toEqualTypeOf<Store>()
  })
})
