/** Who may ask: postures, user modes and internal modes from variables (spec/http-api.md 3.1, 3.2, 3.4). */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { configFrom, readConfig, type Config } from '../../functions/config.ts'

type Variables = Readonly<Record<string, string | undefined>>

const SECRET = 'a-shared-secret-of-at-least-32-chars'
const DIGEST = 'ab'.repeat(32)
const PEM = '-----BEGIN PUBLIC KEY-----\\nMII\\n-----END PUBLIC KEY-----'
const JWKS = 'https://issuer.example/jwks.json'

const DEV: Variables = { ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'false' }
const SCOPE: Variables = { ARCO_TENANT_ID: 'acme', ARCO_WORKSPACE_ID: 'analytics' }
const STATIC: Variables = { TIDEMARK_INTERNAL_TOKEN_SHA256: DIGEST }
const OIDC: Variables = {
  ARCO_INTERNAL_AUTH_ISSUER: 'https://accounts.example',
  ARCO_INTERNAL_AUTH_AUDIENCE: 'tidemark',
  ARCO_INTERNAL_AUTH_ALLOWED_SUBS: 'service-1',
}
const RULES: Variables = { ARCO_JWT_ISSUER: 'https://issuer.example', ARCO_JWT_AUDIENCE: 'tidemark' }
const HS256: Variables = { ARCO_JWT_SECRET: SECRET, ...RULES }

/** A deployment of each posture with all that it needs; a row adds or takes away. */
const PRIVATE: Variables = {
  ARCO_ENVIRONMENT: 'prod',
  ARCO_API_PUBLIC: 'false',
  ...SCOPE,
  ...STATIC,
  ...HS256,
}
const PUBLIC: Variables = { ...PRIVATE, ARCO_API_PUBLIC: 'true' }

function authOf(env: Variables): Config['auth'] {
  return configFrom(env).auth
}

function problemsOf(env: Variables, readFile?: (path: string) => string): readonly string[] {
  const read = readConfig(env, readFile === undefined ? {} : { readFile })
  return read.ok ? [] : read.problems
}

describe('the posture, http-api.md 3.2', () => {
  test.each<[Variables, string]>([
    [{}, 'dev'],
    [{ ARCO_STORAGE_BUCKET: 'memory:' }, 'dev'],
    [{ TIDEMARK_HOST: '::1' }, 'dev'],
    [DEV, 'dev'],
    [{ ARCO_ENVIRONMENT: 'DEV', ARCO_API_PUBLIC: 'FALSE' }, 'dev'],
    [{ ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: '0' }, 'dev'],
    [PRIVATE, 'private'],
    [{ ...PRIVATE, ARCO_ENVIRONMENT: 'staging', ARCO_API_PUBLIC: 'no' }, 'private'],
    [PUBLIC, 'public'],
    [{ ...PUBLIC, ARCO_ENVIRONMENT: 'staging' }, 'public'],
    [{ ...PUBLIC, ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'yes' }, 'public'],
    [{ ...PUBLIC, TIDEMARK_HOST: '0.0.0.0' }, 'public'],
  ])('%j is %s', (env, posture) => {
    expect(authOf(env).posture).toBe(posture)
  })

  const NO_ENVIRONMENT =
    'ARCO_ENVIRONMENT: required (dev, staging or prod): only a folder or memory on a loopback address may go without'
  const NO_PUBLIC = 'ARCO_API_PUBLIC: required (true or false) with ARCO_ENVIRONMENT'

  test.each(['lake', 'gs://lake', 's3://lake', 'r2:LAKE'])(
    '%s must name its posture, even on a loopback address',
    (bucket) => {
      const problems = problemsOf({ ARCO_STORAGE_BUCKET: bucket })
      expect(problems).toEqual(expect.arrayContaining([NO_ENVIRONMENT, NO_PUBLIC]))
      expect(problemsOf({ ARCO_STORAGE_BUCKET: bucket, ...DEV })).toEqual([])
    },
  )

  test.each(['0.0.0.0', '::', '10.0.0.7', '127.0.0.1.example.org', 'LOCALHOST.'])(
    'a folder on %s must name its posture, and it cannot be dev: that one asks for no credentials',
    (host) => {
      expect(problemsOf({ TIDEMARK_HOST: host })).toEqual(expect.arrayContaining([NO_ENVIRONMENT, NO_PUBLIC]))
      expect(problemsOf({ TIDEMARK_HOST: host, ...DEV })).toEqual([
        'TIDEMARK_HOST: expected a loopback address in the dev posture, which asks for no credentials; name another posture with ARCO_ENVIRONMENT=prod',
      ])
    },
  )

  test('half a posture is none', () => {
    expect(problemsOf({ ARCO_ENVIRONMENT: 'dev' })).toEqual([NO_PUBLIC])
    expect(problemsOf({ ...PRIVATE, ARCO_ENVIRONMENT: undefined })).toEqual([NO_ENVIRONMENT])
  })

  test.each([
    ['ARCO_ENVIRONMENT', 'production', 'expected dev, staging or prod'],
    ['ARCO_API_PUBLIC', 'maybe', 'expected true or false'],
    ['ARCO_DEBUG', 'on', 'expected true or false'],
  ])('%s=%s is refused', (name, value, text) => {
    // What the wrong value leads to may be said as well.
    expect(problemsOf({ ...DEV, [name]: value })).toContain(`${name}: ${text}`)
  })

  test.each([PRIVATE, PUBLIC])('outside of dev tenant and workspace are required', (env) => {
    expect(problemsOf({ ...env, ARCO_TENANT_ID: undefined, ARCO_WORKSPACE_ID: undefined })).toEqual([
      'ARCO_TENANT_ID: required outside the dev posture',
      'ARCO_WORKSPACE_ID: required outside the dev posture',
    ])
  })

  test.each([PRIVATE, PUBLIC])('outside of dev debugging is forbidden', (env) => {
    expect(problemsOf({ ...env, ARCO_DEBUG: 'true' })).toEqual(['ARCO_DEBUG: only in the dev posture'])
    expect(problemsOf({ ...env, ARCO_DEBUG: 'false' })).toEqual([])
  })
})

