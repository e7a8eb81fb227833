/**
 * How often one tenant may ask, and how many commits of one table may be at work (spec/http-api.md 9, S30). Per process:
 * several processes multiply the limits.
 */
import type { Problem } from './problem.ts'

/** The limits of a deployment. */
export interface RateLimits {
  /** Requests of one tenant, in the long run. */
  readonly per_minute: number
  /** Requests that it may send at once after a pause. */
  readonly burst: number
}

/** Those of the specification. */
export const DEFAULT_RATE_LIMITS: RateLimits = { per_minute: 500, burst: 50 }

/**
 * What is asked for. Replays and recoveries have a bucket of their own, so that a tenant whose other requests are refused can
 * still finish what is in flight: a commit is a replay when this process let one with the same key through before.
 */
export type Asked = 'recover' | 'other' | { readonly commit_key: unknown }

/** Let through, with what is left; or refused. */
export type RateVerdict =
  | { readonly ok: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly problem: Problem }

/** One limiter a process. */
export interface RateLimiter {
  /** Take one request out of a bucket of the tenant. `now_ms` is monotonic. */
  take(tenant: string, asked: Asked, now_ms: number): RateVerdict
  /** Tenants that are tracked. */
  tracked(): number
}

/** More tenants than that share nothing: the one that asked longest ago starts afresh. */
export const TENANTS_MAX = 10_000
/** After this long without a request a tenant is forgotten, ms; its buckets would be full for long. */
export const TENANT_IDLE_MS = 3_600_000
/** Keys that are remembered; an older one counts as new, and a longer one is none. */
const KEYS_MAX = 10_000
const KEY_CHARS_MAX = 36

interface Bucket {
  tokens: number
  at_ms: number
}

interface Buckets {
  readonly finishing: Bucket
  readonly other: Bucket
}

/** Make one. */
export function createRateLimiter(limits: RateLimits = DEFAULT_RATE_LIMITS): RateLimiter {
  const { per_minute, burst } = limits
  const per_ms = per_minute / 60_000
  const tenants = new Map<string, Buckets & { seen_ms: number }>()
  const keys = new Set<string>()

  function bucketsOf(tenant: string, now_ms: number): Buckets {
    for (const [name, { seen_ms }] of tenants) {
      if (now_ms - seen_ms <= TENANT_IDLE_MS) break
      tenants.delete(name)
    }
    const full = { tokens: burst, at_ms: now_ms }
    const buckets = tenants.get(tenant) ?? { other: { ...full }, finishing: { ...full }, seen_ms: now_ms }
    buckets.seen_ms = now_ms
    // A Map keeps the order of insertion: the first tenant is the one that asked longest ago.
    tenants.delete(tenant)
    tenants.set(tenant, buckets)
    const [oldest] = tenants.keys()
    if (tenants.size > TENANTS_MAX && oldest !== undefined) tenants.delete(oldest)
    return buckets
  }

  /** The name under which the key of a commit is remembered, or null. */
  function nameOf(tenant: string, asked: Asked): string | null {
    const key = typeof asked === 'object' ? asked.commit_key : null
    return typeof key === 'string' && key.length <= KEY_CHARS_MAX ? `${tenant}/${key}` : null
  }

  function remember(name: string): void {
    keys.delete(name)
    keys.add(name)
    const [oldest] = keys
    if (keys.size > KEYS_MAX && oldest !== undefined) keys.delete(oldest)
  }

  return {
    take(tenant, asked, now_ms) {
      const name = nameOf(tenant, asked)
      const finishes = asked === 'recover' || (name !== null && keys.has(name))
      const bucket = bucketsOf(tenant, now_ms)[finishes ? 'finishing' : 'other']
      bucket.tokens = Math.min(burst, bucket.tokens + Math.max(0, now_ms - bucket.at_ms) * per_ms)
      bucket.at_ms = now_ms
      if (bucket.tokens < 1) return { ok: false, problem: limited(per_minute, (1 - bucket.tokens) / per_ms) }
      bucket.tokens -= 1
      if (name !== null) remember(name)
      return { ok: true, headers: limitHeaders(per_minute, Math.floor(bucket.tokens)) }
    },
    tracked: () => tenants.size,
  }
}

function limited(per_minute: number, wait_ms: number): Problem {
  const seconds = Math.max(1, Math.ceil(wait_ms / 1000))
  return {
    reason: 'rate_limited',
    detail: `Rate limit exceeded. Limit: ${per_minute} requests per minute. Retry after ${seconds} seconds.`,
    members: { retry_after_ms: seconds * 1000 },
    headers: limitHeaders(per_minute, 0),
  }
}

function limitHeaders(per_minute: number, remaining: number): Record<string, string> {
  return { 'x-ratelimit-limit': String(per_minute), 'x-ratelimit-remaining': String(remaining) }
}
