/** The authenticators that a configuration asks for (spec/http-api.md 3.1). */
import { importSPKI } from 'jose'
import type { Scope } from '../../lib/store/scoped.ts'
import { admitted, anyOf, rejected, type Authenticator } from '../auth.ts'
import { ConfigError, type AuthConfig, type InternalOidc, type UserKey } from '../config-auth.ts'
import { internalOidc, internalStatic, reportOnly } from './internal.ts'
import { remoteJwks } from './jwks.ts'
import type { JwtKey } from './jwt.ts'
import { headerScope, singleScope, singleScopeBehind, userJwt } from './user.ts'

/** One for the Delta routes, one for the compactor's. */
export interface Authenticators {
  readonly user: Authenticator
  readonly internal: Authenticator
}

/** What only the process can do. */
export interface AuthDeps {
  /** Another fetch, for tests. */
  readonly fetch?: typeof fetch
}

const JWKS_CACHE_MS = 300_000

/** Shorter RSA keys are no protection, and jose refuses to verify with them (RFC 7518 3.3). */
const RSA_BITS_MIN = 2048

/** Build them. Rejects with ConfigError for a public key that cannot be used: the process must not start. */
export async function authenticatorsOf(
  auth: AuthConfig,
  scope: Scope,
  deps: AuthDeps = {},
): Promise<Authenticators> {
  const internal = internalOf(auth, scope, deps)
  return { internal, user: await userOf(auth, { scope, internal, deps }) }
}

function internalOf(auth: AuthConfig, scope: Scope, deps: AuthDeps): Authenticator {
  const modes = [
    ...(auth.oidc === null ? [] : [oidcOf(auth.oidc, scope, deps)]),
    ...(auth.static_digests.length === 0 ? [] : [internalStatic(auth.static_digests, scope)]),
  ]
  const [first, second] = modes
  if (first === undefined) return auth.posture === 'dev' ? openTo(scope) : closed
  const check = second === undefined ? first : anyOf(first, second)
  return auth.oidc?.enforce === false ? reportOnly(check, scope) : check
}

/** The dev posture without internal settings: a bearer header is accepted and ignored. */
function openTo(scope: Scope): Authenticator {
  return async () => admitted({ scope, user: null, groups: [], role: 'dev' })
}

/** Never reached by a configuration that starts; better closed than open all the same. */
const closed: Authenticator = async () => rejected('missing_auth', 'missing bearer token')

function oidcOf(oidc: InternalOidc, scope: Scope, deps: AuthDeps): Authenticator {
  const { issuer, audience, hs256_secret } = oidc
  const is_test = hs256_secret !== undefined
  return internalOidc({
    scope,
    key: is_test
      ? new TextEncoder().encode(hs256_secret)
      : remoteJwks({ ...deps, url: oidc.jwks_url, cache_ms: oidc.jwks_cache_ms }),
    rules: { algorithms: is_test ? ['HS256'] : ['RS256', 'ES256'], issuer, audience, requires_kid: !is_test },
    allowed_subjects: new Set(oidc.allowed_subjects),
    allowed_emails: new Set(oidc.allowed_emails),
  })
}

async function userOf(
  { user, lower_case_ids }: AuthConfig,
  parts: { readonly scope: Scope; readonly internal: Authenticator; readonly deps: AuthDeps },
): Promise<Authenticator> {
  switch (user.mode) {
    case 'headers':
      return headerScope({ lower_case_ids })
    case 'single-scope':
      return user.behind_internal ? singleScopeBehind(parts.internal) : singleScope(parts.scope)
    case 'jwt': {
      const { issuer, audience, accept_any_audience, claims } = user
      const { key, algorithms } = await keyOf(user.key, parts.deps)
      return userJwt({
        key,
        claims,
        lower_case_ids,
        rules: { algorithms, issuer, audience, accept_any_audience },
      })
    }
  }
}

async function keyOf(
  key: UserKey,
  deps: AuthDeps,
): Promise<{ readonly key: JwtKey; readonly algorithms: readonly string[] }> {
  switch (key.kind) {
    case 'hs256':
      return { key: new TextEncoder().encode(key.secret), algorithms: ['HS256'] }
    case 'rs256':
      return { key: await rsaKey(key.public_key_pem), algorithms: ['RS256'] }
    case 'jwks':
      return {
        key: remoteJwks({ ...deps, url: key.url, cache_ms: JWKS_CACHE_MS }),
        algorithms: ['RS256', 'ES256'],
      }
  }
}

async function rsaKey(pem: string): Promise<CryptoKey> {
  const expected = `ARCO_JWT_PUBLIC_KEY_PEM: expected an RSA public key of at least ${RSA_BITS_MIN} bits as PEM (BEGIN PUBLIC KEY)`
  const key = await importSPKI(pem, 'RS256').catch((cause: unknown) => {
    throw new ConfigError(expected, { cause })
  })
  const { modulusLength = 0 } = key.algorithm as Partial<RsaKeyAlgorithm>
  if (modulusLength < RSA_BITS_MIN) throw new ConfigError(expected)
  return key
}
