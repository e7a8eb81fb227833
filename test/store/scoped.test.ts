/** The view of one scope (storage.md 2): what it can name, what it gives back, and what it does not have. */
import { describe, expect, expectTypeOf, test } from 'vitest'
import { memoryStore } from '../../lib/store/memory.ts'
import {
  isScopeId,
  scopedMaintenanceStore,
  scopedStore,
  scopePrefix,
  validateScopeId,
  type Scope,
} from '../../lib/store/scoped.ts'
import type { ListPage, MaintenanceStore, Store } from '../../lib/store/types.ts'
import { bytesOf, createText, readText, replaceText } from '../support/objects.ts'
import { readBucket } from '../support/stores.ts'

const ACME: Scope = { tenant: 'acme', workspace: 'analytics' }
const PREFIX = 'tenant=acme/workspace=analytics/'

describe('ids', () => {
  test.each(['a', 'acme', '0', '-', '_', 'a-b_c', '-a', 'a-', 'a'.repeat(64)])('S-2: %s is valid', (id) => {
    expect(isScopeId(id)).toBe(true)
    expect(() => validateScopeId(id)).not.toThrow()
  })

  test.each(['', 'A', 'Acme', 'a b', 'a/b', '..', '.', 'a.b', 'a=b', '\u00E9', 'a\n', '\na', 'a%', 'a\0'])(
    'S-2, S-3: %j is refused and not made to fit',
    (id) => {
      expect(isScopeId(id)).toBe(false)
      const refused = expect.objectContaining({ code: 'invalid_key' })
      expect(() => validateScopeId(id)).toThrow(refused)
      expect(() => scopePrefix({ tenant: id, workspace: 'a' })).toThrow(refused)
      expect(() => scopePrefix({ tenant: 'a', workspace: id })).toThrow(refused)
      expect(() => scopedStore(memoryStore(), { tenant: id, workspace: 'a' })).toThrow(refused)
      expect(() => scopedMaintenanceStore(memoryStore(), { tenant: 'a', workspace: id })).toThrow(refused)
    },
  )
})

describe('a scoped view', () => {
  test('S-1: every key is tenant=…/workspace=…/ and the relative path', async () => {
    const store = memoryStore()
    const view = scopedMaintenanceStore(store, ACME)
    const token = await createText(view, 'delta/state.json', 'one')
    await replaceText(view, 'delta/state.json', 'two', token)
    expect(await readBucket(store)).toEqual({ [`${PREFIX}delta/state.json`]: 'two' })
    expect(await view.head('delta/state.json')).toMatchObject({ outcome: 'ok', size: 3 })
    await view.delete('delta/state.json')
    expect(await readBucket(store)).toEqual({})
  })

  test('S-5, S-7: it cannot name another scope, the bucket root or a metastore', async () => {
    const store = memoryStore()
    await createText(store, 'tenant=other/workspace=analytics/a', 'of another')
    await createText(store, 'tenant=acme/metastore=m/a', 'of a metastore')
    await createText(store, 'locks/root.lock.json', 'of the root')
    const view = scopedMaintenanceStore(store, ACME)
    const escapes = [
      '../../tenant=other/workspace=analytics/a',
      '/locks/root.lock.json',
      'a/../../../locks/root.lock.json',
      '',
    ]
    for (const path of escapes) {
      const refused = { code: 'invalid_key' }
      await expect(view.get(path)).rejects.toMatchObject(refused)
      await expect(view.head(path)).rejects.toMatchObject(refused)
      await expect(view.put(path, bytesOf('x'), 'none')).rejects.toMatchObject(refused)
      await expect(view.delete(path)).rejects.toMatchObject(refused)
    }
    for (const path of ['tenant=other/workspace=analytics/a', 'locks/root.lock.json']) {
      expect(await view.get(path)).toEqual({ outcome: 'not_found' })
    }
    expect((await view.listPage({ prefix: '', limit: 10 })).objects).toEqual([])
  })

  test('P-10: a key is as long as it is with its scope', async () => {
    const view = scopedMaintenanceStore(memoryStore(), ACME)
    const longest = 'a'.repeat(1024 - PREFIX.length)
    await createText(view, longest, 'fits')
    await expect(view.get(`${longest}a`)).rejects.toMatchObject({ code: 'invalid_key' })
    await expect(view.delete(`${longest}a`)).rejects.toMatchObject({ code: 'invalid_key' })
    await expect(view.listPage({ prefix: `${longest}a`, limit: 1 })).rejects.toMatchObject({
      code: 'invalid_key',
    })
  })

  test('options and preconditions reach the store', async () => {
    const view = scopedMaintenanceStore(memoryStore({ meta: true }), ACME)
    await view.put('a', bytesOf('12345'), 'doesNotExist', { meta: { owner: 'me' } })
    expect(await view.get('a')).toMatchObject({ meta: { owner: 'me' } })
    await expect(view.get('a', { bytes_max: 4 })).rejects.toMatchObject({ code: 'too_large' })
    expect(await view.delete('a', { token: 'stale' })).toEqual({ outcome: 'precondition_failed' })
    const signal = AbortSignal.abort()
    expect(await view.put('b', bytesOf('x'), 'doesNotExist', { signal })).toEqual({ outcome: 'unknown' })
    await expect(view.head('a', { signal })).rejects.toMatchObject({ code: 'unavailable' })
    await expect(view.listPage({ prefix: '', limit: 1 }, { signal })).rejects.toMatchObject({
      code: 'unavailable',
    })
  })
})

