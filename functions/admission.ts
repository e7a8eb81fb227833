/**
 * Whether a request may reach its handler, and as whom: decided from its headers, before its body is read or the store is
 * touched (spec/http-api.md 3, S1). Who asks, for which scope, whether the deployment lets them, and, for what writes, whether the
 * store may be written to at all.
 */
import { parseTableId } from '../lib/protocol/ids.ts'
import type { Scope } from '../lib/store/scoped.ts'
import { bearerOf } from './auth/bearer.ts'
import { ALLOW_ALL, type Authenticator, type Authorize, type Principal } from './auth.ts'
import { HEADERS_TOO_LARGE, headersProblem, type NodeBindings } from './headers.ts'
import type { Access } from './operations.ts'
import type { Problem } from './problem.ts'

/** What decides. */
export interface AdmissionRules {
  /** Who may use the Delta routes. */
  readonly user: Authenticator
  /** Who may use the compactor's. */
  readonly internal: Authenticator
  /** The deployment's own rule; everything is allowed without one. */
  readonly authorize?: Authorize
  /** Scope headers are compared lower-cased, as ids of tokens are (spec/storage.md S-3). */
  readonly lower_case_ids?: boolean
  /** Why the store may not be written to, or null; asked by every route that writes. Always null without it. */
  writeRefusal?(): string | null
}

/** What is asked for. */
export interface Asked {
  readonly request: { readonly headers: Headers }
  readonly env: NodeBindings
  readonly access: Access
  /** As the client wrote it. */
  readonly table_id: string
}

/** Let in, as nobody in particular on a route that everybody may ask; or the problem that refuses the request. */
export type Admission =
  | { readonly ok: true; readonly principal: Principal | null; readonly warning?: string }
  | { readonly ok: false; readonly problem: Problem }

/** Decide. */
export async function admit(rules: AdmissionRules, asked: Asked): Promise<Admission> {
  const { access, table_id, env } = asked
  const { headers } = asked.request
  const unusable = headersProblem(headers, env)
  // A token that alone fills the header block is refused for what it is (S7).
  const is_judged = unusable === HEADERS_TOO_LARGE && bearerOf(headers).found === 'malformed'
  if (access.auth === 'none' || (unusable !== null && !is_judged)) {
    return unusable === null ? { ok: true, principal: null } : { ok: false, problem: unusable }
  }
  const authentication = await (access.auth === 'internal' ? rules.internal : rules.user)(headers)
  if (!authentication.ok) return authentication
  if (unusable !== null) return { ok: false, problem: unusable }
  const { principal } = authentication
  const problem =
    scopeHeaderProblem(headers, principal.scope, rules.lower_case_ids === true) ??
    (await authorizeProblem(rules, access, principal, table_id)) ??
    writeProblem(rules, access)
  return problem === null ? authentication : { ok: false, problem }
}

/** A header that names another tenant or workspace than the principal's is 403 before any store call (S1). */
function scopeHeaderProblem(headers: Headers, scope: Scope, lower_case: boolean): Problem | null {
  const names = (header: string, own: string): boolean => {
    const text = headers.get(header) ?? own
    return (lower_case ? text.toLowerCase() : text) === own
  }
  return names('x-tenant-id', scope.tenant) && names('x-workspace-id', scope.workspace)
    ? null
    : { reason: 'forbidden', detail: 'this service serves another tenant or workspace than the headers name' }
}

/** A table id that is none is left to the handler, which says what is wrong with it. */
async function authorizeProblem(
  { authorize = ALLOW_ALL }: AdmissionRules,
  { action }: Access,
  principal: Principal,
  table_text: string,
): Promise<Problem | null> {
  const table_id = parseTableId(table_text)
  if (action === undefined || table_id === null) return null
  return (await authorize(principal, action, principal.scope, table_id))
    ? null
    : { reason: 'forbidden', detail: `${action} on this table is not allowed to you` }
}

function writeProblem(rules: AdmissionRules, { writes }: Access): Problem | null {
  const why = writes === true ? (rules.writeRefusal?.() ?? null) : null
  return why === null ? null : { reason: 'store_not_certified', detail: why }
}
