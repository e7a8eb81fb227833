/** Rows of the store contract: bytes, keys and tokens as a real service has them (PV-15…PV-19). */
import { expect } from 'vitest'
import { sameVersion } from '../../../lib/store/tokens.ts'
import type { Token } from '../../../lib/store/types.ts'
import { bytesOf, createText, readObject, readText, replaceText } from '../objects.ts'
import { REFUSED, type ContractRow } from './row.ts'

/** What URLs, forms and SigV4 each spell in their own way, as far as a key may have it. */
const AWKWARD: readonly string[] = [
  'a b',
  'a+b',
  'a=b',
  'a&b',
  "a'b",
  'a(b)',
  'a!b',
  'a,b',
  'a;b',
  'a:b',
  'a@b',
  'a$b',
]

/** What a key may not have, because the reference spells it differently (spec/storage.md P-3, P-11). */
const REFUSED_NAMES: readonly string[] = [
  'a%b',
  'a%20b',
  'caf\u00E9',
  '\u65E5\u672C',
  '\u{1F30A}',
  'a*b',
  'a~b',
]

/** Looked at through the driver, and where it matters on the wire. */
export const PROVIDER_BYTES: readonly ContractRow[] = [
  {
    id: 'PV-15',
    promise: 'a body is sent as it is: no chunk frames, no trailers, its length announced',
    async run(context) {
      const { store, key } = context
      for (const body of [bytesOf('{"a":1}'), new Uint8Array(70_000).fill(7)]) {
        await store.put(key('a'), body, 'none')
        const sent = context.needService().lastWrite()
        expect(sent.headers.get('content-length')).toBe(String(body.length))
        for (const name of [
          'transfer-encoding',
          'content-encoding',
          'x-amz-trailer',
          'x-amz-decoded-content-length',
        ]) {
          expect(sent.headers.has(name), `header ${name}`).toBe(false)
        }
        expect(Buffer.compare(sent.body, body)).toBe(0)
      }
    },
  },
  {
    id: 'PV-16',
    promise: 'a token from before A, B, A: what it does is written down here, and writers never repeat bytes',
    async run({ store, key, has_content_tokens, has_content_conditions }) {
      const first = await createText(store, key('a'), 'A')
      const between = await replaceText(store, key('a'), 'B', first)
      const again = await replaceText(store, key('a'), 'A', between)
      expect(sameVersion(first, again)).toBe(has_content_tokens)
      expect(await store.put(key('a'), bytesOf('C'), { matchesVersion: between })).toEqual(REFUSED)
      const { outcome } = await store.put(key('a'), bytesOf('D'), { matchesVersion: first })
      expect(outcome).toBe(has_content_conditions ? 'ok' : 'precondition_failed')
    },
  },
  {
    id: 'PV-17',
    promise: 'reads of 256 KiB during replaces return one generation with its own token',
    async run({ store, another, key }) {
      const body = (i: number): string => `${i} `.repeat(256 * 1024).slice(0, 256 * 1024)
      const tokens = new Map<string, Token>()
      let token = await createText(store, key('a'), body(0))
      tokens.set(body(0), token)
      let is_writing = true
      const seen: { readonly text: string; readonly token: Token }[] = []
      const writing = (async () => {
        const writer = another()
        for (let i = 1; i <= 15; i++) {
          token = await replaceText(writer, key('a'), body(i), token)
          tokens.set(body(i), token)
        }
        is_writing = false
      })()
      const reading = Array.from({ length: 2 }, async () => {
        while (is_writing) {
          const object = await readObject(store, key('a'))
          seen.push({ text: new TextDecoder().decode(object.bytes), token: object.token })
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
      await Promise.all([writing, ...reading])
      const torn = seen.filter((each) => tokens.get(each.text) !== each.token)
      expect(torn.map(({ text }) => text.slice(0, 20))).toEqual([])
      expect(seen.length).toBeGreaterThan(0)
    },
  },
  {
    id: 'PV-18',
    promise: 'keys with spaces, +, = and the like are signed and listed as they are, in byte order',
    async run({ store, another, key }) {
      for (const name of AWKWARD) await createText(store, key(name), name)
      for (const name of AWKWARD) expect(await readText(another(), key(name))).toBe(name)
      const { objects } = await store.listPage({ prefix: key(''), limit: 100 })
      expect(objects.map((each) => each.key)).toEqual(AWKWARD.map(key).toSorted())
      const [, second = '', third = ''] = AWKWARD.map(key).toSorted()
      const page = await store.listPage({ prefix: key(''), start_after: second, limit: 1 })
      expect(page.objects.map((each) => each.key)).toEqual([third])
      for (const name of AWKWARD) await store.delete(key(name))
      expect((await store.listPage({ prefix: key(''), limit: 100 })).objects).toEqual([])
    },
  },
  {
    id: 'PV-18',
    promise: 'keys with %, non-ASCII letters or emoji are refused before anything is sent',
    async run({ store, key, wire }) {
      const writes = wire?.writes()
      for (const name of REFUSED_NAMES) {
        const refused = { name: 'StoreError', code: 'invalid_key' }
        await expect(store.put(key(name), bytesOf('x'), 'doesNotExist')).rejects.toMatchObject(refused)
        await expect(store.get(key(name))).rejects.toMatchObject(refused)
      }
      expect(wire?.writes()).toBe(writes)
    },
  },
  {
    id: 'PV-19',
    promise: 'the R2 binding gets bare ETags and never a quoted or weak one',
    async run(context) {
      const { store, key } = context
      const service = context.needService()
      const token = await createText(store, key('a'), 'one')
      const { token: read } = await readObject(store, key('a'))
      await replaceText(store, key('a'), 'two', token)
      expect(await store.put(key('a'), bytesOf('three'), { matchesVersion: read })).toEqual(REFUSED)
      for (const odd of ['"quoted"', 'W/"weak"', '"', 'bare'])
        await store.put(key('a'), bytesOf('x'), { matchesVersion: odd })
      await service.driver.certification.getIfChanged?.(key('a'), token)
      const conditions = service.conditions?.() ?? []
      expect(conditions.length).toBeGreaterThanOrEqual(4)
      for (const condition of conditions) {
        for (const tag of Object.values(condition)) expect(tag).toMatch(/^[\x21\x23-\x7e]+$/)
        for (const tag of Object.values(condition)) expect(tag.startsWith('W/')).toBe(false)
      }
    },
  },
]
