/** GET …/inspect: the coordinator state as stored and its crash window (spec/http-api.md 4.3). Reads only. */
import * as z from 'zod'
import { CommitBody, parseTable } from '../lib/protocol/delta/commit-input.ts'
import { inspect } from '../lib/protocol/delta/inspect.ts'
import { CoordinatorState, Inflight } from '../lib/protocol/delta/state.ts'
import { json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** What an inspect request is answered with: the members as stored, unknown ones too, `crash_window` and what comes next. */
export const Inspected = CoordinatorState.extend({
  inflight: Inflight.nullable().meta({ description: 'The reservation; null when nothing is in flight' }),
  crash_window: z.enum(['W0', 'W1', 'W2', 'W3', 'W4']).nullable().meta({
    description: 'Where the commit in flight stands; null when there is none, or it cannot be told',
  }),
  resolution: z
    .object({
      by: z.enum(['owner', 'anybody']).meta({
        description:
          '`owner`: until `from_ms` only whoever reserved it goes on with it. `anybody`: any request to the table settles it',
      }),
      from_ms: z
        .int()
        .nullable()
        .meta({ description: 'From then on anybody may finish or drop it; null when that is so already' }),
      ttl_left_ms: z.int().meta({ description: 'What is left of that time; 0 when it is over' }),
      request: z
        .object({ method: z.literal('POST'), path: z.string(), body: z.object({}) })
        .meta({ description: 'Settles it, from `from_ms` on' }),
      replay: z
        .object({ method: z.literal('POST'), path: z.string(), body: CommitBody })
        .meta({ description: "The owner's own request, which finishes it at any time" }),
    })
    .nullable()
    .meta({ description: 'Who acts next and when; null when nothing is in flight' }),
})

/** At most three known keys are read; nothing is listed, nothing written. */
export async function handleInspect(call: Call): Promise<Response> {
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  call.facts['table_id'] = table.value
  const result = await perform(call, inspect({ table_id: table.value }, call.service.settings))
  if (!result.ok) return refuse(call, problemOf(result))
  const { state, crash_window, resolution } = result
  const answer = { ...state, crash_window, resolution } satisfies z.infer<typeof Inspected>
  return json(answer)
}
