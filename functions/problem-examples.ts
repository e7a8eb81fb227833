/** One occurrence of every reason, as it looks on the wire; docs/problems.md shows the same. */
import { problemBody, type Problem, type ProblemContext, type Reason } from './problem.ts'

const TABLE_ID = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const STAGED_PATH = `delta/staging/${TABLE_ID}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`
const EVENT_PATH = 'ledger/orchestration/2026-02-21/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json'
const LIST_PATH = 'state/orchestration/rebuilds/20260221-120000.json'
const LOCK_PATH = 'locks/orchestration.compaction.lock.json'
const REQUEST_ID = '01JKTT5YZ3Q9K7M2P4R6S8T0VW'

/** The whole body; on compactor routes it has one member more. */
export function problemExample(
  reason: Reason,
  route: Pick<ProblemContext, 'is_compactor'> = {},
): Record<string, unknown> {
  return problemBody({ reason, ...EXAMPLES[reason] }, { request_id: REQUEST_ID, ...route })
}

const EXAMPLES: Record<Reason, Pick<Problem, 'detail' | 'members'>> = {
  bad_request: { detail: 'table_id must be a UUID' },
  key_mismatch: { detail: 'Idempotency-Key header and idempotency_key body field differ' },
  payload_invalid: {
    detail: 'expected a JSON object on line 2, saw U+0078',
    members: {
      findings: [
        {
          rule: 'DL-202',
          severity: 'error',
          line: 2,
          detail: 'expected a JSON object on line 2, saw U+0078',
        },
      ],
    },
  },
  rebuild_manifest_invalid: {
    detail: `failed to parse ledger rebuild manifest at ${LIST_PATH}: expected {"event_paths": [strings]}`,
    members: { path: LIST_PATH },
  },
  event_path_invalid: refusedEvent('event_path_invalid', {
    path: 'ledger/orchestration/x',
    text: 'invalid event path at ledger/orchestration/x: ',
    detail: 'not a ledger event path: "ledger/orchestration/x"',
  }),
  event_out_of_scope: refusedEvent('event_out_of_scope', {
    path: EVENT_PATH,
    text: `event scope mismatch at ${EVENT_PATH}: `,
    detail: 'the event belongs to another tenant or workspace',
  }),
  delete_channel: {
    detail: 'the manifest was stripped by a writer that does not know deletions: rebuild with mode "full"',
  },
  missing_auth: { detail: 'Authorization header required' },
  invalid_token: { detail: 'Invalid bearer token' },
  unauthorized: { detail: 'missing X-Tenant-Id header (debug mode)' },
  forbidden: { detail: 'this service serves another tenant or workspace than the headers name' },
  route_not_found: { detail: 'no such route; GET /docs lists them' },
  table_not_found: { detail: `table not found: ${TABLE_ID}` },
  staged_not_found: {
    detail: `staged payload not found: ${STAGED_PATH}`,
    members: { log_version_exists: false },
  },
  rebuild_manifest_not_found: {
    detail: `rebuild manifest not found: ${LIST_PATH}`,
    members: { path: LIST_PATH },
  },
  event_not_found: {
    detail: `event not found: ${EVENT_PATH}`,
    members: {
      path: EVENT_PATH,
      paths: [{ reason: 'event_not_found', detail: 'the event does not exist', path: EVENT_PATH }],
      truncated: false,
    },
  },
  method_not_allowed: { detail: 'expected POST' },
  request_timeout: { detail: 'expected the whole body within 30000 ms; nothing was written' },
  stale_read_version: { detail: 'stale read_version: expected 3, got 1', members: { latest_version: 3 } },
  key_reuse: { detail: 'Idempotency-Key already used with different request body' },
  log_conflict: {
    detail: 'delta log version already exists with different contents',
    members: { latest_version: 4 },
  },
  version_overflow: { detail: 'delta version overflow' },
  read_version_ahead: { detail: 'stale read_version: expected 3, got 7', members: { latest_version: 3 } },
  reserved: {
    detail: 'delta commit already reserved; retry later',
    members: { expires_at_ms: 1739443500000, retry_after_ms: 5000 },
  },
  contention: { detail: 'failed to reserve delta commit after retries' },
  staged_version_mismatch: { detail: `staged payload version mismatch for ${STAGED_PATH}` },
  not_delta: { detail: `table ${TABLE_ID} is format 'iceberg', expected 'delta'` },
  root_mismatch: {
    detail:
      'the previous log entry is not under the resolved table root; an operator must find out which root holds the log',
  },
  outcome_unverifiable: {
    detail:
      'the log holds this payload but nothing proves whose commit it is; an operator must compare; do not stage it again blindly',
    members: { committed_version: 4 },
  },
  lock_missing: { detail: `fencing lock unavailable at ${LOCK_PATH} for provided epoch 42` },
  lock_expired: { detail: `fencing lock unavailable at ${LOCK_PATH} for provided epoch 42` },
  lock_held: {
    detail: 'the compaction lock is held by 01JKTT0G00Z4N2V8R6W1X3Y5ZB',
    members: { holder_id: '01JKTT0G00Z4N2V8R6W1X3Y5ZB', retry_after_ms: 5000 },
  },
  lease_lost: { detail: 'the lease on the compaction lock ended during the work' },
  stale_fencing_token: { detail: 'stale fencing token: expected 43, got 42' },
  payload_too_large: { detail: 'expected a body of at most 65536 bytes, saw more; nothing was written' },
  unsupported_media_type: { detail: 'expected Content-Type: application/json' },
  unprocessable: { detail: 'read_version must be an integer, got a string' },
  event_invalid: refusedEvent('event_invalid', {
    path: EVENT_PATH,
    text: `failed to parse event at ${EVENT_PATH}: `,
    detail: 'expected a JSON value',
    offset: 17,
  }),
  rate_limited: { detail: 'Rate limit exceeded. Limit: 500 requests per minute. Retry after 1 seconds.' },
  state_corrupt: {
    detail: 'the stored coordinator state is malformed and was left as it is; an operator must restore it',
  },
  marker_corrupt: {
    detail: 'the stored idempotency marker is malformed and was left as it is; an operator must restore it',
  },
  state_invariant: {
    detail:
      'the stored reservation skips a version and was left as it is; an operator must look at the table',
  },
  lock_corrupt: {
    detail:
      'the compaction lock is malformed and was left as it is; force-break it with a sequence, or restore it',
  },
  object_corrupt: {
    detail:
      'a stored object of class catalog_manifest is malformed, missing or changed; nothing was written; an operator must restore it',
    members: { object_class: 'catalog_manifest' },
  },
  invalid_table_root: {
    detail: `the stored location of table ${TABLE_ID} is not usable; an operator must correct it in the catalog`,
  },
  internal: {
    detail:
      'internal error; the log of this request has the cause; a commit may be repeated with the same key and body',
  },
  not_implemented: { detail: 'the store cannot do this' },
  outcome_unknown: {
    detail: 'the store did not confirm the outcome; send the identical request again to resolve it',
  },
  storage_unavailable: {
    detail: 'the store did not answer in time and nothing was written; send the identical request again',
  },
  throttled: {
    detail: 'the store limits writes to this key and nothing was written; send the identical request again',
  },
  store_not_certified: { detail: 'the store is not certified' },
}

/** A listed event that is refused, alone. */
function refusedEvent(
  reason: Reason,
  event: { readonly path: string; readonly text: string; readonly detail: string; readonly offset?: number },
): Pick<Problem, 'detail' | 'members'> {
  const { path, text, detail, offset } = event
  const where = offset === undefined ? { path } : { path, offset }
  const members = { ...where, paths: [{ reason, detail, ...where }], truncated: false }
  return { detail: text + detail, members }
}
