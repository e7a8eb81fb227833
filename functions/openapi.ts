/** The OpenAPI 3.1 document of this surface, from zod schemas and the problem table. */
import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import * as z from 'zod'
import { CoordinatorState } from '../lib/protocol/delta/state.ts'
import { PROBLEMS, type Reason } from './problem.ts'

const TableId = z.string().meta({ description: 'UUID of the table, any common spelling' })

const StageBody = z.strictObject({
  payload: z.string().min(1).meta({ description: 'Newline-delimited Delta actions, stored byte for byte' }),
})

const CommitBody = z.strictObject({
  read_version: z.int().min(-1).meta({ description: 'Version the commit builds on; -1 for an empty table' }),
  staged_path: z.string().max(1024),
  staged_version: z.string().min(1).max(1024),
  idempotency_key: z.uuidv7().nullish().meta({ description: 'Here or in the Idempotency-Key header' }),
})

const Staged = z.object({ staged_path: z.string(), staged_version: z.string() })
const Committed = z.object({ version: z.int().min(0), delta_log_path: z.string() })
const Recovered = CoordinatorState.pick({ latest_version: true, inflight: true }).extend({
  action: z.enum(['none', 'finalized', 'rolled_forward', 'abandoned', 'busy']),
})
const Inspected = CoordinatorState.extend({ crash_window: z.enum(['W0', 'W1', 'W2', 'W3', 'W4']).nullable() })

const ProblemBody = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  message: z.string(),
  reason: z.string(),
  retryable: z.boolean(),
  request_id: z.string(),
})

const COMMON: readonly Reason[] = [
  'bad_request',
  'forbidden',
  'internal',
  'object_corrupt',
  'storage_unavailable',
]
const POSTED: readonly Reason[] = [
  ...COMMON,
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
  'unprocessable',
]
const TABLE: readonly Reason[] = [
  'table_not_found',
  'not_delta',
  'invalid_table_root',
  'throttled',
  'contention',
  'outcome_unknown',
]
const STATE: readonly Reason[] = ['state_corrupt', 'marker_corrupt', 'state_invariant', 'root_mismatch']
const COMMIT: readonly Reason[] = [
  'key_mismatch',
  'staged_not_found',
  'stale_read_version',
  'key_reuse',
  'log_conflict',
  'version_overflow',
  'read_version_ahead',
  'reserved',
  'staged_version_mismatch',
  'outcome_unverifiable',
]

const PATH = '/api/v1/delta/tables/{table_id}'

const ROUTES: readonly RouteConfig[] = [
  {
    method: 'post',
    path: `${PATH}/commits/stage`,
    summary: 'Stage a payload',
    request: { params: z.object({ table_id: TableId }), body: jsonBody(StageBody) },
    responses: { 200: jsonAnswer('Stored', Staged), ...problems([...POSTED, ...TABLE, 'payload_invalid']) },
  },
  {
    method: 'post',
    path: `${PATH}/commits`,
    summary: 'Commit a staged payload; the same request again gives the same answer',
    request: {
      params: z.object({ table_id: TableId }),
      headers: z.object({ 'idempotency-key': z.uuidv7().optional() }),
      body: jsonBody(CommitBody),
    },
    responses: {
      200: jsonAnswer('Committed, now or earlier', Committed),
      ...problems([...POSTED, ...TABLE, ...STATE, ...COMMIT]),
    },
  },
  {
    method: 'post',
    path: `${PATH}/recover`,
    summary: 'Finish or drop what is in flight',
    request: { params: z.object({ table_id: TableId }), body: jsonBody(z.strictObject({})) },
    responses: {
      200: jsonAnswer('The state afterwards', Recovered),
      ...problems([...POSTED, ...TABLE, ...STATE]),
    },
  },
  {
    method: 'get',
    path: `${PATH}/inspect`,
    summary: 'The coordinator state as stored, and its crash window',
    request: { params: z.object({ table_id: TableId }) },
    responses: { 200: jsonAnswer('The state', Inspected), ...problems([...COMMON, ...STATE]) },
  },
  plain('/health', 'The process answers', z.object({ status: z.literal('ok') })),
  plain('/ready', 'The store answers', z.object({ ready: z.literal(true) }), ['storage_unavailable']),
  plain('/version', 'What is running', z.looseObject({ service: z.string(), packageVersion: z.string() })),
]

/** An OpenAPI 3.1 document as plain data. */
export type ApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>

let document: ApiDocument | undefined

/** The document; built once. */
export function openApiDocument(): ApiDocument {
  if (document === undefined) {
    const api = new OpenAPIHono()
    for (const route of ROUTES) api.openAPIRegistry.registerPath(route)
    document = api.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Tidemark',
        version: '1',
        description: 'Commit coordinator and disaster recovery for Delta Lake tables on object stores',
      },
    })
  }
  return document
}

function jsonBody(schema: z.ZodType): {
  required: true
  content: { 'application/json': { schema: z.ZodType } }
} {
  return { required: true, content: { 'application/json': { schema } } }
}

function jsonAnswer(
  description: string,
  schema: z.ZodType,
): { description: string; content: { 'application/json': { schema: z.ZodType } } } {
  return { description, content: { 'application/json': { schema } } }
}

/** One response a status; its description names the reasons. */
function problems(reasons: readonly Reason[]): RouteConfig['responses'] {
  const statuses = Map.groupBy(new Set(reasons), (reason) => PROBLEMS[reason].status)
  return Object.fromEntries(
    [...statuses].map(([status, names]) => [
      status,
      {
        description: names.map((name) => `${name}: ${PROBLEMS[name].title}`).join('; '),
        content: { 'application/problem+json': { schema: ProblemBody } },
      },
    ]),
  )
}

function plain(
  path: string,
  summary: string,
  schema: z.ZodType,
  reasons: readonly Reason[] = [],
): RouteConfig {
  return {
    method: 'get',
    path,
    summary,
    responses: { 200: jsonAnswer(summary, schema), ...problems(reasons) },
  }
}
