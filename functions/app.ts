/**
 * The HTTP surface put together: routes, the rules that hold for every request, and one problem body for every
 * refusal (spec/http-api.md).
 */
import { Hono } from 'hono'
import type { Note } from '../lib/protocol/effects.ts'
import { StoreError, type StoreErrorCode } from '../lib/store/types.ts'
import { handleCommit } from './commit.ts'
import { freshUlid } from './environment.ts'
import { headersProblem, requestId, scopeProblem, type NodeBindings } from './headers.ts'
import { json, problemContext, refuse, type Call, type Handler, type Service } from './handler.ts'
import { handleHealth } from './health.ts'
import { handleInspect } from './inspect.ts'
import type { AppLog } from './logging.ts'
import { openApiDocument } from './openapi.ts'
import { problemResponse, type Problem } from './problem.ts'
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
  /**
   * The answer to a request that never became one, because the runtime's parser refused it. Such a request has no
   * id of its own; it is logged like any other.
   */
  refuse(problem: Problem): Response
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
        inScope(handler),
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
  // Only what is outside of `guarded` gets here: a log that cannot be written.
  hono.onError(() => {
    const request_id = freshUlid()
    return finished(problemResponse(INTERNAL, problemContext(deps, request_id)), request_id)
  })

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
    refuse(problem) {
      const request_id = freshUlid()
      const response = problemResponse(problem, problemContext(deps, request_id))
      deps.log.request({
        request_id,
        route: 'unparsed',
        status: response.status,
        ...deps.scope,
        reason: problem.reason,
      })
      return finished(response, request_id)
    },
    async drain() {
      while (running.size > 0) await Promise.allSettled(running)
    },
  }
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
  const { request, env, route, table_id } = arrived
  const started_ms = performance.now()
  const request_id = requestId(request.headers)
  const call: Call = {
    service: deps,
    request,
    request_id,
    table_id,
    facts: {},
    note: (note: Note) => deps.log.note(request_id, note),
    failed: (error: unknown) => deps.log.failure(request_id, error),
  }
  const problem = headersProblem(request.headers, env)
  const response = problem === null ? await guarded(call, handler) : refuse(call, problem)
  deps.log.request({
    request_id,
    method: request.method,
    route,
    status: response.status,
    duration_ms: Math.round(performance.now() - started_ms),
    ...deps.scope,
    ...call.facts,
  })
  return finished(response, request_id)
}

/** The headers of every answer. */
function finished(response: Response, request_id: string): Response {
  response.headers.set('x-request-id', request_id)
  response.headers.set('cache-control', 'no-store')
  return response
}

/** The route answers only for the scope that is served. */
function inScope(handler: Handler): Handler {
  return async (call) => {
    const problem = scopeProblem(call.request.headers, call.service.scope)
    return problem === null ? handler(call) : refuse(call, problem)
  }
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

/** A bug or a wrong configuration; the text of its cause goes to the log only. */
export const INTERNAL: Problem = {
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
