/**
 * Checks that every JWT passes, whoever issued it (spec/http-api.md 3.3, 3.4, S7): algorithm from the configuration and never
 * from the header, `exp` required, no member twice. jose does the cryptography.
 */
import { jwtVerify, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose'
import { isJsonObject, JsonError, parseJson } from '../../lib/protocol/json.ts'

/** Clock tolerance, seconds. */
export const LEEWAY_S = 60

/** What a token must say. Left out: not checked. */
export interface JwtRules {
  readonly algorithms: readonly string[]
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  /** Accept a token that has `aud` although no audience is configured. */
  readonly accept_any_audience?: boolean
  readonly requires_kid?: boolean
}

/** The key, or how to find it. */
export type JwtKey = CryptoKey | Uint8Array | JWTVerifyGetKey

/** The claims of a valid token, or why it is not: fixed words, nothing of the token's content. */
export type JwtResult =
  | { readonly ok: true; readonly claims: JWTPayload }
  | { readonly ok: false; readonly why: string; readonly cause: unknown }

/** Verify one token. */
export async function verifyJwt(token: string, key: JwtKey, rules: JwtRules): Promise<JwtResult> {
  const shape = shapeProblem(token, rules)
  if (shape !== null) return { ok: false, why: shape, cause: null }
  const options: JWTVerifyOptions = {
    algorithms: [...rules.algorithms],
    requiredClaims: ['exp'],
    clockTolerance: LEEWAY_S,
    ...(rules.issuer === undefined ? {} : { issuer: rules.issuer }),
    ...(rules.audience === undefined ? {} : { audience: rules.audience }),
  }
  try {
    const { payload } =
      typeof key === 'function' ? await jwtVerify(token, key, options) : await jwtVerify(token, key, options)
    if (rules.audience === undefined && payload.aud !== undefined && rules.accept_any_audience !== true) {
      return { ok: false, why: 'unexpected audience', cause: null }
    }
    return { ok: true, claims: payload }
  } catch (cause) {
    return { ok: false, why: wordsFor(cause), cause }
  }
}

/** What jose does not look at: a repeated member, and `typ` where it is present. */
function shapeProblem(token: string, rules: JwtRules): string | null {
  const [header, payload, signature, ...more] = token.split('.')
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    return 'not a signed token'
  }
  const head = parsePart(header)
  if (head === null || parsePart(payload) === null) return 'not a signed token'
  const { typ, kid } = head
  if (typ !== undefined && (typeof typ !== 'string' || !/^(application\/)?(at\+)?jwt$/i.test(typ))) {
    return 'unexpected type'
  }
  return rules.requires_kid === true && typeof kid !== 'string' ? 'no key id' : null
}

/** A part as a JSON object; null for anything else, a member that occurs twice included. */
function parsePart(part: string): Readonly<Record<string, unknown>> | null {
  try {
    const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'))
    const value = parseJson(Uint8Array.from(binary, (character) => character.charCodeAt(0)))
    return isJsonObject(value) ? value : null
  } catch (error) {
    if (error instanceof JsonError || error instanceof DOMException) return null
    throw error
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'expired',
  ERR_JWT_CLAIM_VALIDATION_FAILED: 'a claim is missing or not acceptable',
  ERR_JOSE_ALG_NOT_ALLOWED: 'algorithm not allowed',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'signature does not verify',
  ERR_JWKS_NO_MATCHING_KEY: 'unknown key',
  // Several keys fit, and none of them verifies.
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'signature does not verify',
}

function wordsFor(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return (typeof code === 'string' ? WORDS[code] : undefined) ?? 'not acceptable'
}
