/** Rows of the store contract: conditional puts, one at a time and all at once (ST-01…ST-16). */
import { expect } from 'vitest'
import { sameVersion, TOKEN_CHARS_MAX } from '../../../lib/store/tokens.ts'
import type { MaintenanceStore, PutResult, Token } from '../../../lib/store/types.ts'
import {
  bytesOf,
  createText,
  increment,
  readObject,
  readText,
  replaceText,
  textOf,
  tokenOf,
} from '../objects.ts'
import { ABSENT, REFUSED, type ContractContext, type ContractRow } from './row.ts'

/** Tokens that name no generation, among them ones that a careless driver would send as a header or a number (V-6). */
const GARBAGE_TOKENS: readonly Token[] = [
  '',
  'garbage',
  '*',
  '"*"',
  '0',
  '-1',
  '1e3',
  'null',
  '{}',
  '{"e_tag":null,"version":null}',
  '{"e_tag":"*","version":null}',
  '{"e_tag":',
  'W/"x"',
  '"x", "y"',
  'x\r\nx-header: y',
  '\u00E9',
  '9'.repeat(TOKEN_CHARS_MAX + 1),
]

/** One after the other. */
export const CONDITIONAL_PUTS: readonly ContractRow[] = [
  {
    id: 'ST-01',
    promise: 'creating an absent object is ok, and a get has the same bytes and token',
    async run({ store, key }) {
      const token = await createText(store, key('a'), 'one')
      expect(token).not.toBe('')
      expect(token.length).toBeLessThanOrEqual(TOKEN_CHARS_MAX)
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('one'), token })
      expect(await store.head(key('a'))).toMatchObject({ outcome: 'ok', size: 3, token })
    },
  },
  {
    id: 'ST-02',
    promise: 'creating a present object is precondition_failed and changes nothing',
    async run({ store, key }) {
      const token = await createText(store, key('a'), 'one')
      expect(await store.put(key('a'), bytesOf('two'), 'doesNotExist')).toEqual(REFUSED)
      // Equal bytes are no excuse.
      expect(await store.put(key('a'), bytesOf('one'), 'doesNotExist')).toEqual(REFUSED)
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('one'), token })
    },
  },
  {
    id: 'ST-03',
    promise: 'replacing the current generation is ok with another token',
    async run({ store, key }) {
      const first = await createText(store, key('a'), 'one')
      const second = await replaceText(store, key('a'), 'two', first)
      expect(sameVersion(first, second)).toBe(false)
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('two'), token: second })
    },
  },
  {
    id: 'ST-04',
    promise: 'replacing an older generation is precondition_failed and changes nothing',
    async run({ store, key }) {
      const first = await createText(store, key('a'), 'one')
      const second = await replaceText(store, key('a'), 'two', first)
      expect(await store.put(key('a'), bytesOf('three'), { matchesVersion: first })).toEqual(REFUSED)
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('two'), token: second })
    },
  },
  {
    id: 'ST-05',
    promise: 'replacing an absent object is precondition_failed and it stays absent',
    async run({ store, key }) {
      const elsewhere = await createText(store, key('a'), 'one')
      expect(await store.put(key('b'), bytesOf('two'), { matchesVersion: elsewhere })).toEqual(REFUSED)
      expect(await store.get(key('b'))).toEqual(ABSENT)
    },
  },
  {
    id: 'ST-06',
    promise: 'a token that names nothing is precondition_failed and changes nothing',
    async run({ store, key }) {
      const token = await createText(store, key('a'), 'one')
      for (const garbage of GARBAGE_TOKENS) {
        const put = await store.put(key('a'), bytesOf('two'), { matchesVersion: garbage })
        expect({ garbage, ...put }).toEqual({ garbage, ...REFUSED })
      }
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('one'), token })
    },
  },
  {
    id: 'ST-07',
    promise: 'a put without a condition is ok, whether there is an object or not',
    async run({ store, key }) {
      const first = tokenOf(await store.put(key('a'), bytesOf('one'), 'none'))
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('one'), token: first })
      const second = tokenOf(await store.put(key('a'), bytesOf('two'), 'none'))
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('two'), token: second })
      expect(await store.put(key('a'), bytesOf('three'), { matchesVersion: first })).toEqual(REFUSED)
    },
  },
  {
    id: 'ST-08',
    promise: 'an object created again after a delete has a token of its own',
    async run({ store, key, has_content_tokens }) {
      const earlier: Token[] = []
      for (const text of ['one', 'two', 'three', 'four']) {
        const token = await createText(store, key('a'), text)
        expect(earlier.filter((each) => sameVersion(each, token))).toEqual([])
        earlier.push(token)
        expect(await store.delete(key('a'))).toEqual({ outcome: 'ok' })
      }
      const again = await createText(store, key('a'), 'one')
      expect(earlier.some((each) => sameVersion(each, again))).toBe(has_content_tokens)
    },
  },
  {
    id: 'ST-09',
    promise: 'a token from before a delete does not replace what was created afterwards',
    async run({ store, key }) {
      const before = await createText(store, key('a'), 'one')
      await store.delete(key('a'))
      const after = await createText(store, key('a'), 'two')
      expect(await store.put(key('a'), bytesOf('three'), { matchesVersion: before })).toEqual(REFUSED)
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('two'), token: after })
    },
  },
  {
    id: 'conditions',
    promise: 'conditions are evaluated, not dropped on the way (correctness 2)',
    async run({ store, another, key }) {
      const first = await createText(store, key('a'), 'one')
      const second = await replaceText(another(), key('a'), 'two', first)
      expect(await store.put(key('a'), bytesOf('three'), 'doesNotExist')).toEqual(REFUSED)
      expect(await store.put(key('a'), bytesOf('three'), { matchesVersion: first })).toEqual(REFUSED)
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('two'), token: second })
    },
  },
]

