/**
 * The HTTP surface put together: routes, the rules that hold for every request, and one problem body for every
 * refusal (spec/http-api.md).
 */
import { Hono } from 'hono'
import type * as z from 'zod'
import type { TableResolver } from '../lib/protocol/delta/resolve.ts'
import type { Note } from '../lib/protocol/effects.ts'
import { sha256Hex } from '../lib/protocol/sha256.ts'
import type { Scope } from '../lib/store/scoped.ts'
import { StoreError } from '../lib/store/types.ts'
import { admit, type AdmissionRules } from './admission.ts'
import { handleCommit } from './commit.ts'
import { freshUlid } from './environment.ts'
import { requestId, type NodeBindings } from './headers.ts'
import { json, problemContext, refuse, type Call, type Handler, type Service } from './handler.ts'
import { handleHealth } from './health.ts'
import type { HealthCheckBody } from './health-check-body.ts'
import { handleInspect } from './inspect.ts'
import { handleInspectKey } from './inspect-key.ts'
import type { AppLog } from './logging.ts'
import { maintenanceHandler, type MaintenanceHandler, type MaintenanceParts } from './maintenance.ts'
import { OPERATIONS, type Access, type Operation, type OperationId } from './operations.ts'
import { problemResponse, type Problem } from './problem.ts'
import { readyHandler } from './ready.ts'
import { handleRecover } from './recover.ts'
import type * as Orchestration from './orchestration.ts'
import { handleStage } from './stage.ts'
import { handleVerify } from './verify.ts'
import { countNote, countRequest, endpointOf, methodLabel } from './metrics/count.ts'
import { createMetrics, UNMATCHED, type AppMetrics } from './metrics/catalogue.ts'
import { metricsHandler, NO_SUCH_ROUTE, type MetricsAccess } from './metrics.ts'
import type { Asked, RateLimiter } from './rate-limit.ts'
import { parentOf, requestAttributes, type Span, type Tracer } from './tracing.ts'
import { INTERNAL, problemOfError } from './unexpected.ts'
import { UNKNOWN_VERSION, versionHandler, type VersionInfo } from './version.ts'

/** What an entry file hands in. */
export interface AppDeps extends Service, AdmissionRules, MaintenanceParts {
  readonly log: AppLog
  readonly version?: VersionInfo
  /** Where this app counts; its own counters without it. */
  readonly metrics?: AppMetrics
  /** Who may see them; nobody unless told. */
  readonly metrics_access?: MetricsAccess
  /** How often a tenant may ask; no limit without it. */
  readonly rate_limiter?: RateLimiter
  /** Where spans go; there are none without it. */
  readonly tracer?: Tracer
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
  /**
   * Run the health check in the configured scope, for a trigger that is no request: nobody has to let it in. It answers,
   * counts and is logged like `POST /internal/health-check`.
   */
  healthCheck(asked: z.infer<typeof HealthCheckBody>): Promise<Response>
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
    verify: maintenanceHandler(deps.maintenance_store, handleVerify),
    compact: later('handleCompact'),
    rebuild: later('handleRebuild'),
    rebuild_progress: later('handleRebuildProgress'),
    compaction_lock: later('handleLock'),
    break_compaction_lock: later('handleBreakLock'),
    reconcile: laterMaintenance(deps.maintenance_store, 'handleReconcile'),
    verify_projection: laterMaintenance(deps.maintenance_store, 'handleVerifyProjection'),
    health_check: laterMaintenance(deps.maintenance_store, 'handleHealthCheck'),
    inspect_projection: later('handleInspectProjection'),
    inspect_lock: later('handleInspectLock'),
    inspect_key: handleInspectKey,
    gates: gatesHandler(deps.maintenance_store),
    health: handleHealth,
    ready: readyHandler(deps.store, () => deps.writeRefusal?.() ?? null),
    version: versionHandler(deps.version ?? UNKNOWN_VERSION),
    metrics: metricsHandler(deps.metrics ?? createMetrics(), deps.metrics_access ?? 'hidden'),
    openapi: async () => (await import('./reference.ts')).handleOpenApi(),
    docs: async (call) => (await import('./reference.ts')).handleDocs(call),
    index: async () => json({ service: 'tidemark', docs: '/docs', health: '/health' }),
  }
  return Object.entries<Operation>(OPERATIONS).map(([id, { method, path, access }]) => ({
    method,
    access,
    path: path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: handlers[id as OperationId],
  }))
}

/** Handlers of the orchestration module that list. */
type MaintenanceName = 'handleHealthCheck' | 'handleReconcile' | 'handleVerifyProjection'

/** A handler of a module that is loaded when it is first asked for. */
function later(name: Exclude<keyof typeof Orchestration, MaintenanceName>): Handler {
  return async (call) => {
    const handlers = await import('./orchestration.ts')
    return handlers[name](call)
  }
}

/** The same of one that lists. */
function laterMaintenance(store: MaintenanceParts['maintenance_store'], name: MaintenanceName): Handler {
  const handler: MaintenanceHandler = async (call, run) => {
    const handlers = await import('./orchestration.ts')
    return handlers[name](call, run)
  }
  return maintenanceHandler(store, handler, 'compactor')
}

/** The gates bring the compactor along, and are loaded like it. */
function gatesHandler(store: MaintenanceParts['maintenance_store']): Handler {
  return async (call) => {
    const { handleGates } = await import('./gates.ts')
    return handleGates(call, store)
  }
}

