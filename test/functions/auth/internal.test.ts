/** Internal callers, spec/http-api.md 3.1 and 3.4: OIDC tokens of allowed principals, service tokens by digest (S9). */
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { Authentication, Authenticator } from '../../../functions/auth.ts'
import { authenticatorsOf } from '../../../functions/auth/configured.ts'
import { equalInConstantTime, internalStatic } from '../../../functions/auth/internal.ts'
import { configFrom } from '../../../functions/config.ts'
import {
  bearer,
  digestOf,
  keyPair,
  keySetServer,
  SECRET,
  signed,
  type KeyPair,
  type TokenOptions,
} from '../../support/tokens.ts'

type Variables = Readonly<Record<string, string>>

const DEV: Variables = { ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'false' }
const SCOPE = { tenant: 'acme', workspace: 'analytics' }
const OIDC: Variables = {
  ARCO_TENANT_ID: SCOPE.tenant,
  ARCO_WORKSPACE_ID: SCOPE.workspace,
  ARCO_INTERNAL_AUTH_ISSUER: 'https://accounts.example',
  ARCO_INTERNAL_AUTH_AUDIENCE: 'https://compactor.example',
  ARCO_INTERNAL_AUTH_ALLOWED_SUBS: 'service-1, service-2',
  ARCO_INTERNAL_AUTH_ALLOWED_EMAILS: 'runner@project.example',
}
const CLAIMS = { sub: 'service-1', iss: 'https://accounts.example', aud: 'https://compactor.example' }

let rsa: KeyPair
let ec: KeyPair
beforeAll(async () => {
  ;[rsa, ec] = await Promise.all([keyPair('RS256', 'rsa-1'), keyPair('ES256', 'ec-1')])
})

async function internalOf(env: Variables): Promise<Authenticator> {
  const { auth, scope } = configFrom({ ...DEV, ...env })
  const { internal } = await authenticatorsOf(auth, scope, {
    fetch: keySetServer([rsa.public_jwk, ec.public_jwk]).fetch,
  })
  return internal
}

const token = async (
  claims: Readonly<Record<string, unknown>> = {},
  options: TokenOptions = {},
): Promise<string> =>
  signed({ ...CLAIMS, ...claims }, rsa.private_key, { alg: 'RS256', header: { kid: 'rsa-1' }, ...options })

const admittedAs = (user: string | null): Authentication => ({
  ok: true,
  principal: { scope: SCOPE, user, groups: [], role: 'internal' },
})
const refused = (reason: 'missing_auth' | 'invalid_token' | 'forbidden', detail: string): Authentication => ({
  ok: false,
  problem: { reason, detail },
})
const MISSING = refused('missing_auth', 'missing bearer token')
const NOT_ALLOWED = refused('forbidden', 'principal not allowlisted')

interface Row {
  readonly name: string
  readonly claims?: Readonly<Record<string, unknown>>
  readonly options?: TokenOptions
  readonly expected: Authentication
}

const now_s = Math.floor(Date.now() / 1000)
const CLAIM = refused('invalid_token', 'invalid token: a claim is missing or not acceptable')

const ROWS: readonly Row[] = [
  { name: 'an allowed subject', expected: admittedAs('service-1') },
  { name: 'another allowed subject', claims: { sub: 'service-2' }, expected: admittedAs('service-2') },
  {
    name: 'an allowed email that is verified',
    claims: { sub: 'x', email: 'runner@project.example', email_verified: true },
    expected: admittedAs('runner@project.example'),
  },
  {
    name: 'an allowed email that is not verified',
    claims: { sub: 'x', email: 'runner@project.example', email_verified: false },
    expected: NOT_ALLOWED,
  },
  {
    name: 'an allowed email that says nothing of it',
    claims: { sub: 'x', email: 'runner@project.example' },
    expected: NOT_ALLOWED,
  },
  {
    name: 'an allowed email that is verified as text',
    claims: { sub: 'x', email: 'runner@project.example', email_verified: 'true' },
    expected: NOT_ALLOWED,
  },
  { name: 'a subject in another case', claims: { sub: 'Service-1' }, expected: NOT_ALLOWED },
  { name: 'an email as the subject', claims: { sub: 'runner@project.example' }, expected: NOT_ALLOWED },
  {
    name: 'a subject as the email',
    claims: { sub: 'x', email: 'service-1', email_verified: true },
    expected: NOT_ALLOWED,
  },
  { name: 'a list of subjects', claims: { sub: ['service-1'] }, expected: NOT_ALLOWED },
  { name: 'nobody', claims: { sub: undefined }, expected: NOT_ALLOWED },
  { name: 'exp missing', options: { expires_in_s: null }, expected: CLAIM },
  { name: 'iss missing', claims: { iss: undefined }, expected: CLAIM },
  { name: 'iss of another', claims: { iss: 'https://accounts.example.evil' }, expected: CLAIM },
  { name: 'aud missing', claims: { aud: undefined }, expected: CLAIM },
  { name: 'aud of another', claims: { aud: 'https://another.example' }, expected: CLAIM },
  { name: 'expired within the leeway', options: { expires_in_s: -58 }, expected: admittedAs('service-1') },
  {
    name: 'expired',
    options: { expires_in_s: -62 },
    expected: refused('invalid_token', 'invalid token: expired'),
  },
  { name: 'nbf within the leeway', claims: { nbf: now_s + 50 }, expected: admittedAs('service-1') },
  { name: 'nbf later', claims: { nbf: now_s + 3_600 }, expected: CLAIM },
  { name: 'no kid', options: { header: {} }, expected: refused('invalid_token', 'invalid token: no key id') },
  {
    name: 'an unknown kid',
    options: { header: { kid: 'rsa-2' } },
    expected: refused('invalid_token', 'invalid token: unknown key'),
  },
  {
    name: "another key's kid",
    options: { header: { kid: 'ec-1' } },
    expected: refused('invalid_token', 'invalid token: unknown key'),
  },
]

