/** Bearer tokens without an SDK (providers.md G-7), against real endpoints on loopback. */
import { decodeProtectedHeader, importSPKI, jwtVerify } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import {
  metadataServerToken,
  serviceAccountToken,
  workloadIdentityToken,
  type TokenSource,
} from '../../../lib/store/gcs-token.ts'
import {
  SERVICE_ACCOUNT,
  startTokenEndpoint,
  type TokenAnswer,
  type TokenEndpoint,
} from '../../support/token-endpoint.ts'

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'
const open: TokenEndpoint[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

async function endpoint(answer: (nth: number) => TokenAnswer): Promise<TokenEndpoint> {
  const started = await startTokenEndpoint(answer)
  open.push(started)
  return started
}

function issued(nth: number, expires_in = 3_600): TokenAnswer {
  return { status: 200, body: { access_token: `token-${nth}`, expires_in, token_type: 'Bearer' } }
}

const FRESH = { refused: null }

/** The metadata server has one address; a fetch that knows another takes its place. */
function metadataAt({ url }: TokenEndpoint, seen: Request[] = []): typeof fetch {
  return async (input, init) => {
    seen.push(new Request(input, init))
    return fetch(url, init)
  }
}

describe('the metadata server', () => {
  test('is asked as Google wants it, for the default service account', async () => {
    const server = await endpoint(issued)
    const seen: Request[] = []
    const token = metadataServerToken({ fetch: metadataAt(server, seen) })
    expect(await token(FRESH)).toBe('token-1')
    expect(seen[0]?.url).toBe(
      'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token',
    )
    expect(seen[0]?.method).toBe('GET')
    expect(seen[0]?.headers.get('metadata-flavor')).toBe('Google')
  })
})

describe('a service account key', () => {
  test('signs a grant for the token endpoint: issuer, audience, scope, an hour, by RS256', async () => {
    const server = await endpoint(issued)
    const now_ms = 1_739_443_200_000
    const token = serviceAccountToken({ ...SERVICE_ACCOUNT, token_uri: server.url }, { now_ms: () => now_ms })
    expect(await token(FRESH)).toBe('token-1')
    const [grant] = server.grants
    expect(grant?.['grant_type']).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const assertion = grant?.['assertion'] ?? ''
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' })
    const { payload } = await jwtVerify(assertion, await importSPKI(SERVICE_ACCOUNT.public_key, 'RS256'), {
      currentDate: new Date(now_ms),
    })
    expect(payload).toEqual({
      iss: SERVICE_ACCOUNT.client_email,
      aud: server.url,
      scope: SCOPE,
      iat: now_ms / 1000,
      exp: now_ms / 1000 + 3_600,
    })
  })

  test('that does not parse is misconfigured, and its text is not shown', async () => {
    const token = serviceAccountToken({ client_email: 'a@b', private_key: 'not a key, but a secret' })
    const failure = await token(FRESH).catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'StoreError', code: 'misconfigured' })
    expect(String(failure)).not.toContain('secret')
  })
})

describe('workload identity federation', () => {
  const IDENTITY = {
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subjectToken: async () => 'the token of another cloud',
  }

  test('exchanges the foreign token for one of the storage scope', async () => {
    const sts = await endpoint(issued)
    const token = workloadIdentityToken({ ...IDENTITY, token_url: sts.url })
    expect(await token(FRESH)).toBe('token-1')
    expect(sts.grants[0]).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: IDENTITY.audience,
      scope: SCOPE,
      subject_token_type: IDENTITY.subject_token_type,
      subject_token: 'the token of another cloud',
    })
  })

  test('then acts as a service account, when it is told which', async () => {
    const now_ms = 1_739_443_200_000
    const sts = await endpoint(issued)
    const expireTime = new Date(now_ms + 1_800_000).toISOString()
    const iam = await endpoint((nth) => ({
      status: 200,
      body: { accessToken: `impersonated-${nth}`, expireTime },
    }))
    const seen: Request[] = []
    const counting: typeof fetch = async (input, init) => {
      seen.push(new Request(input, init))
      return fetch(input, init)
    }
    let clock_ms = now_ms
    const token = workloadIdentityToken(
      { ...IDENTITY, token_url: sts.url, impersonation_url: iam.url },
      { fetch: counting, now_ms: () => clock_ms },
    )
    expect(await token(FRESH)).toBe('impersonated-1')
    // With a token of the wider scope, which is what impersonation needs.
    expect(sts.grants[0]?.['scope']).toBe('https://www.googleapis.com/auth/cloud-platform')
    expect(seen[1]?.headers.get('authorization')).toBe('Bearer token-1')
    expect(await seen[1]?.json()).toEqual({ scope: [SCOPE], lifetime: '3600s' })
    // Kept until a minute before the time that it was given.
    clock_ms += 1_739_999
    expect(await token(FRESH)).toBe('impersonated-1')
    clock_ms += 1
    expect(await token(FRESH)).toBe('impersonated-2')
  })
})

