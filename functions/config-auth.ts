/**
 * The part of the configuration that says who may ask (spec/http-api.md 3.1, 3.2, 3.4): the posture, exactly one user mode,
 * and the internal modes. Anything but a folder or memory on a loopback address must name its posture, and outside
 * the dev posture nothing is open.
 */
import * as z from 'zod'
import { DEFAULT_CLAIMS, type ClaimNames } from './auth/user.ts'

/** How far the deployment can be reached. */
export type Posture = 'dev' | 'private' | 'public'

/** How a user's token is verified. */
export type UserKey =
  | { readonly kind: 'hs256'; readonly secret: string }
  | { readonly kind: 'rs256'; readonly public_key_pem: string }
  | { readonly kind: 'jwks'; readonly url: string }

/** The one user mode. */
export type UserAuth =
  | {
      readonly mode: 'jwt'
      readonly key: UserKey
      readonly issuer: string | undefined
      readonly audience: string | undefined
      readonly accept_any_audience: boolean
      readonly claims: ClaimNames
    }
  | { readonly mode: 'headers' }
  /** `behind_internal`: an internal token is needed; otherwise nothing, in the dev posture only. */
  | { readonly mode: 'single-scope'; readonly behind_internal: boolean }

/** An OIDC issuer of service accounts. */
export interface InternalOidc {
  readonly issuer: string
  readonly audience: string
  readonly allowed_subjects: readonly string[]
  readonly allowed_emails: readonly string[]
  readonly jwks_url: string
  readonly jwks_cache_ms: number
  readonly hs256_secret: string | undefined
  /** False only in the dev posture: what would be refused is logged and accepted. */
  readonly enforce: boolean
}

/** Who may ask. */
export interface AuthConfig {
  readonly posture: Posture
  readonly user: UserAuth
  readonly oidc: InternalOidc | null
  /** SHA-256 digests of service tokens, lower-case hex. */
  readonly static_digests: readonly string[]
  /** Tenant and workspace of a token or header are lower-cased instead of refused (spec/storage.md S-3). */
  readonly lower_case_ids: boolean
}

/** The configuration, or every reason why there is none. */
export type AuthConfigResult =
  | { readonly ok: true; readonly auth: AuthConfig }
  | { readonly ok: false; readonly problems: readonly string[] }

/** A configuration that cannot work. Each problem is one line that begins with the name of its variable. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: string | readonly string[], options?: ErrorOptions) {
    const all = typeof problems === 'string' ? [problems] : problems
    super(`the configuration is wrong.\n${all.map((text) => `  ${text}`).join('\n')}`, options)
    this.name = 'ConfigError'
    this.problems = all
  }
}

/** A switch. */
export const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', '1', 'yes', 'false', '0', 'no'], { error: 'expected true or false' }))
  .transform((text) => text === 'true' || text === '1' || text === 'yes')
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)
const url = z.string().refine(isKeySetUrl, 'expected an https:// URL without credentials')
/** What `printf '%s' "$TOKEN" | sha256sum` prints when the variable is not set. */
const DIGEST_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const digests = list
  .refine(
    (items) => items.every((item) => /^[0-9a-f]{64}$/.test(item)),
    'expected SHA-256 digests in lower-case hex (64 digits), separated by commas',
  )
  .refine(
    (items) => !items.includes(DIGEST_OF_NOTHING),
    'expected digests of tokens, saw that of an empty text',
  )

/** Google's certificates, where the reference looks. */
const GOOGLE_JWKS_URL = 'https://www.googleapis.com/oauth2/v3/certs'

