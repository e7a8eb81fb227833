/**
 * What this service can be asked, in one table: the app takes its routes from here, and the OpenAPI document and the
 * reference page everything they say.
 */
import * as z from 'zod'
import { CommitBody } from '../lib/protocol/delta/commit-input.ts'
import type { DeltaAction } from './auth.ts'
import {
  BREAK_LOCK_BODY_BYTES_MAX,
  COMMIT_BODY_BYTES_MAX,
  COMPACTOR_BODY_BYTES_MAX,
  GATES_BODY_BYTES_MAX,
  RECOVER_BODY_BYTES_MAX,
  STAGE_BODY_BYTES_MAX,
} from './body.ts'
import { Committed } from './commit.ts'
import { CompactBody, RebuildBody } from './compactor-input.ts'
import { FoldedBody } from './folded.ts'
import { GatesBody, GatesRun } from './gates-body.ts'
import { Health } from './health.ts'
import { HealthCheckBody, HealthReport } from './health-check-body.ts'
import { Inspected } from './inspect.ts'
import type { Reason } from './problem.ts'
import { Ready } from './ready.ts'
import { ReconcileBody } from './reconcile-body.ts'
import {
  InspectedKeyBody,
  InspectedLockBody,
  InspectedProjectionBody,
  ReconciledBody,
  VerifiedProjection,
} from './reconciled.ts'
import { Recovered, RecoverBody } from './recover.ts'
import { StageBody, Staged } from './stage.ts'
import { VERIFY_QUERY, VerifiedTable } from './verify.ts'
import { VERIFY_PROJECTION_QUERY } from './verify-projection-query.ts'
import { BreakLockBody, LockBody, StandingBody } from './standing.ts'
import { Version } from './version.ts'

/** One route, what it takes and what it answers. */
export interface Operation {
  readonly method: 'GET' | 'POST'
  /** `{table_id}` and `{rebuild}` are the only parameters that occur. */
  readonly path: string
  readonly group: 'Commits' | 'Recovery' | 'Orchestration' | 'Service'
  readonly access: Access
  readonly summary: string
  readonly description: string
  readonly body?: RequestBody
  /** Takes the `Idempotency-Key` header. */
  readonly has_key?: true
  /** Members of the query; others are refused. Without it the query is not looked at. */
  readonly query?: readonly QueryMember[]
  readonly answer: OkAnswer
  /** Refusals besides those that every route has. */
  readonly reasons: readonly Reason[]
}

/**
 * Who may ask. `none`: everybody, the answer carries no tenant data. `user`: a principal of the scope, and where there is
 * an `action`, what the deployment's authorize hook says of it. `writes`: only a certified store (spec/providers.md 7).
 */
export interface Access {
  readonly auth: 'none' | 'user' | 'internal'
  readonly action?: DeltaAction
  readonly writes?: true
}

/** A JSON body. */
export interface RequestBody {
  readonly schema: z.ZodObject
  readonly bytes_max: number
  readonly example: Readonly<Record<string, unknown>>
}

/** One member of a query. */
export interface QueryMember {
  readonly name: string
  readonly description: string
  readonly schema: Readonly<Record<string, string | number | boolean>>
}

/** The 200 of a route; without a schema it is no JSON of ours. */
export interface OkAnswer {
  readonly description: string
  readonly media: 'application/json' | 'text/html' | 'text/plain'
  readonly schema?: z.ZodType
  readonly example?: Readonly<Record<string, unknown>>
  /** Headers beyond those that every answer has. */
  readonly headers?: readonly 'Idempotent-Replayed'[]
  /** On `Accept: application/x-ndjson`: lines of progress, then the answer or the problem. */
  readonly has_lines?: true
}

/** What `GET /` answers. */
const Index = z.object({
  service: z.literal('tidemark'),
  docs: z.literal('/docs'),
  health: z.literal('/health'),
})

/** Refusals of every route that asks who is there. */
export const AUTH_REASONS = [
  'missing_auth',
  'invalid_token',
  'unauthorized',
] as const satisfies readonly Reason[]