/** Make the app. It holds no state but the operations that are running and what is counted. */
export function createApp(given: AppDeps): App {
  const metrics = given.metrics ?? createMetrics()
  const deps = { ...given, metrics }
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
    serve(deps, { ...UNROUTED, request: c.req.raw, env: c.env, route: UNMATCHED }, async (call) =>
      refuse(call, { reason: 'route_not_found', detail: NO_SUCH_ROUTE }),
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
      countRequest(metrics, { ...UNPARSED, status: response.status })
      return finished(response, request_id)
    },
    async healthCheck(asked) {
      const { path } = OPERATIONS.health_check
      const request = new Request(`https://localhost${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(asked),
      })
      const env: Bindings = { goesOn: (work) => void tracked(work).catch(() => undefined) }
      const arrived = { ...UNROUTED, request, env, route: path, is_compactor: true }
      return tracked(serve(deps, arrived, laterMaintenance(deps.maintenance_store, 'handleHealthCheck')))
    },
    async drain() {
      while (running.size > 0) await Promise.allSettled(running)
      await deps.tracer?.flush()
    },
  }
}

function isNodeBindings(env: unknown): env is NodeBindings {
  return typeof env === 'object' && env !== null
}

/** A request that never became one. */
const UNPARSED = { route: UNMATCHED, method: 'other', seconds: 0, facts: {} } as const

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

/** Dependencies with the counters that the app made where it was given none. */
type CountingDeps = AppDeps & { readonly metrics: AppMetrics }

/** One request: the common rules, who asks, the handler, the headers of every answer, one log line. */
async function serve(deps: CountingDeps, arrived: Arrived, handler: Handler): Promise<Response> {
  const { request, route, table_id, rebuild, is_compactor, env } = arrived
  const { metrics } = deps
  const unfinished: Promise<unknown>[] = []
  const started_ms = performance.now()
  const request_id = requestId(request.headers)
  const logged = new Set<unknown>()
  const span = spanOf(deps, arrived)
  const rate_headers: Record<string, string> = {}
  const base: Call = {
    service: serviceFor(deps, deps.scope),
    request,
    request_id,
    table_id,
    rebuild,
    is_compactor,
    principal: null,
    facts: {},
    metrics,
    span,
    // Only users are limited, and only once they are known.
    limit: () => null,
    note(note: Note) {
      deps.log.note(request_id, note)
      countNote(metrics, note)
    },
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
    const service = serviceFor(deps, principal?.scope ?? deps.scope)
    const limit = limitOf(deps, arrived, service.scope.tenant, rate_headers)
    call = { ...base, principal, service, limit }
    // Whoever sends a body is counted when it has been read (spec/http-api.md 4.2).
    const limited = request.method === 'POST' ? null : limit('other')
    return limited === null ? handler(call) : refuse(call, limited)
  })
  function tell(): void {
    const seconds = (performance.now() - started_ms) / 1000
    const { facts } = call
    const { method } = request
    const { status } = response
    countRequest(metrics, { route, method, status, seconds, facts })
    span?.set(requestAttributes(status, facts))
    span?.end({ failed: status >= 500 })
    deps.log.request({
      request_id,
      method,
      route,
      status,
      duration_ms: Math.round(seconds * 1000),
      ...(span === null ? {} : { trace_id: span.trace_id }),
      // Nobody's scope is that of a request which was not let in.
      ...(call.principal === null ? {} : { scope_sha256: scopeHash(call.principal.scope) }),
      ...facts,
    })
  }
  // It is told at the end: of the answer, or of the work that goes on behind it.
  if (unfinished.length === 0) tell()
  else env.goesOn(Promise.allSettled(unfinished).then(tell))
  return finished(response, request_id, rate_headers)
}

/** Who it was, for those who know whom they look for: `printf '%s' TENANT/WORKSPACE | sha256sum` (S10). */
function scopeHash({ tenant, workspace }: Scope): string {
  return sha256Hex(`${tenant}/${workspace}`)
}

function spanOf({ tracer }: AppDeps, { request, route }: Arrived): Span | null {
  if (tracer === undefined) return null
  const method = methodLabel(request.method)
  const endpoint = endpointOf(route)
  const attributes = { 'http.request.method': method, 'http.route': endpoint }
  return tracer.request(`${method} ${endpoint}`, attributes, parentOf(request.headers))
}

/** How a user's request is counted; the routes of services and of everybody have no limit. */
function limitOf(
  { rate_limiter, overrides }: AppDeps,
  { access }: Arrived,
  tenant: string,
  headers: Record<string, string>,
): Call['limit'] {
  if (rate_limiter === undefined || access.auth !== 'user') return () => null
  return (asked: Asked) => {
    const now_ms = overrides?.monotonic?.() ?? performance.now()
    const verdict = rate_limiter.take(tenant, asked, now_ms)
    if (!verdict.ok) return verdict.problem
    Object.assign(headers, verdict.headers)
    return null
  }
}

/** A store that is down fails every read of a batch, one with a reset, the next with a refusal: one line says it. */
function whatFailed(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error
  return error.code === 'unavailable' ? error.code : `${error.code}: ${error.message}`
}

/**
 * The service of the principal's scope, which is the configured one unless the credentials say another. What can list
 * stays behind: handlers have no way to it.
 */
function serviceFor({ maintenance_store: _kept, ...deps }: AppDeps, scope: Scope): Service {
  const is_configured = scope.tenant === deps.scope.tenant && scope.workspace === deps.scope.workspace
  if (is_configured || deps.resolverFor === undefined) return { ...deps, scope }
  return { ...deps, scope, resolver: deps.resolverFor(scope) }
}

/** The headers of every answer. */
function finished(
  response: Response,
  request_id: string,
  more: Readonly<Record<string, string>> = {},
): Response {
  for (const [name, value] of Object.entries(more)) response.headers.set(name, value)
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
