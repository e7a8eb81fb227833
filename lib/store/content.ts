/** What every cloud driver says about the bytes that it stores and checks about the bytes that it reads. Pure. */
import { StoreError, type StoredObject } from './types.ts'

/** Media type by the key's ending (spec/storage.md I-3). */
export function contentTypeOf(key: string): string {
  if (key.endsWith('.json')) return 'application/json'
  return key.endsWith('.parquet') ? 'application/vnd.apache.parquet' : 'application/octet-stream'
}

/** No cache between the process and the store may answer for a control object (spec/storage.md C-2). */
export const CACHE_CONTROL = 'no-store'

/** Epoch ms of an HTTP date; undefined when absent or unreadable. */
export function httpDateMs(text: string | null | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

/** Milliseconds of a `Retry-After` header in seconds or as a date; undefined when absent or unreadable. */
export function retryAfterMs(text: string | null | undefined, now_ms: number): number | undefined {
  if (text === null || text === undefined || text === '') return undefined
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000
  const at_ms = httpDateMs(text)
  return at_ms === undefined ? undefined : Math.max(0, at_ms - now_ms)
}

/** Times of one answer, left out where the store did not say them. */
export function timesOf(
  last_modified: string | null | undefined,
  date: string | null | undefined,
): Pick<StoredObject, 'last_modified_ms' | 'server_date_ms'> {
  const last_modified_ms = httpDateMs(last_modified)
  const server_date_ms = httpDateMs(date)
  return {
    ...(last_modified_ms === undefined ? {} : { last_modified_ms }),
    ...(server_date_ms === undefined ? {} : { server_date_ms }),
  }
}

/**
 * Collect a body. StoreError `too_large` at the first chunk when the announced length says so, and while streaming;
 * `corrupt` when the body is not as long as announced (spec/storage.md I-2).
 */
export async function readBody(
  key: string,
  body: AsyncIterable<Uint8Array> | null,
  limits: { readonly announced: number | undefined; readonly bytes_max: number | undefined },
): Promise<Uint8Array> {
  const { announced, bytes_max = Number.POSITIVE_INFINITY } = limits
  const chunks: Uint8Array[] = []
  let size = 0
  // Refused inside the loop: leaving it early closes the body and with it the connection.
  for await (const chunk of body ?? []) {
    size += chunk.length
    const expected = Math.max(size, announced ?? 0)
    if (expected > bytes_max) {
      throw new StoreError('too_large', key, `expected at most ${bytes_max} bytes, found ${expected}`)
    }
    chunks.push(chunk)
  }
  if (announced !== undefined && size !== announced) {
    throw new StoreError('corrupt', key, `the body has ${size} bytes, ${announced} were announced`)
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

/** Error bodies are looked at so far (spec/providers.md Q-8). */
const ERROR_BYTES_MAX = 8 * 1024

/** The start of an error body as text; what follows is not read, and its connection is closed. */
export async function readErrorText(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk.subarray(0, ERROR_BYTES_MAX - size), { stream: true })
    size += chunk.length
    if (size >= ERROR_BYTES_MAX) break
  }
  return text
}

/** `Content-Length` as a number; undefined when absent. */
export function lengthOf(text: string | null | undefined): number | undefined {
  return text !== null && text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}
