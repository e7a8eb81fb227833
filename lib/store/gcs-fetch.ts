/**
 * Cloud Storage by `fetch` on the JSON API: for Workers, and wherever a small bundle counts (spec/providers.md 3.3, 6). Every
 * request is sent once; reads are repeated by `limits.ts`, writes only by the protocol.
 */
import { CACHE_CONTROL, contentTypeOf, lengthOf, readBody, readErrorText, timesOf } from './content.ts'
import {
  classifyDelete,
  classifyPutRefusal,
  classifyRead,
  errorCode,
  GCS_CONDITIONS,
  generationCondition,
  generationOf,
  tokenOf,
  tokenOfMedia,
  type GcsReply,
  type GcsWireOptions,
} from './gcs-wire.ts'
import { crc32c } from './gcs-crc32c.ts'
import { checkKey, checkListRequest, LIST_LIMIT_MAX, withoutTrailingSlashes } from './keys.ts'
import { listByPrefix } from './listing.ts'
import { classifyPutFailure, putWithoutCredentials, readFailure } from './network.ts'
import {
  StoreError,
  type Certifiable,
  type ListedObject,
  type MaintenanceStore,
  type Meta,
  type Precondition,
  type PutResult,
} from './types.ts'

/** Where the bucket is and who asks. */
export interface GcsFetchOptions extends GcsWireOptions {
  /** `https://storage.googleapis.com` unless an emulator is meant. */
  readonly endpoint?: string
  /** A bearer token; `refused` is the one that the store has just refused. Null for an emulator. */
  token(request: { readonly refused: string | null }): Promise<string | null>
  /** Another fetch, for tests and for runtimes that bind one. */
  readonly fetch?: typeof fetch
}

interface GcsRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal | undefined
}

/** The members of an object resource that are used. */
interface Resource {
  readonly name?: string
  readonly generation?: string
  readonly size?: string
  readonly md5Hash?: string
  readonly updated?: string
}

