/** A remote key set, S8: a storm of unknown keys, a dead issuer or a poisoned answer costs one fetch a cooldown. */
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Authentication } from '../../../functions/auth.ts'
import { JwksUnavailable, remoteJwks } from '../../../functions/auth/jwks.ts'
import { verifyJwt, type JwtResult } from '../../../functions/auth/jwt.ts'
import { authenticatorsOf } from '../../../functions/auth/configured.ts'
import { configFrom } from '../../../functions/config.ts'
import {
  bearer,
  keyPair,
  keySetServer,
  signed,
  USER_CLAIMS,
  type KeyPair,
  type KeySetServer,
} from '../../support/tokens.ts'

const URL_ = 'https://issuer.example/jwks.json'
const COOLDOWN_MS = 30_000
const CACHE_MS = 300_000

let rsa: KeyPair
let ec: KeyPair
beforeAll(async () => {
  ;[rsa, ec] = await Promise.all([keyPair('RS256', 'rsa-1'), keyPair('ES256', 'ec-1')])
})
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'] }))
afterEach(() => void vi.useRealTimers())

interface Judge {
  readonly keys: KeySetServer
  judge(token: string): Promise<JwtResult>
}

function judgeWith(keys = keySetServer([rsa.public_jwk])): Judge {
  const key = remoteJwks({ url: URL_, cache_ms: CACHE_MS, fetch: keys.fetch })
  return { keys, judge: async (token) => verifyJwt(token, key, { algorithms: ['RS256', 'ES256'] }) }
}

const CLAIMS = { sub: 'ada' }
const byRsa = async (kid: string | undefined = 'rsa-1'): Promise<string> =>
  signed(CLAIMS, rsa.private_key, {
    alg: 'RS256',
    header: kid === undefined ? {} : { kid },
    expires_in_s: 1e6,
  })
const byEc = async (): Promise<string> =>
  signed(CLAIMS, ec.private_key, { alg: 'ES256', header: { kid: 'ec-1' }, expires_in_s: 1e6 })

const UNKNOWN = { ok: false, why: 'unknown key' }
const UNAVAILABLE = { ok: false, cause: expect.any(JwksUnavailable) }

describe('unknown keys', () => {
  test('1 000 unknown kids cost one fetch, and one more after the cooldown', async () => {
    const { keys, judge } = judgeWith()
    const token = await byRsa('nobody')
    const storm = async (): Promise<readonly JwtResult[]> => {
      const results: JwtResult[] = []
      for (let each = 0; each < 1_000; each++) {
        const [, ...rest] = token.split('.')
        const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: `kid-${each}` })).toString('base64url')
        results.push(await judge([header, ...rest].join('.')))
      }
      return results
    }
    for (const result of await storm()) expect(result).toMatchObject(UNKNOWN)
    expect(keys.requests).toHaveLength(1)
    vi.advanceTimersByTime(COOLDOWN_MS + 1)
    await storm()
    expect(keys.requests).toHaveLength(2)
  })

  test('1 000 at once cost one fetch, too', async () => {
    const { keys, judge } = judgeWith()
    const token = await byRsa('nobody')
    const results = await Promise.all(Array.from({ length: 1_000 }, async () => judge(token)))
    for (const result of results) expect(result).toMatchObject(UNKNOWN)
    expect(keys.requests).toHaveLength(1)
  })

  test('a rotated key is found after the cooldown, and known keys pass all the while', async () => {
    const { keys, judge } = judgeWith()
    expect(await judge(await byRsa())).toMatchObject({ ok: true })
    keys.answer(() => Response.json({ keys: [rsa.public_jwk, ec.public_jwk] }))
    expect(await judge(await byEc())).toMatchObject(UNKNOWN)
    expect(await judge(await byRsa())).toMatchObject({ ok: true })
    vi.advanceTimersByTime(COOLDOWN_MS + 1)
    expect(await judge(await byEc())).toMatchObject({ ok: true })
    expect(keys.requests).toHaveLength(2)
  })

  test('a token without a kid passes when any key of the set verifies it, and not otherwise', async () => {
    const other = await keyPair('RS256', 'rsa-2')
    const { keys, judge } = judgeWith(keySetServer([other.public_jwk, rsa.public_jwk]))
    expect(await judge(await byRsa(undefined))).toMatchObject({ ok: true })
    const forger = await keyPair('RS256', 'rsa-1')
    const forged = await signed(CLAIMS, forger.private_key, { alg: 'RS256' })
    expect(await judge(forged)).toMatchObject({ ok: false, why: 'signature does not verify' })
    expect(keys.requests).toHaveLength(1)
  })
})