describe('a scoped listing', () => {
  test('S-1: takes and returns relative paths, cursors too', async () => {
    const store = memoryStore()
    const view = scopedMaintenanceStore(store, ACME)
    for (const name of ['a/1', 'a/2', 'a/3', 'b']) await createText(view, name, name)
    await createText(store, 'tenant=acme/workspace=analytics2/a/1', 'of another')
    const first = await view.listPage({ prefix: 'a', limit: 2 })
    expect(first.objects.map(({ key }) => key)).toEqual(['a/1', 'a/2'])
    expect(first.next_start_after).toBe('a/2')
    const second = await view.listPage({ prefix: 'a/', limit: 2, start_after: 'a/2' })
    expect(second.objects.map(({ key }) => key)).toEqual(['a/3'])
    expect(second.next_start_after).toBeUndefined()
    const all = await view.listPage({ prefix: '', limit: 10 })
    expect(all.objects.map(({ key }) => key)).toEqual(['a/1', 'a/2', 'a/3', 'b'])
    expect(await readText(view, 'a/1')).toBe('a/1')
  })

  test.each(['/', '../', 'a//b', 'a/../', 'a%'])('P-13: the prefix %s is refused', async (prefix) => {
    const view = scopedMaintenanceStore(memoryStore(), ACME)
    await expect(view.listPage({ prefix, limit: 1 })).rejects.toMatchObject({ code: 'invalid_key' })
  })

  const own = { key: `${PREFIX}a`, size: 1, token: '1' }
  const FOREIGN: readonly { readonly what: string; readonly page: ListPage }[] = [
    {
      what: 'a path of another tenant',
      page: { objects: [own, { ...own, key: 'tenant=other/workspace=analytics/a' }] },
    },
    {
      what: 'a path of a workspace that begins like ours',
      page: { objects: [own, { ...own, key: 'tenant=acme/workspace=analytics2/a' }] },
    },
    { what: 'a path at the bucket root', page: { objects: [{ ...own, key: 'a' }, own] } },
    {
      what: 'a foreign cursor',
      page: { objects: [own], next_start_after: 'tenant=other/workspace=analytics/a' },
    },
  ]

  test.each(FOREIGN)('S-1: $what fails the whole call', async ({ page }) => {
    const broken: MaintenanceStore = { ...memoryStore(), listPage: async () => page }
    const listing = scopedMaintenanceStore(broken, ACME).listPage({ prefix: '', limit: 10 })
    await expect(listing).rejects.toMatchObject({ name: 'StoreError', code: 'corrupt' })
  })
})

describe('what a request handler is given', () => {
  test('C17, C20: has no way to list or delete at run time', () => {
    const view: object = scopedStore(memoryStore(), ACME)
    expect(Object.keys(view).toSorted()).toEqual(['capabilities', 'get', 'head', 'put'])
    expect(Object.getPrototypeOf(view)).toBe(Object.prototype)
  })

  test('C17, C20: has no way to list or delete by its type', () => {
    expectTypeOf(scopedStore).returns.toEqualTypeOf<Store>()
    expectTypeOf<Store>().not.toHaveProperty('listPage')
    expectTypeOf<Store>().not.toHaveProperty('delete')
    expectTypeOf<keyof Store>().toEqualTypeOf<'capabilities' | 'get' | 'head' | 'put'>()
    expectTypeOf<keyof MaintenanceStore>().toEqualTypeOf<keyof Store | 'delete' | 'listPage'>()
    expectTypeOf<Store>().not.toExtend<MaintenanceStore>()
    expectTypeOf<MaintenanceStore>().toExtend<Store>()
    expectTypeOf(scopedMaintenanceStore).parameter(0).toEqualTypeOf<MaintenanceStore>()
  })
})