/** Open a bucket. Nothing is read before the first operation. */
export function gcsFetchStore(options: GcsFetchOptions): MaintenanceStore & Certifiable {
  const format = options.token_format ?? 'plain'
  const endpoint = withoutTrailingSlashes(options.endpoint ?? 'https://storage.googleapis.com')
  const doFetch = options.fetch ?? fetch
  const bucket_path = `/storage/v1/b/${encodeURIComponent(options.bucket)}`
  const objectPath = (key: string): string => `${bucket_path}/o/${encodeURIComponent(key)}`

  async function sendOnce(request: GcsRequest, bearer: string | null): Promise<Response> {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.set(name, value)
    }
    const search = query.size === 0 ? '' : `?${query.toString()}`
    return doFetch(`${endpoint}${request.path}${search}`, {
      method: request.method,
      redirect: 'manual',
      headers: { ...request.headers, ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }) },
      ...(request.body === undefined ? {} : { body: request.body.slice() }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    })
  }

  /** A refused token proves that nothing was applied: one more attempt with a fresh one (PV-20, G-7). */
  async function send(request: GcsRequest): Promise<{ reply: GcsReply; response: Response }> {
    const bearer = await options.token({ refused: null })
    const response = await sendOnce(request, bearer)
    if (response.status !== 401 || bearer === null) return { reply: await replyOf(response), response }
    await response.body?.cancel()
    const again = await sendOnce(request, await options.token({ refused: bearer }))
    return { reply: await replyOf(again), response: again }
  }

  async function reading<T>(key: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      throw readFailure(key, error)
    }
  }

  async function putOnce(key: string, request: GcsRequest, precondition: Precondition): Promise<PutResult> {
    try {
      const { reply, response } = await send(request)
      if (reply.status !== 200) return classifyPutRefusal(key, reply, precondition)
      const { generation, md5Hash } = (await response.json()) as Resource
      // Without a generation nobody can tell what was stored (PV-12).
      return generation === undefined
        ? { outcome: 'unknown' }
        : { outcome: 'ok', token: tokenOf({ generation, md5: md5Hash ?? null }, format) }
    } catch (error) {
      // A refusal, or the source of the tokens; the latter may also be unavailable.
      if (error instanceof StoreError) return putWithoutCredentials(error)
      return request.signal?.aborted === true ? { outcome: 'unknown' } : classifyPutFailure(key, error)
    }
  }

  async function listRaw(
    prefix: string,
    start_after: string | undefined,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly ListedObject[]> {
    const objects: ListedObject[] = []
    let pageToken: string | undefined
    do {
      const { reply, response } = await send({
        method: 'GET',
        path: `${bucket_path}/o`,
        signal,
        // startOffset is inclusive: ask for one more and drop the start itself.
        query: {
          prefix,
          startOffset: start_after,
          pageToken,
          maxResults: String(Math.min(LIST_LIMIT_MAX, limit + 1 - objects.length)),
        },
      })
      if (classifyRead(prefix, reply) === 'not_found') {
        throw new StoreError('misconfigured', prefix, 'a listing was answered by "not found"')
      }
      const page = (await response.json()) as { items?: Resource[]; nextPageToken?: string }
      objects.push(...(page.items ?? []).map(listed).filter(({ key }) => key !== start_after))
      pageToken = page.nextPageToken
    } while (objects.length < limit && pageToken !== undefined)
    return objects.slice(0, limit)
  }

  function listed({ name = '', generation = '', size, md5Hash, updated }: Resource): ListedObject {
    const last_modified_ms = Date.parse(updated ?? '')
    return {
      key: name,
      size: Number(size ?? 0),
      token: tokenOf({ generation, md5: md5Hash ?? null }, format),
      ...(Number.isNaN(last_modified_ms) ? {} : { last_modified_ms }),
    }
  }

  return {
    capabilities: { driver: 'gcs-fetch', meta: true, conditional_delete: true },
    async get(key, { signal, bytes_max } = {}) {
      checkKey(key)
      return reading(key, async () => {
        const { reply, response } = await send({
          method: 'GET',
          path: objectPath(key),
          query: { alt: 'media' },
          signal,
        })
        if (classifyRead(key, reply) === 'not_found') return { outcome: 'not_found' }
        const announced = lengthOf(response.headers.get('content-length'))
        const bytes = await readBody(key, response.body, { announced, bytes_max })
        const meta = metaOf(response.headers)
        return {
          outcome: 'ok',
          bytes,
          token: tokenOfMedia(key, bytes, reply, format),
          ...timesOf(response.headers.get('last-modified'), response.headers.get('date')),
          ...(Object.keys(meta).length === 0 ? {} : { meta }),
        }
      })
    },
    async head(key, { signal } = {}) {
      checkKey(key)
      return reading(key, async () => {
        const { reply, response } = await send({ method: 'GET', path: objectPath(key), signal })
        if (classifyRead(key, reply) === 'not_found') return { outcome: 'not_found' }
        const { token, size, last_modified_ms } = listed((await response.json()) as Resource)
        return { outcome: 'ok', token, size, ...(last_modified_ms === undefined ? {} : { last_modified_ms }) }
      })
    },
    async put(key, bytes, precondition, { signal, meta } = {}) {
      checkKey(key)
      if (signal?.aborted === true) return { outcome: 'unknown' }
      const ifGenerationMatch = generationCondition(precondition)
      if (ifGenerationMatch === null) return { outcome: 'precondition_failed' }
      const { contentType, body } = multipart(key, bytes, meta)
      return putOnce(
        key,
        {
          method: 'POST',
          path: `/upload${bucket_path}/o`,
          query: { uploadType: 'multipart', name: key, ifGenerationMatch },
          headers: { 'content-type': contentType },
          body,
          signal,
        },
        precondition,
      )
    },
    async delete(key, { signal, token } = {}) {
      checkKey(key)
      const generation = token === undefined ? undefined : generationOf(token)
      if (generation === null) return { outcome: 'precondition_failed' }
      return reading(key, async () => {
        const { reply } = await send({
          method: 'DELETE',
          path: objectPath(key),
          query: { ifGenerationMatch: generation },
          signal,
        })
        return { outcome: classifyDelete(key, reply) }
      })
    },
    async listPage(request, { signal } = {}) {
      checkListRequest(request)
      return reading(request.prefix, async () =>
        listByPrefix(request, async ({ prefix, start_after, limit }) =>
          listRaw(prefix, start_after, limit, signal),
        ),
      )
    },
    certification: {
      conditions: GCS_CONDITIONS,
      async putWithWrongDigest(key, bytes) {
        checkKey(key)
        const { contentType, body } = multipart(key, bytes, undefined, crc32c(new Uint8Array(1)))
        const { reply } = await send({
          method: 'POST',
          path: `/upload${bucket_path}/o`,
          query: { uploadType: 'multipart', name: key },
          headers: { 'content-type': contentType },
          body,
          signal: undefined,
        })
        return reply.status === 400 || classifyRead(key, reply) !== 'ok' ? 'refused' : 'accepted'
      },
      async getIfChanged(key, token) {
        checkKey(key)
        const { reply, response } = await send({
          method: 'GET',
          path: objectPath(key),
          query: { alt: 'media', ifGenerationNotMatch: generationOf(token) ?? undefined },
          signal: undefined,
        })
        if (reply.status === 304) return 'not_modified'
        if (classifyRead(key, reply) === 'ok') await response.body?.cancel()
        return 'sent'
      },
    },
  }
}

async function replyOf(response: Response): Promise<GcsReply> {
  const has_error_body = response.status >= 300 && response.status !== 304
  return {
    status: response.status,
    code: has_error_body ? errorCode(await readErrorText(response.body)) : null,
    header: (name) => response.headers.get(name),
  }
}

/** One request with metadata and bytes, so that the condition is evaluated once (G-1: never resumable). */
function multipart(
  key: string,
  bytes: Uint8Array,
  metadata: Meta = {},
  checksum: string = crc32c(bytes),
): { readonly contentType: string; readonly body: Uint8Array } {
  const boundary = `tidemark-${crypto.randomUUID()}`
  const resource = JSON.stringify({
    contentType: contentTypeOf(key),
    cacheControl: CACHE_CONTROL,
    crc32c: checksum,
    metadata,
  })
  const text = new TextEncoder()
  const head = text.encode(
    `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${resource}\r\n` +
      `--${boundary}\r\nContent-Type: ${contentTypeOf(key)}\r\n\r\n`,
  )
  const tail = text.encode(`\r\n--${boundary}--\r\n`)
  const body = new Uint8Array(head.length + bytes.length + tail.length)
  body.set(head)
  body.set(bytes, head.length)
  body.set(tail, head.length + bytes.length)
  return { contentType: `multipart/related; boundary=${boundary}`, body }
}

function metaOf(headers: Headers): Meta {
  const prefix = 'x-goog-meta-'
  return Object.fromEntries(
    [...headers]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  )
}
