/** POST /compact: fold listed events into the projection (spec/http-api.md 5, spec/rebuild.md 2 and 4). */
import type * as z from 'zod'
import { compact } from '../lib/protocol/orchestration/projection/compact.ts'
import type { Folded } from '../lib/protocol/orchestration/projection/outcomes.ts'
import { COMPACTOR_BODY_BYTES_MAX } from './body.ts'
import { performOnProjection, projectionSettings } from './compactor.ts'
import { parseCompact, type CompactorInput } from './compactor-input.ts'
import type { FoldedBody } from './folded.ts'
import { json, jsonOf, refuse, type Call } from './handler.ts'
import { projectionProblem } from './projection-problem.ts'

/** All listed events or none. */
export async function handleCompact(call: Call): Promise<Response> {
  const body = await jsonOf(call, COMPACTOR_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const input = parseCompact(body.value, call.service.compactor.requires_fencing)
  if (!input.ok) return refuseInput(call, input)
  noteCaller(call, input.caller_request_id)
  call.facts['events_listed'] = input.value.event_paths.length
  const result = await performOnProjection(call, compact(projectionSettings(call), input.value))
  if (!result.ok) return refuse(call, projectionProblem(result))
  return json(foldedBody(call, result))
}

/** A body that breaks the contract, counted by what it breaks (spec/rebuild.md 14). */
export function refuseInput(
  call: Call,
  { detail, metric }: Extract<CompactorInput<never>, { ok: false }>,
): Response {
  if (metric !== undefined) call.facts['contract_rejection'] = metric
  return refuse(call, { reason: 'bad_request', detail })
}

/** The caller's own id of the request, for the log. */
export function noteCaller(call: Call, caller_request_id: string | null): void {
  if (caller_request_id !== null) call.facts['caller_request_id'] = caller_request_id
}

/** The 200, and what of it an operator looks for in the log. */
export function foldedBody(call: Call, { ok: _ok, ...folded }: Folded): z.infer<typeof FoldedBody> {
  call.facts['events_processed'] = folded.events_processed
  call.facts['revisions'] = folded.revisions
  call.facts['remaining'] = folded.remaining
  call.facts['manifest_id'] = folded.manifest_id
  return folded
}
