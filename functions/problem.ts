/**
 * The one table from a reason to its HTTP answer (spec/http-api.md 6): every refusal of every route has this body and no
 * other. A reason that the protocol can answer and that has no row here does not compile.
 */
import type { CommitFailure, DeltaReason, Finding, StageResult } from '../lib/protocol/delta/outcomes.ts'
import { stringifyJson } from '../lib/protocol/json.ts'
import type { Failure as ProjectionFailure } from '../lib/protocol/orchestration/projection/outcomes.ts'

/** How a reason looks on the wire. */
interface Row {
  readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 422 | 429 | 500 | 501 | 503
  readonly code: string
  /** The identical request may succeed later. */
  readonly retryable: boolean
  /** Carries `Retry-After` and `retry_after_ms`. */
  readonly has_retry_after: boolean
  readonly title: string
  readonly promise: Promised
}

/**
 * What a refusal promises about the payload. `definite`: it is not in the log and never will be. `malformed`: no store
 * write was made. `refused`: the request was not looked at beyond its headers. `repeat`: this attempt changed nothing,
 * others of the key may have. `unknown`: may be committed. `operator`: nothing, until somebody changes something.
 */
type Promised = 'definite' | 'malformed' | 'refused' | 'repeat' | 'unknown' | 'operator'

function row(
  status: Row['status'],
  code: string,
  promise: Promised,
  title: string,
  options: { readonly retryable?: boolean; readonly has_retry_after?: boolean } = {},
): Row {
  return {
    status,
    code,
    title,
    promise,
    retryable: options.retryable ?? false,
    has_retry_after: options.has_retry_after ?? false,
  }
}

const LATER = { retryable: true, has_retry_after: true }