/** The variables of this part; `config.ts` has the others. */
export const AuthVariables = z.object({
  ARCO_ENVIRONMENT: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['dev', 'staging', 'prod'], { error: 'expected dev, staging or prod' }))
    .optional(),
  ARCO_API_PUBLIC: flag.optional(),
  ARCO_DEBUG: flag.optional(),
  TIDEMARK_AUTH_MODE: z
    .enum(['jwt-hs256', 'jwt-rs256', 'jwt-jwks', 'headers', 'single-scope'], {
      error: 'expected jwt-hs256, jwt-rs256, jwt-jwks, headers or single-scope',
    })
    .optional(),
  ARCO_JWT_SECRET: z.string().min(32, 'expected at least 32 characters').optional(),
  ARCO_JWT_PUBLIC_KEY_PEM: z.string().optional(),
  ARCO_JWT_PUBLIC_KEY_PATH: z.string().optional(),
  TIDEMARK_JWT_JWKS_URL: url.optional(),
  ARCO_JWT_ISSUER: z.string().optional(),
  ARCO_JWT_AUDIENCE: z.string().optional(),
  TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE: flag.optional(),
  TIDEMARK_SCOPE_ID_CASE: z.enum(['exact', 'lower'], { error: 'expected exact or lower' }).default('exact'),
  ARCO_JWT_TENANT_CLAIM: z.string().optional(),
  ARCO_JWT_WORKSPACE_CLAIM: z.string().optional(),
  ARCO_JWT_USER_CLAIM: z.string().optional(),
  ARCO_JWT_GROUPS_CLAIM: z.string().optional(),
  ARCO_INTERNAL_AUTH_ISSUER: z.string().optional(),
  ARCO_INTERNAL_AUTH_AUDIENCE: z.string().optional(),
  ARCO_INTERNAL_AUTH_ALLOWED_SUBS: list.optional(),
  ARCO_INTERNAL_AUTH_ALLOWED_EMAILS: list.optional(),
  ARCO_INTERNAL_AUTH_ENFORCE: flag.optional(),
  ARCO_INTERNAL_AUTH_JWKS_URL: url.optional(),
  ARCO_INTERNAL_AUTH_JWKS_CACHE_TTL_SECS: z
    .string()
    .regex(/^\d{1,6}$/, 'expected seconds, at most 999999')
    .transform(Number)
    .optional(),
  ARCO_INTERNAL_AUTH_HS256_SECRET: z.string().optional(),
  TIDEMARK_INTERNAL_TOKEN_SHA256: digests.default([]),
})
type AuthVariables = z.infer<typeof AuthVariables>

/** What the rest of the configuration and the runtime say. */
export interface AuthContext {
  /** A folder or memory behind a loopback address. */
  readonly is_local: boolean
  readonly readFile?: (path: string) => string
}

/** Derive posture and modes, with every contradiction. */
export function authConfigOf(variables: AuthVariables, context: AuthContext): AuthConfigResult {
  const problems: string[] = []
  const posture = postureOf(variables, context, problems)
  const oidc = oidcOf(variables, posture, problems)
  const static_digests = variables.TIDEMARK_INTERNAL_TOKEN_SHA256
  const has_internal = oidc !== null || static_digests.length > 0
  if (posture !== 'dev' && !has_internal) {
    problems.push(
      'TIDEMARK_INTERNAL_TOKEN_SHA256: the internal routes need authentication outside the dev posture; set it, or ARCO_INTERNAL_AUTH_ISSUER and ARCO_INTERNAL_AUTH_AUDIENCE',
    )
  }
  const user = userOf(variables, { posture, has_internal, context }, problems)
  const lower_case_ids = variables.TIDEMARK_SCOPE_ID_CASE === 'lower'
  return problems.length > 0 || user === null
    ? { ok: false, problems }
    : { ok: true, auth: { posture, user, oidc, static_digests, lower_case_ids } }
}

function postureOf(
  { ARCO_ENVIRONMENT: environment, ARCO_API_PUBLIC: is_public }: AuthVariables,
  { is_local }: AuthContext,
  problems: string[],
): Posture {
  if (environment === undefined && is_public === undefined && is_local) return 'dev'
  if (environment === undefined) {
    problems.push(
      'ARCO_ENVIRONMENT: required (dev, staging or prod): only a folder or memory on a loopback address may go without',
    )
  }
  if (is_public === undefined)
    problems.push('ARCO_API_PUBLIC: required (true or false) with ARCO_ENVIRONMENT')
  if (is_public === true) return 'public'
  return environment === 'dev' ? 'dev' : 'private'
}

interface UserContext {
  readonly posture: Posture
  readonly has_internal: boolean
  readonly context: AuthContext
}

function userOf(variables: AuthVariables, given: UserContext, problems: string[]): UserAuth | null {
  const { posture } = given
  const { ARCO_DEBUG: debug, TIDEMARK_AUTH_MODE: wanted } = variables
  if (debug === true && posture !== 'dev') problems.push('ARCO_DEBUG: only in the dev posture')
  const keys = userKeys(variables, given.context, problems)
  if (keys.length > 1) {
    problems.push(
      `${keys.map(({ name }) => name).join(', ')}: set one of them; exactly one user mode can be active`,
    )
  }
  const [key] = keys
  const mode =
    wanted ??
    (key !== undefined
      ? `jwt-${key.key.kind}`
      : debug === true && posture === 'dev'
        ? 'headers'
        : 'single-scope')
  if (!mode.startsWith('jwt-')) problems.push(...uselessJwtVariables(variables))
  switch (mode) {
    case 'headers':
      if (key !== undefined) problems.push(`${key.name}: not with TIDEMARK_AUTH_MODE=headers`)
      if (posture !== 'dev' || debug !== true) {
        problems.push('TIDEMARK_AUTH_MODE: headers is for the dev posture with ARCO_DEBUG=true')
      }
      return { mode: 'headers' }
    case 'single-scope':
      if (key !== undefined) problems.push(`${key.name}: not with TIDEMARK_AUTH_MODE=single-scope`)
      return singleScopeOf(wanted, given, problems)
    case 'jwt-hs256':
    case 'jwt-rs256':
    case 'jwt-jwks':
      return jwtOf(mode, variables, { key, posture }, problems)
  }
}

