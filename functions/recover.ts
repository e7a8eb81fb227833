/** POST …/recover: finish or drop what is in flight on a table, without committing anything (spec/http-api.md 4.3). */
import { parseTable, unknownMember } from '../lib/protocol/delta/commit-input.ts'
import { recover } from '../lib/protocol/delta/recover.ts'
import { RECOVER_BODY_BYTES_MAX } from './body.ts'
import { bodyOf, json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** The body is an empty JSON object. */
export async function handleRecover(call: Call): Promise<Response> {
  const { service } = call
  const body = await bodyOf(call, RECOVER_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  const unknown = unknownMember(body, new Set())
  if (unknown !== null) return refuse(call, unknown)
  const result = await perform(
    call,
    recover({ table_id: table.value }, service.settings, service.store.capabilities),
  )
  if (!result.ok) return refuse(call, problemOf(result))
  const { latest_version, inflight } = result.state
  call.facts['action'] = result.action
  return json({ latest_version, inflight, action: result.action })
}