/** Every reason of spec/http-api.md 6.2. */
export const PROBLEMS = {
  bad_request: row(400, 'BAD_REQUEST', 'malformed', 'The request is malformed'),
  key_mismatch: row(400, 'BAD_REQUEST', 'malformed', 'Two different idempotency keys'),
  payload_invalid: row(400, 'BAD_REQUEST', 'malformed', 'The payload is not a Delta commit'),
  rebuild_manifest_invalid: row(400, 'BAD_REQUEST', 'malformed', 'The rebuild manifest does not parse'),
  event_path_invalid: row(400, 'BAD_REQUEST', 'malformed', 'A listed path is not an event path'),
  event_out_of_scope: row(400, 'BAD_REQUEST', 'malformed', 'A listed event belongs to another scope'),
  delete_channel: row(400, 'BAD_REQUEST', 'operator', 'The delete channel refuses this manifest'),
  missing_auth: row(401, 'MISSING_AUTH', 'refused', 'No credentials'),
  invalid_token: row(401, 'INVALID_TOKEN', 'refused', 'The token was rejected'),
  unauthorized: row(401, 'UNAUTHORIZED', 'refused', 'A scope header is missing'),
  forbidden: row(403, 'FORBIDDEN', 'refused', 'Not allowed'),
  route_not_found: row(404, 'NOT_FOUND', 'refused', 'No such route'),
  table_not_found: row(404, 'NOT_FOUND', 'operator', 'No such table'),
  staged_not_found: row(404, 'NOT_FOUND', 'repeat', 'The staged payload is not there', { retryable: true }),
  rebuild_manifest_not_found: row(404, 'NOT_FOUND', 'operator', 'The rebuild manifest is not there'),
  event_not_found: row(404, 'NOT_FOUND', 'operator', 'A listed event is not there'),
  method_not_allowed: row(405, 'METHOD_NOT_ALLOWED', 'refused', 'This route has other methods'),
  request_timeout: row(408, 'REQUEST_TIMEOUT', 'repeat', 'The body did not arrive in time', {
    retryable: true,
  }),
  stale_read_version: row(409, 'CONFLICT', 'definite', 'Another commit took this version'),
  key_reuse: row(409, 'CONFLICT', 'definite', 'Idempotency key was used with a different body'),
  log_conflict: row(409, 'CONFLICT', 'definite', 'A foreign log entry took this version'),
  version_overflow: row(409, 'CONFLICT', 'definite', 'No version is left'),
  read_version_ahead: row(409, 'CONFLICT', 'repeat', 'The table has not reached read_version', {
    retryable: true,
  }),
  reserved: row(409, 'CONFLICT', 'repeat', 'Another commit is in flight', LATER),
  contention: row(409, 'CONFLICT', 'repeat', 'Lost too many races', LATER),
  staged_version_mismatch: row(409, 'CONFLICT', 'repeat', 'The staged payload is another version', {
    retryable: true,
  }),
  not_delta: row(409, 'CONFLICT', 'operator', 'Not a Delta table'),
  root_mismatch: row(409, 'CONFLICT', 'operator', 'The log is split over two roots'),
  outcome_unverifiable: row(409, 'CONFLICT', 'operator', 'Nothing proves whose commit this is'),
  lock_missing: row(409, 'CONFLICT', 'operator', 'The lock is not there'),
  lock_expired: row(409, 'CONFLICT', 'operator', 'The lock has expired'),
  lock_held: row(409, 'CONFLICT', 'repeat', 'Somebody else holds the lock', LATER),
  lease_lost: row(409, 'CONFLICT', 'repeat', 'The lease ended during the work', { retryable: true }),
  stale_fencing_token: row(409, 'CONFLICT', 'operator', 'Fenced by a newer lock holder'),
  payload_too_large: row(413, 'PAYLOAD_TOO_LARGE', 'malformed', 'The body is too large'),
  unsupported_media_type: row(415, 'UNSUPPORTED_MEDIA_TYPE', 'malformed', 'The body must be plain JSON'),
  unprocessable: row(422, 'UNPROCESSABLE_ENTITY', 'malformed', 'A member is missing or has the wrong type'),
  event_invalid: row(422, 'UNPROCESSABLE_ENTITY', 'operator', 'A listed event does not decode'),
  rate_limited: row(429, 'RATE_LIMITED', 'repeat', 'Too many requests', LATER),
  state_corrupt: row(500, 'INTERNAL', 'operator', 'The stored coordinator state is malformed'),
  marker_corrupt: row(500, 'INTERNAL', 'operator', 'The stored idempotency marker is malformed'),
  state_invariant: row(500, 'INTERNAL', 'operator', 'The stored reservation skips a version'),
  lock_corrupt: row(500, 'INTERNAL', 'operator', 'The stored lock is malformed'),
  object_corrupt: row(500, 'INTERNAL', 'operator', 'A stored object is malformed, missing or changed'),
  invalid_table_root: row(500, 'INTERNAL', 'operator', 'The stored table location is not usable'),
  internal: row(500, 'INTERNAL', 'unknown', 'Internal error'),
  not_implemented: row(501, 'NOT_IMPLEMENTED', 'refused', 'The store or runtime cannot do this'),
  outcome_unknown: row(503, 'UNAVAILABLE', 'unknown', 'The outcome is not known', LATER),
  storage_unavailable: row(503, 'UNAVAILABLE', 'repeat', 'The store did not answer', LATER),
  throttled: row(503, 'UNAVAILABLE', 'repeat', 'The store limits writes to this key', LATER),
  store_not_certified: row(503, 'UNAVAILABLE', 'operator', 'Writes are off until the store is certified'),
} satisfies Record<DeltaReason | ProjectionFailure['reason'], Row> & Record<string, Row>

/** Every reason that Tidemark can answer. */
export type Reason = keyof typeof PROBLEMS

/** A refusal on its way to the wire. */
export interface Problem {
  readonly reason: Reason
  /** What was expected, what was seen, what to do next. */
  readonly detail: string
  /** The reason's own members, snake_case (spec/http-api.md 6.1). */
  readonly members?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** Where `type` points, unless the deployment configures another base. */
export const PROBLEM_BASE_URL = 'docs/problems.md'

/** What the answer to one request carries besides the problem. */
export interface ProblemContext {
  readonly request_id: string
  readonly base_url?: string
  /** The body repeats its text as `error`, where clients of the reference read it. */
  readonly is_compactor?: boolean
}

/** The response of a refusal. */
export function problemResponse(problem: Problem, context: ProblemContext): Response {
  const { status } = PROBLEMS[problem.reason]
  const retry_after_ms = retryAfter(problem)
  return new Response(stringifyJson(problemBody(problem, context)), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(retry_after_ms === undefined
        ? {}
        : { 'retry-after': String(Math.max(1, Math.ceil(retry_after_ms / 1000))) }),
      ...problem.headers,
    },
  })
}

