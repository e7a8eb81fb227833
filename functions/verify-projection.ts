/** GET /internal/verify/projection: everything that is wrong with the projection (spec/reconcile.md RC-10, RC-13). Lists. */
import { verifyProjection } from '../lib/protocol/maintenance/projection/verify.ts'
import { json, refuse, type Call } from './handler.ts'
import type { RunMaintenance } from './maintenance.ts'
import type { Problem } from './problem.ts'
import { projectionProblem } from './projection-problem.ts'
import { reconcileSettingsOf } from './reconcile.ts'
import { LIMIT_DEFAULT, LIMIT_MAX } from './verify-projection-query.ts'

/** One page of findings. */
export async function handleVerifyProjection(call: Call, run: RunMaintenance): Promise<Response> {
  const query = parseQuery(new URL(call.request.url).searchParams)
  if ('reason' in query) return refuse(call, query)
  const result = await run(verifyProjection(reconcileSettingsOf(call), query))
  if (!result.ok) return refuse(call, projectionProblem(result))
  const { findings, objects, next_cursor: next } = result
  call.facts['findings'] = findings.length
  return json({ findings, objects, next })
}

function parseQuery(
  query: URLSearchParams,
): { readonly limit: number; readonly cursor: string | null } | Problem {
  const refused = (detail: string): Problem => ({ reason: 'bad_request', detail })
  for (const name of query.keys()) {
    if (name !== 'limit' && name !== 'cursor')
      return refused('expected no query members but limit and cursor')
    if (query.getAll(name).length > 1) return refused(`expected ${name} once`)
  }
  const text = query.get('limit') ?? String(LIMIT_DEFAULT)
  const limit = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > LIMIT_MAX) {
    return refused(`expected limit to be an integer from 1 to ${LIMIT_MAX}`)
  }
  return { limit, cursor: query.get('cursor') }
}
