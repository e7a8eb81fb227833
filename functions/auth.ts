/**
 * Who asks, and for which tenant and workspace (spec/http-api.md 3). An authenticator looks at the headers only, so that it
 * runs before the body is read; the scope of a request comes from here and from nowhere else (S1).
 */
import type { Scope } from '../lib/store/scoped.ts'
import type { Problem } from './problem.ts'

/** Whoever an authenticator let in. */
export interface Principal {
  readonly scope: Scope
  /** `sub` or its like; null where nobody said. For the authorize hook, never logged. */
  readonly user: string | null
  readonly groups: readonly string[]
  /** `internal` may call the compactor routes, `user` the Delta routes, `dev` both. */
  readonly role: 'user' | 'internal' | 'dev'
}

/** The principal, or the problem that refuses the request. A `warning` is for the log: fixed words, nothing of a token. */
export type Authentication =
  | { readonly ok: true; readonly principal: Principal; readonly warning?: string }
  | { readonly ok: false; readonly problem: Problem }

/** One way to tell who asks. Never throws for a bad credential; never shows a token in a problem. */
export type Authenticator = (headers: Headers) => Promise<Authentication>

/** What a principal may be asked about (spec/http-api.md 3.3). */
export type DeltaAction = 'delta.stage' | 'delta.commit' | 'delta.recover' | 'delta.inspect' | 'delta.verify'

/** A deployment's own rule; `table_id` is canonical. */
export type Authorize = (
  principal: Principal,
  action: DeltaAction,
  scope: Scope,
  table_id: string,
) => boolean | Promise<boolean>

/** Every principal of the scope may do everything, as in the reference. */
export const ALLOW_ALL: Authorize = () => true

/** Let in, with something for the log where an operator should know. */
export function admitted(principal: Principal, warning?: string): Authentication {
  return warning === undefined ? { ok: true, principal } : { ok: true, principal, warning }
}

/** Refused, with the reason and the text of spec/http-api.md 3. */
export function rejected(reason: Problem['reason'], detail: string): Authentication {
  return { ok: false, problem: { reason, detail } }
}

/** Passes when either accepts; otherwise the first one's refusal (spec/http-api.md 3.1). */
export function anyOf(first: Authenticator, second: Authenticator): Authenticator {
  return async (headers) => {
    const one = await first(headers)
    if (one.ok) return one
    const other = await second(headers)
    return other.ok ? other : one
  }
}
