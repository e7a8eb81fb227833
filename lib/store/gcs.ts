/**
 * Cloud Storage by Google's SDK, for its credential chains: Node, Deno, Cloud Functions, Cloud Run (spec/providers.md 3.3,
 * 6). One wire attempt a call: the SDK's retries are off, uploads are never resumable, and its own validation is off,
 * because it deletes an object that it does not like.
 */
import { createHash } from 'node:crypto'
import { Storage, type File } from '@google-cloud/storage'
import { CACHE_CONTROL, contentTypeOf, lengthOf, readBody, timesOf } from './content.ts'
import {
  classifyDelete,
  classifyPutRefusal,
  classifyRead,
  generationCondition,
  generationOf,
  hashesOf,
  tokenOf,
  type GcsReply,
  type GcsWireOptions,
} from './gcs-wire.ts'
import { checkKey } from './keys.ts'
import { listByPrefix } from './listing.ts'
import { ABORTED, classifyPutFailure, readFailure, unlessAborted } from './network.ts'
import {
  StoreError,
  type Certifiable,
  type ListedObject,
  type MaintenanceStore,
  type Meta,
  type PutResult,
} from './types.ts'

/** Where the bucket is. Credentials are the application default ones. */
export interface GcsOptions extends GcsWireOptions {
  /** An emulator; no credentials are sent to it. */
  readonly endpoint?: string
  /** A key file instead of the default credentials. */
  readonly key_file?: string
  readonly timeout_ms?: number
}

const TIMEOUT_MS = 30_000

/** Open a bucket. Nothing is read before the first operation. */
export function gcsStore(options: GcsOptions): MaintenanceStore & Certifiable {
  const format = options.token_format ?? 'plain'
  const bucket = createStorage(options).bucket(options.bucket)
  const fileOf = (key: string): File => bucket.file(key)

  async function reading<T>(
    key: string,
    signal: AbortSignal | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    try {
      const result = await unlessAborted(signal, call())
      if (result === ABORTED) throw new StoreError('unavailable', key, 'the call was aborted')
      return result
    } catch (error) {
      throw readFailure(key, error)
    }
  }

  /** The answer of a call that read metadata, or null when there is no such object. */
  async function metadataOf(key: string): Promise<Resource | null> {
    try {
      const [metadata] = await fileOf(key).getMetadata()
      return metadata as Resource
    } catch (error) {
      const reply = replyOf(error)
      if (reply === null) throw error
      classifyRead(key, reply)
      return null
    }
  }

  function listed(name: string, { generation, size, md5Hash, updated }: Resource): ListedObject {
    const last_modified_ms = Date.parse(updated ?? '')
    return {
      key: name,
      size: Number(size ?? 0),
      token: tokenOf({ generation: String(generation ?? ''), md5: md5Hash ?? null }, format),
      ...(Number.isNaN(last_modified_ms) ? {} : { last_modified_ms }),
    }
  }

  async function upload(
    key: string,
    bytes: Uint8Array,
    options_: {
      readonly condition: string | undefined
      readonly meta?: Meta | undefined
      readonly md5?: string
    },
  ): Promise<Resource> {
    const file = fileOf(key)
    await file.save(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
      resumable: false,
      validation: false,
      ...(options_.condition === undefined
        ? {}
        : { preconditionOpts: { ifGenerationMatch: options_.condition } }),
      metadata: {
        contentType: contentTypeOf(key),
        cacheControl: CACHE_CONTROL,
        md5Hash: options_.md5 ?? md5(bytes),
        ...(options_.meta === undefined ? {} : { metadata: { ...options_.meta } }),
      },
    })
    return file.metadata as Resource
  }

  return {
    capabilities: { driver: 'gcs', meta: true, conditional_delete: true },
    async get(key, { signal, bytes_max } = {}) {
      checkKey(key)
      return reading(key, signal, async () => {
        const media = await openMedia(fileOf(key))
        if (classifyRead(key, media.reply) === 'not_found' || media.body === null) {
          return { outcome: 'not_found' }
        }
        const { header } = media.reply
        const generation = header('x-goog-generation')
        if (generation === null || generation === undefined) {
          throw new StoreError('corrupt', key, 'the answer has no generation')
        }
        const announced = lengthOf(header('content-length'))
        const bytes = await readBody(key, media.body, { announced, bytes_max })
        const md5_hash = hashesOf(header('x-goog-hash')).get('md5') ?? null
        return {
          outcome: 'ok',
          bytes,
          token: tokenOf({ generation, md5: md5_hash }, format),
          ...timesOf(header('last-modified'), header('date')),
          ...(Object.keys(media.meta).length === 0 ? {} : { meta: media.meta }),
        }
      })
    },
    async head(key, { signal } = {}) {
      checkKey(key)
      return reading(key, signal, async () => {
        const metadata = await metadataOf(key)
        if (metadata === null) return { outcome: 'not_found' }
        const { token, size, last_modified_ms } = listed(key, metadata)
        return { outcome: 'ok', token, size, ...(last_modified_ms === undefined ? {} : { last_modified_ms }) }
      })
    },
    async put(key, bytes, precondition, { signal, meta } = {}): Promise<PutResult> {
      checkKey(key)
      if (signal?.aborted === true) return { outcome: 'unknown' }
      const condition = generationCondition(precondition)
      if (condition === null) return { outcome: 'precondition_failed' }
      try {
        const stored = await unlessAborted(signal, upload(key, bytes, { condition, meta }))
        if (stored === ABORTED || stored.generation === undefined) return { outcome: 'unknown' }
        const { generation, md5Hash } = stored
        return {
          outcome: 'ok',
          token: tokenOf({ generation: String(generation), md5: md5Hash ?? null }, format),
        }
      } catch (error) {
        const reply = replyOf(error)
        return reply === null ? classifyPutFailure(error) : classifyPutRefusal(key, reply, precondition)
      }
    },
    async delete(key, { signal, token } = {}) {
      checkKey(key)
      const generation = token === undefined ? undefined : generationOf(token)
      if (generation === null) return { outcome: 'precondition_failed' }
      return reading(key, signal, async () => {
        try {
          await fileOf(key).delete(generation === undefined ? {} : { ifGenerationMatch: generation })
          return { outcome: 'ok' }
        } catch (error) {
          const reply = replyOf(error)
          if (reply === null) throw error
          return { outcome: classifyDelete(key, reply) }
        }
      })
    },
    async listPage(request, { signal } = {}) {
      return reading(request.prefix, signal, async () =>
        listByPrefix(request, async ({ prefix, start_after, limit }) => {
          try {
            const [files] = await bucket.getFiles({
              prefix,
              // startOffset is inclusive: ask for one more and drop the start itself.
              maxResults: limit + 1,
              autoPaginate: false,
              ...(start_after === undefined ? {} : { startOffset: start_after }),
            })
            return files
              .map((file) => listed(file.name, file.metadata as Resource))
              .filter(({ key }) => key !== start_after)
              .slice(0, limit)
          } catch (error) {
            const reply = replyOf(error)
            if (reply === null) throw error
            classifyRead(prefix, reply)
            throw new StoreError('misconfigured', prefix, 'no such bucket', { cause: error })
          }
        }),
      )
    },
    certification: {
      async putWithWrongDigest(key, bytes) {
        checkKey(key)
        try {
          await upload(key, bytes, { condition: undefined, md5: md5('not these bytes') })
          return 'accepted'
        } catch (error) {
          if (replyOf(error) === null) throw error
          return 'refused'
        }
      },
    },
  }
}

