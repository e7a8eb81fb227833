/** What a handler gets and gives: no list, no delete, no runtime. */
import type { TableResolver } from '../lib/protocol/delta/resolve.ts'
import type { DeltaSettings } from '../lib/protocol/delta/settings.ts'
import type { Note, Protocol } from '../lib/protocol/effects.ts'
import { run } from '../lib/protocol/run.ts'
import type { JsonValue } from '../lib/protocol/json.ts'
import { stringifyJson } from '../lib/protocol/json.ts'
import { scopedStore, type Scope } from '../lib/store/scoped.ts'
import type { Store } from '../lib/store/types.ts'
import { readJsonBody } from './body.ts'
import { createEnvironment } from './environment.ts'
import { problemResponse, type Problem, type Reason } from './problem.ts'

/** What the process serves: one scope of one store. */
export interface Service {
  /** Unscoped; handlers see it only through a scoped view. */
  readonly store: Store
  readonly scope: Scope
  readonly resolver: TableResolver
  readonly settings: DeltaSettings
}

/** One request as a handler sees it. */
export interface Call {
  readonly service: Service
  readonly request: Request
  readonly request_id: string
  /** `{table_id}` of the path, as the client wrote it; empty on routes without one. */
  readonly table_id: string
  /** Facts for the request's log line. */
  readonly facts: Record<string, string | number | boolean>
  note(note: Note): void
}

/** A handler: parses, calls one protocol function, turns its result into a response. */
export type Handler = (call: Call) => Promise<Response>

/** Drive one protocol operation in the request's scope. */
export async function perform<R>(call: Call, protocol: Protocol<R>): Promise<R> {
  const { store, scope, resolver } = call.service
  return run(
    protocol,
    createEnvironment({ store: scopedStore(store, scope), resolver, note: (fact) => call.note(fact) }),
  )
}

/** 200 with a JSON body. */
export function json(body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(stringifyJson(body), { headers: { 'content-type': 'application/json', ...headers } })
}

/** The refusal, and its reason in the log line. */
export function refuse(call: Call, problem: Problem): Response {
  const reason: Reason = problem.reason
  call.facts['reason'] = reason
  return problemResponse(problem, call.request_id)
}

/** The members of the body, or the response that refuses it. */
export async function bodyOf(
  call: Call,
  bytes_max: number,
): Promise<Readonly<Record<string, JsonValue>> | Response> {
  const body = await readJsonBody(call.request, { bytes_max })
  return body.ok ? body.members : refuse(call, body.problem)
}
