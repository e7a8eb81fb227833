/** Rows of the store contract: pages of a listing (ST-30…ST-32). */
import { expect } from 'vitest'
import { ulid } from 'ulid'
import { sameVersion } from '../../../lib/store/tokens.ts'
import type { ListPage, MaintenanceStore } from '../../../lib/store/types.ts'
import { createText } from '../objects.ts'
import type { ContractRow } from './row.ts'

/** In ascending byte order: `-` and `.` come before `/`, which comes before digits and letters. */
const NAMES_IN_ORDER: readonly string[] = [
  'A',
  'a b',
  'a-b',
  'a.b',
  'a/b',
  'a/c/d',
  'a0',
  'a=b',
  'b',
  'ba',
  'bb',
]

/** For stores that list in order. */
export const LISTING: readonly ContractRow[] = [
  {
    id: 'ST-30',
    promise: 'a listing is in ascending byte order, with size and token of each object',
    async run({ store, key }) {
      for (const name of NAMES_IN_ORDER.toReversed()) await createText(store, key(name), name)
      const { objects } = await listPage(store, key(''), 1000)
      expect(objects.map((each) => each.key)).toEqual(NAMES_IN_ORDER.map(key))
      for (const each of objects) {
        const head = await store.head(each.key)
        if (head.outcome !== 'ok') throw new Error(`${each.key}: listed and ${head.outcome}`)
        expect(each.size).toBe(head.size)
        expect(sameVersion(each.token, head.token)).toBe(true)
      }
    },
  },
  {
    id: 'ST-30',
    promise: 'pages respect their limit, start after their cursor, and together are the listing',
    async run({ store, key }) {
      for (const name of NAMES_IN_ORDER) await createText(store, key(name), name)
      for (const limit of [1, 2, 3, 4, 10]) {
        expect(await listByPages(store, key(''), limit)).toEqual(NAMES_IN_ORDER.map(key))
      }
    },
  },
  {
    id: 'ST-30',
    promise: 'a cursor is exclusive and need not name an object',
    async run({ store, key }) {
      for (const name of ['a', 'c/d', 'e']) await createText(store, key(name), name)
      const after = async (name: string): Promise<string[]> =>
        (await listPage(store, key(''), 10, key(name))).objects.map((each) => each.key)
      expect(await after('a')).toEqual([key('c/d'), key('e')])
      expect(await after('b')).toEqual([key('c/d'), key('e')])
      expect(await after('c/d')).toEqual([key('e')])
      expect(await after('c/d/e')).toEqual([key('e')])
      expect(await after('e')).toEqual([])
    },
  },
  {
    id: 'ST-30',
    promise: 'a full page has a cursor, a short one has none, and an exact multiple ends with an empty page',
    async run({ store, key }) {
      for (const name of ['a', 'b', 'c', 'd']) await createText(store, key(name), name)
      const first = await listPage(store, key(''), 2)
      expect(first.next_start_after).toBe(key('b'))
      const second = await listPage(store, key(''), 2, key('b'))
      expect(second.objects.map((each) => each.key)).toEqual([key('c'), key('d')])
      expect(second.next_start_after).toBe(key('d'))
      expect(await listPage(store, key(''), 2, key('d'))).toEqual({ objects: [] })
      expect('next_start_after' in (await listPage(store, key(''), 5))).toBe(false)
    },
  },
  {
    id: 'ST-30',
    promise: 'a page has 1 to 1000 objects; another limit is a mistake of the caller',
    async run({ store, key }) {
      for (const limit of [0, -1, 1.5, Number.NaN, 1001]) {
        await expect(listPage(store, key(''), limit)).rejects.toThrow(RangeError)
      }
    },
  },
  {
    id: 'ST-31',
    promise: 'a prefix is whole segments: a/b lists a/b and a/b/…, never a/bc',
    async run({ store, key }) {
      for (const name of ['a/b/c', 'a/b/c0', 'a/b0', 'a/bc/d', 'a/b-c']) {
        await createText(store, key(name), name)
      }
      const under = async (prefix: string): Promise<string[]> =>
        (await listPage(store, key(prefix), 10)).objects.map((each) => each.key)
      expect(await under('a/b')).toEqual([key('a/b/c'), key('a/b/c0')])
      expect(await under('a/b/')).toEqual([key('a/b/c'), key('a/b/c0')])
      expect(await under('a/b0')).toEqual([key('a/b0')])
      expect(await under('a/b0/')).toEqual([])
      expect(await under('a/bc')).toEqual([key('a/bc/d')])
      expect(await under('a/x')).toEqual([])
    },
  },
  {
    id: 'ST-31',
    promise: 'a prefix that is no key prefix is refused',
    async run({ store }) {
      for (const prefix of ['/', '../', 'a//b', 'a%', '/a', 'a/../b/']) {
        await expect(listPage(store, prefix, 10)).rejects.toMatchObject({ code: 'invalid_key' })
      }
    },
  },
]

/** For stores that cannot. */
export const NO_LISTING: readonly ContractRow[] = [
  {
    id: 'ST-32',
    promise: 'a store that cannot list in order says so and does not scan',
    async run({ store }) {
      await expect(listPage(store, `contract/${ulid()}`, 10)).rejects.toMatchObject({ code: 'unsupported' })
    },
  },
]

async function listPage(
  store: MaintenanceStore,
  prefix: string,
  limit: number,
  start_after?: string,
): Promise<ListPage> {
  return store.listPage({ prefix, limit, ...(start_after !== undefined && { start_after }) })
}

async function listByPages(store: MaintenanceStore, prefix: string, limit: number): Promise<string[]> {
  const keys: string[] = []
  for (let start_after: string | undefined; ;) {
    const page = await listPage(store, prefix, limit, start_after)
    expect(page.objects.length).toBeLessThanOrEqual(limit)
    keys.push(...page.objects.map((each) => each.key))
    start_after = page.next_start_after
    if (start_after === undefined) return keys
    expect(start_after).toBe(keys.at(-1))
  }
}
