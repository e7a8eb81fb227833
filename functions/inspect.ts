/** GET …/inspect: the coordinator state as stored and its crash window (spec/http-api.md 4.3). Reads only. */
import * as z from 'zod'
import { parseTable } from '../lib/protocol/delta/commit-input.ts'
import { inspect } from '../lib/protocol/delta/inspect.ts'
import { CoordinatorState, Inflight } from '../lib/protocol/delta/state.ts'
import { json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** What an inspect request is answered with: the members as stored, unknown ones too, and `crash_window`. */
export const Inspected = CoordinatorState.extend({
  inflight: Inflight.nullable().meta({ description: 'The reservation; null when nothing is in flight' }),
  crash_window: z.enum(['W0', 'W1', 'W2', 'W3', 'W4']).nullable().meta({
    description: 'Where the commit in flight stands; null when there is none, or it cannot be told',
  }),
})

/** At most three known keys are read; nothing is listed, nothing written. */
export async function handleInspect(call: Call): Promise<Response> {
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  call.facts['table_id'] = table.value
  const result = await perform(call, inspect({ table_id: table.value }))
  if (!result.ok) return refuse(call, problemOf(result))
  const answer = { ...result.state, crash_window: result.crash_window } satisfies z.infer<typeof Inspected>
  return json(answer)
}