/** Who sets one of these expects tokens to be asked for. */
const JWT_VARIABLES = [
  'ARCO_JWT_ISSUER',
  'ARCO_JWT_AUDIENCE',
  'TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE',
  'ARCO_JWT_TENANT_CLAIM',
  'ARCO_JWT_WORKSPACE_CLAIM',
  'ARCO_JWT_USER_CLAIM',
  'ARCO_JWT_GROUPS_CLAIM',
] as const satisfies readonly (keyof AuthVariables)[]

function uselessJwtVariables(variables: AuthVariables): string[] {
  return JWT_VARIABLES.filter((name) => variables[name] !== undefined).map(
    (name) =>
      `${name}: set only with one of ARCO_JWT_SECRET, ARCO_JWT_PUBLIC_KEY_PEM and TIDEMARK_JWT_JWKS_URL`,
  )
}

/** Without credentials in the dev posture; elsewhere only when asked for, behind the internal token, not in public. */
function singleScopeOf(
  wanted: string | undefined,
  { posture, has_internal }: UserContext,
  problems: string[],
): UserAuth {
  if (posture === 'public' || (posture === 'private' && wanted === undefined)) {
    problems.push(
      'ARCO_JWT_SECRET: user authentication is required outside the dev posture; set it, ARCO_JWT_PUBLIC_KEY_PEM, TIDEMARK_JWT_JWKS_URL, or, in the private posture, TIDEMARK_AUTH_MODE=single-scope',
    )
  }
  return { mode: 'single-scope', behind_internal: posture !== 'dev' && has_internal }
}

function jwtOf(
  mode: string,
  variables: AuthVariables,
  { key, posture }: { readonly key: NamedKey | undefined; readonly posture: Posture },
  problems: string[],
): UserAuth | null {
  if (key === undefined || mode !== `jwt-${key.key.kind}`) {
    problems.push(`TIDEMARK_AUTH_MODE: ${mode} needs ${KEY_VARIABLES[mode] ?? 'its key'}`)
    return null
  }
  const { ARCO_JWT_ISSUER: issuer, ARCO_JWT_AUDIENCE: audience } = variables
  if (posture !== 'dev') {
    if (issuer === undefined) problems.push('ARCO_JWT_ISSUER: required outside the dev posture')
    if (audience === undefined) problems.push('ARCO_JWT_AUDIENCE: required outside the dev posture')
    if (key.key.kind === 'jwks' && !isHttps(key.key.url)) {
      problems.push('TIDEMARK_JWT_JWKS_URL: expected an https:// URL outside the dev posture')
    }
  }
  if (audience !== undefined && variables.TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE === true) {
    problems.push('TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE: not with ARCO_JWT_AUDIENCE')
  }
  return {
    mode: 'jwt',
    key: key.key,
    issuer,
    audience,
    accept_any_audience: variables.TIDEMARK_JWT_ACCEPT_ANY_AUDIENCE ?? false,
    claims: {
      tenant: variables.ARCO_JWT_TENANT_CLAIM ?? DEFAULT_CLAIMS.tenant,
      workspace: variables.ARCO_JWT_WORKSPACE_CLAIM ?? DEFAULT_CLAIMS.workspace,
      user: variables.ARCO_JWT_USER_CLAIM ?? DEFAULT_CLAIMS.user,
      groups: variables.ARCO_JWT_GROUPS_CLAIM ?? DEFAULT_CLAIMS.groups,
    },
  }
}

const KEY_VARIABLES: Readonly<Record<string, string>> = {
  'jwt-hs256': 'ARCO_JWT_SECRET',
  'jwt-rs256': 'ARCO_JWT_PUBLIC_KEY_PEM or ARCO_JWT_PUBLIC_KEY_PATH',
  'jwt-jwks': 'TIDEMARK_JWT_JWKS_URL',
}

interface NamedKey {
  readonly name: string
  readonly key: UserKey
}