describe('the user mode, http-api.md 3.1', () => {
  const jwt = (key: Variables, more: Variables = {}): Variables => ({
    ...PRIVATE,
    ARCO_JWT_SECRET: undefined,
    ...key,
    ...more,
  })

  test.each<[Variables, Record<string, unknown>]>([
    [{ ARCO_JWT_SECRET: SECRET }, { kind: 'hs256', secret: SECRET }],
    [
      { ARCO_JWT_PUBLIC_KEY_PEM: PEM },
      { kind: 'rs256', public_key_pem: '-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----' },
    ],
    [{ TIDEMARK_JWT_JWKS_URL: JWKS }, { kind: 'jwks', url: JWKS }],
  ])('%j is a mode of its own', (key, expected) => {
    expect(authOf(jwt(key)).user).toEqual({
      mode: 'jwt',
      key: expected,
      issuer: 'https://issuer.example',
      audience: 'tidemark',
      accept_any_audience: false,
      claims: { tenant: 'tenant', workspace: 'workspace', user: 'sub', groups: 'groups' },
    })
  })

  test.each([
    ['jwt-hs256', { ARCO_JWT_SECRET: SECRET }],
    ['jwt-rs256', { ARCO_JWT_PUBLIC_KEY_PEM: PEM }],
    ['jwt-jwks', { TIDEMARK_JWT_JWKS_URL: JWKS }],
  ])('TIDEMARK_AUTH_MODE=%s says it aloud', (mode, key) => {
    expect(authOf(jwt(key, { TIDEMARK_AUTH_MODE: mode })).user.mode).toBe('jwt')
  })

  test('a public key may be a file', () => {
    const env = jwt({ ARCO_JWT_PUBLIC_KEY_PATH: '/keys/jwt.pem' })
    const read = readConfig(env, { readFile: (path) => `key of ${path}\n` })
    expect(read).toMatchObject({
      ok: true,
      config: { auth: { user: { key: { kind: 'rs256', public_key_pem: 'key of /keys/jwt.pem' } } } },
    })
    const unreadable = ['ARCO_JWT_PUBLIC_KEY_PATH: expected a file that this process can read']
    expect(problemsOf(env)).toEqual(expect.arrayContaining(unreadable))
    const missing = (): string => {
      throw new Error('ENOENT')
    }
    expect(problemsOf(env, missing)).toEqual(expect.arrayContaining(unreadable))
  })

  test('claims have other names, an audience may be ignored, ids may be lower-cased', () => {
    const env = {
      ...DEV,
      ARCO_JWT_SECRET: SECRET,
      ARCO_JWT_TENANT_CLAIM: 'org',
      ARCO_JWT_WORKSPACE_CLAIM: 'ws',
      ARCO_JWT_USER_CLAIM: 'uid',
      ARCO_JWT_GROUPS_CLAIM: 'roles',
      TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE: 'true',
      TIDEMARK_SCOPE_ID_CASE: 'lower',
    }
    expect(authOf(env)).toMatchObject({
      lower_case_ids: true,
      user: {
        claims: { tenant: 'org', workspace: 'ws', user: 'uid', groups: 'roles' },
        accept_any_audience: true,
        issuer: undefined,
        audience: undefined,
      },
    })
  })

  test.each<[string, Variables, readonly string[]]>([
    [
      'HS256 and RS256',
      jwt({ ARCO_JWT_SECRET: SECRET, ARCO_JWT_PUBLIC_KEY_PEM: PEM }),
      ['ARCO_JWT_SECRET, ARCO_JWT_PUBLIC_KEY_PEM: set one of them; exactly one user mode can be active'],
    ],
    [
      'three keys',
      jwt({ ARCO_JWT_SECRET: SECRET, ARCO_JWT_PUBLIC_KEY_PEM: PEM, TIDEMARK_JWT_JWKS_URL: JWKS }),
      [
        'ARCO_JWT_SECRET, ARCO_JWT_PUBLIC_KEY_PEM, TIDEMARK_JWT_JWKS_URL: set one of them; exactly one user mode can be active',
      ],
    ],
    [
      'a mode with the key of another',
      jwt({ ARCO_JWT_SECRET: SECRET }, { TIDEMARK_AUTH_MODE: 'jwt-rs256' }),
      ['TIDEMARK_AUTH_MODE: jwt-rs256 needs ARCO_JWT_PUBLIC_KEY_PEM or ARCO_JWT_PUBLIC_KEY_PATH'],
    ],
    [
      'a mode without a key',
      jwt({}, { TIDEMARK_AUTH_MODE: 'jwt-jwks' }),
      ['TIDEMARK_AUTH_MODE: jwt-jwks needs TIDEMARK_JWT_JWKS_URL'],
    ],
    [
      'a mode that nobody knows',
      jwt({ ARCO_JWT_SECRET: SECRET }, { TIDEMARK_AUTH_MODE: 'none' }),
      ['TIDEMARK_AUTH_MODE: expected jwt-hs256, jwt-rs256, jwt-jwks, headers or single-scope'],
    ],
    [
      'a short secret',
      jwt({ ARCO_JWT_SECRET: 'x'.repeat(31) }),
      ['ARCO_JWT_SECRET: expected at least 32 characters'],
    ],
    [
      'no issuer and no audience',
      jwt({ ARCO_JWT_SECRET: SECRET }, { ARCO_JWT_ISSUER: undefined, ARCO_JWT_AUDIENCE: undefined }),
      [
        'ARCO_JWT_ISSUER: required outside the dev posture',
        'ARCO_JWT_AUDIENCE: required outside the dev posture',
      ],
    ],
    [
      'an audience that is asked for and ignored',
      jwt({ ARCO_JWT_SECRET: SECRET }, { TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE: 'true' }),
      ['TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE: not with ARCO_JWT_AUDIENCE'],
    ],
    [
      'keys over plain http (S8)',
      jwt({ TIDEMARK_JWT_JWKS_URL: 'http://issuer.example/jwks.json' }),
      ['TIDEMARK_JWT_JWKS_URL: expected an https:// URL without credentials'],
    ],
    [
      'keys over plain http from this machine, outside of dev',
      jwt({ TIDEMARK_JWT_JWKS_URL: 'http://127.0.0.1:1/jwks.json' }),
      ['TIDEMARK_JWT_JWKS_URL: expected an https:// URL outside the dev posture'],
    ],
    [
      'keys behind a password',
      jwt({ TIDEMARK_JWT_JWKS_URL: 'https://me:secret@issuer.example/jwks.json' }),
      ['TIDEMARK_JWT_JWKS_URL: expected an https:// URL without credentials'],
    ],
    [
      'a spelling that nobody knows',
      { ...DEV, TIDEMARK_SCOPE_ID_CASE: 'upper' },
      ['TIDEMARK_SCOPE_ID_CASE: expected exact or lower'],
    ],
  ])('%s: does not start', (_name, env, problems) => {
    const reported = problemsOf(env)
    // What the missing key leads to is said as well.
    expect(reported.filter((problem) => !problem.includes('user authentication is required'))).toEqual(
      expect.arrayContaining([...problems]),
    )
    expect(reported.length).toBeGreaterThan(0)
    expect(reported.join('\n')).not.toContain('secret@')
  })

  test('the key set of a test issuer may be on this machine, in the dev posture', () => {
    const env = { ...DEV, TIDEMARK_JWT_JWKS_URL: 'http://127.0.0.1:9/jwks.json' }
    expect(authOf(env).user).toMatchObject({ key: { kind: 'jwks', url: 'http://127.0.0.1:9/jwks.json' } })
  })

  test.each([
    'ARCO_JWT_ISSUER',
    'ARCO_JWT_AUDIENCE',
    'ARCO_JWT_TENANT_CLAIM',
    'ARCO_JWT_WORKSPACE_CLAIM',
    'ARCO_JWT_USER_CLAIM',
    'ARCO_JWT_GROUPS_CLAIM',
  ])('%s without a key does not start, dev or not: who sets it expects tokens to be asked for', (name) => {
    const text = `${name}: set only with one of ARCO_JWT_SECRET, ARCO_JWT_PUBLIC_KEY_PEM and TIDEMARK_JWT_JWKS_URL`
    expect(problemsOf({ [name]: 'x' })).toEqual([text])
    expect(problemsOf({ ...DEV, ARCO_DEBUG: 'true', [name]: 'x' })).toEqual([text])
  })

  test('headers: dev and debug, and not otherwise', () => {
    expect(authOf({ ...DEV, ARCO_DEBUG: 'true' }).user).toEqual({ mode: 'headers' })
    expect(authOf({ ARCO_DEBUG: '1' }).user).toEqual({ mode: 'headers' })
    expect(authOf({ ...DEV, ARCO_DEBUG: 'true', TIDEMARK_AUTH_MODE: 'headers' }).user.mode).toBe('headers')
    const refused = 'TIDEMARK_AUTH_MODE: headers is for the dev posture with ARCO_DEBUG=true'
    expect(problemsOf({ ...DEV, TIDEMARK_AUTH_MODE: 'headers' })).toEqual([refused])
    expect(problemsOf({ ...jwt({}), ARCO_DEBUG: 'true', TIDEMARK_AUTH_MODE: 'headers' })).toContain(refused)
    expect(
      problemsOf({ ...DEV, ARCO_DEBUG: 'true', TIDEMARK_AUTH_MODE: 'headers', ARCO_JWT_SECRET: SECRET }),
    ).toEqual(['ARCO_JWT_SECRET: not with TIDEMARK_AUTH_MODE=headers'])
  })

  test('a key beats the debug flag: tokens are asked for', () => {
    expect(authOf({ ...DEV, ARCO_DEBUG: 'true', ARCO_JWT_SECRET: SECRET }).user.mode).toBe('jwt')
  })

  test('single-scope: open in dev, behind the internal token in private, never in public', () => {
    const single = { ...SCOPE, ...STATIC, TIDEMARK_AUTH_MODE: 'single-scope' }
    expect(authOf({ ...single, ...DEV }).user).toEqual({ mode: 'single-scope', behind_internal: false })
    expect(authOf({ ...single, ARCO_ENVIRONMENT: 'prod', ARCO_API_PUBLIC: 'false' }).user).toEqual({
      mode: 'single-scope',
      behind_internal: true,
    })
    const required =
      'ARCO_JWT_SECRET: user authentication is required outside the dev posture; set it, ARCO_JWT_PUBLIC_KEY_PEM, TIDEMARK_JWT_JWKS_URL, or, in the private posture, TIDEMARK_AUTH_MODE=single-scope'
    expect(problemsOf({ ...single, ARCO_ENVIRONMENT: 'prod', ARCO_API_PUBLIC: 'true' })).toEqual([required])
    // Nobody asked for it, and it is not what a deployment without a key falls back to.
    const unnamed = { ...SCOPE, ...STATIC, ARCO_ENVIRONMENT: 'prod', ARCO_API_PUBLIC: 'false' }
    expect(problemsOf(unnamed)).toEqual([required])
    expect(problemsOf({ ...single, ...DEV, ARCO_JWT_SECRET: SECRET })).toEqual([
      'ARCO_JWT_SECRET: not with TIDEMARK_AUTH_MODE=single-scope',
    ])
  })
})

