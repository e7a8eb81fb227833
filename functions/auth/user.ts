/** User modes (spec/http-api.md 3.1): a JWT with tenant and workspace in its claims, headers in debugging, or one fixed scope. */
import type { JWTPayload } from 'jose'
import { isScopeId, type Scope } from '../../lib/store/scoped.ts'
import { admitted, rejected, type Authentication, type Authenticator } from '../auth.ts'
import { bearerOf } from './bearer.ts'
import { verifyJwt, type JwtKey, type JwtRules } from './jwt.ts'

/** Which claims say what. */
export interface ClaimNames {
  readonly tenant: string
  readonly workspace: string
  readonly user: string
  readonly groups: string
}

/** Names where the configuration has none. */
export const DEFAULT_CLAIMS: ClaimNames = {
  tenant: 'tenant',
  workspace: 'workspace',
  user: 'sub',
  groups: 'groups',
}

/** How tenant and workspace may be written (spec/storage.md S-3). */
export interface ScopeSpelling {
  /** Lower-case ids instead of refusing those with capitals. */
  readonly lower_case_ids?: boolean | undefined
}

/** A JWT of any of the three modes; the key and the algorithms make the difference. */
export interface UserJwtOptions extends ScopeSpelling {
  readonly key: JwtKey
  readonly rules: JwtRules
  readonly claims: ClaimNames
}

const INVALID = 'Invalid bearer token'

/** `jwt-hs256`, `jwt-rs256`, `jwt-jwks`. */
export function userJwt({ key, rules, claims: names, lower_case_ids }: UserJwtOptions): Authenticator {
  return async (headers) => {
    const bearer = bearerOf(headers)
    if (bearer.found === 'none') return rejected('missing_auth', 'Authorization header required')
    if (bearer.found === 'malformed') return rejected('invalid_token', INVALID)
    const verified = await verifyJwt(bearer.token, key, rules)
    if (!verified.ok) return rejected('invalid_token', INVALID)
    return principalOf(verified.claims, names, { lower_case_ids })
  }
}

function principalOf(claims: JWTPayload, names: ClaimNames, spelling: ScopeSpelling): Authentication {
  const tenant = claims[names.tenant]
  const workspace = claims[names.workspace]
  const user = claims[names.user]
  const groups = groupsOf(claims[names.groups])
  if (!isText(tenant) || !isText(workspace) || !isText(user) || groups === null) {
    return rejected('invalid_token', INVALID)
  }
  return withScope({ tenant, workspace }, { user, groups, role: 'user' }, spelling)
}

function withScope(
  said: Scope,
  rest: { readonly user: string | null; readonly groups: readonly string[]; readonly role: 'user' | 'dev' },
  { lower_case_ids }: ScopeSpelling,
): Authentication {
  const scope =
    lower_case_ids === true
      ? { tenant: said.tenant.toLowerCase(), workspace: said.workspace.toLowerCase() }
      : said
  if (!isScopeId(scope.tenant) || !isScopeId(scope.workspace)) {
    return rejected('bad_request', 'a tenant or workspace id has only a-z, 0-9, - and _')
  }
  const is_changed = scope.tenant !== said.tenant || scope.workspace !== said.workspace
  return admitted({ scope, ...rest }, is_changed ? 'tenant or workspace id was lower-cased' : undefined)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** Absent, null, a comma list or an array of strings; null for anything else. */
function groupsOf(value: unknown): readonly string[] | null {
  if (value === undefined || value === null) return []
  if (typeof value === 'string') {
    return value
      .split(',')
      .map((group) => group.trim())
      .filter((group) => group !== '')
  }
  return Array.isArray(value) && value.every((group) => typeof group === 'string') ? value : null
}

/** `headers`: no credentials, the scope in two headers. Dev posture with the debug flag only. */
export function headerScope(spelling: ScopeSpelling = {}): Authenticator {
  return async (headers) => {
    const tenant = headers.get('x-tenant-id')
    const workspace = headers.get('x-workspace-id')
    if (tenant === null) return rejected('unauthorized', 'missing X-Tenant-Id header (debug mode)')
    if (workspace === null) return rejected('unauthorized', 'missing X-Workspace-Id header (debug mode)')
    const user = headers.get('x-user-id')
    const groups = groupsOf(headers.get('x-groups')) ?? []
    return withScope({ tenant, workspace }, { user, groups, role: 'dev' }, spelling)
  }
}

/** `single-scope` in the dev posture: a bearer header is accepted and ignored. */
export function singleScope(scope: Scope): Authenticator {
  return async () => admitted({ scope, user: null, groups: [], role: 'dev' })
}

/** `single-scope` in the private posture: the internal token opens the Delta routes as well. */
export function singleScopeBehind(internal: Authenticator): Authenticator {
  return async (headers) => {
    const known = await internal(headers)
    return known.ok ? admitted({ ...known.principal, role: 'user' }) : known
  }
}