/** All at once, from three clients. */
export const RACES: readonly ContractRow[] = [
  {
    id: 'ST-13',
    promise: 'of two creates at once exactly one is ok',
    async run(context) {
      await expectOneWinner(context, 2, async (client, text) =>
        client.put(context.key('a'), bytesOf(text), 'doesNotExist'),
      )
    },
  },
  {
    id: 'ST-14',
    promise: 'of two replaces of one generation at once exactly one is ok, and its bytes stay',
    async run(context) {
      const token = await createText(context.store, context.key('a'), 'old')
      await expectOneWinner(context, 2, async (client, text) =>
        client.put(context.key('a'), bytesOf(text), { matchesVersion: token }),
      )
    },
  },
  {
    id: 'create-32',
    promise: 'of 32 creates at once exactly one is ok (correctness 2)',
    async run(context) {
      await expectOneWinner(context, 32, async (client, text) =>
        client.put(context.key('a'), bytesOf(text), 'doesNotExist'),
      )
    },
  },
  {
    id: 'replace-32',
    promise: 'of 32 replaces of one generation at once exactly one is ok (correctness 2)',
    async run(context) {
      const token = await createText(context.store, context.key('a'), 'old')
      await expectOneWinner(context, 32, async (client, text) =>
        client.put(context.key('a'), bytesOf(text), { matchesVersion: token }),
      )
    },
  },
  {
    id: 'ST-15',
    promise: '32 clients that add one at once, reading again after each failure, come to 32',
    async run({ store, another, key }) {
      const clients = [store, another(), another()]
      await createText(store, key('counter'), '0')
      await Promise.all(
        Array.from({ length: 32 }, async (_, i) =>
          increment(clients[i % clients.length] ?? store, key('counter')),
        ),
      )
      expect(await readText(store, key('counter'))).toBe('32')
    },
  },
  {
    id: 'ST-16',
    promise: 'a get during replaces returns bytes and token that were written together',
    async run({ store, another, key }) {
      const writer = another()
      const first = await createText(store, key('a'), 'generation 0')
      const written = new Map([['generation 0', first]])
      const seen = new Map<string, Token>()
      let is_writing = true
      const writing = (async () => {
        let token = first
        for (let i = 1; i <= 60; i++) {
          token = await replaceText(writer, key('a'), `generation ${i}`, token)
          written.set(`generation ${i}`, token)
        }
        is_writing = false
      })()
      const reading = Array.from({ length: 3 }, async () => {
        while (is_writing) {
          const { bytes, token } = await readObject(store, key('a'))
          seen.set(textOf(bytes), token)
          // Lets timers and I/O of the writer run when this store answers without any.
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
      await Promise.all([writing, ...reading])
      for (const [text, token] of seen) expect({ text, token }).toEqual({ text, token: written.get(text) })
      expect(seen.size).toBeGreaterThan(0)
    },
  },
]

type Put = (client: MaintenanceStore, text: string) => Promise<PutResult>

/** Of puts at once one is `ok`; the others had no part in what is stored. */
async function expectOneWinner(
  { store, another, key }: ContractContext,
  racers: number,
  put: Put,
): Promise<void> {
  const clients = [store, another(), another()]
  const results = await Promise.all(
    Array.from({ length: racers }, async (_, i) => put(clients[i % clients.length] ?? store, `writer ${i}`)),
  )
  const { bytes, token } = await readObject(store, key('a'))
  const winners = results.flatMap((result, i) =>
    result.outcome === 'ok' ? [{ text: `writer ${i}`, token: result.token }] : [],
  )
  expect(winners).toEqual([{ text: textOf(bytes), token }])
  // A provider may refuse to evaluate a loser now; one that is `unknown` would have lost its answer.
  for (const { outcome } of results) expect(['ok', 'precondition_failed', 'no_effect']).toContain(outcome)
}
