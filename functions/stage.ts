/** POST …/commits/stage: store a payload for a later commit (spec/http-api.md 4.1). */
import { parseTable, text, unknownMember } from '../lib/protocol/delta/commit-input.ts'
import { stage } from '../lib/protocol/delta/stage.ts'
import { STAGE_BODY_BYTES_MAX } from './body.ts'
import { bodyOf, json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

const MEMBERS: ReadonlySet<string> = new Set(['payload'])

/** Each call creates a new object; there is no idempotency to honour. */
export async function handleStage(call: Call): Promise<Response> {
  const body = await bodyOf(call, STAGE_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  const unknown = unknownMember(body, MEMBERS)
  if (unknown !== null) return refuse(call, unknown)
  const payload = text(body, 'payload', STAGE_BODY_BYTES_MAX)
  if (!payload.ok) return refuse(call, payload)
  const result = await perform(
    call,
    stage({ table_id: table.value, payload: payload.value }, call.service.settings),
  )
  if (!result.ok) return refuse(call, problemOf(result))
  const { staged_path, staged_version } = result
  return json({ staged_path, staged_version })
}
