/**
 * Cloud Storage by Google's SDK, for its credential chains: Node, Deno, Cloud Functions, Cloud Run (spec/providers.md 3.3,
 * 6). One wire attempt a call: the SDK's retries are off, uploads are never resumable, and its own validation is off,
 * because it deletes an object that it does not like.
 */
import { EventEmitter } from 'node:events'
import { ApiError, Storage, type Bucket, type File } from '@google-cloud/storage'
import { CACHE_CONTROL, contentTypeOf, lengthOf, readBody, timesOf } from './content.ts'
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
import {
  ABORTED,
  causeText,
  classifyPutFailure,
  putWithoutCredentials,
  readFailure,
  unlessAborted,
} from './network.ts'
import {
  StoreError,
  type Certifiable,
  type ListedObject,
  type MaintenanceStore,
  type Meta,
  type PutResult,
  type StoredObject,
} from './types.ts'

/** Where the bucket is. Credentials are the application default ones. */
export interface GcsOptions extends GcsWireOptions {
  /** An emulator, or a private endpoint of the service. Credentials are sent to it only when there is a `key_file`. */
  readonly endpoint?: string
  /** A key file instead of the default credentials. */
  readonly key_file?: string
  readonly timeout_ms?: number
}

const TIMEOUT_MS = 30_000

/**
 * The SDK hangs eleven listeners on the body of every answer above 64 KiB, and Node takes more than ten for a leak: two
 * lines of warning a read, between the lines of the log. They go with the stream, which is the SDK's own.
 */
EventEmitter.defaultMaxListeners = Math.max(EventEmitter.defaultMaxListeners, 16)

