/** User tokens, spec/http-api.md 3.3 row by row, for each of the three modes. */
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Authentication, Authenticator } from '../../../functions/auth.ts'
import { authenticatorsOf } from '../../../functions/auth/configured.ts'
import { ConfigError, configFrom } from '../../../functions/config.ts'
import {
  bearer,
  keyPair,
  keySetServer,
  SECRET,
  signed,
  USER_CLAIMS,
  type KeyPair,
  type TokenOptions,
} from '../../support/tokens.ts'

/** A service that asks for issuer and audience. */
const DEV = { ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'false' }
const RULES = { ARCO_JWT_ISSUER: USER_CLAIMS.iss, ARCO_JWT_AUDIENCE: USER_CLAIMS.aud }
const JWKS_URL = 'https://issuer.example/jwks.json'

let rsa: KeyPair
let ec: KeyPair
beforeAll(async () => {
  ;[rsa, ec] = await Promise.all([keyPair('RS256', 'rsa-1'), keyPair('ES256', 'ec-1')])
})
afterEach(() => void vi.useRealTimers())

async function userOf(env: Readonly<Record<string, string>>): Promise<Authenticator> {
  const config = configFrom({ ...DEV, ...env })
  const { user } = await authenticatorsOf(config.auth, config.scope, {
    fetch: keySetServer([rsa.public_jwk, ec.public_jwk]).fetch,
  })
  return user
}

/** Each mode: what configures it, and how its issuer signs. */
const MODES = [
  {
    mode: 'jwt-hs256',
    env: () => ({ ARCO_JWT_SECRET: SECRET }),
    sign: async (claims: Readonly<Record<string, unknown>>, options: TokenOptions = {}) =>
      signed(claims, SECRET, options),
  },
  {
    mode: 'jwt-rs256',
    env: () => ({ ARCO_JWT_PUBLIC_KEY_PEM: rsa.public_pem }),
    sign: async (claims: Readonly<Record<string, unknown>>, options: TokenOptions = {}) =>
      signed(claims, rsa.private_key, { alg: 'RS256', ...options }),
  },
  {
    mode: 'jwt-jwks RS256',
    env: () => ({ TIDEMARK_JWT_JWKS_URL: JWKS_URL }),
    sign: async (claims: Readonly<Record<string, unknown>>, options: TokenOptions = {}) =>
      signed(claims, rsa.private_key, { alg: 'RS256', header: { kid: 'rsa-1' }, ...options }),
  },
  {
    mode: 'jwt-jwks ES256',
    env: () => ({ TIDEMARK_JWT_JWKS_URL: JWKS_URL }),
    sign: async (claims: Readonly<Record<string, unknown>>, options: TokenOptions = {}) =>
      signed(claims, ec.private_key, { alg: 'ES256', header: { kid: 'ec-1' }, ...options }),
  },
]

const ADMITTED: Authentication = {
  ok: true,
  principal: { scope: { tenant: 'acme', workspace: 'analytics' }, user: 'ada', groups: [], role: 'user' },
}
const MISSING: Authentication = {
  ok: false,
  problem: { reason: 'missing_auth', detail: 'Authorization header required' },
}
const INVALID: Authentication = {
  ok: false,
  problem: { reason: 'invalid_token', detail: 'Invalid bearer token' },
}
const BAD_SCOPE: Authentication = {
  ok: false,
  problem: { reason: 'bad_request', detail: 'a tenant or workspace id has only a-z, 0-9, - and _' },
}

/** Claims of a row: what it changes, undefined takes out. */
type Claims = Readonly<Record<string, unknown>>

interface Row {
  readonly name: string
  readonly claims?: Claims
  readonly expires_in_s?: number | null
  readonly expected: Authentication
}

const now_s = (): number => Math.floor(Date.now() / 1000)

