/** GET /rebuilds/{rebuild}: how far the rebuild from a list has come, told from the store (spec/rebuild.md RB-8). */
import type * as z from 'zod'
import { rebuildStanding } from '../lib/protocol/orchestration/projection/rebuild-progress.ts'
import { INVALID_LIST_PATH } from './compactor-input.ts'
import { performOnProjection, projectionSettings } from './compactor.ts'
import { json, refuse, type Call } from './handler.ts'
import type { Problem } from './problem.ts'
import { projectionProblem } from './projection-problem.ts'
import type { StandingBody } from './standing.ts'

/** Known keys only; nothing is written, and no process needs to remember anything. */
export async function handleRebuildProgress(call: Call): Promise<Response> {
  const path = listPath(call.rebuild)
  call.facts['rebuild_manifest_path'] = path
  if (path.length > 1024) return refuse(call, { reason: 'bad_request', detail: INVALID_LIST_PATH.detail })
  const result = await performOnProjection(call, rebuildStanding(projectionSettings(call), path))
  if (!result.ok) return refuse(call, withHint(call, projectionProblem(result)))
  const { ok: _ok, ...standing } = result
  return json(standing satisfies z.infer<typeof StandingBody>)
}

/** The id that answers show is that of the private chunks, and no list has it for a name. */
function withHint({ rebuild }: Call, problem: Problem): Problem {
  if (!/^[0-9a-f]{32}$/.test(rebuild)) return problem
  return { ...problem, detail: `${problem.detail}; ask with the name of the list, not with a rebuild_id` }
}

/** `20260221-120000` and `20260221-120000.json` are the list `state/orchestration/rebuilds/20260221-120000.json`. */
function listPath(name: string): string {
  return `state/orchestration/rebuilds/${name}${/\.json$/i.test(name) ? '' : '.json'}`
}