function userKeys(variables: AuthVariables, { readFile }: AuthContext, problems: string[]): NamedKey[] {
  const {
    ARCO_JWT_SECRET: secret,
    ARCO_JWT_PUBLIC_KEY_PEM: pem,
    ARCO_JWT_PUBLIC_KEY_PATH: path,
    TIDEMARK_JWT_JWKS_URL: jwks_url,
  } = variables
  const keys: NamedKey[] = []
  if (secret !== undefined) keys.push({ name: 'ARCO_JWT_SECRET', key: { kind: 'hs256', secret } })
  if (pem !== undefined) {
    keys.push({ name: 'ARCO_JWT_PUBLIC_KEY_PEM', key: { kind: 'rs256', public_key_pem: withLines(pem) } })
  }
  if (path !== undefined) {
    const text = readOrNull(path, readFile)
    if (text === null) problems.push('ARCO_JWT_PUBLIC_KEY_PATH: expected a file that this process can read')
    else {
      keys.push({ name: 'ARCO_JWT_PUBLIC_KEY_PATH', key: { kind: 'rs256', public_key_pem: withLines(text) } })
    }
  }
  if (jwks_url !== undefined)
    keys.push({ name: 'TIDEMARK_JWT_JWKS_URL', key: { kind: 'jwks', url: jwks_url } })
  return keys
}

function readOrNull(path: string, readFile: AuthContext['readFile']): string | null {
  try {
    return readFile?.(path) ?? null
  } catch {
    return null
  }
}

/** A PEM on one line, as environment variables like to have it, has its breaks spelled out. */
function withLines(pem: string): string {
  const text = pem.trim()
  return text.includes('\n') ? text : text.replaceAll('\\n', '\n')
}

/** Any of its variables asks for internal OIDC: half of it must not look like all of it. */
function oidcOf(variables: AuthVariables, posture: Posture, problems: string[]): InternalOidc | null {
  const {
    ARCO_INTERNAL_AUTH_ISSUER: issuer,
    ARCO_INTERNAL_AUTH_AUDIENCE: audience,
    ARCO_INTERNAL_AUTH_ALLOWED_SUBS: allowed_subjects = [],
    ARCO_INTERNAL_AUTH_ALLOWED_EMAILS: allowed_emails = [],
    ARCO_INTERNAL_AUTH_HS256_SECRET: hs256_secret,
    ARCO_INTERNAL_AUTH_ENFORCE: enforce = true,
    ARCO_INTERNAL_AUTH_JWKS_URL: jwks_url,
    ARCO_INTERNAL_AUTH_JWKS_CACHE_TTL_SECS: cache_s = 300,
  } = variables
  const is_wanted = Object.entries(variables).some(
    ([name, value]) => name.startsWith('ARCO_INTERNAL_AUTH_') && value !== undefined,
  )
  if (!is_wanted) return null
  if (posture !== 'dev' && !enforce) {
    problems.push('ARCO_INTERNAL_AUTH_ENFORCE: false (report only) is for the dev posture')
  }
  if (posture !== 'dev' && hs256_secret !== undefined) {
    problems.push('ARCO_INTERNAL_AUTH_HS256_SECRET: for tests, in the dev posture only')
  }
  if (posture !== 'dev' && jwks_url !== undefined && !isHttps(jwks_url)) {
    problems.push('ARCO_INTERNAL_AUTH_JWKS_URL: expected an https:// URL outside the dev posture')
  }
  if (hs256_secret !== undefined && jwks_url !== undefined) {
    problems.push('ARCO_INTERNAL_AUTH_HS256_SECRET: not with ARCO_INTERNAL_AUTH_JWKS_URL')
  }
  if (issuer === undefined) problems.push('ARCO_INTERNAL_AUTH_ISSUER: required with internal OIDC')
  if (audience === undefined) problems.push('ARCO_INTERNAL_AUTH_AUDIENCE: required with internal OIDC')
  if (allowed_subjects.length + allowed_emails.length === 0) {
    problems.push(
      'ARCO_INTERNAL_AUTH_ALLOWED_SUBS: name at least one subject, or an email in ARCO_INTERNAL_AUTH_ALLOWED_EMAILS',
    )
  }
  if (issuer === undefined || audience === undefined) return null
  return {
    issuer,
    audience,
    allowed_subjects,
    allowed_emails,
    jwks_url: jwks_url ?? GOOGLE_JWKS_URL,
    jwks_cache_ms: cache_s * 1000,
    hs256_secret,
    enforce,
  }
}

/** https, or plain http to this very machine, which only the dev posture takes. */
function isKeySetUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  const is_here = protocol === 'http:' && /^(127\.0\.0\.1|localhost|\[::1\])$/.test(hostname)
  return (protocol === 'https:' || is_here) && username === '' && password === ''
}

function isHttps(url: string): boolean {
  return new URL(url).protocol === 'https:'
}
