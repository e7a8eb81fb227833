/** Forged tokens, S7: whatever its header says, a token is judged by the configured key and algorithm only. */
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { exportJWK } from 'jose'
import type { Authenticator } from '../../../functions/auth.ts'
import { authenticatorsOf } from '../../../functions/auth/configured.ts'
import { configFrom } from '../../../functions/config.ts'
import { createApp } from '../../../functions/app.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import { expectProblem } from '../../support/problems.ts'
import { freshId, testDeps } from '../../support/service.ts'
import { countRounds } from '../../support/stores.ts'
import {
  bearer,
  handmade,
  keyPair,
  keySetServer,
  part,
  SECRET,
  signed,
  USER_CLAIMS,
  type KeyPair,
  type KeySetServer,
} from '../../support/tokens.ts'

const ATTACKER = 'https://attacker.example/keys.json'
const MODES = ['jwt-hs256', 'jwt-rs256', 'jwt-jwks', 'internal-oidc'] as const
type Mode = (typeof MODES)[number]

/** The issuer's keys, and the attacker's with the same id. */
let issuer: KeyPair
let attacker: KeyPair
/** The attacker's secret key as a JWK, for embedding. */
let attacker_jwk: Record<string, unknown>
beforeAll(async () => {
  ;[issuer, attacker] = await Promise.all([keyPair('RS256', 'key-1'), keyPair('RS256', 'key-1')])
  attacker_jwk = { ...attacker.public_jwk }
})

/** Claims that pass every mode's rules. */
const CLAIMS = { ...USER_CLAIMS, email: 'ada@issuer.example', email_verified: true }
const exp = (): number => Math.floor(Date.now() / 1000) + 300

interface Judge {
  readonly judge: Authenticator
  readonly keys: KeySetServer
}

async function judgeOf(mode: Mode): Promise<Judge> {
  const rules = { ARCO_JWT_ISSUER: USER_CLAIMS.iss, ARCO_JWT_AUDIENCE: USER_CLAIMS.aud }
  const env: Record<Mode, Record<string, string>> = {
    'jwt-hs256': { ...rules, ARCO_JWT_SECRET: SECRET },
    'jwt-rs256': { ...rules, ARCO_JWT_PUBLIC_KEY_PEM: issuer.public_pem },
    'jwt-jwks': { ...rules, TIDEMARK_JWT_JWKS_URL: 'https://issuer.example/jwks.json' },
    'internal-oidc': {
      ARCO_INTERNAL_AUTH_ISSUER: USER_CLAIMS.iss,
      ARCO_INTERNAL_AUTH_AUDIENCE: USER_CLAIMS.aud,
      ARCO_INTERNAL_AUTH_ALLOWED_SUBS: USER_CLAIMS.sub,
      ARCO_INTERNAL_AUTH_JWKS_URL: 'https://issuer.example/jwks.json',
    },
  }
  const { auth, scope } = configFrom({ ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'false', ...env[mode] })
  const keys = keySetServer([issuer.public_jwk])
  const { user, internal } = await authenticatorsOf(auth, scope, { fetch: keys.fetch })
  return { judge: mode === 'internal-oidc' ? internal : user, keys }
}

/** An honest token of the mode, with header members of one's choice. */
async function honest(
  mode: Mode,
  header: Record<string, unknown> = {},
  claims: Record<string, unknown> = CLAIMS,
): Promise<string> {
  return mode === 'jwt-hs256'
    ? signed(claims, SECRET, { header })
    : signed(claims, issuer.private_key, { alg: 'RS256', header: { kid: 'key-1', ...header } })
}

/** Another signature over the same header and claims. */
async function forged(header: Record<string, unknown>): Promise<string> {
  return signed(CLAIMS, attacker.private_key, { alg: 'RS256', header: { kid: 'key-1', ...header } })
}

const unsigned = (header: string): string =>
  `${part(header)}.${part(JSON.stringify({ ...CLAIMS, exp: exp() }))}.`

/** One member of a JSON text said twice; jose and JSON.parse take the last. */
const twice = (text: string, first: string): string => text.replace('{', `{${first},`)

