/**
 * The API's description of itself, made from `operations.ts`. `app.ts` loads it when it is first asked for: on Workers, where
 * every start reads the whole module, commits do not pay for it.
 */
import { json, type Call } from './handler.ts'
import { openApiDocument } from './openapi.ts'
import { referencePage } from './reference-page.ts'

/** GET /openapi.json. */
export async function handleOpenApi(): Promise<Response> {
  return json(openApiDocument())
}

/** GET /docs, with examples for the address that was asked. */
export async function handleDocs({ request }: Pick<Call, 'request'>): Promise<Response> {
  return referencePage(openApiDocument(), new URL(request.url).origin)
}
