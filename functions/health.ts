/** GET /health: the process answers. It looks at nothing else (spec/http-api.md 7). */
import { json } from './handler.ts'

/** Always 200. */
export async function handleHealth(): Promise<Response> {
  return json({ status: 'ok' })
}
