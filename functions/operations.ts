/**
 * What this service can be asked, in one table: the app takes its routes from here, and the OpenAPI document and the
 * reference page everything they say.
 */
import * as z from 'zod'
import { CommitBody } from '../lib/protocol/delta/commit-input.ts'
import type { DeltaAction } from './auth.ts'
import { COMMIT_BODY_BYTES_MAX, RECOVER_BODY_BYTES_MAX, STAGE_BODY_BYTES_MAX } from './body.ts'
import { Committed } from './commit.ts'
import { Health } from './health.ts'
import { Inspected } from './inspect.ts'
import type { Reason } from './problem.ts'
import { Ready } from './ready.ts'
import { Recovered, RecoverBody } from './recover.ts'
import { StageBody, Staged } from './stage.ts'
import { VERIFY_QUERY, VerifiedTable } from './verify.ts'
import { Version } from './version.ts'

/** One route, what it takes and what it answers. */
export interface Operation {
  readonly method: 'GET' | 'POST'
  /** `{table_id}` is the only parameter that occurs. */
  readonly path: string
  readonly group: 'Commits' | 'Recovery' | 'Service'
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
  readonly media: 'application/json' | 'text/html'
  readonly schema?: z.ZodType
  readonly example?: Readonly<Record<string, unknown>>
  /** Headers beyond those that every answer has. */
  readonly headers?: readonly 'Idempotent-Replayed'[]
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

const STATE_REASONS = [
  'state_corrupt',
  'marker_corrupt',
  'state_invariant',
] as const satisfies readonly Reason[]

const TABLE = '/api/v1/delta/tables/{table_id}'
const TABLE_ID = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const STAGED_PATH = `delta/staging/${TABLE_ID}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`
const KEY = '0194f5a0-2000-7abc-8def-0123456789ab'

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