describe('the cache', () => {
  test('known keys cost one fetch a lifetime of the cache', async () => {
    const { keys, judge } = judgeWith()
    const token = await byRsa()
    for (let each = 0; each < 10; each++) await judge(token)
    vi.advanceTimersByTime(CACHE_MS - 1)
    expect(await judge(token)).toMatchObject({ ok: true })
    expect(keys.requests).toHaveLength(1)
    vi.advanceTimersByTime(2)
    expect(await judge(token)).toMatchObject({ ok: true })
    expect(keys.requests).toHaveLength(2)
  })

  test('a key that the issuer took back is refused when the cache ends', async () => {
    const { keys, judge } = judgeWith()
    const token = await byRsa()
    expect(await judge(token)).toMatchObject({ ok: true })
    keys.answer(() => Response.json({ keys: [ec.public_jwk] }))
    vi.advanceTimersByTime(CACHE_MS + 1)
    expect(await judge(token)).toMatchObject(UNKNOWN)
  })
})

const KIB_257 = 257 * 1024

/** Answers that are no key set, each with the way in which it could be taken for one. */
const POISON: readonly { readonly name: string; answer(): Response | Promise<Response> }[] = [
  { name: 'a dead issuer', answer: async () => Promise.reject(new TypeError('fetch failed')) },
  { name: '500', answer: () => Response.json({ keys: [rsa.public_jwk] }, { status: 500 }) },
  { name: '404', answer: () => Response.json({ keys: [rsa.public_jwk] }, { status: 404 }) },
  { name: '206', answer: () => Response.json({ keys: [rsa.public_jwk] }, { status: 206 }) },
  {
    name: 'a redirect to somebody else',
    answer: () => new Response(null, { status: 302, headers: { location: 'https://attacker.example/' } }),
  },
  { name: 'no JSON', answer: () => new Response('<html>') },
  { name: 'nothing', answer: () => new Response(null) },
  { name: 'a list', answer: () => Response.json([rsa.public_jwk]) },
  { name: 'no keys', answer: () => Response.json({ key: [rsa.public_jwk] }) },
  { name: 'keys that are no list', answer: () => Response.json({ keys: { a: rsa.public_jwk } }) },
  { name: 'keys that are no objects', answer: () => Response.json({ keys: ['a'] }) },
  {
    name: 'more than 256 KiB, announced',
    answer: () => Response.json({ keys: [rsa.public_jwk], pad: 'a'.repeat(KIB_257) }),
  },
]

describe.each(POISON)('$name', ({ answer }) => {
  test('is no key set, and is asked for once a cooldown by however many tokens', async () => {
    const { keys, judge } = judgeWith()
    keys.answer(answer)
    const token = await byRsa()
    for (let each = 0; each < 100; each++) expect(await judge(token)).toMatchObject(UNAVAILABLE)
    expect(keys.requests).toHaveLength(1)
    vi.advanceTimersByTime(COOLDOWN_MS)
    expect(await judge(token)).toMatchObject(UNAVAILABLE)
    expect(keys.requests).toHaveLength(2)
    keys.answer(() => Response.json({ keys: [rsa.public_jwk] }))
    vi.advanceTimersByTime(COOLDOWN_MS)
    expect(await judge(token)).toMatchObject({ ok: true })
  })

  test('in place of a refresh it does not hurt the keys that are known', async () => {
    const { keys, judge } = judgeWith()
    const token = await byRsa()
    expect(await judge(token)).toMatchObject({ ok: true })
    keys.answer(answer)
    vi.advanceTimersByTime(COOLDOWN_MS + 1)
    expect(await judge(await byEc())).toMatchObject(UNAVAILABLE)
    expect(await judge(token)).toMatchObject({ ok: true })
  })
})