describe('internal-oidc, http-api.md 3.4', () => {
  test.each(ROWS)('$name', async ({ claims, options, expected }) => {
    const internal = await internalOf(OIDC)
    expect(await internal(bearer(await token(claims, options)))).toEqual(expected)
  })

  test('ES256 is accepted as well', async () => {
    const internal = await internalOf(OIDC)
    const by_ec = await signed(CLAIMS, ec.private_key, { alg: 'ES256', header: { kid: 'ec-1' } })
    expect(await internal(bearer(by_ec))).toEqual(admittedAs('service-1'))
  })

  test('no token, and what is none', async () => {
    const internal = await internalOf(OIDC)
    expect(await internal(new Headers())).toEqual(MISSING)
    expect(await internal(new Headers({ authorization: 'Basic YTpi' }))).toEqual(MISSING)
    expect(await internal(new Headers({ authorization: 'Bearer a b' }))).toEqual(
      refused('invalid_token', 'invalid token: not a bearer token'),
    )
    expect(await internal(bearer('opaque'))).toEqual(
      refused('invalid_token', 'invalid token: not a signed token'),
    )
  })

  test('no text of a refusal shows anything of the token', async () => {
    const internal = await internalOf(OIDC)
    const canary = {
      sub: 'canary-sub',
      email: 'canary@x',
      iss: 'canary-iss',
      aud: 'canary-aud',
      note: 'canary',
    }
    for (const header of [{ kid: 'rsa-1' }, { kid: 'canary-kid' }, { typ: 'canary' }]) {
      const answer = await internal(bearer(await token(canary, { header })))
      expect(JSON.stringify(answer)).not.toContain('canary')
    }
    const allowed = await internal(bearer(await token({ sub: 'canary-sub' })))
    expect(JSON.stringify(allowed)).not.toContain('canary')
  })

  test('a secret for tests is HS256 and nothing else, and needs no kid', async () => {
    const internal = await internalOf({ ...OIDC, ARCO_INTERNAL_AUTH_HS256_SECRET: SECRET })
    expect(await internal(bearer(await signed(CLAIMS, SECRET)))).toEqual(admittedAs('service-1'))
    expect(await internal(bearer(await token()))).toEqual(
      refused('invalid_token', 'invalid token: algorithm not allowed'),
    )
  })

  test('report-only accepts what it would refuse and says so; a good token is no news', async () => {
    const internal = await internalOf({ ...OIDC, ARCO_INTERNAL_AUTH_ENFORCE: 'false' })
    expect(await internal(new Headers())).toEqual({
      ...admittedAs(null),
      warning: 'would be refused: missing bearer token',
    })
    expect(await internal(bearer(await token({ sub: 'x' })))).toEqual({
      ...admittedAs(null),
      warning: 'would be refused: principal not allowlisted',
    })
    expect(await internal(bearer(await token()))).toEqual(admittedAs('service-1'))
  })
})

