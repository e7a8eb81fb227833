/**
 * The HTTP surface put together: routes, the rules that hold for every request, and one problem body for every
 * refusal (spec/http-api.md).
 */
import { Hono } from 'hono'
import type { GatesDeps } from '../lib/gates/bench.ts'
import type { TableResolver } from '../lib/protocol/delta/resolve.ts'
import type { Note } from '../lib/protocol/effects.ts'
import type { Scope } from '../lib/store/scoped.ts'
import { StoreError } from '../lib/store/types.ts'
import { admit, type AdmissionRules } from './admission.ts'
import { handleCommit } from './commit.ts'
import { freshUlid } from './environment.ts'
import { requestId, type NodeBindings } from './headers.ts'
import { json, problemContext, refuse, type Call, type Handler, type Service } from './handler.ts'
import { handleHealth } from './health.ts'
import { handleInspect } from './inspect.ts'
import type { AppLog } from './logging.ts'
import { openApiDocument } from './openapi.ts'
import { OPERATIONS, type Access, type Operation, type OperationId } from './operations.ts'
import { problemResponse, type Problem } from './problem.ts'
import { readyHandler } from './ready.ts'
import { handleRecover } from './recover.ts'
import type * as Orchestration from './orchestration.ts'
import { referencePage } from './reference-page.ts'
import { handleStage } from './stage.ts'
import { INTERNAL, problemOfError } from './unexpected.ts'
import { UNKNOWN_VERSION, versionHandler, type VersionInfo } from './version.ts'

/** What an entry file hands in. */
export interface AppDeps extends Service, AdmissionRules {
  readonly log: AppLog
  readonly version?: VersionInfo
  /** Unscoped, with list and delete: for the gates, which remove what they wrote. Handlers do not see it. */
  readonly maintenance_store: GatesDeps['store']
  /** Tables of another scope than the configured one, where the credentials decide the scope. */
  resolverFor?(scope: Scope): TableResolver
}

/** For a runtime that ends a request's work when its answer is sent or its client is gone. */
export interface Lifetime {
  waitUntil(work: Promise<unknown>): void
}

/** The app, and what a graceful shutdown waits for. */
export interface App {
  fetch(request: Request, env?: unknown, lifetime?: Lifetime): Promise<Response>
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
  readonly access: Access
  readonly handler: Handler
}

/** All routes of this version: what `operations.ts` lists, each with its handler. */
export function routesOf(deps: AppDeps): readonly Route[] {
  const handlers: Record<OperationId, Handler> = {
    stage: handleStage,
    commit: handleCommit,
    recover: handleRecover,
    inspect: handleInspect,
    compact: later('handleCompact'),
    rebuild: later('handleRebuild'),
    rebuild_progress: later('handleRebuildProgress'),
    compaction_lock: later('handleLock'),
    break_compaction_lock: later('handleBreakLock'),
    gates: gatesHandler(deps.maintenance_store),
    health: handleHealth,
    ready: readyHandler(deps.store, () => deps.writeRefusal?.() ?? null),
    version: versionHandler(deps.version ?? UNKNOWN_VERSION),
    openapi: async () => json(openApiDocument()),
    docs: async ({ request }) => referencePage(openApiDocument(), new URL(request.url).origin),
    index: async () => json({ service: 'tidemark', docs: '/docs', health: '/health' }),
  }
  return Object.entries<Operation>(OPERATIONS).map(([id, { method, path, access }]) => ({
    method,
    access,
    path: path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: handlers[id as OperationId],
  }))
}

/** A handler of a module that is loaded when it is first asked for. */
function later(name: keyof typeof Orchestration): Handler {
  return async (call) => {
    const handlers = await import('./orchestration.ts')
    return handlers[name](call)
  }
}

/** The gates bring the compactor along, and are loaded like it. */
function gatesHandler(store: AppDeps['maintenance_store']): Handler {
  return async (call) => {
    const { handleGates } = await import('./gates.ts')
    return handleGates(call, store)
  }
}