const ATTACKS: readonly { readonly name: string; make(mode: Mode): Promise<string> }[] = [
  // No signature, whatever the spelling of `none`.
  ...['none', 'None', 'NONE', 'nOnE', ''].map((alg) => ({
    name: `alg ${JSON.stringify(alg)} without a signature`,
    make: async () => unsigned(JSON.stringify({ alg, typ: 'JWT', kid: 'key-1' })),
  })),
  { name: 'no alg at all', make: async () => unsigned('{"typ":"JWT","kid":"key-1"}') },
  { name: 'the signature cut off', make: async (mode) => (await honest(mode)).replace(/[^.]+$/, '') },
  { name: 'the last part left out', make: async (mode) => (await honest(mode)).replace(/\.[^.]+$/, '') },
  { name: 'a fourth part', make: async (mode) => `${await honest(mode)}.e30` },
  { name: 'five parts, as if encrypted', make: async (mode) => `${await honest(mode)}.e30.e30` },
  // Key confusion.
  {
    name: 'HS256 with the public key as the secret',
    make: async () => signed(CLAIMS, issuer.public_pem, { header: { kid: 'key-1' } }),
  },
  {
    name: 'HS256 with the trimmed public key as the secret',
    make: async () => signed(CLAIMS, issuer.public_pem.trim(), { header: { kid: 'key-1' } }),
  },
  {
    name: 'HS256 with a secret of one zero byte',
    make: async () =>
      handmade('{"alg":"HS256","kid":"key-1"}', JSON.stringify({ ...CLAIMS, exp: exp() }), '\0'),
  },
  {
    name: 'HS512 with the right secret',
    make: async () => signed(CLAIMS, SECRET.repeat(2), { alg: 'HS512', header: { kid: 'key-1' } }),
  },
  {
    name: 'RS256 swapped for PS256',
    make: async () => {
      const jwk = await exportJWK(issuer.private_key)
      const key = await crypto.subtle.importKey(
        'jwk',
        { ...jwk, alg: 'PS256' },
        { name: 'RSA-PSS', hash: 'SHA-256' },
        false,
        ['sign'],
      )
      return signed(CLAIMS, key, { alg: 'PS256', header: { kid: 'key-1' } })
    },
  },
  {
    name: 'RS256 swapped for RS512',
    make: async () => {
      const jwk = await exportJWK(issuer.private_key)
      const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' }
      const key = await crypto.subtle.importKey('jwk', { ...jwk, alg: 'RS512' }, algorithm, false, ['sign'])
      return signed(CLAIMS, key, { alg: 'RS512', header: { kid: 'key-1' } })
    },
  },
  { name: "another issuer's key with the same kid", make: async () => forged({}) },
  {
    name: 'the header of one token on the signature of another',
    make: async (mode) => {
      const [, claims = '', signature = ''] = (await honest(mode)).split('.')
      return `${part(JSON.stringify({ alg: 'RS256', kid: 'key-1', typ: 'jwt' }))}.${claims}.${signature}`
    },
  },
  {
    name: 'claims changed after signing',
    make: async (mode) => {
      const [header = '', , signature = ''] = (await honest(mode)).split('.')
      return `${header}.${part(JSON.stringify({ ...CLAIMS, tenant: 'rival', exp: exp() }))}.${signature}`
    },
  },
  // Headers that name a key.
  { name: 'jku of the attacker', make: async () => forged({ jku: ATTACKER }) },
  { name: 'x5u of the attacker', make: async () => forged({ x5u: ATTACKER }) },
  { name: 'jwk of the attacker, embedded', make: async () => forged({ jwk: attacker_jwk }) },
  { name: 'x5c of the attacker, embedded', make: async () => forged({ x5c: [part('certificate')] }) },
  ...['../../dev/null', "' OR 1=1 --", '/etc/passwd', ATTACKER].map((kid) => ({
    name: `kid ${JSON.stringify(kid)}`,
    make: async () => forged({ kid }),
  })),
  // Extensions and types.
  {
    name: 'crit with a name that nobody knows',
    make: async (mode) => {
      const header = { alg: 'HS256', crit: ['exp2'], exp2: 1, kid: 'key-1' }
      return mode === 'jwt-hs256'
        ? handmade(JSON.stringify(header), JSON.stringify({ ...CLAIMS, exp: exp() }))
        : forged({ crit: ['exp2'], exp2: 1 }).catch(async () => forgedByHand({ ...header, alg: 'RS256' }))
    },
  },
  { name: 'typ of something else', make: async (mode) => honest(mode, { typ: 'dpop+jwt' }) },
  { name: 'typ of a logout token', make: async (mode) => honest(mode, { typ: 'logout+jwt' }) },
  { name: 'typ that is no text', make: async (mode) => honest(mode, { typ: 1 as unknown as string }) },
  // Wrong times and addressees.
  { name: 'aud of another service', make: async (mode) => honest(mode, {}, { ...CLAIMS, aud: 'another' }) },
  { name: 'exp missing', make: async (mode) => honest(mode, {}, { ...CLAIMS, exp: undefined }) },
  { name: 'expired', make: async (mode) => honest(mode, {}, { ...CLAIMS, exp: exp() - 400 }) },
  { name: 'nbf in the future', make: async (mode) => honest(mode, {}, { ...CLAIMS, nbf: exp() }) },
  // Sizes and shapes.
  {
    name: 'a token of 64 KiB',
    make: async (mode) => honest(mode, {}, { ...CLAIMS, pad: 'a'.repeat(48 * 1024) }),
  },
  { name: '64 KiB of nothing', make: async () => 'a'.repeat(64 * 1024) },
  { name: '8 000 dots', make: async () => '.'.repeat(8_000) },
  { name: 'no base64url', make: async () => '~~~.~~~.~~~' },
  { name: 'a header that is no JSON', make: async () => `${part('alg: HS256')}.${part('{}')}.AA` },
  { name: 'a header that is a list', make: async () => `${part('["HS256"]')}.${part('{}')}.AA` },
  { name: 'a header that is null', make: async () => `${part('null')}.${part('{}')}.AA` },
]