/** All sources share the cache; the metadata server stands for them. */
describe('a token', () => {
  async function source(
    answer: (nth: number) => TokenAnswer = issued,
  ): Promise<{ readonly token: TokenSource; readonly server: TokenEndpoint; advance(ms: number): void }> {
    const server = await endpoint(answer)
    let clock_ms = 0
    const token = metadataServerToken({ fetch: metadataAt(server), now_ms: () => clock_ms })
    return { token, server, advance: (ms) => void (clock_ms += ms) }
  }

  test('is kept until a minute before it expires', async () => {
    const { token, server, advance } = await source()
    expect(await token(FRESH)).toBe('token-1')
    advance(3_539_999)
    expect(await token(FRESH)).toBe('token-1')
    advance(1)
    expect(await token(FRESH)).toBe('token-2')
    expect(server.grants).toHaveLength(2)
  })

  test('is fetched once for all who ask at the same time', async () => {
    const { token, server } = await source()
    const tokens = await Promise.all(Array.from({ length: 32 }, async () => token(FRESH)))
    expect(new Set(tokens)).toEqual(new Set(['token-1']))
    expect(server.grants).toHaveLength(1)
  })

  test('that the store refused is renewed once for all who were refused with it', async () => {
    const { token, server } = await source()
    await token(FRESH)
    const refused = { refused: 'token-1' }
    expect(await Promise.all([token(refused), token(refused)])).toEqual(['token-2', 'token-2'])
    // A straggler was refused with the old one, too.
    expect(await token(refused)).toBe('token-2')
    expect(await token(FRESH)).toBe('token-2')
    expect(server.grants).toHaveLength(2)
  })

  test('whose source failed is asked for again by the next request', async () => {
    const { token, server } = await source((nth) => (nth === 1 ? { status: 503, body: {} } : issued(nth)))
    await expect(token(FRESH)).rejects.toMatchObject({ code: 'unavailable' })
    expect(await token(FRESH)).toBe('token-2')
    expect(server.grants).toHaveLength(2)
  })

  test.each([
    { status: 400, body: { error: 'invalid_grant' }, code: 'denied', text: 'refused with 400' },
    { status: 401, body: {}, code: 'denied', text: 'refused with 401' },
    { status: 403, body: {}, code: 'denied', text: 'refused with 403' },
    { status: 404, body: {}, code: 'denied', text: 'refused with 404' },
    { status: 302, body: {}, code: 'denied', text: 'refused with 302' },
    { status: 429, body: {}, code: 'unavailable', text: 'answered 429' },
    { status: 500, body: {}, code: 'unavailable', text: 'answered 500' },
    { status: 200, body: {}, code: 'unavailable', text: 'without a token' },
    { status: 200, body: null, code: 'unavailable', text: 'without a token' },
    { status: 200, body: { access_token: 7, expires_in: 1 }, code: 'unavailable', text: 'without a token' },
    {
      status: 200,
      body: { access_token: 't', expires_in: '1' },
      code: 'unavailable',
      text: 'without a token',
    },
  ])('that is answered by $status $body is $code', async ({ status, body, code, text }) => {
    const { token } = await source(() => ({ status, body }))
    await expect(token(FRESH)).rejects.toMatchObject({
      name: 'StoreError',
      code,
      message: `the metadata server ${text}`.replace('server without', 'server answered without'),
    })
  })

  test('whose source cannot be reached is unavailable', async () => {
    const server = await endpoint(issued)
    const token = metadataServerToken({ fetch: metadataAt(server) })
    await server.close()
    open.splice(0)
    await expect(token(FRESH)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/^the metadata server did not answer: .*ECONNREFUSED/),
    })
  })
})
