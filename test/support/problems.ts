/** The table of reasons of spec/http-api.md 6.2 as data, copied by hand, and the shape of every refusal (6.1). */
import { expect } from 'vitest'

/** What a reason promises about the payload. Null where the spec gives no class: the request did no work. */
export type ReasonClass = 'definite' | 'repeat' | 'unknown' | 'operator' | 'malformed' | null

/** One row of the table. */
export interface ReasonRow {
  readonly status: number
  readonly code: string
  readonly retryable: boolean
  readonly retry_after: boolean
  readonly class: ReasonClass
}

const REPEAT = 'retryable'
const LATER = 'retryable, Retry-After'

function row(status: number, code: string, kind: ReasonClass, repeats: string = ''): ReasonRow {
  return { status, code, retryable: repeats !== '', retry_after: repeats === LATER, class: kind }
}

/** Every reason; a status and code that are not here are not produced. */
export const REASONS: Readonly<Record<string, ReasonRow>> = {
  bad_request: row(400, 'BAD_REQUEST', 'malformed'),
  key_mismatch: row(400, 'BAD_REQUEST', 'malformed'),
  payload_invalid: row(400, 'BAD_REQUEST', 'malformed'),
  rebuild_manifest_invalid: row(400, 'BAD_REQUEST', 'malformed'),
  event_path_invalid: row(400, 'BAD_REQUEST', 'malformed'),
  event_out_of_scope: row(400, 'BAD_REQUEST', 'malformed'),
  delete_channel: row(400, 'BAD_REQUEST', 'operator'),
  missing_auth: row(401, 'MISSING_AUTH', null),
  invalid_token: row(401, 'INVALID_TOKEN', null),
  unauthorized: row(401, 'UNAUTHORIZED', null),
  forbidden: row(403, 'FORBIDDEN', null),
  route_not_found: row(404, 'NOT_FOUND', null),
  table_not_found: row(404, 'NOT_FOUND', 'operator'),
  staged_not_found: row(404, 'NOT_FOUND', 'repeat', REPEAT),
  rebuild_manifest_not_found: row(404, 'NOT_FOUND', 'operator'),
  event_not_found: row(404, 'NOT_FOUND', 'operator'),
  method_not_allowed: row(405, 'METHOD_NOT_ALLOWED', null),
  request_timeout: row(408, 'REQUEST_TIMEOUT', 'repeat', REPEAT),
  stale_read_version: row(409, 'CONFLICT', 'definite'),
  key_reuse: row(409, 'CONFLICT', 'definite'),
  log_conflict: row(409, 'CONFLICT', 'definite'),
  version_overflow: row(409, 'CONFLICT', 'definite'),
  read_version_ahead: row(409, 'CONFLICT', 'repeat', REPEAT),
  reserved: row(409, 'CONFLICT', 'repeat', LATER),
  contention: row(409, 'CONFLICT', 'repeat', LATER),
  staged_version_mismatch: row(409, 'CONFLICT', 'repeat', REPEAT),
  not_delta: row(409, 'CONFLICT', 'operator'),
  root_mismatch: row(409, 'CONFLICT', 'operator'),
  outcome_unverifiable: row(409, 'CONFLICT', 'operator'),
  lock_missing: row(409, 'CONFLICT', 'operator'),
  lock_expired: row(409, 'CONFLICT', 'operator'),
  lock_held: row(409, 'CONFLICT', 'repeat', LATER),
  lease_lost: row(409, 'CONFLICT', 'repeat', REPEAT),
  stale_fencing_token: row(409, 'CONFLICT', 'operator'),
  payload_too_large: row(413, 'PAYLOAD_TOO_LARGE', 'malformed'),
  unsupported_media_type: row(415, 'UNSUPPORTED_MEDIA_TYPE', 'malformed'),
  unprocessable: row(422, 'UNPROCESSABLE_ENTITY', 'malformed'),
  event_invalid: row(422, 'UNPROCESSABLE_ENTITY', 'operator'),
  rate_limited: row(429, 'RATE_LIMITED', 'repeat', LATER),
  state_corrupt: row(500, 'INTERNAL', 'operator'),
  marker_corrupt: row(500, 'INTERNAL', 'operator'),
  state_invariant: row(500, 'INTERNAL', 'operator'),
  lock_corrupt: row(500, 'INTERNAL', 'operator'),
  object_corrupt: row(500, 'INTERNAL', 'operator'),
  invalid_table_root: row(500, 'INTERNAL', 'operator'),
  internal: row(500, 'INTERNAL', 'unknown'),
  not_implemented: row(501, 'NOT_IMPLEMENTED', null),
  outcome_unknown: row(503, 'UNAVAILABLE', 'unknown', LATER),
  storage_unavailable: row(503, 'UNAVAILABLE', 'repeat', LATER),
  throttled: row(503, 'UNAVAILABLE', 'repeat', LATER),
  store_not_certified: row(503, 'UNAVAILABLE', 'operator'),
}

/** A refusal as it arrived, whatever carried it. */
export interface Refusal {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** What a test knows of it. */
export interface ExpectedProblem {
  readonly reason: string
  readonly detail?: string | RegExp
}

/**
 * The whole of spec/http-api.md 6.1 for one refusal: status, code and retryable as in the table, `message` = `detail`,
 * the id in header and body, `Retry-After` exactly where the table has it, no camelCase member, nothing cached.
 */
export function expectProblem({ status, headers, body }: Refusal, expected: ExpectedProblem): void {
  const { reason, detail } = expected
  const row = REASONS[reason]
  if (row === undefined) throw new Error(`spec/http-api.md 6.2 has no reason ${reason}`)
  const problem = body as Record<string, unknown>
  const text = problem?.['detail']
  expect(problem).toMatchObject({
    type: `docs/problems.md#${reason}`,
    title: expect.stringMatching(/^[A-Z].+[^.]$/),
    status: row.status,
    detail: expect.stringMatching(/\S/),
    code: row.code,
    message: text,
    reason,
    retryable: row.retryable,
    request_id: expect.stringMatching(/^[\x21-\x7e]{1,128}$/),
  })
  expect(status).toBe(row.status)
  if (typeof detail === 'string') expect(text).toBe(detail)
  else if (detail !== undefined) expect(text).toMatch(detail)
  expect(headers.get('content-type')).toBe('application/problem+json')
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('x-request-id')).toBe(problem['request_id'])
  for (const name of Object.keys(problem)) expect(name).toMatch(/^(?!details$)[a-z][a-z0-9_]*$/)
  if (row.retry_after) {
    const seconds = Math.max(1, Math.ceil(Number(problem['retry_after_ms']) / 1000))
    expect(headers.get('retry-after')).toBe(String(seconds))
  } else {
    expect(headers.get('retry-after')).toBeNull()
    expect(problem).not.toHaveProperty('retry_after_ms')
  }
}
