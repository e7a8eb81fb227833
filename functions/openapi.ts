/**
 * The OpenAPI 3.1 document: routes and texts of `operations.ts`, the very zod schemas that the handlers parse with, and
 * the problem table. Nothing is said twice, so nothing can differ.
 */
import * as z from 'zod'
import { LastCommit, Inflight } from '../lib/protocol/delta/state.ts'
import { CommitBody } from '../lib/protocol/delta/commit-input.ts'
import { Committed } from './commit.ts'
import { CompactBody, RebuildBody } from './compactor-input.ts'
import { FoldedBody, ProgressBody } from './folded.ts'
import { Inspected } from './inspect.ts'
import {
  AUTH_REASONS,
  COMMON_REASONS,
  LIMIT_REASONS,
  OPERATIONS,
  type Access,
  type OkAnswer,
  type Operation,
  type RequestBody,
} from './operations.ts'
import { PROBLEMS, type Reason } from './problem.ts'
import { problemExample } from './problem-examples.ts'
import { ProblemBody } from './problem-schema.ts'
import { Recovered, RecoverBody } from './recover.ts'
import { StageBody, Staged } from './stage.ts'
import { BreakLockBody, LockBody, StandingBody } from './standing.ts'

/** JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
export type JsonSchema = z.core.JSONSchema.BaseSchema

/** A reference into `components`. */
export interface Reference {
  readonly $ref: string
}

/** A path or header parameter. */
export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'header'
  readonly required: boolean
  readonly description: string
  readonly schema: JsonSchema
}

/** Body of a request or an answer. */
export interface Media {
  readonly schema: JsonSchema
  readonly example?: unknown
  readonly examples?: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>
}

/** One answer of an operation. */
export interface ApiResponse {
  readonly description: string
  readonly headers: Readonly<Record<string, Reference>>
  readonly content: Readonly<Record<string, Media>>
}

/** One method of one path. */
export interface ApiOperation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description: string
  readonly parameters: readonly (Parameter | Reference)[]
  /** A bearer token, or nothing in the dev posture. */
  readonly security?: readonly Readonly<Record<string, readonly []>>[]
  readonly requestBody?: {
    readonly required: true
    readonly description: string
    readonly content: Readonly<Record<'application/json', Media>>
  }
  readonly responses: Readonly<Record<string, ApiResponse>>
}

/** The document as plain data. */
export interface ApiDocument {
  readonly openapi: '3.1.1'
  readonly info: Readonly<Record<string, unknown>> & { readonly title: string; readonly description: string }
  readonly servers: readonly { readonly url: string; readonly description: string }[]
  /** Each route says its own: whether a bearer token is needed depends on the deployment. */
  readonly security: readonly []
  readonly tags: readonly { readonly name: Operation['group']; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Partial<Record<'get' | 'post', ApiOperation>>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly parameters: Readonly<Record<string, Parameter>>
    readonly headers: Readonly<Record<string, { readonly description: string; readonly schema: JsonSchema }>>
    readonly securitySchemes: Readonly<Record<string, { readonly type: 'http'; readonly scheme: 'bearer' }>>
  }
}

/** Schemas with a name of their own in the document. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  StageBody,
  Staged,
  CommitBody,
  Committed,
  RecoverBody,
  Recovered,
  Inspected,
  Inflight,
  LastCommit,
  CompactBody,
  RebuildBody,
  Folded: FoldedBody,
  Progress: ProgressBody,
  RebuildStanding: StandingBody,
  BreakLockBody,
  Lock: LockBody,
  Problem: ProblemBody,
}

let document: ApiDocument | undefined

/** The document; built once, and then the same object for everybody. */
export function openApiDocument(): ApiDocument {
  document ??= {
    openapi: '3.1.1',
    info: {
      title: 'Tidemark',
      version: '1',
      summary: 'Commit coordinator for Delta Lake tables on object stores',
      description: `Commits to a Delta table exactly once through any object store, and recovers what a crash left behind.

A refusal is a problem (RFC 9457). Only a **definite** or **malformed** one proves that a payload is not in the log; after every other answer that is not 200, send the same key and body again.`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'Wherever this document comes from' }],
    security: [],
    tags: [
      { name: 'Commits', description: 'Two calls make a commit: stage the payload, then commit it.' },
      { name: 'Recovery', description: 'What a crash left behind. Neither is needed for progress.' },
      {
        name: 'Orchestration',
        description:
          'The projection that readers of runs and tasks see. For services and operators: the internal token.',
      },
      { name: 'Service', description: 'The process itself.' },
    ],
    paths: paths(),
    components: {
      schemas: namedSchemas(),
      parameters: PARAMETERS,
      headers: HEADERS,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  }
  return document
}

