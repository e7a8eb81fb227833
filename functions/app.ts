/**
 * The HTTP surface put together: routes, the rules that hold for every request, and one problem body for every
 * refusal (spec/http-api.md).
 */
import { Hono } from 'hono'
import type { Note } from '../lib/protocol/effects.ts'
import { StoreError, type StoreErrorCode } from '../lib/store/types.ts'
import { handleCommit } from './commit.ts'
import { freshUlid } from './environment.ts'
import { json, refuse, type Call, type Handler, type Service } from './handler.ts'
import { handleHealth } from './health.ts'
import { handleInspect } from './inspect.ts'
import type { AppLog } from './logging.ts'
import { openApiDocument } from './openapi.ts'
import type { Problem } from './problem.ts'
import { readyHandler } from './ready.ts'
import { handleRecover } from './recover.ts'
import { referencePage } from './reference-page.ts'
import { handleStage } from './stage.ts'
import { UNKNOWN_VERSION, versionHandler, type VersionInfo } from './version.ts'

/** What an entry file hands in. */
export interface AppDeps extends Service {
  readonly log: AppLog
  readonly version?: VersionInfo
}

/** The app, and what a graceful shutdown waits for. */
export interface App {
  fetch(request: Request, env?: unknown): Promise<Response>
  /** Resolves when no request is being worked on. */
  drain(): Promise<void>
}

/** One route; the table of all of them is what OpenAPI, 405 and the tests are made from. */
export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly handler: Handler
}

/** All routes of this version. */
export function routesOf(deps: AppDeps): readonly Route[] {
  const table = '/api/v1/delta/tables/:table_id'
  return [
    { method: 'POST', path: `${table}/commits/stage`, handler: handleStage },
    { method: 'POST', path: `${table}/commits`, handler: handleCommit },
    { method: 'POST', path: `${table}/recover`, handler: handleRecover },
    { method: 'GET', path: `${table}/inspect`, handler: handleInspect },
    { method: 'GET', path: '/health', handler: handleHealth },
    { method: 'GET', path: '/ready', handler: readyHandler(deps.store) },
    { method: 'GET', path: '/version', handler: versionHandler(deps.version ?? UNKNOWN_VERSION) },
    { method: 'GET', path: '/openapi.json', handler: async () => json(openApiDocument()) },
    { method: 'GET', path: '/docs', handler: async () => referencePage(openApiDocument()) },
    {
      method: 'GET',
      path: '/',
      handler: async () => json({ service: 'tidemark', docs: '/docs', health: '/health' }),
    },
  ]
}

/** Make the app. It holds no state but the operations that are running. */
export function createApp(deps: AppDeps): App {
  const hono = new Hono<{ Bindings: NodeBindings }>()
  const running = new Set<Promise<Response>>()
  const routes = routesOf(deps)

  for (const { method, path, handler } of routes) {
    hono.on(method, path, async (c) =>
      serve(
        deps,
        { request: c.req.raw, env: c.env, route: path, table_id: c.req.param('table_id') ?? '' },
        handler,
      ),
    )
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map(({ method }) => method)
    const allow = methods.includes('GET') ? [...methods, 'HEAD'].join(', ') : methods.join(', ')
    const detail = `expected ${allow}`
    hono.all(path, async (c) =>
      serve(deps, { request: c.req.raw, env: c.env, route: path, table_id: '' }, async (call) =>
        refuse(call, { reason: 'method_not_allowed', detail, headers: { allow } }),
      ),
    )
  }
  hono.notFound(async (c) =>
    serve(deps, { request: c.req.raw, env: c.env, route: 'unmatched', table_id: '' }, async (call) =>
      refuse(call, { reason: 'route_not_found', detail: 'no such route; GET /docs lists them' }),
    ),
  )

  return {
    async fetch(request, env) {
      const answer = Promise.resolve(hono.fetch(request, isNodeBindings(env) ? env : {}))
      running.add(answer)
      try {
        return await answer
      } finally {
        running.delete(answer)
      }
    },
    async drain() {
      while (running.size > 0) await Promise.allSettled(running)
    },
  }
}

/** What @hono/node-server passes along: the raw header list, which still shows duplicates. */
interface NodeBindings {
  readonly incoming?: { readonly rawHeaders?: readonly string[] }
}

function isNodeBindings(env: unknown): env is NodeBindings {
  return typeof env === 'object' && env !== null
}

