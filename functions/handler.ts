/** What a handler gets and gives: no list, no delete, no runtime. */
import type { TableResolver } from '../lib/protocol/delta/resolve.ts'
import type { DeltaSettings } from '../lib/protocol/delta/settings.ts'
import type { Note, Protocol } from '../lib/protocol/effects.ts'
import { stringifyJson, type JsonValue } from '../lib/protocol/json.ts'
import { run } from '../lib/protocol/run.ts'
import { scopedStore, type Scope } from '../lib/store/scoped.ts'
import type { Store } from '../lib/store/types.ts'
import type { Principal } from './auth.ts'
import { readJson, readJsonBody, type BodyLimits } from './body.ts'
import type { CompactorSettings } from './compactor-settings.ts'
import { createEnvironment, type EnvironmentOverrides } from './environment.ts'
import type { AppMetrics } from './metrics/catalogue.ts'
import { countingRounds } from './metrics/rounds.ts'
import { problemResponse, type Problem, type ProblemContext } from './problem.ts'
import type { Asked } from './rate-limit.ts'
import { tracedStore, type Span } from './tracing.ts'
import { NO_TURN, type Turns } from './turns.ts'

/** What a handler works with: one scope of one store. */
export interface Service {
  /** Unscoped; handlers see it only through a scoped view. */
  readonly store: Store
  readonly scope: Scope
  /** Made once for the scope, because it holds a cache. */
  readonly resolver: TableResolver
  readonly settings: DeltaSettings
  readonly compactor: CompactorSettings
  /** Where `type` of a problem points; `docs/problems.md` unless told. */
  readonly problem_base_url?: string
  /** How long a body may take to arrive, ms. */
  readonly body_arrival_ms?: number
  /** Bounds how many commits of one table are at work; no bound without it. */
  readonly turns?: Turns
  /** For tests: another clock, other ids. */
  readonly overrides?: EnvironmentOverrides
}

/** Facts for the request's log line. */
export type Facts = Record<string, string | number | boolean>

/** One request as a handler sees it. */
export interface Call {
  readonly service: Service
  /** Who asks; null on routes that everybody may ask. */
  readonly principal: Principal | null
  readonly request: Request
  readonly request_id: string
  /** `{table_id}` of the path, as the client wrote it; empty on routes without one. */
  readonly table_id: string
  /** `{rebuild}` of the path, decoded; empty on routes without one. */
  readonly rebuild: string
  /** Refusals of the compactor's paths repeat their text as `error` (spec/http-api.md 6.1). */
  readonly is_compactor: boolean
  readonly facts: Facts
  readonly metrics: AppMetrics
  /** The span of the request; null without a tracer. */
  readonly span: Span | null
  /** Counts the request against its tenant's limit; the refusal when that is used up. */
  limit(asked: Asked): Problem | null
  /** A fact that the protocol noted, for the log. */
  note(note: Note): void
  /** The cause of a refusal that its answer must not show, for the log; the same cause is logged once. */
  failed(error: unknown): void
  /** Work that goes on behind an answer that is begun: it is logged, and waited for, when it ends. */
  goesOn(work: Promise<unknown>): void
}

/** A handler: parses, calls one protocol function, turns its result into a response. */
export type Handler = (call: Call) => Promise<Response>

/** What of the store an operation works on. */
export type StoreView = (store: Store, scope: Scope) => Store

/**
 * Drive one protocol operation in the request's scope. Nothing of the request reaches it, its abort signal least of
 * all: a client that goes away must not cut a commit that is reserved (spec/http-api.md 11).
 */
export async function perform<R>(
  call: Call,
  protocol: Protocol<R>,
  view: StoreView = scopedStore,
): Promise<R> {
  const { store, scope, resolver, overrides } = call.service
  const seen = view(store, scope)
  const environment = createEnvironment({
    store: watched(call.span === null ? seen : tracedStore(seen, call.span), (error) => call.failed(error)),
    resolver,
    overrides,
    note: (fact) => call.note(fact),
  })
  const rounds = { count: 0 }
  try {
    return await run(countingRounds(protocol, rounds), environment)
  } finally {
    call.facts['store_rounds'] = rounds.count
  }
}

/** Work on a table in turn with the others of this process (S30). */
export async function inTurn(call: Call, table_id: string, work: () => Promise<Response>): Promise<Response> {
  const { turns, scope } = call.service
  if (turns === undefined) return work()
  const end = await turns.take(`${scope.tenant}/${scope.workspace}/${table_id}`)
  if (end === null) return refuse(call, NO_TURN)
  try {
    return await work()
  } finally {
    end()
  }
}

/**
 * The answer says nothing of what the store said, and a 503 is an answer like any other: the operator finds the cause
 * of both in the log.
 */
function watched(store: Store, failed: (error: unknown) => void): Store {
  async function watch<T>(call: Promise<T>): Promise<T> {
    try {
      return await call
    } catch (error) {
      failed(error)
      throw error
    }
  }
  return {
    capabilities: store.capabilities,
    get: async (path, options) => watch(store.get(path, options)),
    head: async (path, options) => watch(store.head(path, options)),
    async put(path, bytes, precondition, options) {
      const result = await watch(store.put(path, bytes, precondition, options))
      if (result.outcome === 'no_effect' && result.cause !== undefined) failed(result.cause)
      return result
    },
  }
}

/** 200 with a JSON body. */
export function json(body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(stringifyJson(body), { headers: { 'content-type': 'application/json', ...headers } })
}

/** The refusal, and its reason in the log line. */
export function refuse(call: Call, problem: Problem): Response {
  call.facts['reason'] = problem.reason
  return problemResponse(problem, contextOf(call))
}

/** What the problems of one request have in common. */
export function contextOf({ service, request_id, is_compactor }: Call): ProblemContext {
  return { ...problemContext(service, request_id), is_compactor }
}

/** The same outside of a request. */
export function problemContext({ problem_base_url }: Service, request_id: string): ProblemContext {
  return problem_base_url === undefined ? { request_id } : { request_id, base_url: problem_base_url }
}

/** The members of the body, or the response that refuses it or its tenant (the order of spec/http-api.md 4.2). */
export async function bodyOf(
  call: Call,
  bytes_max: number,
  askedBy: (members: Members) => Asked = () => 'other',
): Promise<Members | Response> {
  const body = await readJsonBody(call.request, limitsOf(call, bytes_max))
  if (!body.ok) return refuse(call, body.problem)
  const problem = call.limit(askedBy(body.members))
  return problem === null ? body.members : refuse(call, problem)
}

type Members = Readonly<Record<string, JsonValue>>

/** The body as whatever JSON it is, wrapped because a response would not be told from a value. */
export async function jsonOf(
  call: Call,
  bytes_max: number,
): Promise<{ readonly value: JsonValue } | Response> {
  const body = await readJson(call.request, limitsOf(call, bytes_max))
  return body.ok ? { value: body.value } : refuse(call, body.problem)
}

function limitsOf({ service: { body_arrival_ms: arrival_ms } }: Call, bytes_max: number): BodyLimits {
  return { bytes_max, ...(arrival_ms === undefined ? {} : { arrival_ms }) }
}
