/** What a failed connection proves (providers.md 1): only what was certainly never sent had no effect. */
import { describe, expect, test } from 'vitest'
import { readBody } from '../../lib/store/content.ts'
import { causeText, classifyPutFailure, putWithoutCredentials, readFailure } from '../../lib/store/network.ts'
import { StoreError } from '../../lib/store/types.ts'

function systemError(code: string, syscall?: string): Error {
  return Object.assign(new Error(`${syscall ?? 'read'} ${code}`), {
    code,
    ...(syscall === undefined ? {} : { syscall }),
  })
}

/** As fetch of Node wraps it. */
const wrapped = (cause: unknown): Error => new TypeError('fetch failed', { cause })

describe('a put that ended in', () => {
  test.each([
    { name: 'a refused connection', error: systemError('ECONNREFUSED', 'connect') },
    { name: 'a refused connection, of fetch', error: wrapped(systemError('ECONNREFUSED', 'connect')) },
    { name: 'an unknown host', error: systemError('ENOTFOUND', 'getaddrinfo') },
    { name: 'a name server that does not answer', error: wrapped(systemError('EAI_AGAIN', 'getaddrinfo')) },
    { name: 'no route to the host', error: systemError('EHOSTUNREACH', 'connect') },
    {
      name: 'no route, of node-fetch',
      error: Object.assign(new Error('x'), { code: 'ENETUNREACH', erroredSysCall: 'connect' }),
    },
    {
      name: 'a connection that took too long to be made',
      error: wrapped(systemError('UND_ERR_CONNECT_TIMEOUT')),
    },
    { name: 'a certificate of somebody else', error: wrapped(systemError('ERR_TLS_CERT_ALTNAME_INVALID')) },
    {
      name: 'all addresses refused',
      error: wrapped(
        new AggregateError([systemError('ECONNREFUSED', 'connect'), systemError('ENETUNREACH', 'connect')]),
      ),
    },
  ])('$name had no effect', ({ error }) => {
    const put = classifyPutFailure('k', error)
    expect(put).toEqual({ outcome: 'no_effect', cause: expect.any(StoreError) })
    expect(put).toMatchObject({ cause: { code: 'unavailable', key: 'k' } })
  })

  test.each([
    { name: 'a reset', error: systemError('ECONNRESET', 'read') },
    { name: 'a reset, of fetch', error: wrapped(systemError('ECONNRESET', 'read')) },
    { name: 'a timeout', error: systemError('ETIMEDOUT', 'read') },
    // Linux reports these on an established connection when its route goes away: the request was sent.
    { name: 'a route that went away', error: systemError('EHOSTUNREACH', 'read') },
    { name: 'a network that went away', error: systemError('ENETUNREACH', 'write') },
    { name: 'a port that went away', error: systemError('ECONNREFUSED', 'read') },
    {
      name: 'one of several addresses timing out',
      error: new AggregateError([
        systemError('ECONNREFUSED', 'connect'),
        systemError('ETIMEDOUT', 'connect'),
      ]),
    },
    { name: 'several addresses without a reason', error: new AggregateError([]) },
    { name: 'a broken answer', error: new TypeError('terminated') },
    { name: 'something that is no error', error: 'ECONNREFUSED' },
    { name: 'nothing', error: undefined },
  ])('$name is unknown', ({ error }) => {
    expect(classifyPutFailure('k', error)).toEqual({ outcome: 'unknown' })
  })
})

describe('without credentials', () => {
  test('a put had no effect when their source is away, and is thrown when it refuses', () => {
    const away = new StoreError('unavailable', 'k', 'away')
    const refused = new StoreError('denied', 'k', 'refused')
    expect(putWithoutCredentials(away)).toEqual({ outcome: 'no_effect', cause: away })
    expect(() => putWithoutCredentials(refused)).toThrow(refused)
    expect(() => putWithoutCredentials(new TypeError('a bug'))).toThrow('a bug')
  })
})

describe('a read that ended in an exception', () => {
  test('is unavailable, with the innermost cause in its text', () => {
    const failure = readFailure('k', wrapped(systemError('ECONNREFUSED', 'connect')))
    expect(failure).toMatchObject({
      code: 'unavailable',
      key: 'k',
      message: 'the store did not answer: connect ECONNREFUSED',
    })
  })

  test('stays what it is when it has a code already', () => {
    const refused = new StoreError('denied', 'k', 'refused')
    expect(readFailure('k', refused)).toBe(refused)
  })

  test.each([
    { error: new AggregateError([new Error('first'), new Error('last')]), text: 'last' },
    { error: new Error(''), text: 'Error' },
    { error: 'text', text: 'text' },
    { error: new Error('x'.repeat(500)), text: 'x'.repeat(200) },
  ])('says $text', ({ error, text }) => {
    expect(causeText(error)).toBe(text)
  })

  test('ends even when a cause causes itself', () => {
    const error = new Error('round')
    error.cause = error
    expect(causeText(error)).toBe('round')
  })
})

describe('a body', () => {
  async function* pieces(
    sizes: readonly number[],
    closed: { is_closed: boolean },
  ): AsyncGenerator<Uint8Array> {
    try {
      for (const size of sizes) yield new Uint8Array(size)
    } finally {
      closed.is_closed = true
    }
  }

  test.each([
    { sizes: [3, 2], announced: 5, bytes_max: undefined, as: 5 },
    { sizes: [3, 2], announced: undefined, bytes_max: 5, as: 5 },
    { sizes: [], announced: 0, bytes_max: 0, as: 0 },
    { sizes: [3], announced: 5, bytes_max: undefined, as: 'corrupt' },
    { sizes: [3, 3], announced: 5, bytes_max: undefined, as: 'corrupt' },
    { sizes: [3, 3], announced: undefined, bytes_max: 5, as: 'too_large' },
    { sizes: [1], announced: 6, bytes_max: 5, as: 'too_large' },
  ])(
    'of $sizes, $announced announced, at most $bytes_max: $as',
    async ({ sizes, announced, bytes_max, as }) => {
      const closed = { is_closed: false }
      const came = await readBody('k', pieces(sizes, closed), { announced, bytes_max }).then(
        ({ length }) => length,
        (error: unknown) => (error instanceof StoreError ? error.code : error),
      )
      expect(came).toBe(as)
      // A body that is left open holds its connection.
      expect(closed.is_closed).toBe(true)
    },
  )

  test('that is not there is empty', async () => {
    expect(await readBody('k', null, { announced: undefined, bytes_max: 5 })).toHaveLength(0)
    await expect(readBody('k', null, { announced: 3, bytes_max: 5 })).rejects.toMatchObject({
      code: 'corrupt',
    })
  })
})