interface Arrived {
  readonly request: Request
  readonly env: NodeBindings
  readonly route: string
  readonly table_id: string
}

/** One request: the common rules, the handler, the headers of every answer, one log line. */
async function serve(deps: AppDeps, arrived: Arrived, handler: Handler): Promise<Response> {
  const { request, route, table_id } = arrived
  const started_ms = performance.now()
  const request_id = requestId(request)
  const call: Call = {
    service: deps,
    request,
    request_id,
    table_id,
    facts: {},
    note: (note: Note) => deps.log.note(request_id, note),
    failed: (error: unknown) => deps.log.failure(request_id, error),
  }
  const problem = commonProblem(deps, arrived)
  const response = problem === null ? await guarded(call, handler) : refuse(call, problem)
  const headers = new Headers(response.headers)
  headers.set('x-request-id', request_id)
  headers.set('cache-control', 'no-store')
  deps.log.request({
    request_id,
    method: request.method,
    route,
    status: response.status,
    duration_ms: Math.round(performance.now() - started_ms),
    ...deps.scope,
    ...call.facts,
  })
  return new Response(response.body, { status: response.status, headers })
}

/** The client's id when it is 1 to 128 visible ASCII characters, else a fresh ULID. */
function requestId(request: Request): string {
  const sent = request.headers.get('x-request-id')
  return sent !== null && /^[\x21-\x7e]{1,128}$/.test(sent) ? sent : freshUlid()
}

/** Headers that decide who asks and what is asked: sending one twice is ambiguous (S27). */
const SINGLE_HEADERS = ['authorization', 'idempotency-key', 'x-tenant-id', 'x-workspace-id']

/** Header block limit in characters (spec/http-api.md 11). */
const HEADERS_CHARS_MAX = 16 * 1024

function commonProblem({ scope }: AppDeps, { request, env }: Arrived): Problem | null {
  let size = 0
  for (const [name, value] of request.headers) size += name.length + value.length + 4
  if (size > HEADERS_CHARS_MAX) {
    return { reason: 'bad_request', detail: `expected at most ${HEADERS_CHARS_MAX} characters of headers` }
  }
  for (const name of SINGLE_HEADERS) {
    if (timesSent(name, request, env) > 1)
      return { reason: 'bad_request', detail: `header ${name} was sent more than once` }
  }
  const { tenant, workspace } = scope
  const is_own_scope =
    (request.headers.get('x-tenant-id') ?? tenant) === tenant &&
    (request.headers.get('x-workspace-id') ?? workspace) === workspace
  return is_own_scope
    ? null
    : { reason: 'forbidden', detail: 'this service serves another tenant or workspace than the headers name' }
}

/** Node drops or joins duplicates before Fetch sees them; elsewhere they are joined with a comma. */
function timesSent(name: string, request: Request, env: NodeBindings): number {
  const raw = env.incoming?.rawHeaders
  if (raw !== undefined) return raw.filter((text, at) => at % 2 === 0 && text.toLowerCase() === name).length
  const value = request.headers.get(name)
  return value === null ? 0 : name === 'authorization' ? 1 : value.split(',').length
}

/** Reasons of thrown store failures (spec/storage.md 8); null is 500 `internal`, its cause only in the log. */
const STORE_PROBLEMS: Record<StoreErrorCode, Problem | null> = {
  invalid_key: { reason: 'bad_request', detail: 'a path of this request is not a valid key' },
  unavailable: {
    reason: 'storage_unavailable',
    detail: 'the store did not answer in time; send the identical request again',
  },
  corrupt: {
    reason: 'object_corrupt',
    detail: 'a stored object could not be read whole',
    members: { object_class: 'object' },
  },
  too_large: {
    reason: 'object_corrupt',
    detail: 'a stored object is larger than its class allows',
    members: { object_class: 'object' },
  },
  unsupported: { reason: 'not_implemented', detail: 'the store cannot do this' },
  denied: null,
  misconfigured: null,
}

const INTERNAL: Problem = {
  reason: 'internal',
  detail:
    'internal error; the log of this request has the cause; a commit may be repeated with the same key and body',
}

/** Run the handler; whatever escapes it becomes a problem, and its text goes to the log only. */
async function guarded(call: Call, handler: Handler): Promise<Response> {
  try {
    return await handler(call)
  } catch (error) {
    call.failed(error)
    return refuse(call, (error instanceof StoreError ? STORE_PROBLEMS[error.code] : null) ?? INTERNAL)
  }
}
