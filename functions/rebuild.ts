/** POST /rebuild: fold the events of a stored list (spec/http-api.md 5, spec/rebuild.md 5, 11, 12). */
import { rebuild, type RebuildRequest } from '../lib/protocol/orchestration/projection/rebuild.ts'
import { COMPACTOR_BODY_BYTES_MAX } from './body.ts'
import { foldedBody, noteCaller, refuseInput } from './compact.ts'
import { performOnProjection, projectionSettings } from './compactor.ts'
import { parseRebuild } from './compactor-input.ts'
import type { CompactorSettings } from './compactor-settings.ts'
import { contextOf, json, jsonOf, refuse, type Call } from './handler.ts'
import { problemBody, type Problem } from './problem.ts'
import { followed, NDJSON, type Ended } from './progress-stream.ts'
import { projectionProblem } from './projection-problem.ts'

/** To the end of the list, or of the time; then `remaining` says what the next call with the same body will do. */
export async function handleRebuild(call: Call): Promise<Response> {
  const body = await jsonOf(call, COMPACTOR_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const { compactor } = call.service
  const input = parseRebuild(body.value, compactor.requires_fencing)
  if (!input.ok) return refuseInput(call, input)
  noteCaller(call, input.caller_request_id)
  const { rebuild_manifest_path, mode, dry_run } = input.value
  Object.assign(call.facts, { rebuild_manifest_path, mode, dry_run })
  const request = { ...input.value, ...budgetsOf(compactor) }
  if (acceptsLines(call.request.headers)) {
    return followed(call, async (watched) => ended(watched, await rebuilt(watched, request)))
  }
  const outcome = await rebuilt(call, request)
  return outcome.ok ? json(outcome.body) : refuse(call, outcome.problem)
}

type Outcome =
  | { readonly ok: true; readonly body: ReturnType<typeof foldedBody> }
  | { readonly ok: false; readonly problem: Problem }

async function rebuilt(call: Call, request: RebuildRequest): Promise<Outcome> {
  const result = await performOnProjection(call, rebuild(projectionSettings(call), request))
  return result.ok
    ? { ok: true, body: foldedBody(call, result) }
    : { ok: false, problem: projectionProblem(result) }
}

function ended(call: Call, outcome: Outcome): Ended {
  if (outcome.ok) return { line: { result: outcome.body }, answer: () => json(outcome.body) }
  const { problem } = outcome
  call.facts['reason'] = problem.reason
  return {
    line: { problem: problemBody(problem, contextOf(call)) },
    answer: () => refuse(call, problem),
  }
}

/** Of its time: the rest is for the chunk that is at work when this much has passed. */
const TIME_SHARE = 0.8

function budgetsOf({
  deadline_ms,
  events_budget,
}: CompactorSettings): Pick<RebuildRequest, 'time_budget_ms' | 'events_budget'> {
  return { time_budget_ms: TIME_SHARE * deadline_ms, events_budget }
}

/** Only when it is asked for by name. */
function acceptsLines(headers: Headers): boolean {
  const types = (headers.get('accept') ?? '').split(',').map((type) => type.split(';', 1)[0])
  return types.some((type) => type?.trim().toLowerCase() === NDJSON)
}