/** Open a bucket. Nothing is read before the first operation. */
export function gcsStore(options: GcsOptions): MaintenanceStore & Certifiable {
  const format = options.token_format ?? 'plain'
  const has_credentials = options.endpoint === undefined || options.key_file !== undefined
  let storage = createStorage(options)

  /** Before anything is sent, so that a failure here is never taken for the store's. The SDK caches what it gets. */
  async function fetchToken(key: string): Promise<void> {
    if (!has_credentials) return
    try {
      await storage.authClient.getAccessToken()
    } catch (cause) {
      throw credentialsFailure(key, cause)
    }
  }

  /** A refused token proves that nothing was applied: one more attempt with a fresh one (PV-20, G-7). */
  async function asking<T>(key: string, call: (bucket: Bucket) => Promise<T>): Promise<T> {
    const used = storage
    await fetchToken(key)
    try {
      return await call(used.bucket(options.bucket))
    } catch (error) {
      if (!has_credentials || replyOf(error)?.status !== 401) throw error
      // The SDK forgets a token only with its client. Another call may have made a new one already.
      if (storage === used) storage = createStorage(options)
      await fetchToken(key)
      return call(storage.bucket(options.bucket))
    }
  }

  /** Null for an object that is not there. */
  async function reading<T>(
    key: string,
    signal: AbortSignal | undefined,
    call: (bucket: Bucket) => Promise<T>,
  ): Promise<T | null> {
    try {
      const result = await unlessAborted(signal, asking(key, call))
      if (result === ABORTED) throw new StoreError('unavailable', key, 'the call was aborted')
      return result
    } catch (error) {
      const reply = replyOf(error)
      if (reply === null) throw readFailure(key, error)
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

  return {
    capabilities: { driver: 'gcs', meta: true, conditional_delete: true },
    async get(key, { signal, bytes_max } = {}) {
      checkKey(key)
      const found = await reading(key, signal, async (bucket): Promise<StoredObject> => {
        const { headers, body } = await openMedia(bucket.file(key))
        const header = headerReader(headers)
        const bytes = await readBody(key, body, { announced: lengthOf(header('content-length')), bytes_max })
        const meta = metaOf(headers)
        return {
          outcome: 'ok',
          bytes,
          token: tokenOfMedia(key, bytes, { status: 200, code: null, header }, format),
          ...timesOf(header('last-modified'), header('date')),
          ...(Object.keys(meta).length === 0 ? {} : { meta }),
        }
      })
      return found ?? { outcome: 'not_found' }
    },
    async head(key, { signal } = {}) {
      checkKey(key)
      const metadata = await reading(key, signal, async (bucket) => bucket.file(key).getMetadata())
      if (metadata === null) return { outcome: 'not_found' }
      const { token, size, last_modified_ms } = listed(key, metadata[0] as Resource)
      return { outcome: 'ok', token, size, ...(last_modified_ms === undefined ? {} : { last_modified_ms }) }
    },
    async put(key, bytes, precondition, { signal, meta } = {}): Promise<PutResult> {
      checkKey(key)
      if (signal?.aborted === true) return { outcome: 'unknown' }
      const condition = generationCondition(precondition)
      if (condition === null) return { outcome: 'precondition_failed' }
      const put = async (bucket: Bucket): Promise<Resource> =>
        upload(bucket.file(key), bytes, { condition, meta })
      try {
        const stored = await unlessAborted(signal, asking(key, put))
        if (stored === ABORTED || stored.generation === undefined) return { outcome: 'unknown' }
        const { generation, md5Hash } = stored
        return {
          outcome: 'ok',
          token: tokenOf({ generation: String(generation), md5: md5Hash ?? null }, format),
        }
      } catch (error) {
        if (error instanceof StoreError) return putWithoutCredentials(error)
        const reply = replyOf(error)
        if (reply !== null) return classifyPutRefusal(key, reply, precondition)
        if (!isRedirect(error)) return classifyPutFailure(key, error)
        throw new StoreError('misconfigured', key, 'the store redirects to another address', { cause: error })
      }
    },
    async delete(key, { signal, token } = {}) {
      checkKey(key)
      const generation = token === undefined ? undefined : generationOf(token)
      if (generation === null) return { outcome: 'precondition_failed' }
      const outcome = await reading(key, signal, async (bucket) => {
        try {
          await bucket.file(key).delete(generation === undefined ? {} : { ifGenerationMatch: generation })
          return 'ok'
        } catch (error) {
          const reply = replyOf(error)
          if (reply?.status === 412) return classifyDelete(key, reply)
          throw error
        }
      })
      return { outcome: outcome ?? 'ok' }
    },
    async listPage(request, { signal } = {}) {
      checkListRequest(request)
      return listByPrefix(request, async ({ prefix, start_after, limit }) => {
        const objects: ListedObject[] = []
        let pageToken: string | undefined
        do {
          const page = await reading(prefix, signal, async (bucket) =>
            bucket.getFiles({
              prefix,
              // startOffset is inclusive: ask for one more and drop the start itself.
              maxResults: Math.min(LIST_LIMIT_MAX, limit + 1 - objects.length),
              autoPaginate: false,
              ...(start_after === undefined ? {} : { startOffset: start_after }),
              ...(pageToken === undefined ? {} : { pageToken }),
            }),
          )
          if (page === null)
            throw new StoreError('misconfigured', prefix, 'a listing was answered by "not found"')
          const [files, next] = page
          const found = files.map((file) => listed(file.name, file.metadata as Resource))
          objects.push(...found.filter(({ key }) => key !== start_after))
          pageToken = (next as { readonly pageToken?: string } | null)?.pageToken
        } while (objects.length < limit && pageToken !== undefined)
        return objects.slice(0, limit)
      })
    },
    certification: {
      conditions: GCS_CONDITIONS,
      async putWithWrongDigest(key, bytes) {
        checkKey(key)
        try {
          const checksum = crc32c(new Uint8Array(1))
          await asking(key, async (bucket) =>
            upload(bucket.file(key), bytes, { condition: undefined, checksum }),
          )
          return 'accepted'
        } catch (error) {
          const reply = replyOf(error)
          if (reply === null) throw readFailure(key, error)
          return reply.status === 400 || classifyRead(key, reply) !== 'ok' ? 'refused' : 'accepted'
        }
      },
    },
  }
}

async function upload(
  file: File,
  bytes: Uint8Array,
  options: {
    readonly condition: string | undefined
    readonly meta?: Meta | undefined
    readonly checksum?: string
  },
): Promise<Resource> {
  const { condition, meta, checksum = crc32c(bytes) } = options
  await file.save(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
    resumable: false,
    validation: false,
    ...(condition === undefined ? {} : { preconditionOpts: { ifGenerationMatch: condition } }),
    metadata: {
      contentType: contentTypeOf(file.name),
      cacheControl: CACHE_CONTROL,
      crc32c: checksum,
      ...(meta === undefined ? {} : { metadata: { ...meta } }),
    },
  })
  return file.metadata as Resource
}

function createStorage({ endpoint, key_file, timeout_ms }: GcsOptions): Storage {
  const storage = new Storage({
    retryOptions: { autoRetry: false, maxRetries: 0 },
    timeout: timeout_ms ?? TIMEOUT_MS,
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, projectId: 'none' }),
    ...(key_file === undefined ? {} : { keyFilename: key_file, useAuthWithCustomEndpoint: true }),
  })
  // The SDK takes STORAGE_EMULATOR_HOST for the whole address of the JSON API, and only for reads: uploads go elsewhere.
  if (endpoint !== undefined) storage.baseUrl = `${withoutTrailingSlashes(endpoint)}/storage/v1`
  return storage
}