const ROWS: readonly Row[] = [
  { name: 'an honest token', expected: ADMITTED },
  // exp: required, leeway 60 s
  { name: 'exp missing', expires_in_s: null, expected: INVALID },
  { name: 'exp 59 s ago: within the leeway', expires_in_s: -59, expected: ADMITTED },
  { name: 'exp 61 s ago', expires_in_s: -61, expected: INVALID },
  { name: 'exp as text', claims: { exp: '9999999999' }, expected: INVALID },
  { name: 'exp null', claims: { exp: null }, expected: INVALID },
  // nbf: checked when present, leeway 60 s
  { name: 'nbf past', claims: { nbf: 0 }, expected: ADMITTED },
  { name: 'nbf in 58 s: within the leeway', claims: { nbf: () => now_s() + 58 }, expected: ADMITTED },
  { name: 'nbf in 62 s', claims: { nbf: () => now_s() + 62 }, expected: INVALID },
  { name: 'nbf as text', claims: { nbf: '0' }, expected: INVALID },
  // iss: present and equal
  { name: 'iss missing', claims: { iss: undefined }, expected: INVALID },
  { name: 'iss of another', claims: { iss: 'https://issuer.example/' }, expected: INVALID },
  { name: 'iss in a list', claims: { iss: ['https://issuer.example'] }, expected: INVALID },
  // aud: string or array containing it
  { name: 'aud missing', claims: { aud: undefined }, expected: INVALID },
  { name: 'aud of another', claims: { aud: 'somebody-else' }, expected: INVALID },
  { name: 'aud as a list with it', claims: { aud: ['somebody-else', 'tidemark'] }, expected: ADMITTED },
  { name: 'aud as a list without it', claims: { aud: ['somebody-else'] }, expected: INVALID },
  { name: 'aud as an empty list', claims: { aud: [] }, expected: INVALID },
  // tenant, workspace, user: non-empty strings
  ...['tenant', 'workspace', 'sub'].flatMap((claim): Row[] => [
    { name: `${claim} missing`, claims: { [claim]: undefined }, expected: INVALID },
    { name: `${claim} empty`, claims: { [claim]: '' }, expected: INVALID },
    { name: `${claim} null`, claims: { [claim]: null }, expected: INVALID },
    { name: `${claim} a number`, claims: { [claim]: 1 }, expected: INVALID },
    { name: `${claim} a list`, claims: { [claim]: ['acme'] }, expected: INVALID },
  ]),
  // groups: absent, null, comma string or array of strings
  { name: 'groups null', claims: { groups: null }, expected: ADMITTED },
  { name: 'groups empty', claims: { groups: '' }, expected: ADMITTED },
  { name: 'groups as text', claims: { groups: 'a, b ,,c' }, expected: withGroups('a', 'b', 'c') },
  { name: 'groups as a list', claims: { groups: ['a', 'b,c'] }, expected: withGroups('a', 'b,c') },
  { name: 'groups a number', claims: { groups: 1 }, expected: INVALID },
  { name: 'groups an object', claims: { groups: { admin: true } }, expected: INVALID },
  { name: 'groups a list with a number', claims: { groups: ['a', 1] }, expected: INVALID },
  // ids: ^[a-z0-9_-]+$ (S-2), never lower-cased unless configured (S-3)
  ...['tenant', 'workspace'].flatMap((claim) =>
    ['Acme', 'acme ', 'a/b', '../b', 'a=b', 'caf\u00e9', 'a\n', '%61'].map((id): Row => ({
      name: `${claim} ${JSON.stringify(id)}`,
      claims: { [claim]: id },
      expected: BAD_SCOPE,
    })),
  ),
]

function withGroups(...groups: string[]): Authentication {
  return ADMITTED.ok ? { ok: true, principal: { ...ADMITTED.principal, groups } } : ADMITTED
}

/** Times are of the moment in which the token is made. */
function claimsOf(changes: Claims = {}): Claims {
  const claims: Record<string, unknown> = { ...USER_CLAIMS }
  for (const [name, value] of Object.entries(changes)) {
    claims[name] = typeof value === 'function' ? (value() as unknown) : value
  }
  return claims
}

