/** POST …/commits/stage: store a payload for a later commit (spec/http-api.md 4.1). */
import * as z from 'zod'
import { parseShape, parseTable } from '../lib/protocol/delta/commit-input.ts'
import { stage } from '../lib/protocol/delta/stage.ts'
import { STAGE_BODY_BYTES_MAX } from './body.ts'
import { bodyOf, json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** Body of a stage request. */
export const StageBody = z.strictObject({
  payload: z.string().meta({
    description: 'Newline-delimited Delta actions, stored byte for byte as UTF-8',
    examples: ['{"commitInfo":{"timestamp":1}}\n'],
  }),
})

/** What a stage request is answered with. */
export const Staged = z.object({
  staged_path: z.string().meta({ description: 'Where the payload is; goes into the commit as it is' }),
  staged_version: z
    .string()
    .meta({ description: 'Which generation of it this is; opaque; goes into the commit as it is' }),
})

/** Spec/http-api.md 11; nothing is reserved, so it is shorter than that of a commit. */
const STAGE_DEADLINE_MS = 30_000

/** Each call creates a new object; there is no idempotency to honour. */
export async function handleStage(call: Call): Promise<Response> {
  const body = await bodyOf(call, STAGE_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const shape = parseShape(StageBody, body)
  if (!shape.ok) return refuse(call, shape)
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  call.facts['table_id'] = table.value
  const { settings } = call.service
  const deadline_ms = Math.min(STAGE_DEADLINE_MS, settings.deadline_ms)
  const result = await perform(
    call,
    stage({ table_id: table.value, payload: shape.value.payload }, { ...settings, deadline_ms }),
  )
  if (!result.ok) return refuse(call, problemOf(result))
  const { staged_path, staged_version } = result
  return json({ staged_path, staged_version } satisfies z.infer<typeof Staged>)
}
