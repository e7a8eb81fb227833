/**
 * Cloud Storage by `fetch` on the JSON API: for Workers, and wherever a small bundle counts (spec/providers.md 3.3, 6). Every
 * request is sent once; reads are repeated by `limits.ts`, writes only by the protocol.
 */
import { CACHE_CONTROL, contentTypeOf, lengthOf, readBody, timesOf } from './content.ts'
import {
  classifyDelete,
  classifyPutRefusal,
  classifyRead,
  errorCode,
  generationCondition,
  generationOf,
  hashesOf,
  tokenOf,
  type GcsReply,
  type GcsWireOptions,
} from './gcs-wire.ts'
import { checkKey } from './keys.ts'
import { listByPrefix } from './listing.ts'
import { classifyPutFailure, readFailure } from './network.ts'
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
  /** A bearer token; `refresh` is set after the store refused the last one. Null for an emulator. */
  token(request: { readonly refresh: boolean }): Promise<string | null>
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
  const endpoint = (options.endpoint ?? 'https://storage.googleapis.com').replace(/\/+$/, '')
  const doFetch = options.fetch ?? fetch
  const bucket_path = `/storage/v1/b/${encodeURIComponent(options.bucket)}`
  const objectPath = (key: string): string => `${bucket_path}/o/${encodeURIComponent(key)}`

  async function sendOnce(request: GcsRequest, refresh: boolean): Promise<Response> {
    const bearer = await options.token({ refresh })
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
    let response = await sendOnce(request, false)
    if (response.status === 401) {
      await response.body?.cancel()
      response = await sendOnce(request, true)
    }
    return { reply: await replyOf(response), response }
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
      if (error instanceof StoreError) throw error
      return request.signal?.aborted === true ? { outcome: 'unknown' } : classifyPutFailure(error)
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
          maxResults: String(limit + 1 - objects.length),
        },
      })
      if (classifyRead(prefix, reply) === 'not_found') {
        throw new StoreError('misconfigured', prefix, 'no such bucket')
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
        const generation = reply.header('x-goog-generation')
        if (generation === null || generation === undefined) {
          throw new StoreError('corrupt', key, 'the answer has no generation')
        }
        const announced = lengthOf(response.headers.get('content-length'))
        const bytes = await readBody(key, response.body, { announced, bytes_max })
        const meta = metaOf(response.headers)
        const md5 = hashesOf(reply.header('x-goog-hash')).get('md5') ?? null
        return {
          outcome: 'ok',
          bytes,
          token: tokenOf({ generation, md5 }, format),
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
      return reading(request.prefix, async () =>
        listByPrefix(request, async ({ prefix, start_after, limit }) =>
          listRaw(prefix, start_after, limit, signal),
        ),
      )
    },
    certification: {
      async putWithWrongDigest(key, bytes) {
        checkKey(key)
        const { contentType, body } = multipart(key, bytes, undefined, btoa('tidemark-doctor!'))
        const { reply } = await send({
          method: 'POST',
          path: `/upload${bucket_path}/o`,
          query: { uploadType: 'multipart', name: key },
          headers: { 'content-type': contentType },
          body,
          signal: undefined,
        })
        return reply.status >= 400 ? 'refused' : 'accepted'
      },
      async getIfChanged(key, token) {
        checkKey(key)
        const { reply, response } = await send({
          method: 'GET',
          path: objectPath(key),
          query: { alt: 'media', ifGenerationNotMatch: generationOf(token) ?? undefined },
          signal: undefined,
        })
        await response.body?.cancel()
        return reply.status === 304 ? 'not_modified' : 'sent'
      },
    },
  }
}

async function replyOf(response: Response): Promise<GcsReply> {
  const has_error_body = response.status >= 300 && response.status !== 304
  return {
    status: response.status,
    code: has_error_body ? errorCode(await response.text()) : null,
    header: (name) => response.headers.get(name),
  }
}

/** One request with metadata and bytes, so that the condition is evaluated once (G-1: never resumable). */
function multipart(
  key: string,
  bytes: Uint8Array,
  metadata: Meta = {},
  md5Hash?: string,
): { readonly contentType: string; readonly body: Uint8Array } {
  const boundary = `tidemark-${crypto.randomUUID()}`
  const resource = JSON.stringify({
    contentType: contentTypeOf(key),
    cacheControl: CACHE_CONTROL,
    metadata,
    ...(md5Hash === undefined ? {} : { md5Hash }),
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
