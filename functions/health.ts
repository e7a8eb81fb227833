/** GET /health: the process answers. It looks at nothing else (spec/http-api.md 7). */
import * as z from 'zod'
import { json } from './handler.ts'

/** What it answers. */
export const Health = z.object({ status: z.literal('ok') })

/** Always 200. */
export async function handleHealth(): Promise<Response> {
  return json({ status: 'ok' } satisfies z.infer<typeof Health>)
}