function createStorage({ endpoint, key_file, timeout_ms }: GcsOptions): Storage {
  return new Storage({
    retryOptions: { autoRetry: false, maxRetries: 0 },
    timeout: timeout_ms ?? TIMEOUT_MS,
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, projectId: 'none' }),
    ...(key_file === undefined ? {} : { keyFilename: key_file }),
  })
}

/** The members of an object resource that are used. */
interface Resource {
  readonly generation?: string | number
  readonly size?: string | number
  readonly md5Hash?: string
  readonly updated?: string
}

/** An answer to a media read: its headers, and its body where there is one. */
interface Media {
  readonly reply: GcsReply
  readonly body: AsyncIterable<Uint8Array> | null
  readonly meta: Meta
}

/** `download()` hides the generation; the stream's response event has the headers of the very bytes that follow. */
async function openMedia(file: File): Promise<Media> {
  const stream = file.createReadStream({ validation: false, decompress: false })
  return new Promise((resolve, reject) => {
    stream.once('error', (error: unknown) => {
      const reply = replyOf(error)
      if (reply === null) reject(error instanceof Error ? error : new Error('the read failed'))
      else resolve({ reply, body: null, meta: {} })
    })
    stream.once('response', (response: { readonly statusCode?: number; readonly headers?: RawHeaders }) => {
      const headers = response.headers ?? {}
      const header = headerReader(headers)
      const reply: GcsReply = { status: response.statusCode ?? 0, code: null, header }
      if (reply.status === 200) resolve({ reply, body: stream, meta: metaOf(headers) })
    })
    // A stream starts to flow only when somebody reads it.
    stream.pause()
    stream.resume()
  })
}

type RawHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

function headerReader(headers: RawHeaders): (name: string) => string | undefined {
  return (name) => {
    const value = headers[name]
    return typeof value === 'string' ? value : value?.join(',')
  }
}

function metaOf(headers: RawHeaders): Meta {
  const prefix = 'x-goog-meta-'
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith(prefix) && typeof value === 'string' ? [[name.slice(prefix.length), value]] : [],
    ),
  )
}

/** What an SDK error says of the answer; null when there was none. */
function replyOf(error: unknown): GcsReply | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  const status = typeof error.code === 'number' ? error.code : Number.NaN
  if (!Number.isInteger(status) || status < 100) return null
  const text = error instanceof Error ? error.message : ''
  const first = 'errors' in error && Array.isArray(error.errors) ? (error.errors[0] as unknown) : undefined
  const reason =
    typeof first === 'object' && first !== null && 'reason' in first ? String(first.reason) : null
  const response = 'response' in error ? error.response : undefined
  const headers =
    typeof response === 'object' && response !== null && 'headers' in response
      ? (response.headers as RawHeaders)
      : {}
  return {
    status,
    code: /bucket does not exist|No such bucket/i.test(text) ? 'NoSuchBucket' : reason,
    header: headerReader(headers),
  }
}

function md5(bytes: Uint8Array | string): string {
  return createHash('md5').update(bytes).digest('base64')
}
