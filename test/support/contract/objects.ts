/** Rows of the store contract: what is read after what, which keys there are, and bytes that come back as they went. */
import { gzipSync } from 'node:zlib'
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { ulid } from 'ulid'
import { scopedMaintenanceStore } from '../../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { bytesOf, createText, readObject, readText, replaceText, tokenOf } from '../objects.ts'
import { ABSENT, type ContractContext, type ContractRow } from './row.ts'

/** What a read sees, and when. */
export const READS: readonly ContractRow[] = [
  {
    id: 'ST-10',
    promise: 'deleting an absent object is a success',
    async run({ store, key }) {
      expect(await store.delete(key('a'))).toEqual({ outcome: 'ok' })
      await createText(store, key('a'), 'one')
      expect(await store.delete(key('a'))).toEqual({ outcome: 'ok' })
      expect(await store.delete(key('a'))).toEqual({ outcome: 'ok' })
    },
  },
  {
    id: 'ST-11',
    promise: 'a get of an absent object is not_found, a value',
    async run({ store, key }) {
      expect(await store.get(key('a'))).toEqual(ABSENT)
      expect(await store.get(key('no/such/folder/a'))).toEqual(ABSENT)
    },
  },
  {
    id: 'ST-12',
    promise: 'a head of an absent object is not_found, a value',
    async run({ store, key }) {
      expect(await store.head(key('a'))).toEqual(ABSENT)
      expect(await store.head(key('no/such/folder/a'))).toEqual(ABSENT)
    },
  },
  {
    id: 'ST-17',
    promise: 'what was put is what another client reads next',
    async run({ store, another, key }) {
      const reader = another()
      let token = await createText(store, key('a'), 'generation 0')
      for (let i = 1; i <= 10; i++) {
        token = await replaceText(store, key('a'), `generation ${i}`, token)
        expect(await readObject(reader, key('a'))).toMatchObject({ bytes: bytesOf(`generation ${i}`), token })
        expect(await reader.head(key('a'))).toMatchObject({ token })
      }
    },
  },
  {
    id: 'ST-18',
    promise: 'what was deleted is gone for every client',
    async run({ store, another, key }) {
      const reader = another()
      await createText(store, key('a'), 'one')
      expect(await readText(reader, key('a'))).toBe('one')
      await store.delete(key('a'))
      for (const client of [store, reader]) {
        expect(await client.get(key('a'))).toEqual(ABSENT)
        expect(await client.head(key('a'))).toEqual(ABSENT)
      }
    },
  },
  {
    id: 'ST-19',
    promise: 'an object that was looked for in vain is there once it is created',
    async run({ store, another, key }) {
      const reader = another()
      for (const client of [store, reader]) expect(await client.get(key('a'))).toEqual(ABSENT)
      await createText(store, key('a'), 'one')
      for (const client of [store, reader]) expect(await readText(client, key('a'))).toBe('one')
    },
  },
  {
    id: 'A1-A4',
    promise: 'a get of a large object during replaces is one generation, whole (correctness 2, A1, A4)',
    async run({ store, another, key }) {
      const body = (letter: string): string => letter.repeat(200_000)
      let token = await createText(store, key('a'), body('a'))
      let is_writing = true
      const writing = (async () => {
        const writer = another()
        for (const letter of 'bcdefghijklmnop')
          token = await replaceText(writer, key('a'), body(letter), token)
        is_writing = false
      })()
      const reading = (async () => {
        while (is_writing) {
          const text = await readText(store, key('a'))
          expect(text === body(text.charAt(0))).toBe(true)
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      await Promise.all([writing, reading])
      expect((await readText(store, key('a'))) === body('p')).toBe(true)
    },
  },
]

/** One key of each class that spec/storage.md 4 refuses. */
const INVALID_KEYS: Readonly<Record<string, string>> = {
  'P-1 slash': '/a',
  'P-1 backslash': '\\a',
  'P-2': 'a\\b',
  'P-3': 'a%2fb',
  'P-3 no escape': '100%',
  'P-4 NUL': 'a\0b',
  'P-4 LF': 'a\nb',
  'P-4 CR': 'a\rb',
  'P-5 C0': 'a\u0001b',
  'P-5 DEL': 'a\u007Fb',
  'P-6 dot': 'a/./b',
  'P-6 dots': 'a/../b',
  'P-7 empty segment': 'a//b',
  'P-7 trailing slash': 'a/b/',
  'P-8': '',
  'P-9': 'a\uD800b',
  'P-10': 'a'.repeat(1025),
  'P-11 ASCII': 'a#b',
  'P-11 non-ASCII': 'caf\u00E9',
}

/** Names that some driver could trip over and that are valid. */
const UNUSUAL_NAMES: readonly string[] = [
  'a b',
  ' leading and trailing ',
  'tenant=acme',
  'a+b&c=d;e,f:g@h$i!j',
  "it's (here)",
  '...',
  '.hidden',
  'UPPER-and-lower',
  'x'.repeat(255),
  'd/e/e/p/e/r/t/h/a/n/a/n/y/t/a/b/l/e',
]

/** Which objects there can be. */
export const KEYS: readonly ContractRow[] = [
  ...Object.entries(INVALID_KEYS).map(([rule, path]): ContractRow => ({
    id: 'ST-25',
    promise: `a key of class ${rule} is refused before anything is sent`,
    run: async (context) => expectInvalidKey(context, path),
  })),
  {
    id: 'ST-26',
    promise: 'one relative path in two scopes is two objects, and neither scope sees the other',
    async run({ store }) {
      const workspace = ulid().toLowerCase()
      const acme = scopedMaintenanceStore(store, { tenant: 'acme', workspace })
      const other = scopedMaintenanceStore(store, { tenant: 'other', workspace })
      await createText(acme, 'a/b', 'of acme')
      expect(await other.get('a/b')).toEqual(ABSENT)
      expect(await other.head('a/b')).toEqual(ABSENT)
      await createText(other, 'a/b', 'of the other')
      expect(await readText(acme, 'a/b')).toBe('of acme')
      await other.delete('a/b')
      expect(await readText(acme, 'a/b')).toBe('of acme')
      expect((await other.listPage({ prefix: '', limit: 10 })).objects).toEqual([])
      expect((await acme.listPage({ prefix: '', limit: 10 })).objects.map(({ key }) => key)).toEqual(['a/b'])
    },
  },
  {
    id: 'keys',
    promise: 'keys with =, spaces, dots and other ASCII are one object each (correctness 2)',
    async run({ store, another, key }) {
      for (const name of UNUSUAL_NAMES) await createText(store, key(name), name)
      const reader = another()
      for (const name of UNUSUAL_NAMES) expect(await readText(reader, key(name))).toBe(name)
      const listed = await listAll(store, key(''))
      expect(listed).toEqual(UNUSUAL_NAMES.map((name) => key(name)).toSorted())
    },
  },
]

/** Bytes that come back as they went. */
export const BYTES: readonly ContractRow[] = [
  {
    id: 'ST-27',
    promise: 'all 256 byte values come back as they went',
    run: async (context) =>
      expectRoundTrip(
        context,
        Uint8Array.from({ length: 256 }, (_, i) => i),
      ),
  },
  {
    id: 'ST-27',
    promise: 'an empty object comes back empty, and is an object',
    run: async (context) => expectRoundTrip(context, new Uint8Array()),
  },
  {
    id: 'ST-27',
    promise: '5 MiB come back as they went',
    run: async (context) => expectRoundTrip(context, unrepeatingBytes(5 * 1024 * 1024)),
  },
  {
    id: 'ST-28',
    promise: 'JSON with characters beyond ASCII, and a byte order mark, come back as the same bytes',
    async run(context) {
      const text = '\uFEFF{"name":"Zo\u00EB \u{1F30A} e\u0301 \u00E9 \u2028","nul":"\\u0000"}\r\n'
      await expectRoundTrip(context, bytesOf(text))
      expect(await readText(context.store, context.key('a'))).toBe(text)
    },
  },
  {
    id: 'ST-29',
    promise: 'what compresses well is stored as it is',
    run: async (context) => expectRoundTrip(context, bytesOf('{"a":"aaaaaaaa"}'.repeat(8_192))),
  },
  {
    id: 'ST-29',
    promise: 'what is compressed already is not unpacked',
    run: async (context) => expectRoundTrip(context, new Uint8Array(gzipSync('a'.repeat(10_000)))),
  },
]

async function expectInvalidKey({ store, wire }: ContractContext, path: string): Promise<void> {
  const writes = wire?.writes()
  const refused = { name: 'StoreError', code: 'invalid_key' }
  await expect(store.get(path)).rejects.toMatchObject(refused)
  await expect(store.head(path)).rejects.toMatchObject(refused)
  await expect(store.delete(path)).rejects.toMatchObject(refused)
  await expect(store.put(path, bytesOf('x'), 'doesNotExist')).rejects.toMatchObject(refused)
  await expect(store.put(path, bytesOf('x'), { matchesVersion: '1' })).rejects.toMatchObject(refused)
  expect(wire?.writes()).toBe(writes)
}

async function expectRoundTrip(
  { store, another, key, rawBytes }: ContractContext,
  bytes: Uint8Array,
): Promise<void> {
  const token = tokenOf(await store.put(key('a'), bytes, 'doesNotExist'))
  const read = await readObject(another(), key('a'))
  expect({ digest: digest(read.bytes), token: read.token }).toEqual({ digest: digest(bytes), token })
  expect(await store.head(key('a'))).toMatchObject({ size: bytes.length, token })
  if (rawBytes !== undefined) expect(digest(await rawBytes(key('a')))).toBe(digest(bytes))
}

/** Of large bodies a difference of digests says enough. */
function digest(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${createHash('sha256').update(bytes).digest('hex')}`
}

function unrepeatingBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let word = 1
  for (let i = 0; i < length; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = word >>> 24
  }
  return bytes
}

async function listAll(store: MaintenanceStore, prefix: string): Promise<string[]> {
  const page = await store.listPage({ prefix, limit: 1000 })
  return page.objects.map(({ key }) => key)
}