describe('how it is fetched', () => {
  test('an answer without an end is read to 256 KiB and no further', async () => {
    const { keys, judge } = judgeWith()
    let sent = 0
    let is_cancelled = false
    keys.answer(
      () =>
        new Response(
          new ReadableStream(
            {
              pull(controller) {
                sent += 16 * 1024
                controller.enqueue(new Uint8Array(16 * 1024).fill(0x20))
              },
              cancel() {
                is_cancelled = true
              },
            },
            { highWaterMark: 0 },
          ),
        ),
    )
    expect(await judge(await byRsa())).toMatchObject(UNAVAILABLE)
    expect(sent).toBeLessThanOrEqual(KIB_257 + 16 * 1024)
    expect(is_cancelled).toBe(true)
  })

  test('a symmetric key in the set verifies nothing', async () => {
    const secret = 'x'.repeat(32)
    const oct = { kty: 'oct', kid: 'oct-1', alg: 'HS256', k: Buffer.from(secret).toString('base64url') }
    const { judge } = judgeWith(keySetServer([oct]))
    expect(await judge(await signed(CLAIMS, secret, { header: { kid: 'oct-1' } }))).toMatchObject({
      ok: false,
      why: 'algorithm not allowed',
    })
  })

  test('without credentials or redirects, and given up after 10 s', async () => {
    const timeout = vi.spyOn(AbortSignal, 'timeout')
    const { keys, judge } = judgeWith()
    await judge(await byRsa())
    expect(timeout.mock.calls).toEqual([[10_000]])
    const [request] = keys.requests
    expect(request).toMatchObject({ method: 'GET', url: URL_, redirect: 'manual' })
    expect(request?.headers.has('authorization')).toBe(false)
    timeout.mockRestore()
  })

  test('an issuer that hangs is given up: the signal ends the fetch, and the cooldown begins', async () => {
    const given_up = AbortSignal.abort(new DOMException('The operation timed out', 'TimeoutError'))
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(given_up)
    let calls = 0
    const key = remoteJwks({
      url: URL_,
      cache_ms: CACHE_MS,
      fetch: async (_input, init) => {
        calls += 1
        init?.signal?.throwIfAborted()
        return new Promise<never>(() => undefined)
      },
    })
    const token = await byRsa()
    for (let each = 0; each < 10; each++) {
      expect(await verifyJwt(token, key, { algorithms: ['RS256'] })).toMatchObject(UNAVAILABLE)
    }
    expect(calls).toBe(1)
    timeout.mockRestore()
  })
})

describe('what a client sees of an outage', () => {
  test.each<[string, 'user' | 'internal', Authentication]>([
    ['a user', 'user', { ok: false, problem: { reason: 'invalid_token', detail: 'Invalid bearer token' } }],
    [
      'a service',
      'internal',
      {
        ok: false,
        problem: { reason: 'invalid_token', detail: 'jwks refresh failed: the issuer did not answer' },
      },
    ],
  ])('%s: 401, and nothing of the issuer', async (_name, role, expected) => {
    const keys = keySetServer([])
    keys.answer(async () => Promise.reject(new TypeError('connect ECONNREFUSED 10.0.0.7:443')))
    const { auth, scope } = configFrom({
      ARCO_ENVIRONMENT: 'dev',
      ARCO_API_PUBLIC: 'false',
      ARCO_JWT_ISSUER: USER_CLAIMS.iss,
      TIDEMARK_JWT_JWKS_URL: URL_,
      ARCO_INTERNAL_AUTH_ISSUER: USER_CLAIMS.iss,
      ARCO_INTERNAL_AUTH_AUDIENCE: USER_CLAIMS.aud,
      ARCO_INTERNAL_AUTH_ALLOWED_SUBS: USER_CLAIMS.sub,
      ARCO_INTERNAL_AUTH_JWKS_URL: URL_,
    })
    const authenticators = await authenticatorsOf(auth, scope, { fetch: keys.fetch })
    expect(await authenticators[role](bearer(await byRsa()))).toEqual(expected)
  })
})