const PARAMETERS = {
  table_id: {
    name: 'table_id',
    in: 'path',
    required: true,
    description:
      'UUID of the table. Canonical, upper-case, braced, URN and 32-digit spellings name the same table.',
    schema: { type: 'string', examples: ['0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'] },
  },
  rebuild: {
    name: 'rebuild',
    in: 'path',
    required: true,
    description:
      'Name of the list: what stands behind `state/orchestration/rebuilds/`, with or without `.json`; a slash in it is written `%2F`.',
    schema: { type: 'string', examples: ['20260221-120000'] },
  },
  'Idempotency-Key': {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'Canonical lower-case UUIDv7. Here or as `idempotency_key` in the body; when both are there they must be equal.',
    schema: toJsonSchema(CommitBody.shape.idempotency_key.unwrap().unwrap()),
  },
  'X-Request-Id': {
    name: 'X-Request-Id',
    in: 'header',
    required: false,
    description:
      'Comes back in the answer and stands in the log. One that is not 1 to 128 visible ASCII characters is replaced.',
    schema: { type: 'string', pattern: '^[!-~]{1,128}$' },
  },
  'X-Tenant-Id': {
    name: 'X-Tenant-Id',
    in: 'header',
    required: false,
    description: 'Refused with 403 when it is not the tenant that is served.',
    schema: { type: 'string' },
  },
  'X-Workspace-Id': {
    name: 'X-Workspace-Id',
    in: 'header',
    required: false,
    description: 'Refused with 403 when it is not the workspace that is served.',
    schema: { type: 'string' },
  },
} as const satisfies Record<string, Parameter>

const HEADERS = {
  'X-Request-Id': {
    description: "The request's id, sent or made",
    schema: { type: 'string', pattern: '^[!-~]{1,128}$' },
  },
  'Cache-Control': { description: 'Always `no-store`', schema: { const: 'no-store' } },
  'Retry-After': {
    description: 'Seconds until the request may be sent again',
    schema: { type: 'integer', minimum: 1 },
  },
  'X-RateLimit-Limit': {
    description: 'Requests that a tenant may send a minute; where the deployment limits them',
    schema: { type: 'integer', minimum: 1 },
  },
  'X-RateLimit-Remaining': {
    description: 'Requests that it may send now',
    schema: { type: 'integer', minimum: 0 },
  },
  'Idempotent-Replayed': {
    description: '`true` when the answer is that of an earlier request with this key',
    schema: { const: 'true' },
  },
} as const satisfies ApiDocument['components']['headers']

function header(name: keyof typeof HEADERS): Record<string, Reference> {
  return { [name]: { $ref: `#/components/headers/${name}` } }
}

/** Users are counted, where the deployment counts at all. */
function headersOf({ auth }: Access): Record<string, Reference> {
  return {
    ...header('X-Request-Id'),
    ...header('Cache-Control'),
    ...(auth === 'user' ? { ...header('X-RateLimit-Limit'), ...header('X-RateLimit-Remaining') } : {}),
  }
}

function paths(): ApiDocument['paths'] {
  const by_path: Record<string, Partial<Record<'get' | 'post', ApiOperation>>> = {}
  for (const [id, operation] of Object.entries<Operation>(OPERATIONS)) {
    const method = operation.method === 'GET' ? 'get' : 'post'
    by_path[operation.path] = { ...by_path[operation.path], [method]: toApiOperation(id, operation) }
  }
  return by_path
}

