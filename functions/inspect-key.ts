/** GET …/inspect/key: where the commit of an idempotency key stands. The key comes as a header: URLs are logged. */
import { parseTable } from '../lib/protocol/delta/commit-input.ts'
import { inspectKey } from '../lib/protocol/delta/inspect-key.ts'
import { checkIdempotencyKey } from '../lib/protocol/ids.ts'
import { json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** At most five known keys are read; nothing is listed, nothing written. */
export async function handleInspectKey(call: Call): Promise<Response> {
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  call.facts['table_id'] = table.value
  const idempotency_key = call.request.headers.get('idempotency-key') ?? ''
  const check = checkIdempotencyKey(idempotency_key)
  if (!check.ok) return refuse(call, { reason: 'bad_request', detail: check.detail })
  const result = await perform(
    call,
    inspectKey({ table_id: table.value, idempotency_key }, call.service.settings),
  )
  if (!result.ok) return refuse(call, problemOf(result))
  const { ok: _ok, ...answer } = result
  return json(answer)
}
