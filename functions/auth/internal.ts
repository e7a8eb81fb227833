/** Internal modes (spec/http-api.md 3.4): an OIDC token of an allowed service account, or a configured service token. */
import type { JWTPayload } from 'jose'
import type { Scope } from '../../lib/store/scoped.ts'
import { admitted, rejected, type Authenticator } from '../auth.ts'
import { bearerOf } from './bearer.ts'
import { JwksUnavailable } from './jwks.ts'
import { verifyJwt, type JwtKey, type JwtRules } from './jwt.ts'

/** Who counts as internal. */
export interface InternalOidcOptions {
  readonly key: JwtKey
  readonly rules: JwtRules & { readonly issuer: string; readonly audience: string }
  readonly allowed_subjects: ReadonlySet<string>
  readonly allowed_emails: ReadonlySet<string>
  readonly scope: Scope
}

/** What would be refused is accepted, with a warning for the log. Dev posture only (spec/http-api.md 3.4). */
export function reportOnly(check: Authenticator, scope: Scope): Authenticator {
  return async (headers) => {
    const result = await check(headers)
    if (result.ok) return result
    const { detail } = result.problem
    return admitted({ scope, user: null, groups: [], role: 'internal' }, `would be refused: ${detail}`)
  }
}

/** `internal-oidc`. */
export function internalOidc({
  key,
  rules,
  allowed_subjects,
  allowed_emails,
  scope,
}: InternalOidcOptions): Authenticator {
  return async (headers) => {
    const bearer = bearerOf(headers)
    if (bearer.found === 'none') return rejected('missing_auth', 'missing bearer token')
    if (bearer.found === 'malformed') return rejected('invalid_token', 'invalid token: not a bearer token')
    const verified = await verifyJwt(bearer.token, key, {
      ...rules,
      requires_kid: rules.requires_kid ?? true,
    })
    if (!verified.ok) {
      return verified.cause instanceof JwksUnavailable
        ? rejected('invalid_token', 'jwks refresh failed: the issuer did not answer')
        : rejected('invalid_token', `invalid token: ${verified.why}`)
    }
    const user = allowedUser(verified.claims, allowed_subjects, allowed_emails)
    return user === null
      ? rejected('forbidden', 'principal not allowlisted')
      : admitted({ scope, user, groups: [], role: 'internal' })
  }
}

/** `email` counts only when the issuer says that it is verified. */
function allowedUser(
  claims: JWTPayload,
  subjects: ReadonlySet<string>,
  emails: ReadonlySet<string>,
): string | null {
  const { sub, email, email_verified } = claims
  if (typeof sub === 'string' && subjects.has(sub)) return sub
  return typeof email === 'string' && email_verified === true && emails.has(email) ? email : null
}

/** `internal-static`: opaque tokens, known by their SHA-256 digests (lower-case hex). */
export function internalStatic(digests: readonly string[], scope: Scope): Authenticator {
  const known = digests.map(fromHex)
  return async (headers) => {
    const bearer = bearerOf(headers)
    if (bearer.found === 'none') return rejected('missing_auth', 'missing bearer token')
    if (bearer.found === 'malformed') return UNKNOWN_TOKEN
    const bytes = new TextEncoder().encode(bearer.token)
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    let is_known = false
    for (const expected of known) is_known = equalInConstantTime(digest, expected) || is_known
    return is_known ? admitted({ scope, user: null, groups: [], role: 'internal' }) : UNKNOWN_TOKEN
  }
}

const UNKNOWN_TOKEN = rejected('invalid_token', 'invalid token: not a configured service token')

/**
 * Compares two digests without telling where they differ (S9). Hashing first hides the length of the secret, so only
 * digests of one length get here.
 */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let index = 0; index < a.length; index++) difference |= (a[index] ?? 0) ^ (b[index] ?? 0)
  return difference === 0
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) =>
    Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16),
  )
}