/** The refusal of every route that counts how often a tenant asks. */
export const LIMIT_REASONS = ['rate_limited'] as const satisfies readonly Reason[]

/** Refusals of every route: headers that cannot be taken, another scope, a bug. */
export const COMMON_REASONS = ['bad_request', 'forbidden', 'internal'] as const satisfies readonly Reason[]

const BODY_REASONS = [
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
  'unprocessable',
] as const satisfies readonly Reason[]

/** The root of the table could not be told, or the store did not do what it was asked. */
const TABLE_REASONS = [
  'table_not_found',
  'not_delta',
  'contention',
  'invalid_table_root',
  'object_corrupt',
  'not_implemented',
  'outcome_unknown',
  'storage_unavailable',
  'throttled',
] as const satisfies readonly Reason[]

const COMPACTOR_BODY_REASONS = [
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
] as const satisfies readonly Reason[]

/** The store did not do what it was asked. */
const STORE_REASONS = [
  'object_corrupt',
  'not_implemented',
  'storage_unavailable',
  'throttled',
  'outcome_unknown',
] as const satisfies readonly Reason[]

/** Refusals of whatever publishes (spec/http-api.md 5.3). */
const PUBLISH_REASONS = [
  'event_path_invalid',
  'event_out_of_scope',
  'event_not_found',
  'event_invalid',
  'delete_channel',
  'lock_missing',
  'lock_expired',
  'lock_held',
  'lease_lost',
  'stale_fencing_token',
  'contention',
  'lock_corrupt',
] as const satisfies readonly Reason[]

const STATE_REASONS = [
  'state_corrupt',
  'marker_corrupt',
  'state_invariant',
] as const satisfies readonly Reason[]

const TABLE = '/api/v1/delta/tables/{table_id}'
const TABLE_ID = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const STAGED_PATH = `delta/staging/${TABLE_ID}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`
const KEY = '0194f5a0-2000-7abc-8def-0123456789ab'

const EVENT_PATH = 'ledger/orchestration/2026-02-21/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json'
const LIST_PATH = 'state/orchestration/rebuilds/20260221-120000.json'
const REBUILD_ID = '9f86d081884c7d659a2feaa0c55ad015'

/** One event was applied. */
const FOLDED = {
  events_processed: 1,
  accounting: {
    applied: 1,
    no_effect: 0,
    duplicate: 0,
    below_floor: 0,
    quarantined: 0,
    older_than_idempotency_window: 0,
  },
  delta_id: '01JKTT5YZ3Q9K7M2P4R6S8T0VW',
  manifest_id: '00000000000000000007',
  manifest_revision: '01JKTT5YZ9Q9K7M2P4R6S8T0VW',
  pointer_version: '1740139200123456',
  visibility_status: 'visible',
  repair_pending: false,
  merged_to_base: false,
  revisions: 1,
  watermark_before: null,
  watermark_after: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
  remaining: 0,
} as const

const ORPHAN_PATH = 'state/orchestration/manifests/00000000000000000008.json'

/** A publisher has crashed between its manifest and the pointer. */
const ORPHAN_FINDING = {
  rule: 'RC-104',
  severity: 'warn',
  path: ORPHAN_PATH,
  detail: 'no manifest that is kept names it; 1 objects, 1720 bytes, written 7200 s ago',
  means:
    'A publisher crashed or stalled between manifest and pointer. The next one skips the id; a reference process would be blocked by it.',
  next: 'POST /internal/reconcile {"repair":true}',
} as const

/** Nobody waits, nothing has to be done. */
const AT_REST = { by: 'anybody', from_ms: null, ttl_left_ms: 0, request: null } as const

const LOCK = {
  lock_path: 'locks/orchestration.compaction.lock.json',
  lock_scope: 'scoped',
  held: true,
  left_ms: 24_000,
  pointer_epoch: 41,
  record: {
    holderId: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
    expiresAt: '2026-02-21T12:00:45Z',
    acquiredAt: '2026-02-21T12:00:15Z',
    sequenceNumber: 42,
    operation: 'rebuild',
    ttlMs: 30_000,
  },
} as const

