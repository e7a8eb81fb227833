/** What holds for the headers of every request, whatever its route (spec/http-api.md 2, 3.1, 11). */
import type { Scope } from '../lib/store/scoped.ts'
import { freshUlid } from './environment.ts'
import type { Problem } from './problem.ts'

/** What @hono/node-server passes along: the raw header list, which still shows duplicates. */
export interface NodeBindings {
  readonly incoming?: { readonly rawHeaders?: readonly string[]; readonly httpVersion?: string }
}

/** The client's id when it is 1 to 128 visible ASCII characters, else a fresh ULID. */
export function requestId(headers: Headers): string {
  const sent = headers.get('x-request-id')
  return sent !== null && /^[\x21-\x7e]{1,128}$/.test(sent) ? sent : freshUlid()
}

/** Headers that decide who asks and what is asked: sending one twice is ambiguous (S27). */
const SINGLE_HEADERS = ['host', 'authorization', 'idempotency-key', 'x-tenant-id', 'x-workspace-id']

/** Header block limit in characters (spec/http-api.md 11). */
const HEADERS_CHARS_MAX = 16 * 1024

/** The header block is too large. Node's parser refuses most of these itself, in the same words. */
export const HEADERS_TOO_LARGE: Problem = {
  reason: 'bad_request',
  detail: `expected at most ${HEADERS_CHARS_MAX} characters of headers`,
}

/** Why no route can take these headers, or null. */
export function headersProblem(headers: Headers, { incoming }: NodeBindings): Problem | null {
  let size = 0
  for (const [name, value] of headers) size += name.length + value.length + 4
  if (size > HEADERS_CHARS_MAX) return HEADERS_TOO_LARGE
  const repeated = SINGLE_HEADERS.find((name) => timesSent(name, headers, incoming?.rawHeaders) > 1)
  if (repeated !== undefined) {
    return { reason: 'bad_request', detail: `header ${repeated} was sent more than once` }
  }
  return incoming?.httpVersion === '1.1' && !headers.has('host')
    ? { reason: 'bad_request', detail: 'expected a Host header' }
    : null
}

/** Node drops or joins duplicates before Fetch sees them; elsewhere they are joined with a comma, which no value has. */
function timesSent(name: string, headers: Headers, raw: readonly string[] | undefined): number {
  if (raw !== undefined) return raw.filter((text, at) => at % 2 === 0 && text.toLowerCase() === name).length
  return headers.get(name)?.split(',').length ?? 0
}

/** 403 before any store call when the headers name another scope than the one served (S1), else null. */
export function scopeProblem(headers: Headers, { tenant, workspace }: Scope): Problem | null {
  const is_own =
    (headers.get('x-tenant-id') ?? tenant) === tenant &&
    (headers.get('x-workspace-id') ?? workspace) === workspace
  return is_own
    ? null
    : { reason: 'forbidden', detail: 'this service serves another tenant or workspace than the headers name' }
}
