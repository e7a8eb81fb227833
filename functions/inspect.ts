/** GET …/inspect: the coordinator state as stored and its crash window (spec/http-api.md 4.3). Reads only. */
import { parseTable } from '../lib/protocol/delta/commit-input.ts'
import { inspect } from '../lib/protocol/delta/inspect.ts'
import { json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** At most three known keys are read; nothing is listed, nothing written. */
export async function handleInspect(call: Call): Promise<Response> {
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  call.facts['table_id'] = table.value
  const result = await perform(call, inspect({ table_id: table.value }))
  if (!result.ok) return refuse(call, problemOf(result))
  return json({ ...result.state, crash_window: result.crash_window })
}