/** A token that jose would not make, signed by the issuer itself. */
async function forgedByHand(header: Record<string, unknown>): Promise<string> {
  const text = `${part(JSON.stringify(header))}.${part(JSON.stringify({ ...CLAIMS, exp: exp() }))}`
  const signature = await crypto.subtle.sign(
    'RSASSA-PKCS1-v1_5',
    issuer.private_key,
    new TextEncoder().encode(text),
  )
  return `${text}.${Buffer.from(signature).toString('base64url')}`
}

describe.each(MODES)('%s, S7', (mode) => {
  test('the honest token passes, so that the others fail for what they are', async () => {
    const { judge } = await judgeOf(mode)
    expect(await judge(bearer(await honest(mode)))).toMatchObject({ ok: true })
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt', undefined]) {
      expect(await judge(bearer(await honest(mode, { typ })))).toMatchObject({ ok: true })
    }
  })

  test.each(ATTACKS)('$name: 401', async ({ make }) => {
    const { judge, keys } = await judgeOf(mode)
    const fetched = vi.spyOn(globalThis, 'fetch')
    const token = await make(mode)
    const answer = await judge(bearer(token))
    expect(answer).toEqual({
      ok: false,
      problem: {
        reason: 'invalid_token',
        detail: expect.stringMatching(
          mode === 'internal-oidc' ? /^(invalid token: [a-z ]+|invalid token)$/ : /^Invalid bearer token$/,
        ),
      },
    })
    // Nobody was asked but the issuer at its configured address.
    expect(fetched).not.toHaveBeenCalled()
    fetched.mockRestore()
    for (const request of keys.requests) expect(request.url).toBe('https://issuer.example/jwks.json')
  })
})

describe('members that are there twice, S7 and S16', () => {
  const head = (): string => '{"alg":"HS256","typ":"JWT"}'
  const claims = (): string => JSON.stringify({ ...CLAIMS, exp: exp() })

  test('made by hand and honest, it passes', async () => {
    const { judge } = await judgeOf('jwt-hs256')
    expect(await judge(bearer(await handmade(head(), claims())))).toMatchObject({ ok: true })
  })

  test.each<[string, () => readonly [string, string]]>([
    ['alg', () => [twice(head(), '"alg":"none"'), claims()]],
    ['alg, in another spelling', () => [twice(head(), '"\\u0061lg":"none"'), claims()]],
    ['typ', () => [twice(head(), '"typ":"x"'), claims()]],
    ['kid', () => [twice(head(), '"kid":"a","kid":"b"'), claims()]],
    ['tenant', () => [head(), twice(claims(), '"tenant":"rival"')]],
    ['exp', () => [head(), twice(claims(), '"exp":9999999999')]],
    ['a claim that nobody reads', () => [head(), twice(claims(), '"x":{"y":1,"y":2}')]],
    ['__proto__', () => [head(), twice(claims(), '"__proto__":{"tenant":"rival"}')]],
    ['bytes that are no UTF-8', () => [head(), '\ufeff{}']],
    [
      'a header nested 1 000 deep',
      () => [`{"alg":"HS256","x":${'['.repeat(1_000)}${']'.repeat(1_000)}}`, claims()],
    ],
  ])('%s: 401', async (_name, parts) => {
    const { judge } = await judgeOf('jwt-hs256')
    const [header, payload] = parts()
    expect(await judge(bearer(await handmade(header, payload)))).toMatchObject({
      ok: false,
      problem: { reason: 'invalid_token' },
    })
  })
})

describe('through the app', () => {
  test('a token of 64 KiB is a 401 on every route that asks for one, and 400 where the token means nothing', async () => {
    const { judge: user } = await judgeOf('jwt-hs256')
    const counting = countRounds(memoryStore())
    const app = createApp({ ...testDeps(counting.store), user })
    const ask = async (path: string): Promise<Parameters<typeof expectProblem>[0]> => {
      const request = new Request(`http://tidemark.test${path}`, { headers: bearer('a'.repeat(64 * 1024)) })
      const { status, headers, ...answer } = await app.fetch(request).then(async (response) => ({
        status: response.status,
        headers: response.headers,
        body: (await response.json()) as unknown,
      }))
      return { status, headers, body: answer.body }
    }
    expectProblem(await ask(`/api/v1/delta/tables/${freshId()}/inspect`), {
      reason: 'invalid_token',
      detail: 'Invalid bearer token',
    })
    expectProblem(await ask('/health'), { reason: 'bad_request' })
    expect(counting.operations).toEqual([])
  })
})
