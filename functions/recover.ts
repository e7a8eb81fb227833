/** POST …/recover: finish or drop what is in flight on a table, without committing anything (spec/http-api.md 4.3). */
import * as z from 'zod'
import { parseShape, parseTable } from '../lib/protocol/delta/commit-input.ts'
import { recover } from '../lib/protocol/delta/recover.ts'
import { CoordinatorState, Inflight } from '../lib/protocol/delta/state.ts'
import { RECOVER_BODY_BYTES_MAX } from './body.ts'
import { bodyOf, json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** Body of a recover request: an empty JSON object. */
export const RecoverBody = z.strictObject({})

/** What a recover request is answered with. */
export const Recovered = z.object({
  latest_version: CoordinatorState.shape.latest_version,
  inflight: Inflight.nullable().meta({ description: 'What is still in flight; null when nothing is' }),
  action: z
    .enum(['none', 'finalized', 'rolled_forward', 'abandoned', 'busy'])
    .meta({ description: 'What was done; `busy`: somebody may still be at work, nothing was changed' }),
})

/** Answers with the state afterwards and what was done. */
export async function handleRecover(call: Call): Promise<Response> {
  const { service } = call
  const body = await bodyOf(call, RECOVER_BODY_BYTES_MAX, () => 'recover')
  if (body instanceof Response) return body
  const shape = parseShape(RecoverBody, body)
  if (!shape.ok) return refuse(call, shape)
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  call.facts['table_id'] = table.value
  const result = await perform(
    call,
    recover({ table_id: table.value }, service.settings, service.store.capabilities),
  )
  if (!result.ok) return refuse(call, problemOf(result))
  const { latest_version, inflight } = result.state
  call.facts['action'] = result.action
  const answer = { latest_version, inflight, action: result.action } satisfies z.infer<typeof Recovered>
  return json(answer)
}
