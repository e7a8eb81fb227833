/** Reading a JSON request body: bounded while it streams, strict when it is parsed (spec/http-api.md 1, 11). */
import { isJsonObject, JsonError, parseJson, type JsonValue } from '../lib/protocol/json.ts'
import type { Problem } from './problem.ts'

/** A JSON object, or why there is none. */
export type Body =
  | { readonly ok: true; readonly members: Readonly<Record<string, JsonValue>> }
  | { readonly ok: false; readonly problem: Problem }

/** Any JSON value, or why there is none. */
export type JsonBody = { readonly ok: true; readonly value: JsonValue } | Extract<Body, { ok: false }>

/** Bounds of one body. */
export interface BodyLimits {
  readonly bytes_max: number
  readonly arrival_ms?: number
}

/** Body limits in bytes by route (spec/http-api.md 1). */
export const STAGE_BODY_BYTES_MAX = 5_242_880
export const COMMIT_BODY_BYTES_MAX = 64 * 1024
export const RECOVER_BODY_BYTES_MAX = 1024
export const COMPACTOR_BODY_BYTES_MAX = 2 * 1024 * 1024
export const BREAK_LOCK_BODY_BYTES_MAX = 1024
export const GATES_BODY_BYTES_MAX = 1024

/** How long a body may take to arrive, unless the app says otherwise. */
const ARRIVAL_MS = 30_000

/** Read the whole body as one JSON object. `bytes_max` holds while it streams, whatever Content-Length says. */
export async function readJsonBody(request: Request, limits: BodyLimits): Promise<Body> {
  const body = await readJson(request, limits)
  if (!body.ok) return body
  const { value } = body
  return isJsonObject(value)
    ? { ok: true, members: value }
    : refuse({ reason: 'unprocessable', detail: `expected a JSON object, got ${nameOf(value)}` })
}

/** Read the whole body as one JSON value. */
export async function readJson(request: Request, limits: BodyLimits): Promise<JsonBody> {
  const media = mediaProblem(request.headers)
  if (media !== null) return refuse(media)
  const bytes = await readBytes(request, limits.bytes_max, limits.arrival_ms ?? ARRIVAL_MS)
  if (!(bytes instanceof Uint8Array)) return refuse(bytes)
  try {
    return { ok: true, value: parseJson(bytes) }
  } catch (error) {
    if (error instanceof JsonError) {
      return refuse({ reason: 'bad_request', detail: `the body is not acceptable JSON: ${error.message}` })
    }
    throw error
  }
}

function nameOf(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'string' || typeof value === 'boolean' ? `a ${typeof value}` : 'a number'
}

function refuse(problem: Problem): Extract<Body, { ok: false }> {
  return { ok: false, problem }
}

function mediaProblem(headers: Headers): Problem | null {
  const reason = 'unsupported_media_type'
  if (headers.has('content-encoding')) {
    return { reason, detail: 'expected a body without Content-Encoding; send it uncompressed' }
  }
  const transfer = headers.get('transfer-encoding')?.trim().toLowerCase() ?? 'chunked'
  if (transfer !== 'chunked') {
    return { reason, detail: 'expected no Transfer-Encoding but chunked; send the body uncompressed' }
  }
  const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  return type === 'application/json' ? null : { reason, detail: 'expected Content-Type: application/json' }
}

async function readBytes(
  request: Request,
  bytes_max: number,
  arrival_ms: number,
): Promise<Uint8Array | Problem> {
  const too_large: Problem = {
    reason: 'payload_too_large',
    detail: `expected a body of at most ${bytes_max} bytes, saw more; nothing was written`,
  }
  if (Number(request.headers.get('content-length') ?? 0) > bytes_max) return too_large
  if (request.body === null) return new Uint8Array()
  const reader = request.body.getReader()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), arrival_ms)
  })
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late])
      if (next === 'late') {
        return {
          reason: 'request_timeout',
          detail: `expected the whole body within ${arrival_ms} ms; nothing was written`,
        }
      }
      if (next.done) return concat(chunks, size)
      size += next.value.length
      if (size > bytes_max) return too_large
      chunks.push(next.value)
    }
  } catch {
    return {
      reason: 'bad_request',
      detail: 'the body ended before it was complete; nothing was written',
    }
  } finally {
    clearTimeout(timer)
    void reader.cancel().catch(() => undefined)
  }
}

function concat(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
