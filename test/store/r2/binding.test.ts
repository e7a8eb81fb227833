/** What a binding's errors and answers mean, row by row (providers.md R-1…R-8), over a binding that says them. */
import { describe, expect, test } from 'vitest'
import { withLimits } from '../../../lib/store/limits.ts'
import { r2Store, type R2BucketBinding, type R2Object } from '../../../lib/store/r2.ts'
import { bytesOf, textOf } from '../../support/objects.ts'

const OBJECT: R2Object = {
  key: 'a',
  size: 3,
  etag: 'f97c5d29941bfb1b2fdab0874906ab82',
  version: '7e6f',
  uploaded: new Date(1_739_443_200_000),
}

const nothing = async (): Promise<never> => Promise.reject(new Error('not asked'))

function bindingWith(calls: Partial<R2BucketBinding>): R2BucketBinding {
  return { get: nothing, head: nothing, put: nothing, delete: nothing, list: nothing, ...calls }
}

/** Counts the puts that it refuses. */
function failing(message: string): R2BucketBinding & { readonly puts: () => number } {
  let puts = 0
  const fail = async (): Promise<never> => Promise.reject(new Error(message))
  const put = async (): Promise<never> => {
    puts += 1
    return fail()
  }
  return { get: fail, head: fail, put, delete: fail, list: fail, puts: () => puts }
}

/** What R2 throws, and what a put, a get and a head make of it: an outcome, or the code of what is thrown. */
const ERRORS: readonly {
  readonly error: string
  readonly put: unknown
  readonly read: string
}[] = [
  {
    error: 'put: We encountered an internal error. (10001)',
    put: { outcome: 'unknown' },
    read: 'unavailable',
  },
  { error: 'put: Unauthorized. (10002)', put: 'denied', read: 'denied' },
  { error: 'put: Access denied. (10003)', put: 'denied', read: 'denied' },
  { error: 'put: The bucket name is not valid. (10005)', put: 'misconfigured', read: 'misconfigured' },
  { error: 'put: The specified bucket does not exist. (10006)', put: 'misconfigured', read: 'misconfigured' },
  { error: 'get: The specified key does not exist. (10007)', put: { outcome: 'unknown' }, read: 'not_found' },
  {
    error: 'put: Your metadata headers exceed the maximum. (10012)',
    put: 'misconfigured',
    read: 'misconfigured',
  },
  { error: 'put: The request body ended early. (10013)', put: { outcome: 'unknown' }, read: 'unavailable' },
  {
    error: 'put: The specified object name is not valid. (10020)',
    put: 'misconfigured',
    read: 'misconfigured',
  },
  {
    error: 'put: A precondition failed. (10031)',
    put: { outcome: 'precondition_failed' },
    read: 'unavailable',
  },
  { error: 'put: The SHA-256 checksum did not match. (10037)', put: 'corrupt', read: 'unavailable' },
  { error: 'put: Not entitled. (10042)', put: 'denied', read: 'denied' },
  { error: 'put: Service unavailable. (10043)', put: { outcome: 'unknown' }, read: 'unavailable' },
  { error: 'put: Client disconnected. (10054)', put: { outcome: 'unknown' }, read: 'unavailable' },
  {
    error: 'put: Reduce your concurrent request rate for the same object. (10058)',
    put: { outcome: 'no_effect', retry_after_ms: 1_000 },
    read: 'unavailable',
  },
  { error: 'put: The object is locked. (10069)', put: 'denied', read: 'denied' },
  { error: 'Network connection lost.', put: { outcome: 'unknown' }, read: 'unavailable' },
  { error: 'code (10058) in the middle of a text', put: { outcome: 'unknown' }, read: 'unavailable' },
]

describe('an error', () => {
  test.each(ERRORS)('"$error": put $put after one call (P-1), read $read', async ({ error, put, read }) => {
    const binding = failing(error)
    const store = withLimits(r2Store(binding), { sleep: async () => undefined })
    const came = async (call: Promise<{ readonly outcome: string }>): Promise<unknown> =>
      call.then(
        (result) => result,
        (failure: unknown) => (failure instanceof Error && 'code' in failure ? failure.code : failure),
      )
    expect(await came(store.put('a', bytesOf('one'), 'doesNotExist'))).toEqual(put)
    expect(await came(store.put('a', bytesOf('one'), { matchesVersion: 'e' }))).toEqual(put)
    expect(binding.puts()).toBe(2)
    const missing = read === 'not_found' ? { outcome: 'not_found' } : read
    expect(await came(store.get('a'))).toEqual(missing)
    expect(await came(store.head('a'))).toEqual(missing)
  })
})