describe.each(MODES)('$mode, http-api.md 3.3', ({ env, sign }) => {
  test.each(ROWS)('$name', async ({ claims, expires_in_s, expected }) => {
    const user = await userOf({ ...env(), ...RULES })
    const token = await sign(claimsOf(claims), expires_in_s === undefined ? {} : { expires_in_s })
    expect(await user(bearer(token))).toEqual(expected)
  })

  test('the leeway is 60 s and not a second more', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_739_443_200_000 })
    const user = await userOf({ ...env(), ...RULES })
    const token = await sign(claimsOf(), { expires_in_s: 100 })
    vi.setSystemTime(1_739_443_200_000 + 159_999)
    expect(await user(bearer(token))).toEqual(ADMITTED)
    vi.setSystemTime(1_739_443_200_000 + 160_000)
    expect(await user(bearer(token))).toEqual(INVALID)
  })

  test('without a configured audience a token that has one is refused, unless the operator says otherwise', async () => {
    const token = await sign(claimsOf())
    const unaddressed = await sign(claimsOf({ aud: undefined }))
    const strict = await userOf({ ...env(), ARCO_JWT_ISSUER: USER_CLAIMS.iss })
    expect(await strict(bearer(token))).toEqual(INVALID)
    expect(await strict(bearer(unaddressed))).toEqual(ADMITTED)
    const lenient = await userOf({ ...env(), TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE: 'true' })
    expect(await lenient(bearer(token))).toEqual(ADMITTED)
    expect(await lenient(bearer(unaddressed))).toEqual(ADMITTED)
  })

  test('claims may have other names', async () => {
    const user = await userOf({
      ...env(),
      ...RULES,
      ARCO_JWT_TENANT_CLAIM: 'https://x.example/org',
      ARCO_JWT_WORKSPACE_CLAIM: 'ws',
      ARCO_JWT_USER_CLAIM: 'uid',
      ARCO_JWT_GROUPS_CLAIM: 'roles',
    })
    const renamed = { 'https://x.example/org': 'rival', ws: 'main', uid: 'bob', roles: 'a' }
    expect(await user(bearer(await sign(claimsOf(renamed))))).toEqual({
      ok: true,
      principal: { scope: { tenant: 'rival', workspace: 'main' }, user: 'bob', groups: ['a'], role: 'user' },
    })
    expect(await user(bearer(await sign(claimsOf())))).toEqual(INVALID)
  })

  test('S-3: ids are lower-cased where it is configured, and the log is told', async () => {
    const user = await userOf({ ...env(), ...RULES, TIDEMARK_SCOPE_ID_CASE: 'lower' })
    expect(await user(bearer(await sign(claimsOf({ tenant: 'ACME' }))))).toEqual({
      ...ADMITTED,
      warning: 'tenant or workspace id was lower-cased',
    })
    expect(await user(bearer(await sign(claimsOf())))).toEqual(ADMITTED)
    expect(await user(bearer(await sign(claimsOf({ tenant: 'A/B' }))))).toEqual(BAD_SCOPE)
  })
})

describe('the Authorization header, http-api.md 2 and 3.3', () => {
  test.each<[string, (token: string) => string | null, Authentication]>([
    ['absent', () => null, MISSING],
    ['empty', () => '', MISSING],
    ['another scheme', () => 'Basic YTpi', MISSING],
    ['a scheme that begins like ours', (token) => `BearerX ${token}`, MISSING],
    ['the token alone', (token) => token, MISSING],
    ['the scheme alone', () => 'Bearer', INVALID],
    ['the scheme and a space', () => 'Bearer ', INVALID],
    ['two tokens', (token) => `Bearer ${token} ${token}`, INVALID],
    ['a list', (token) => `Bearer ${token},Bearer ${token}`, INVALID],
    ['a quoted token', (token) => `Bearer "${token}"`, INVALID],
    ['Bearer', (token) => `Bearer ${token}`, ADMITTED],
    ['bearer', (token) => `bearer ${token}`, ADMITTED],
    ['BEARER and two spaces', (token) => `BEARER  ${token}`, ADMITTED],
  ])('%s', async (_name, value, expected) => {
    const user = await userOf({ ARCO_JWT_SECRET: SECRET, ...RULES })
    const header = value(await signed(USER_CLAIMS, SECRET))
    expect(await user(new Headers(header === null ? {} : { authorization: header }))).toEqual(expected)
  })

  test('S26: a token anywhere else is no token', async () => {
    const user = await userOf({ ARCO_JWT_SECRET: SECRET, ...RULES })
    const token = await signed(USER_CLAIMS, SECRET)
    for (const name of ['cookie', 'x-authorization', 'proxy-authorization', 'x-access-token']) {
      const value =
        name === 'cookie' ? `access_token=${token}; Authorization=Bearer ${token}` : `Bearer ${token}`
      expect(await user(new Headers({ [name]: value }))).toEqual(MISSING)
    }
  })
})

describe('keys that cannot be used', () => {
  test.each([
    ['no PEM', () => 'MIIBIjANBgkqhkiG'],
    ['an EC key', () => ec.public_pem],
    ['a PEM of nothing', () => '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'],
  ])('%s: does not start', async (_name, pem) => {
    await expect(userOf({ ARCO_JWT_PUBLIC_KEY_PEM: pem() })).rejects.toThrow(ConfigError)
  })

  test('an RSA key of 1024 bits: does not start', async () => {
    const { publicKey } = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 1024,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
      true,
      ['sign', 'verify'],
    )
    const der = Buffer.from(await crypto.subtle.exportKey('spki', publicKey)).toString('base64')
    const pem = `-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----`
    await expect(userOf({ ARCO_JWT_PUBLIC_KEY_PEM: pem })).rejects.toThrow(/at least 2048 bits/)
  })
})