describe('internal-static, S9', () => {
  const UNKNOWN = refused('invalid_token', 'invalid token: not a configured service token')

  test('one of the configured tokens, old or new', async () => {
    const digests = await Promise.all(['old-token', 'new-token'].map(digestOf))
    const internal = internalStatic(digests, SCOPE)
    for (const known of ['old-token', 'new-token'])
      expect(await internal(bearer(known))).toEqual(admittedAs(null))
    for (const other of ['old-toke', 'old-token-', 'OLD-TOKEN', 'x', digests[0] ?? '', 'a'.repeat(4_000)]) {
      expect(await internal(bearer(other))).toEqual(UNKNOWN)
    }
    expect(await internal(new Headers())).toEqual(MISSING)
    expect(await internal(new Headers({ authorization: 'Bearer' }))).toEqual(UNKNOWN)
  })

  test('the digest of nothing opens nothing: a malformed header is no empty token', async () => {
    const internal = internalStatic([await digestOf('')], SCOPE)
    expect(await internal(new Headers({ authorization: 'Bearer' }))).toEqual(UNKNOWN)
    expect(await internal(new Headers({ authorization: 'Bearer "' }))).toEqual(UNKNOWN)
  })

  test.each<[string, readonly number[], readonly number[], boolean]>([
    ['equal', [1, 2, 3], [1, 2, 3], true],
    ['both empty', [], [], true],
    ['the first byte differs', [0, 2, 3], [1, 2, 3], false],
    ['the last byte differs', [1, 2, 3], [1, 2, 4], false],
    ['a prefix', [1, 2], [1, 2, 3], false],
    ['longer by a zero', [1, 2, 3, 0], [1, 2, 3], false],
    ['one empty', [], [0], false],
  ])('%s', (_name, a, b, equal) => {
    expect(equalInConstantTime(Uint8Array.from(a), Uint8Array.from(b))).toBe(equal)
    expect(equalInConstantTime(Uint8Array.from(b), Uint8Array.from(a))).toBe(equal)
  })

  test('every byte is looked at, wherever the first difference is', () => {
    const reads = (secret: Uint8Array, guess: Uint8Array): number => {
      let count = 0
      const watched = new Proxy(secret, {
        get(target, name) {
          if (typeof name === 'string' && /^\d+$/.test(name)) count += 1
          return Reflect.get(target, name) as unknown
        },
      })
      equalInConstantTime(watched, guess)
      return count
    }
    const secret = new Uint8Array(32).fill(7)
    const guesses = [secret, secret.with(0, 0), secret.with(31, 0), new Uint8Array(32)]
    expect(guesses.map((guess) => reads(secret, guess))).toEqual([32, 32, 32, 32])
  })

  test('every configured token is compared, wherever the right one stands', async () => {
    const digests = await Promise.all(['a', 'b', 'c'].map(digestOf))
    const digest = vi.spyOn(crypto.subtle, 'digest')
    for (const known of ['a', 'b', 'c']) {
      expect(await internalStatic(digests, SCOPE)(bearer(known))).toEqual(admittedAs(null))
    }
    // The sent token is hashed once, however many are configured: lengths show nowhere.
    expect(digest).toHaveBeenCalledTimes(3)
    digest.mockRestore()
  })
})

describe('both modes together, http-api.md 3.1', () => {
  test('either opens; a refusal is that of the OIDC token', async () => {
    const internal = await internalOf({
      ...OIDC,
      TIDEMARK_INTERNAL_TOKEN_SHA256: await digestOf('service-token'),
    })
    expect(await internal(bearer('service-token'))).toEqual(admittedAs(null))
    expect(await internal(bearer(await token()))).toEqual(admittedAs('service-1'))
    expect(await internal(bearer(await token({ sub: 'x' })))).toEqual(NOT_ALLOWED)
    expect(await internal(bearer('another-token'))).toEqual(
      refused('invalid_token', 'invalid token: not a signed token'),
    )
    expect(await internal(new Headers())).toEqual(MISSING)
  })

  test('report-only does not warn about a service token that is known', async () => {
    const internal = await internalOf({
      ...OIDC,
      ARCO_INTERNAL_AUTH_ENFORCE: 'false',
      TIDEMARK_INTERNAL_TOKEN_SHA256: await digestOf('service-token'),
    })
    expect(await internal(bearer('service-token'))).toEqual(admittedAs(null))
  })
})

describe('without any internal setting', () => {
  test('the dev posture accepts a bearer header and ignores it', async () => {
    const internal = await internalOf({})
    const open = { ok: true, principal: { role: 'dev', scope: { tenant: 'dev', workspace: 'main' } } }
    expect(await internal(new Headers())).toMatchObject(open)
    expect(await internal(bearer('anything'))).toMatchObject(open)
  })
})