describe('internal modes, http-api.md 3.4', () => {
  const without: Variables = { ...PRIVATE, TIDEMARK_INTERNAL_TOKEN_SHA256: undefined }

  test('static tokens by their digests, OIDC with its defaults, or both', () => {
    expect(
      authOf({ ...without, TIDEMARK_INTERNAL_TOKEN_SHA256: `${DIGEST}, ${'cd'.repeat(32)}` }),
    ).toMatchObject({
      oidc: null,
      static_digests: [DIGEST, 'cd'.repeat(32)],
    })
    expect(authOf({ ...without, ...OIDC })).toMatchObject({
      static_digests: [],
      oidc: {
        issuer: 'https://accounts.example',
        audience: 'tidemark',
        allowed_subjects: ['service-1'],
        allowed_emails: [],
        jwks_url: 'https://www.googleapis.com/oauth2/v3/certs',
        jwks_cache_ms: 300_000,
        hs256_secret: undefined,
        enforce: true,
      },
    })
    expect(authOf({ ...PRIVATE, ...OIDC })).toMatchObject({
      static_digests: [DIGEST],
      oidc: { enforce: true },
    })
  })

  test.each<[string, string, Record<string, unknown>]>([
    ['ARCO_INTERNAL_AUTH_ALLOWED_SUBS', 'a, b,,c', { allowed_subjects: ['a', 'b', 'c'] }],
    ['ARCO_INTERNAL_AUTH_ALLOWED_EMAILS', 'x@y.example', { allowed_emails: ['x@y.example'] }],
    ['ARCO_INTERNAL_AUTH_JWKS_URL', JWKS, { jwks_url: JWKS }],
    ['ARCO_INTERNAL_AUTH_JWKS_CACHE_TTL_SECS', '60', { jwks_cache_ms: 60_000 }],
    ['ARCO_INTERNAL_AUTH_ENFORCE', 'true', { enforce: true }],
  ])('%s=%s', (name, value, expected) => {
    expect(authOf({ ...without, ...OIDC, [name]: value }).oidc).toMatchObject(expected)
  })

  test('the dev posture may only report, and may use a secret', () => {
    expect(authOf({ ...DEV, ...OIDC, ARCO_INTERNAL_AUTH_ENFORCE: 'false' }).oidc?.enforce).toBe(false)
    const secret = { ARCO_INTERNAL_AUTH_HS256_SECRET: SECRET }
    expect(authOf({ ...DEV, ...OIDC, ...secret }).oidc?.hs256_secret).toBe(SECRET)
  })

  test.each<[string, Variables, readonly string[]]>([
    [
      'no internal setting at all outside of dev',
      without,
      [
        'TIDEMARK_INTERNAL_TOKEN_SHA256: the internal routes need authentication outside the dev posture; set it, or ARCO_INTERNAL_AUTH_ISSUER and ARCO_INTERNAL_AUTH_AUDIENCE',
      ],
    ],
    [
      'a token instead of its digest',
      { ...without, TIDEMARK_INTERNAL_TOKEN_SHA256: 'my-token' },
      [
        'TIDEMARK_INTERNAL_TOKEN_SHA256: expected SHA-256 digests in lower-case hex (64 digits), separated by commas',
      ],
    ],
    [
      'the digest of a token that was not set',
      { ...without, TIDEMARK_INTERNAL_TOKEN_SHA256: `${DIGEST},${createHash('sha256').digest('hex')}` },
      ['TIDEMARK_INTERNAL_TOKEN_SHA256: expected digests of tokens, saw that of an empty text'],
    ],
    [
      'no issuer',
      { ...without, ...OIDC, ARCO_INTERNAL_AUTH_ISSUER: undefined },
      ['ARCO_INTERNAL_AUTH_ISSUER: required with internal OIDC'],
    ],
    [
      'no audience',
      { ...without, ...OIDC, ARCO_INTERNAL_AUTH_AUDIENCE: undefined },
      ['ARCO_INTERNAL_AUTH_AUDIENCE: required with internal OIDC'],
    ],
    [
      'nobody allowed',
      { ...without, ...OIDC, ARCO_INTERNAL_AUTH_ALLOWED_SUBS: ' , ' },
      [
        'ARCO_INTERNAL_AUTH_ALLOWED_SUBS: name at least one subject, or an email in ARCO_INTERNAL_AUTH_ALLOWED_EMAILS',
      ],
    ],
    [
      'report-only outside of dev',
      { ...without, ...OIDC, ARCO_INTERNAL_AUTH_ENFORCE: 'false' },
      ['ARCO_INTERNAL_AUTH_ENFORCE: false (report only) is for the dev posture'],
    ],
    [
      'a secret outside of dev',
      { ...without, ...OIDC, ARCO_INTERNAL_AUTH_HS256_SECRET: SECRET },
      ['ARCO_INTERNAL_AUTH_HS256_SECRET: for tests, in the dev posture only'],
    ],
    [
      'a secret and a key set',
      { ...DEV, ...OIDC, ARCO_INTERNAL_AUTH_HS256_SECRET: SECRET, ARCO_INTERNAL_AUTH_JWKS_URL: JWKS },
      ['ARCO_INTERNAL_AUTH_HS256_SECRET: not with ARCO_INTERNAL_AUTH_JWKS_URL'],
    ],
    [
      'a key set over plain http (S8)',
      { ...without, ...OIDC, ARCO_INTERNAL_AUTH_JWKS_URL: 'http://127.0.0.1:1/' },
      ['ARCO_INTERNAL_AUTH_JWKS_URL: expected an https:// URL outside the dev posture'],
    ],
    [
      'a cache time that is none',
      { ...without, ...OIDC, ARCO_INTERNAL_AUTH_JWKS_CACHE_TTL_SECS: '5m' },
      ['ARCO_INTERNAL_AUTH_JWKS_CACHE_TTL_SECS: expected seconds, at most 999999'],
    ],
  ])('%s: does not start', (_name, env, problems) => {
    expect(problemsOf(env)).toEqual(expect.arrayContaining([...problems]))
    expect(problemsOf(env).join('\n')).not.toMatch(/my-token|a-shared/)
  })

  test.each([
    'ARCO_INTERNAL_AUTH_ISSUER',
    'ARCO_INTERNAL_AUTH_AUDIENCE',
    'ARCO_INTERNAL_AUTH_ALLOWED_SUBS',
    'ARCO_INTERNAL_AUTH_ALLOWED_EMAILS',
    'ARCO_INTERNAL_AUTH_HS256_SECRET',
  ])('%s alone does not start, dev or not: half of it must not look like all of it', (name) => {
    for (const env of [{}, without]) expect(problemsOf({ ...env, [name]: 'x' }).length).toBeGreaterThan(0)
  })

  test('ARCO_INTERNAL_AUTH_ENFORCE alone does not start either', () => {
    expect(problemsOf({ ARCO_INTERNAL_AUTH_ENFORCE: 'true' })).toEqual([
      'ARCO_INTERNAL_AUTH_ISSUER: required with internal OIDC',
      'ARCO_INTERNAL_AUTH_AUDIENCE: required with internal OIDC',
      'ARCO_INTERNAL_AUTH_ALLOWED_SUBS: name at least one subject, or an email in ARCO_INTERNAL_AUTH_ALLOWED_EMAILS',
    ])
  })
})
