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

/** A JWT of any of the three modes; the key and the algorithms make the difference. */
export interface UserJwtOptions {
  readonly key: JwtKey
  readonly rules: JwtRules
  readonly claims: ClaimNames
  /** Lower-case ids instead of refusing them (spec/storage.md S-3). */
  readonly lower_case_ids?: boolean
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
    return principalOf(verified.claims, names, lower_case_ids === true)
  }
}

function principalOf(claims: JWTPayload, names: ClaimNames, lower_case: boolean): Authentication {
  const tenant = claims[names.tenant]
  const workspace = claims[names.workspace]
  const user = claims[names.user]
  const groups = groupsOf(claims[names.groups])
  if (!isText(tenant) || !isText(workspace) || !isText(user) || groups === null) {
    return rejected('invalid_token', INVALID)
  }
  const scope = lower_case
    ? { tenant: tenant.toLowerCase(), workspace: workspace.toLowerCase() }
    : { tenant, workspace }
  return withScope(scope, { user, groups, role: 'user' })
}

function withScope(
  scope: Scope,
  rest: { readonly user: string | null; readonly groups: readonly string[]; readonly role: 'user' | 'dev' },
): Authentication {
  return isScopeId(scope.tenant) && isScopeId(scope.workspace)
    ? admitted({ scope, ...rest })
    : rejected('bad_request', 'a tenant or workspace id has only a-z, 0-9, - and _')
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
export const headerScope: Authenticator = async (headers) => {
  const tenant = headers.get('x-tenant-id')
  const workspace = headers.get('x-workspace-id')
  if (tenant === null) return rejected('unauthorized', 'missing X-Tenant-Id header (debug mode)')
  if (workspace === null) return rejected('unauthorized', 'missing X-Workspace-Id header (debug mode)')
  const user = headers.get('x-user-id')
  return withScope(
    { tenant, workspace },
    { user, groups: groupsOf(headers.get('x-groups')) ?? [], role: 'dev' },
  )
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