describe('a put', () => {
  test('sends bare tags in object form, the digest of its bytes, and no cache', async () => {
    const seen: unknown[] = []
    const store = r2Store(
      bindingWith({
        async put(key, value, options) {
          seen.push({ key, text: textOf(value), ...options })
          return OBJECT
        },
      }),
    )
    const token = '{"e_tag":"\\"abc\\"","version":"1"}'
    await store.put('a.json', bytesOf('one'), 'doesNotExist', { meta: { holder: 'h' } })
    await store.put('a.json', bytesOf('one'), { matchesVersion: token })
    await store.put('a.json', bytesOf('one'), 'none')
    const sha256 = await crypto.subtle.digest('SHA-256', bytesOf('one').slice())
    const common = {
      key: 'a.json',
      text: 'one',
      sha256,
      httpMetadata: { contentType: 'application/json', cacheControl: 'no-store' },
    }
    expect(seen).toEqual([
      { ...common, onlyIf: { etagDoesNotMatch: '*' }, customMetadata: { holder: 'h' } },
      { ...common, onlyIf: { etagMatches: 'abc' } },
      common,
    ])
  })

  test.each(['W/"weak"', '*', '"*"', '', '"a", "b"', '\u00E9'])(
    'with the token %s, which no object has, is refused without asking',
    async (token) => {
      const store = r2Store(bindingWith({}))
      const put = store.put('a', bytesOf('one'), { matchesVersion: token })
      expect(await put).toEqual({ outcome: 'precondition_failed' })
    },
  )

  test('whose answer is null was refused (R-3)', async () => {
    const store = r2Store(bindingWith({ put: async () => null }))
    expect(await store.put('a', bytesOf('one'), 'doesNotExist')).toEqual({ outcome: 'precondition_failed' })
  })

  test.each([
    { seen: 'first', answers: [OBJECT, null], outcome: 'ok' },
    // The protocol looks before it believes it (providers.md P-4).
    { seen: 'second', answers: [null, OBJECT], outcome: 'precondition_failed' },
  ])(
    'that the platform delivers twice is one call; the $seen answer is seen',
    async ({ answers, outcome }) => {
      let calls = 0
      const store = r2Store(bindingWith({ put: async () => answers[calls++] ?? null }))
      expect(await store.put('a', bytesOf('one'), 'doesNotExist')).toMatchObject({ outcome })
      expect(calls).toBe(1)
    },
  )

  test('has a token of ETag and version (R-4)', async () => {
    const store = r2Store(bindingWith({ put: async () => OBJECT }))
    expect(await store.put('a', bytesOf('one'), 'doesNotExist')).toEqual({
      outcome: 'ok',
      token: `{"e_tag":"\\"${OBJECT.etag}\\"","version":"7e6f"}`,
    })
  })
})

describe('a get', () => {
  test('of a body that is shorter than its object is corrupt (I-2)', async () => {
    async function* short(): AsyncGenerator<Uint8Array> {
      yield bytesOf('on')
    }
    const store = r2Store(bindingWith({ get: async () => ({ ...OBJECT, body: short() }) }))
    await expect(store.get('a')).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('of an object that is larger than allowed stops reading it', async () => {
    let is_closed = false
    async function* large(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(1_000)
      } finally {
        is_closed = true
      }
    }
    const object = { ...OBJECT, size: 1_000_000, body: large() }
    const store = r2Store(bindingWith({ get: async () => object }))
    await expect(store.get('a', { bytes_max: 5_000 })).rejects.toMatchObject({ code: 'too_large' })
    expect(is_closed).toBe(true)
  })
})

describe('a listing', () => {
  test('goes on by cursor until its page is full, since R2 may answer fewer than asked for', async () => {
    const asked: unknown[] = []
    const keys = ['p/a', 'p/b', 'p/c', 'p/d', 'p/e']
    const store = r2Store(
      bindingWith({
        async list(options) {
          asked.push(options)
          const from = options.cursor === undefined ? 0 : Number(options.cursor)
          const page = keys.slice(from, from + Math.min(2, options.limit))
          const end = from + page.length
          const objects = page.map((key) => ({ ...OBJECT, key }))
          return end < keys.length
            ? { objects, truncated: true, cursor: String(end) }
            : { objects, truncated: false }
        },
      }),
    )
    const page = await store.listPage({ prefix: 'p/', start_after: 'p/0', limit: 4 })
    expect(page.objects.map(({ key }) => key)).toEqual(['p/a', 'p/b', 'p/c', 'p/d'])
    expect(page.next_start_after).toBe('p/d')
    expect(asked).toEqual([
      { prefix: 'p/', limit: 4, startAfter: 'p/0' },
      { prefix: 'p/', limit: 2, cursor: '2' },
    ])
    expect((await store.listPage({ prefix: 'p/', limit: 6 })).objects).toHaveLength(5)
  })
})

test('a delete takes no token, because R2 would not look at it (R-8)', async () => {
  const store = r2Store(bindingWith({}))
  await expect(store.delete('a', { token: 'e' })).rejects.toMatchObject({ code: 'unsupported' })
})