function toApiOperation(id: string, operation: Operation): ApiOperation {
  const { path, group, summary, description, body, access, answer, has_key, reasons } = operation
  const names: (keyof typeof PARAMETERS)[] = [
    ...(['table_id', 'rebuild'] as const).filter((name) => path.includes(`{${name}}`)),
    ...(has_key ? (['Idempotency-Key'] as const) : []),
    'X-Request-Id',
    'X-Tenant-Id',
    'X-Workspace-Id',
  ]
  return {
    operationId: id,
    tags: [group],
    summary,
    description,
    parameters: names.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ...(body === undefined ? {} : { requestBody: requestBody(body) }),
    ...(access.auth === 'none' ? {} : { security: [{ bearer: [] }, {}] }),
    responses: {
      200: okResponse(answer, access),
      ...problemResponses([...COMMON_REASONS, ...accessReasons(access), ...reasons], access),
    },
  }
}

/** Where nobody is asked who he is, nobody is refused for it. */
function accessReasons({ auth, writes }: Access): readonly Reason[] {
  return [
    ...(auth === 'none' ? [] : AUTH_REASONS),
    ...(auth === 'user' ? LIMIT_REASONS : []),
    ...(writes === true ? (['store_not_certified'] as const) : []),
  ]
}

function requestBody({ schema, bytes_max, example }: RequestBody): NonNullable<ApiOperation['requestBody']> {
  return {
    required: true,
    description: `One JSON object of at most ${bytes_max} bytes. A member that is not listed is refused.`,
    content: { 'application/json': { schema: schemaOf(schema), example } },
  }
}

function okResponse(answer: OkAnswer, access: Access): ApiResponse {
  const { description, media, schema, example, headers = [], has_lines } = answer
  const extra = Object.assign({}, ...headers.map(header)) as Record<string, Reference>
  return {
    description,
    headers: { ...headersOf(access), ...extra },
    content: {
      [media]: {
        schema:
          schema === undefined
            ? { type: media === 'application/json' ? 'object' : 'string' }
            : schemaOf(schema),
        ...(example === undefined ? {} : { example }),
      },
      ...(has_lines === true && schema !== undefined
        ? { 'application/x-ndjson': { schema: lineOf(schema) } }
        : {}),
    },
  }
}

/** Each line of an answer that is followed. */
function lineOf(result: z.ZodType): JsonSchema {
  const line = (name: string, schema: z.ZodType): JsonSchema => ({
    type: 'object',
    properties: { [name]: schemaOf(schema) },
    required: [name],
    additionalProperties: false,
  })
  return { anyOf: [line('progress', ProgressBody), line('result', result), line('problem', ProblemBody)] }
}

/** One response a status, with an example a reason. */
function problemResponses(reasons: readonly Reason[], access: Access): Record<string, ApiResponse> {
  const statuses = Map.groupBy(reasons, (reason) => PROBLEMS[reason].status)
  return Object.fromEntries(
    [...statuses].map(([status, names]) => [status, problemsOf(status, names, access)]),
  )
}

function problemsOf(status: number, reasons: readonly Reason[], access: Access): ApiResponse {
  const is_compactor = access.auth === 'internal'
  const is_delayed = reasons.some((reason) => PROBLEMS[reason].has_retry_after)
  return {
    description: reasons.map((reason) => `\`${reason}\`: ${PROBLEMS[reason].title}`).join('; '),
    headers: { ...headersOf(access), ...(is_delayed ? header('Retry-After') : {}) },
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            schemaOf(ProblemBody),
            {
              properties: { status: { const: status }, reason: { enum: [...reasons] } },
              ...(is_compactor ? { required: ['error'] } : {}),
            },
          ],
        },
        examples: Object.fromEntries(
          reasons.map((reason) => [
            reason,
            { summary: PROBLEMS[reason].title, value: problemExample(reason, { is_compactor }) },
          ]),
        ),
      },
    },
  }
}

/** A reference where the schema has a name, else the schema itself. */
function schemaOf(schema: z.ZodType): JsonSchema {
  const name = Object.keys(NAMED).find((each) => NAMED[each] === schema)
  return name === undefined ? toJsonSchema(schema) : { $ref: schemaUri(name) }
}

function schemaUri(name: string): string {
  return `#/components/schemas/${name}`
}

function namedSchemas(): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { uri: schemaUri })
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, bare(schema)]))
}

function toJsonSchema(schema: z.ZodType): JsonSchema {
  return bare(z.toJSONSchema(schema))
}

/** The dialect and the address are those of the document. */
function bare({ $schema: _dialect, $id: _address, ...schema }: JsonSchema): JsonSchema {
  return schema
}