/** The members of an object resource that are used. */
interface Resource {
  readonly generation?: string | number
  readonly size?: string | number
  readonly md5Hash?: string
  readonly updated?: string
}

/**
 * `download()` hides the generation; the stream's response event has the headers of the very bytes that follow. Rejects
 * with the SDK's error for any other answer than 200.
 */
async function openMedia(
  file: File,
): Promise<{ readonly headers: RawHeaders; readonly body: AsyncIterable<Uint8Array> }> {
  const body = file.createReadStream({ validation: false, decompress: false })
  return new Promise((resolve, reject) => {
    body.once('error', reject)
    body.once('response', (response: { readonly statusCode?: number; readonly headers?: RawHeaders }) => {
      if (response.statusCode === 200) resolve({ headers: response.headers ?? {}, body })
    })
    // The request is sent when somebody wants to read; this wants nothing yet, so that no byte is missed.
    body.read(0)
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

/** What an SDK error says of the store's answer; null when it did not give one. */
function replyOf(error: unknown): GcsReply | null {
  // Sources of tokens fail with errors that look alike and have a status of their own.
  if (!(error instanceof ApiError) || typeof error.code !== 'number') return null
  const response: unknown = error.response
  const headers =
    typeof response === 'object' && response !== null && 'headers' in response
      ? (response.headers as RawHeaders)
      : {}
  const reason = error.errors?.[0]?.reason ?? null
  // Of a media read the message is the whole text of the answer.
  return { status: error.code, code: errorCode(error.message) ?? reason, header: headerReader(headers) }
}

/** The SDK follows no redirect of an upload, because its body is a stream by then. */
function isRedirect(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'type' in error && error.type === 'unsupported-redirect'
  )
}

/** No credentials, or a source of them that refuses: `denied`. One that does not answer now: `unavailable`. */
function credentialsFailure(key: string, cause: unknown): StoreError {
  const text = causeText(cause)
  const status =
    typeof cause === 'object' && cause !== null && 'status' in cause ? Number(cause.status) : Number.NaN
  const is_away = status >= 500 || status === 429 || isNetworkError(cause)
  return is_away
    ? new StoreError('unavailable', key, `the source of the credentials did not answer: ${text}`, { cause })
    : new StoreError('denied', key, `no usable credentials: ${text}`, { cause })
}

function isNetworkError(cause: unknown): boolean {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : ''
  return /^E(CONN|HOST|NET|AI_|TIMEDOUT|NOTFOUND|PIPE)/.test(code)
}