/** Every route of this version by its operation id, in the order in which they are explained. */
export const OPERATIONS = {
  stage: {
    method: 'POST',
    path: `${TABLE}/commits/stage`,
    group: 'Commits',
    access: { auth: 'user', action: 'delta.stage', writes: true },
    summary: 'Stage a payload',
    description:
      'Stores the actions of one commit byte for byte under a fresh name. Nothing is committed yet, and each call makes a new object.',
    body: {
      schema: StageBody,
      bytes_max: STAGE_BODY_BYTES_MAX,
      example: { payload: '{"commitInfo":{"timestamp":1739443200000}}\n' },
    },
    answer: {
      description: 'Stored',
      media: 'application/json',
      schema: Staged,
      example: { staged_path: STAGED_PATH, staged_version: '1' },
    },
    reasons: [...BODY_REASONS, ...TABLE_REASONS, 'payload_invalid'],
  },
  commit: {
    method: 'POST',
    path: `${TABLE}/commits`,
    group: 'Commits',
    access: { auth: 'user', action: 'delta.commit', writes: true },
    summary: 'Commit a staged payload',
    description:
      'Makes the payload version `read_version` + 1 of the table, or says that another commit took it. The same key and body again give the same answer, whatever crashed in between: after any answer that is neither 200 nor definite, send them again.',
    has_key: true,
    body: {
      schema: CommitBody,
      bytes_max: COMMIT_BODY_BYTES_MAX,
      example: { read_version: -1, staged_path: STAGED_PATH, staged_version: '1', idempotency_key: KEY },
    },
    answer: {
      description: 'Committed, now or earlier: log entry and idempotency marker are durable',
      media: 'application/json',
      schema: Committed,
      example: { version: 0, delta_log_path: `tables/${TABLE_ID}/_delta_log/00000000000000000000.json` },
      headers: ['Idempotent-Replayed'],
    },
    reasons: [
      ...BODY_REASONS,
      ...TABLE_REASONS,
      ...STATE_REASONS,
      'key_mismatch',
      'staged_not_found',
      'stale_read_version',
      'key_reuse',
      'log_conflict',
      'version_overflow',
      'read_version_ahead',
      'reserved',
      'staged_version_mismatch',
      'root_mismatch',
      'outcome_unverifiable',
    ],
  },
  recover: {
    method: 'POST',
    path: `${TABLE}/recover`,
    group: 'Recovery',
    access: { auth: 'user', action: 'delta.recover', writes: true },
    summary: 'Finish or drop what is in flight',
    description:
      'Brings a table to rest after a crash without committing anything of its own. Not needed for progress: the next commit on the table does the same.',
    body: { schema: RecoverBody, bytes_max: RECOVER_BODY_BYTES_MAX, example: {} },
    answer: {
      description: 'The state afterwards, and what was done',
      media: 'application/json',
      schema: Recovered,
      example: { latest_version: 0, inflight: null, action: 'rolled_forward' },
    },
    reasons: [...BODY_REASONS, ...TABLE_REASONS, ...STATE_REASONS, 'root_mismatch'],
  },
  inspect: {
    method: 'GET',
    path: `${TABLE}/inspect`,
    group: 'Recovery',
    access: { auth: 'user', action: 'delta.inspect' },
    summary: 'Look at the coordinator state',
    description:
      'The state as it is stored, the crash window of the commit in flight, who acts next on it and when, and the request that settles it. Reads at most three known keys, lists nothing and writes nothing.',
    answer: {
      description: 'The state, with members that Tidemark does not know as they are',
      media: 'application/json',
      schema: Inspected,
      example: {
        latest_version: -1,
        inflight: {
          commit_id: KEY,
          read_version: -1,
          version: 0,
          staged_path: STAGED_PATH,
          staged_version: '1',
          started_at_ms: 1_739_443_200_000,
          expires_at_ms: 1_739_443_500_000,
        },
        crash_window: 'W1',
        resolution: {
          by: 'owner',
          from_ms: 1_739_443_500_000,
          ttl_left_ms: 200_000,
          request: { method: 'POST', path: `${TABLE.replace('{table_id}', TABLE_ID)}/recover`, body: {} },
          replay: {
            method: 'POST',
            path: `${TABLE.replace('{table_id}', TABLE_ID)}/commits`,
            body: {
              read_version: -1,
              staged_path: STAGED_PATH,
              staged_version: '1',
              idempotency_key: KEY,
            },
          },
        },
      },
    },
    reasons: [...STATE_REASONS, 'object_corrupt', 'not_implemented', 'storage_unavailable'],
  },
  verify: {
    method: 'GET',
    path: `${TABLE}/verify`,
    group: 'Recovery',
    access: { auth: 'user', action: 'delta.verify' },
    summary: 'Look for everything that is wrong with a table',
    description:
      'The coordinator state against the log, markers and staged payloads; the log against the rules of the Delta protocol; checkpoints, checksums and compactions against its replay. The only route of a table that lists: for operators and schedulers, not for writers. One answer is one page. Writes nothing.',
    query: VERIFY_QUERY,
    answer: {
      description: 'What was found on this page',
      media: 'application/json',
      schema: VerifiedTable,
      example: {
        findings: [
          {
            rule: 'TM-201',
            severity: 'warn',
            path: `delta/coordinator/${TABLE_ID}.json`,
            version: 0,
            detail: 'W1: version 0 is reserved and not written; its TTL has passed',
            means:
              'Nothing is lost. Other writers get 409 `reserved` until the reservation is finished or dropped.',
            next: `POST ${TABLE.replace('{table_id}', TABLE_ID)}/recover {}`,
          },
        ],
        next: null,
        root: `tables/${TABLE_ID}`,
        latest_version: -1,
        log: { first_version: null, latest_version: null, entries: 0, checkpoints: 0 },
      },
    },
    reasons: [
      'table_not_found',
      'not_delta',
      'invalid_table_root',
      'object_corrupt',
      'not_implemented',
      'storage_unavailable',
    ],
  },
  compact: {
    method: 'POST',
    path: '/compact',
    group: 'Orchestration',
    access: { auth: 'internal', writes: true },
    summary: 'Fold listed events',
    description:
      'Folds the events at the listed paths into the projection, whatever their ids, and publishes one revision, or none when nothing changed. All or nothing: every bad path is named at once. With `fencing_token` and `lock_path` the caller holds the compaction lock; without both the call takes it, and gives it back.',
    body: {
      schema: CompactBody,
      bytes_max: COMPACTOR_BODY_BYTES_MAX,
      example: { event_paths: [EVENT_PATH] },
    },
    answer: {
      description: 'Folded; also when there was nothing to do',
      media: 'application/json',
      schema: FoldedBody,
      example: FOLDED,
    },
    reasons: [...COMPACTOR_BODY_REASONS, ...PUBLISH_REASONS, ...STORE_REASONS],
  },
  rebuild: {
    method: 'POST',
    path: '/rebuild',
    group: 'Orchestration',
    access: { auth: 'internal', writes: true },
    summary: 'Rebuild from a list',
    description:
      'Folds the events of a stored list. `incremental` takes those above the watermark, lowest first, and publishes them chunk by chunk; `full` folds the whole list from the empty state and replaces what is visible in one step, whatever is wrong with it. The same body again goes on where the last call ended: until `remaining` is 0. With `Accept: application/x-ndjson` the answer is one JSON object a line: `{"progress": …}` while it works, then `{"result": …}` or `{"problem": …}`. A client that goes away loses nothing.',
    body: {
      schema: RebuildBody,
      bytes_max: COMPACTOR_BODY_BYTES_MAX,
      example: { rebuild_manifest_path: LIST_PATH },
    },
    answer: {
      description: 'Folded, to the end of the list or of the time; also when there was nothing to do',
      media: 'application/json',
      schema: FoldedBody,
      example: { ...FOLDED, rebuild_id: REBUILD_ID },
      has_lines: true,
    },
    reasons: [
      ...COMPACTOR_BODY_REASONS,
      ...PUBLISH_REASONS,
      ...STORE_REASONS,
      'rebuild_manifest_invalid',
      'rebuild_manifest_not_found',
    ],
  },
  rebuild_progress: {
    method: 'GET',
    path: '/rebuilds/{rebuild}',
    group: 'Orchestration',
    access: { auth: 'internal' },
    summary: 'How far a rebuild is',
    description:
      'Told from the store, by any process, whoever does the work and also when nobody does any more: the list, what readers see, the private chunks of a rebuild from scratch, who holds the lock. Reads known keys only and writes nothing.',
    answer: {
      description: 'How far it is',
      media: 'application/json',
      schema: StandingBody,
      example: {
        rebuild_manifest_path: LIST_PATH,
        listed: 20_000,
        events_total: 20_000,
        events_published: 10_000,
        remaining: 10_000,
        watermark: '01JKTT5YZ3Q9K7M2P4R6S8T0VW',
        manifest_id: '00000000000000000007',
        manifest_revision: '01JKTT5YZ9Q9K7M2P4R6S8T0VW',
        published_at: '2026-02-21T12:00:20Z',
        damage: null,
        from_scratch: null,
        lock: {
          holder_id: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
          operation: 'rebuild',
          expires_at: '2026-02-21T12:00:45Z',
        },
      },
    },
    reasons: [
      'rebuild_manifest_not_found',
      'rebuild_manifest_invalid',
      'event_path_invalid',
      'object_corrupt',
      'not_implemented',
      'storage_unavailable',
    ],
  },
  compaction_lock: {
    method: 'GET',
    path: '/internal/locks/orchestration',
    group: 'Orchestration',
    access: { auth: 'internal' },
    summary: 'Look at the compaction lock',
    description: 'The record as it is stored, and whether others wait for it. Writes nothing.',
    answer: { description: 'The lock', media: 'application/json', schema: LockBody, example: LOCK },
    reasons: ['lock_corrupt', 'object_corrupt', 'not_implemented', 'storage_unavailable'],
  },
  break_compaction_lock: {
    method: 'POST',
    path: '/internal/locks/orchestration/force-break',
    group: 'Orchestration',
    access: { auth: 'internal', writes: true },
    summary: 'Break the compaction lock',
    description:
      'Ends the lease of a holder that is gone, sooner than time would. A holder that is still there is fenced: its token stays below that of the next holder. Never delete the record instead: its number keeps stale holders out. A record that does not parse is replaced only with a `sequence` to go on from.',
    body: {
      schema: BreakLockBody,
      bytes_max: BREAK_LOCK_BODY_BYTES_MAX,
      example: { reason: 'the node that held it is gone' },
    },
    answer: {
      description: 'The lock as it is now; nothing was written when there was none',
      media: 'application/json',
      schema: LockBody,
      example: {
        ...LOCK,
        held: false,
        left_ms: 0,
        record: { ...LOCK.record, operation: 'force-break', expiresAt: '2026-02-21T12:00:14Z' },
      },
    },
    reasons: [...COMPACTOR_BODY_REASONS, 'unprocessable', 'contention', 'lock_corrupt', ...STORE_REASONS],
  },
  reconcile: {
    method: 'POST',
    path: '/internal/reconcile',
    group: 'Orchestration',
    access: { auth: 'internal', writes: true },
    summary: 'Report what nobody names, and delete it',
    description:
      'Lists manifests and folders of artifacts that no manifest names which is kept. With `repair` it deletes those that were written more than an hour ago: under the compaction lock, after a touch of the pointer that makes every publisher at work begin again, and only what that pointer does not reach. When not everything that is kept can be read, nothing is deleted. Never deletes events, the pointer, locks, or what readers see.',
    body: {
      schema: ReconcileBody,
      bytes_max: COMPACTOR_BODY_BYTES_MAX,
      example: { repair: true },
    },
    answer: {
      description: 'What was found, and what was done about it',
      media: 'application/json',
      schema: ReconciledBody,
      example: {
        report: {
          checked_at: '2026-02-21T12:30:00.123Z',
          current_manifest_path: 'state/orchestration/manifests/00000000000000000007.json',
          missing_current_head_legacy_manifest_path: null,
          current_head_legacy_manifest_issue: null,
          orphan_manifest_snapshots: [ORPHAN_PATH],
          orphan_base_dirs: [],
          orphan_l0_dirs: [],
        },
        repair_result: {
          repaired_paths: 0,
          failed_repairs: 0,
          deleted_objects: 1,
          skipped_paths: 0,
          deferred_paths: 0,
          deleted_bytes: 1720,
        },
        findings: [],
      },
    },
    reasons: [
      ...COMPACTOR_BODY_REASONS,
      'unprocessable',
      'lock_held',
      'lease_lost',
      'contention',
      'lock_corrupt',
      ...STORE_REASONS,
    ],
  },
  verify_projection: {
    method: 'GET',
    path: '/internal/verify/projection',
    group: 'Orchestration',
    access: { auth: 'internal' },
    summary: 'Look for everything that is wrong with the projection',
    description:
      'Pointer, chain of manifests, every artifact of the visible one byte by byte and row by row, watermarks against the ledger, events that are not folded, and what nobody names. Lists the ledger: for operators and schedulers. One answer is one page. Writes nothing.',
    query: VERIFY_PROJECTION_QUERY,
    answer: {
      description: 'What was found on this page',
      media: 'application/json',
      schema: VerifiedProjection,
      example: { findings: [ORPHAN_FINDING], objects: 87, next: null },
    },
    reasons: ['lock_corrupt', 'object_corrupt', 'not_implemented', 'storage_unavailable'],
  },
  health_check: {
    method: 'POST',
    path: '/internal/health-check',
    group: 'Service',
    access: { auth: 'internal' },
    summary: 'Look for what a person should know',
    description:
      'One bounded run over the configured scope: a page of tables from where the last run ended, the projection, the lock, and the standing of the store. With `recover` it settles reservations that are past their TTL; it never deletes. For schedulers: without `cursor` the place of the next run is kept in the bucket, and runs that overlap do no harm. Findings are told in the answer, one log line each, as metrics, and to the webhook where there is one.',
    body: { schema: HealthCheckBody, bytes_max: COMPACTOR_BODY_BYTES_MAX, example: { recover: true } },
    answer: {
      description: 'Somebody looked; what was found is in the body',
      media: 'application/json',
      schema: HealthReport,
      example: {
        conclusion: 'clean',
        checked_at: '2026-02-21T12:30:00.123Z',
        findings: [
          {
            rule: 'TM-202',
            severity: 'info',
            path: `delta/coordinator/${TABLE_ID}.json`,
            version: 0,
            detail: 'W2: version 0 is written and has no marker',
            means:
              'The commit is in the log and readers see it; its marker is not written yet. Any request to the table finishes it.',
            next: 'Nothing: it was recovered (rolled_forward), and the table is at version 0.',
          },
        ],
        recovered: [{ table_id: TABLE_ID, action: 'rolled_forward', latest_version: 0 }],
        tables: 200,
        next: `delta/coordinator/${TABLE_ID}.json`,
        place: 'kept',
        webhook: 'delivered',
      },
    },
    reasons: [...BODY_REASONS, 'not_implemented', 'storage_unavailable'],
  },
  inspect_projection: {
    method: 'GET',
    path: '/internal/inspect/projection',
    group: 'Orchestration',
    access: { auth: 'internal' },
    summary: 'Look at the projection',
    description:
      'Pointer, visible manifest, lock, and the key of the next manifest: where a publisher is or has stopped, who acts next, and the request that resolves it. Reads known keys only and writes nothing.',
    answer: {
      description: 'What is stored, and what comes next',
      media: 'application/json',
      schema: InspectedProjectionBody,
      example: {
        pointer: {
          manifest_id: '00000000000000000007',
          manifest_path: 'state/orchestration/manifests/00000000000000000007.json',
          epoch: 9,
          parent_pointer_hash: 'sha256:c3a4794f802b428af9179b5ce2ab42c28e968f2334d0356809f80154367ed5ec',
          updated_at: '2026-02-21T12:00:20Z',
        },
        manifest: {
          manifest_id: '00000000000000000007',
          revision_ulid: '01JKTT5YZ9Q9K7M2P4R6S8T0VW',
          schema_version: 2,
          published_at: '2026-02-21T12:00:20Z',
          previous_manifest_path: 'state/orchestration/manifests/00000000000000000006.json',
          base_snapshot_id: null,
          l0_count: 1,
          watermarks: {
            last_committed_event_id: '01JKTT5YZ3Q9K7M2P4R6S8T0VW',
            last_visible_event_id: '01JKTT5YZ3Q9K7M2P4R6S8T0VW',
            events_processed_through: '01JKTT5YZ3Q9K7M2P4R6S8T0VW',
            last_processed_file: EVENT_PATH,
            last_processed_at: '2026-02-21T12:00:20Z',
          },
        },
        watermark_age_ms: 1_780_000,
        next_manifest: { path: ORPHAN_PATH, is_taken: true },
        crash_window: 'S',
        lock: { lock_path: LOCK.lock_path, record: LOCK.record, held: false, pointer_epoch: 9 },
        resolution: {
          ...AT_REST,
          request: { method: 'POST', path: '/internal/reconcile', body: { repair: true } },
        },
        findings: [ORPHAN_FINDING],
      },
    },
    reasons: ['object_corrupt', 'not_implemented', 'storage_unavailable'],
  },
  inspect_lock: {
    method: 'GET',
    path: '/internal/inspect/lock',
    group: 'Orchestration',
    access: { auth: 'internal' },
    summary: 'Look at the lock, and who waits',
    description:
      'The record as it is stored, who acts next and when, and the request that ends the wait. A record that does not parse is a finding here, not a refusal. Writes nothing.',
    answer: {
      description: 'The lock, and what comes next',
      media: 'application/json',
      schema: InspectedLockBody,
      example: {
        lock_path: LOCK.lock_path,
        record: LOCK.record,
        held: false,
        pointer_epoch: 9,
        resolution: AT_REST,
        findings: [],
      },
    },
    reasons: ['object_corrupt', 'not_implemented', 'storage_unavailable'],
  },
  inspect_key: {
    method: 'GET',
    path: `${TABLE}/inspect/key`,
    group: 'Recovery',
    access: { auth: 'user', action: 'delta.inspect' },
    summary: 'Look an idempotency key up',
    description:
      'Where the commit of a key stands, without sending it again: its reservation, its log entry, its marker, and who goes on with it. Reads known keys only and writes nothing.',
    has_key: true,
    answer: {
      description: 'How far it has come',
      media: 'application/json',
      schema: InspectedKeyBody,
      example: {
        idempotency_key_hash: '5a1c8f3c4f4d5a0be1c3a9a8a1c77c1c6c1f3f0c9ed3b2b2c1cf0f3a6f7b9d21',
        stage: 'finalized',
        version: 0,
        delta_log_path: `tables/${TABLE_ID}/_delta_log/00000000000000000000.json`,
        has_log_entry: true,
        committed_at_ms: 1_771_675_200_000,
        crash_window: null,
        resolution: null,
      },
    },
    reasons: [...STATE_REASONS, 'object_corrupt', 'not_implemented', 'storage_unavailable'],
  },
  gates: {
    method: 'POST',
    path: '/internal/gates',
    group: 'Service',
    access: { auth: 'internal', writes: true },
    summary: 'Run the safety gates',
    description:
      'Proves section 3 of the runbook on the store of this deployment: replay in every crash window, recovery by others, rebuild equivalence, recovery of a stale watermark without listing, fencing. Works in workspaces of its own and deletes what it wrote: about a thousand requests to the store. `npm run gates` does the same from outside.',
    body: {
      schema: GatesBody,
      bytes_max: GATES_BODY_BYTES_MAX,
      example: { reason: 'before the rollout of 0.2.0' },
    },
    answer: {
      description: 'What every gate came to; also when one does not hold',
      media: 'application/json',
      schema: GatesRun,
      example: {
        conclusion: 'held',
        scratch: 'tenant=acme/workspace=gates-01jktt5yz3q9k7m2p4r6s8t0vw-',
        gates: [
          {
            id: 'fencing',
            promise: 'A holder of the compaction lock that was overtaken cannot publish with its token',
            verdict: 'holds',
            evidence: 'token 1 was refused twice, token 2 published',
          },
        ],
      },
    },
    reasons: [...COMPACTOR_BODY_REASONS, 'unprocessable'],
  },
  health: {
    method: 'GET',
    path: '/health',
    group: 'Service',
    access: { auth: 'none' },
    summary: 'Health',
    description: 'The process answers. It looks at nothing else.',
    answer: {
      description: 'The process answers',
      media: 'application/json',
      schema: Health,
      example: { status: 'ok' },
    },
    reasons: [],
  },
  ready: {
    method: 'GET',
    path: '/ready',
    group: 'Service',
    access: { auth: 'none' },
    summary: 'Readiness',
    description:
      'The store answers. One metadata read of a key that need not exist, at most once a second, given up after two seconds. A refusal has `"ready": false`.',
    answer: {
      description: 'The store answers',
      media: 'application/json',
      schema: Ready,
      example: { ready: true },
    },
    reasons: ['storage_unavailable', 'store_not_certified'],
  },
  version: {
    method: 'GET',
    path: '/version',
    group: 'Service',
    access: { auth: 'none' },
    summary: 'Version',
    description: 'What is running. What nobody told the process is `unknown`.',
    answer: {
      description: 'The versions',
      media: 'application/json',
      schema: Version,
      example: {
        service: 'tidemark',
        packageVersion: '0.1.0',
        codeVersion: 'unknown',
        gitSha: 'unknown',
        image: 'unknown',
        cloudRunRevision: 'unknown',
      },
    },
    reasons: [],
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    group: 'Service',
    access: { auth: 'none' },
    summary: 'Metrics',
    description:
      'Prometheus text of what this process counted (docs/metrics.md). Not there in the public posture; where the deployment has a metrics secret, it comes in `X-Metrics-Secret` or as the bearer token. No tenant, table or key is a label.',
    answer: { description: 'The counters', media: 'text/plain' },
    reasons: ['route_not_found', 'storage_unavailable'],
  },
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    group: 'Service',
    access: { auth: 'user' },
    summary: 'OpenAPI document',
    description: 'What this page says, as data.',
    answer: { description: 'The document', media: 'application/json' },
    reasons: [],
  },
  docs: {
    method: 'GET',
    path: '/docs',
    group: 'Service',
    access: { auth: 'user' },
    summary: 'Reference page',
    description: 'What the OpenAPI document says, as one page without scripts that loads nothing.',
    answer: { description: 'The page', media: 'text/html' },
    reasons: [],
  },
  index: {
    method: 'GET',
    path: '/',
    group: 'Service',
    access: { auth: 'user' },
    summary: 'Index',
    description: 'Where to look next, for people who open the address.',
    answer: {
      description: 'Two paths',
      media: 'application/json',
      schema: Index,
      example: { service: 'tidemark', docs: '/docs', health: '/health' },
    },
    reasons: [],
  },
} as const satisfies Record<string, Operation>

/** Name of a route. */
export type OperationId = keyof typeof OPERATIONS