/** The body of a refusal (spec/http-api.md 6.1). */
export function problemBody(problem: Problem, context: ProblemContext): Record<string, unknown> {
  const { reason, detail, members = {} } = problem
  const { request_id, base_url = PROBLEM_BASE_URL, is_compactor = false } = context
  const { status, code, retryable, title } = PROBLEMS[reason]
  const retry_after_ms = retryAfter(problem)
  return {
    type: `${base_url}#${reason}`,
    title,
    status,
    detail,
    code,
    message: detail,
    ...(is_compactor ? { error: detail } : {}),
    reason,
    retryable,
    request_id,
    ...members,
    ...(retry_after_ms === undefined ? {} : { retry_after_ms }),
  }
}

function retryAfter({ reason, members }: Problem): number | undefined {
  return PROBLEMS[reason].has_retry_after ? Number(members?.['retry_after_ms'] ?? 1000) : undefined
}

/** For a bug, a wrong configuration and missing rights; what the client may do is all that it needs to know. */
export const INTERNAL_DETAIL =
  'internal error; the log of this request has the cause; a commit may be repeated with the same key and body'

/** A refusal of a Delta operation. */
export type DeltaFailure = CommitFailure | Extract<StageResult, { ok: false }>

/** The problem of a protocol refusal: its own members as they are, its text by `detailOf`. */
export function problemOf(failure: DeltaFailure): Problem {
  const members = Object.entries(failure).filter(([name]) => WIRE_MEMBERS.has(name))
  return { reason: failure.reason, detail: detailOf(failure), members: Object.fromEntries(members) }
}

/** The members of spec/coordinator.md 8 that a refusal shows; the others only feed its text. */
const WIRE_MEMBERS: ReadonlySet<string> = new Set([
  'latest_version',
  'state_missing',
  'expires_at_ms',
  'retry_after_ms',
  'committed_version',
  'log_version_exists',
  'findings',
  'object_class',
])

/** Warnings may come before the error that refuses the payload. */
function firstError(findings: readonly Finding[]): Finding | undefined {
  return findings.find(({ severity }) => severity === 'error') ?? findings[0]
}

/** The texts of spec/coordinator.md 8, which are the reference's where it has one. */
function detailOf(failure: DeltaFailure): string {
  switch (failure.reason) {
    case 'payload_invalid':
      return firstError(failure.findings)?.detail ?? 'the payload is not a Delta commit'
    case 'table_not_found':
      return `table not found: ${failure.table_id}`
    case 'not_delta':
      return `table ${failure.table_id} is format '${failure.format}', expected 'delta'`
    case 'invalid_table_root':
      return `the stored location of table ${failure.table_id} is not usable; an operator must correct it in the catalog`
    case 'object_corrupt':
      return `a stored object of class ${failure.object_class} is malformed, missing or changed; nothing was written; an operator must restore it`
    case 'staged_not_found':
      return `staged payload not found: ${failure.staged_path}`
    case 'staged_version_mismatch':
      return `staged payload version mismatch for ${failure.staged_path}`
    case 'stale_read_version':
    case 'read_version_ahead':
      return `stale read_version: expected ${failure.latest_version ?? 'unknown'}, got ${failure.read_version}`
    case 'reserved':
      return 'delta commit already reserved; retry later'
    case 'key_reuse':
      return 'Idempotency-Key already used with different request body'
    case 'log_conflict':
      return 'delta log version already exists with different contents'
    case 'version_overflow':
      return 'delta version overflow'
    case 'contention':
      return failure.detail
    case 'root_mismatch':
      return 'the previous log entry is not under the resolved table root; an operator must find out which root holds the log'
    case 'outcome_unverifiable':
      return 'the log holds this payload but nothing proves whose commit it is; an operator must compare; do not stage it again blindly'
    case 'outcome_unknown':
      return 'the store did not confirm the outcome; send the identical request again to resolve it'
    case 'storage_unavailable':
      return 'the store did not answer in time and nothing was written; send the identical request again'
    case 'throttled':
      return 'the store limits writes to this key and nothing was written; send the identical request again'
    case 'state_corrupt':
      return 'the stored coordinator state is malformed and was left as it is; an operator must restore it'
    case 'marker_corrupt':
      return 'the stored idempotency marker is malformed and was left as it is; an operator must restore it'
    case 'state_invariant':
      return 'the stored reservation skips a version and was left as it is; an operator must look at the table'
    case 'internal':
      return INTERNAL_DETAIL
  }
}
