/** The memory store: its tokens (storage.md 5.2), its interleavings (providers.md 3.5), its doors for tests. */
import { describe, expect, test } from 'vitest'
import { memoryStore, type MemoryOptions, type MemoryStore } from '../../lib/store/memory.ts'
import { sameVersion } from '../../lib/store/tokens.ts'
import { bytesOf, createText, readObject, readText, replaceText, textOf } from '../support/objects.ts'

describe('tokens', () => {
  test('5.2: a counter in decimal that grows with each write of the process, from store to store', async () => {
    const tokens = [
      await createText(memoryStore(), 'a', 'x'),
      await createText(memoryStore(), 'a', 'x'),
      await createText(memoryStore(), 'b', 'x'),
    ].map(Number)
    expect(tokens.every((each) => Number.isSafeInteger(each) && each >= 1)).toBe(true)
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
    expect(new Set(tokens).size).toBe(3)
  })

  test.each([
    ['counter', /^\{"e_tag":null,"version":"\d+"\}$/],
    ['content', /^\{"e_tag":"\\"[0-9a-f]{16}x\d+\\"","version":null\}$/],
  ] as const)('5.3: the reference format of %s tokens is the composite', async (tokens, expected) => {
    expect(await createText(memoryStore({ tokens, token_format: 'reference' }), 'a', 'x')).toMatch(expected)
  })

  test('5.4: content tokens are equal for equal bytes and different for others, and can be ABA', async () => {
    const store = memoryStore({ tokens: 'content' })
    const first = await createText(store, 'a', 'one')
    const second = await replaceText(store, 'a', 'two', first)
    const third = await replaceText(store, 'a', 'one', second)
    expect(sameVersion(first, third)).toBe(true)
    expect(sameVersion(first, second)).toBe(false)
    // The delayed put that X18 is about: it lands.
    await replaceText(store, 'a', 'late', first)
  })
})

describe('interleavings', () => {
  const OPTIONS: readonly MemoryOptions[] = [{ tokens: 'counter' }, { tokens: 'content' }]

  test.each(OPTIONS)('3.5: an operation yields before its effect and after it ($tokens)', async (options) => {
    const store = memoryStore(options)
    const order: string[] = []
    const putting = store.put('a', bytesOf('x'), 'doesNotExist').then(() => order.push('answered'))
    order.push(store.peek('a') === null ? 'not stored when the call returns' : 'stored at once')
    await Promise.resolve()
    order.push(store.peek('a') === null ? 'not stored' : 'stored before it is answered')
    await putting
    expect(order).toEqual(['not stored when the call returns', 'stored before it is answered', 'answered'])
  })

  const READS = {
    get: async (store: MemoryStore) => readText(store, 'a'),
    head: async (store: MemoryStore) => {
      const head = await store.head('a')
      return head.outcome === 'ok' && head.size === 5 ? 'newer' : 'old'
    },
    list: async (store: MemoryStore) => {
      const page = await store.listPage({ prefix: '', limit: 1 })
      return page.objects[0]?.size === 5 ? 'newer' : 'old'
    },
  }

  test.each(Object.entries(READS))(
    '3.5: a write during a %s is seen or not, depending on its moment',
    async (_name, read) => {
      const seen: string[] = []
      // The write happens ever later; the last one still before the answer has arrived.
      for (let moment = 0; ; moment++) {
        const store = memoryStore()
        store.seed('a', bytesOf('old'))
        let has_arrived = false
        const reading = read(store).finally(() => (has_arrived = true))
        for (let i = 0; i < moment; i++) await Promise.resolve()
        if (has_arrived) break
        store.seed('a', bytesOf('newer'))
        seen.push(await reading)
      }
      expect(new Set(seen)).toEqual(new Set(['newer', 'old']))
      expect(seen).toEqual(seen.toSorted())
    },
  )

  test('ST-33: aborted after its effect, a put is unknown all the same', async () => {
    const store = memoryStore()
    const controller = new AbortController()
    const putting = store.put('a', bytesOf('x'), 'doesNotExist', { signal: controller.signal })
    await Promise.resolve()
    expect(store.peek('a')).not.toBeNull()
    controller.abort()
    expect(await putting).toEqual({ outcome: 'unknown' })
  })
})

describe('what is stored', () => {
  test('is a copy, and so is what is read', async () => {
    const store = memoryStore()
    const bytes = bytesOf('abc')
    await store.put('a', bytes, 'doesNotExist')
    bytes.fill(0)
    const read = await readObject(store, 'a')
    expect(textOf(read.bytes)).toBe('abc')
    read.bytes.fill(0)
    expect(textOf((await readObject(store, 'a')).bytes)).toBe('abc')
    store.dump().get('a')?.fill(0)
    expect(textOf(store.peek('a')?.bytes ?? new Uint8Array())).toBe('abc')
  })

  test('has times only with a clock, and metadata only with the capability', async () => {
    let now_ms = 1_000
    const timed = memoryStore({ clock: () => now_ms, meta: true })
    await timed.put('a', bytesOf('x'), 'doesNotExist', { meta: { owner: 'me' } })
    now_ms = 2_000
    expect(await timed.get('a')).toMatchObject({
      last_modified_ms: 1_000,
      server_date_ms: 2_000,
      meta: { owner: 'me' },
    })
    expect(timed.capabilities.meta).toBe(true)

    const plain = memoryStore()
    await plain.put('a', bytesOf('x'), 'doesNotExist', { meta: { owner: 'me' } })
    expect(Object.keys(await plain.get('a')).toSorted()).toEqual(['bytes', 'outcome', 'token'])
    expect(plain.capabilities.meta).toBe(false)
  })

  test('can be put in, taken out and looked at without a request', () => {
    const store = memoryStore()
    store.seed('b', bytesOf('2'), 'token-of-b', { last_modified_ms: 7, meta: { owner: 'me' } })
    store.seed('a', bytesOf('1'))
    expect([...store.dump().keys()]).toEqual(['a', 'b'])
    expect(store.peek('b')).toMatchObject({ token: 'token-of-b', last_modified_ms: 7, meta: { owner: 'me' } })
    store.remove('b')
    expect(store.peek('b')).toBeNull()
  })
})
