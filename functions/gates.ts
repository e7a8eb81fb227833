/** POST /internal/gates: section 3 of the runbook over the store of this deployment (docs/runbook.md). */
import type * as z from 'zod'
import type { GatesDeps } from '../lib/gates/bench.ts'
import { runGates } from '../lib/gates/run-gates.ts'
import { parseShape } from '../lib/protocol/delta/commit-input.ts'
import { GATES_BODY_BYTES_MAX } from './body.ts'
import { createEnvironment } from './environment.ts'
import { GatesBody, type GatesRun } from './gates-body.ts'
import { bodyOf, json, refuse, type Call } from './handler.ts'

/** Of the time of a request, how much is for beginning gates; the rest is for the one at work and for cleaning up. */
const TIME_SHARE = 0.6

/** Runs them in workspaces of the caller's tenant. 200 with the report, whatever it says; a store's own words go to the log. */
export async function handleGates(call: Call, store: GatesDeps['store']): Promise<Response> {
  const body = await bodyOf(call, GATES_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const shape = parseShape(GatesBody, body)
  if (!shape.ok) return refuse(call, shape)
  const { reason } = shape.value
  if (reason.trim() === '') return refuse(call, { reason: 'bad_request', detail: 'reason must not be empty' })
  call.facts['why'] = reason
  const { scope, settings, compactor } = call.service
  const { conclusion, scratch, gates } = await runGates(
    {
      store,
      tenant: scope.tenant,
      settings,
      projection: compactor.projection,
      environment: (scoped, resolver) =>
        createEnvironment({ store: scoped, resolver, note: () => undefined }),
    },
    {
      signal: AbortSignal.timeout(TIME_SHARE * compactor.deadline_ms),
      explain(error) {
        call.failed(error)
        return `the store failed: ${error.code}; the log of this request has the cause`
      },
    },
  )
  call.facts['conclusion'] = conclusion
  for (const { id, verdict } of gates) if (verdict === 'broken') call.facts[`broken_${id}`] = true
  return json({ conclusion, scratch, gates: [...gates] } satisfies z.infer<typeof GatesRun>)
}