/** Make the app. It holds no state but the operations that are running. */
export function createApp(deps: AppDeps): App {
  const hono = new Hono<{ Bindings: Bindings }>()
  const running = new Set<Promise<unknown>>()
  const routes = routesOf(deps)

  /** Until it ends, a graceful stop waits for it. */
  async function tracked<T>(work: Promise<T>): Promise<T> {
    running.add(work)
    try {
      return await work
    } finally {
      running.delete(work)
    }
  }

  for (const { method, path, access, handler } of routes) {
    hono.on(method, path, async (c) => {
      const { table_id = '', rebuild = '' } = c.req.param() as Readonly<Record<string, string>>
      return serve(
        deps,
        {
          request: c.req.raw,
          env: c.env,
          route: path,
          access,
          is_compactor: isInternal(access),
          table_id,
          rebuild,
        },
        handler,
      )
    })
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map(({ method }) => method)
    const allow = methods.includes('GET') ? [...methods, 'HEAD'].join(', ') : methods.join(', ')
    const detail = `expected ${allow}`
    const is_compactor = routes.some((route) => route.path === path && isInternal(route.access))
    hono.all(path, async (c) =>
      serve(deps, { ...UNROUTED, request: c.req.raw, env: c.env, route: path, is_compactor }, async (call) =>
        refuse(call, { reason: 'method_not_allowed', detail, headers: { allow } }),
      ),
    )
  }
  hono.notFound(async (c) =>
    serve(deps, { ...UNROUTED, request: c.req.raw, env: c.env, route: 'unmatched' }, async (call) =>
      refuse(call, { reason: 'route_not_found', detail: 'no such route; GET /docs lists them' }),
    ),
  )
  // Only what is outside of `guarded` gets here: a log that cannot be written.
  hono.onError(() => {
    const request_id = freshUlid()
    return finished(problemResponse(INTERNAL, problemContext(deps, request_id)), request_id)
  })

  return {
    async fetch(request, env, lifetime) {
      const bindings = { ...(isNodeBindings(env) ? env : {}), goesOn }
      function goesOn(work: Promise<unknown>): void {
        const ended = tracked(work).catch(() => undefined)
        lifetime?.waitUntil(ended)
      }
      return tracked(Promise.resolve(hono.fetch(request, bindings)))
    },
    refuse(problem) {
      const request_id = freshUlid()
      const response = problemResponse(problem, problemContext(deps, request_id))
      deps.log.request({
        request_id,
        route: 'unparsed',
        status: response.status,
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

/** What the runtime passes along, and where work goes that outlives its answer. */
interface Bindings extends NodeBindings {
  goesOn(work: Promise<unknown>): void
}

interface Arrived {
  readonly request: Request
  readonly env: Bindings
  readonly route: string
  readonly access: Access
  readonly is_compactor: boolean
  readonly table_id: string
  readonly rebuild: string
}

/** For answers that say nothing of any tenant. */
const UNROUTED = {
  access: { auth: 'none' },
  is_compactor: false,
  table_id: '',
  rebuild: '',
} as const satisfies Partial<Arrived>

/** The routes of the compactor are those that services ask. */
function isInternal({ auth }: Access): boolean {
  return auth === 'internal'
}

/** One request: the common rules, who asks, the handler, the headers of every answer, one log line. */
async function serve(deps: AppDeps, arrived: Arrived, handler: Handler): Promise<Response> {
  const { request, route, table_id, rebuild, is_compactor, env } = arrived
  const unfinished: Promise<unknown>[] = []
  const started_ms = performance.now()
  const request_id = requestId(request.headers)
  const logged = new Set<unknown>()
  const base: Call = {
    service: serviceFor(deps, deps.scope),
    request,
    request_id,
    table_id,
    rebuild,
    is_compactor,
    principal: null,
    facts: {},
    note: (note: Note) => deps.log.note(request_id, note),
    failed(error: unknown) {
      const what = whatFailed(error)
      if (!logged.has(what)) deps.log.failure(request_id, error)
      logged.add(what)
    },
    goesOn: (work) => unfinished.push(work),
  }
  let call: Call = base
  const response = await guarded(base, async () => {
    const admission = await admit(deps, arrived)
    if (!admission.ok) return refuse(base, admission.problem)
    if (admission.warning !== undefined) deps.log.warning(request_id, admission.warning)
    const { principal } = admission
    call = { ...base, principal, service: serviceFor(deps, principal?.scope ?? deps.scope) }
    return handler(call)
  })
  function logRequest(): void {
    deps.log.request({
      request_id,
      method: request.method,
      route,
      status: response.status,
      duration_ms: Math.round(performance.now() - started_ms),
      // Nobody's scope is that of a request which was not let in.
      ...call.principal?.scope,
      ...call.facts,
    })
  }
  // The line tells the end: of the answer, or of the work that goes on behind it.
  if (unfinished.length === 0) logRequest()
  else env.goesOn(Promise.allSettled(unfinished).then(logRequest))
  return finished(response, request_id)
}

/** A store that is down fails every read of a batch, one with a reset, the next with a refusal: one line says it. */
function whatFailed(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error
  return error.code === 'unavailable' ? error.code : `${error.code}: ${error.message}`
}

/** The service of the principal's scope, which is the configured one unless the credentials say another. */
function serviceFor({ maintenance_store: _kept, ...deps }: AppDeps, scope: Scope): Service {
  const is_configured = scope.tenant === deps.scope.tenant && scope.workspace === deps.scope.workspace
  if (is_configured || deps.resolverFor === undefined) return { ...deps, scope }
  return { ...deps, scope, resolver: deps.resolverFor(scope) }
}

/** The headers of every answer. */
function finished(response: Response, request_id: string): Response {
  response.headers.set('x-request-id', request_id)
  response.headers.set('cache-control', 'no-store')
  return response
}

/** Whatever escapes becomes a problem, and its text goes to the log only. */
async function guarded(call: Call, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work()
  } catch (error) {
    call.failed(error)
    return refuse(call, problemOfError(error))
  }
}
