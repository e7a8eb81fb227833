/** GET /internal/inspect/projection and /internal/inspect/lock: what is stored, and who acts next. Known keys; reads only. */
import { inspectCompactionLock, inspectProjection } from '../lib/protocol/maintenance/projection/inspect.ts'
import { performOnProjection } from './compactor.ts'
import { json, refuse, type Call } from './handler.ts'
import { projectionProblem } from './projection-problem.ts'

/** The projection, from the pointer to the key of the next manifest. */
export async function handleInspectProjection(call: Call): Promise<Response> {
  const result = await performOnProjection(call, inspectProjection())
  if (!result.ok) return refuse(call, projectionProblem(result))
  const { ok: _ok, ...answer } = result
  call.facts['findings'] = answer.findings.length
  return json(answer)
}

/** The compaction lock. */
export async function handleInspectLock(call: Call): Promise<Response> {
  const result = await performOnProjection(call, inspectCompactionLock())
  if (!result.ok) return refuse(call, projectionProblem(result))
  const { ok: _ok, ...answer } = result
  return json(answer)
}
