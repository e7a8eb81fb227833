/**
 * S3-compatible stores by `fetch` and SigV4 (aws4fetch): for Workers, and wherever a small bundle counts (spec/providers.md
 * 3.1, 6). Every request is sent once; reads are repeated by `limits.ts`, writes only by the protocol.
 */
import { AwsClient } from 'aws4fetch'
import {
  CACHE_CONTROL,
  contentTypeOf,
  httpDateMs,
  lengthOf,
  readBody,
  readErrorText,
  timesOf,
} from './content.ts'
import { checkKey, checkListRequest, withoutTrailingSlashes } from './keys.ts'
import { listByPrefix } from './listing.ts'
import { classifyPutFailure, putWithoutCredentials, readFailure } from './network.ts'
import {
  classifyDelete,
  classifyHead,
  classifyPut,
  classifyRead,
  conditionHeaders,
  errorCode,
  ifMatchValue,
  isCredentialRefusal,
  metaOf,
  S3_CONDITIONS,
  SKEWED,
  tokenOf,
  type S3Reply,
  type S3WireOptions,
} from './s3-wire.ts'
import { formatToken, type TokenFormat } from './tokens.ts'
import {
  StoreError,
  type Certifiable,
  type ListedObject,
  type MaintenanceStore,
  type Meta,
  type Precondition,
  type PutResult,
} from './types.ts'

/** One set of AWS-style credentials. */
export interface S3Credentials {
  readonly access_key_id: string
  readonly secret_access_key: string
  readonly session_token?: string
}

/** Where the bucket is and who asks. */
export interface S3FetchOptions extends S3WireOptions {
  /** `https://ACCOUNT.r2.cloudflarestorage.com`, `http://127.0.0.1:9000`, … Addressed path style. */
  readonly endpoint: string
  /** `auto` for R2. */
  readonly region: string
  /** `refresh` is set after the store refused the last ones. StoreError `denied` or `unavailable` when there are none. */
  credentials(request: { readonly refresh: boolean }): Promise<S3Credentials>
  /** Another fetch, for tests and for runtimes that bind one. */
  readonly fetch?: typeof fetch
}

/** One request before it is signed. */
interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** Empty for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal | undefined
}

/** Open a bucket. Nothing is read before the first operation. */
export function s3FetchStore(options: S3FetchOptions): MaintenanceStore & Certifiable {
  const style = options.if_match_style ?? 'quoted'
  const format = options.token_format ?? 'plain'
  const conditional_delete = options.conditional_delete ?? false
  const send = sender(options)

  async function reply(
    request: S3Request,
  ): Promise<{ readonly reply: S3Reply; readonly response: Response }> {
    const credentials = await options.credentials({ refresh: false })
    const response = await send(request, credentials)
    const first = await replyOf(request.method, response)
    // Refused credentials prove that nothing was applied: one more attempt with fresh ones (PV-20).
    if (!isCredentialRefusal(first)) return { reply: first, response }
    if (first.code === SKEWED) send.setClock(response.headers.get('date'))
    const fresh = await options.credentials({ refresh: true })
    if (first.code !== SKEWED && isSame(credentials, fresh)) return { reply: first, response }
    const again = await send(request, fresh)
    return { reply: await replyOf(request.method, again), response: again }
  }

  async function reading<T>(key: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      throw readFailure(key, error)
    }
  }

  async function putOnce(
    request: S3Request & { readonly body: Uint8Array },
    precondition: Precondition,
  ): Promise<PutResult> {
    let answer: Awaited<ReturnType<typeof reply>>
    try {
      answer = await reply(request)
      if (answer.reply.status < 300) await answer.response.body?.cancel()
    } catch (error) {
      // Only the source of the credentials throws one.
      if (error instanceof StoreError) return putWithoutCredentials(error)
      return request.signal?.aborted === true
        ? { outcome: 'unknown' }
        : classifyPutFailure(request.key, error)
    }
    return classifyPut(request.key, answer.reply, precondition, format)
  }

  async function listRaw(
    prefix: string,
    start_after: string | undefined,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly ListedObject[]> {
    const objects: ListedObject[] = []
    let after = start_after
    while (objects.length < limit) {
      const { reply: seen, response } = await reply({
        method: 'GET',
        key: '',
        signal,
        query: {
          'list-type': '2',
          prefix,
          'max-keys': String(limit - objects.length),
          ...(after === undefined ? {} : { 'start-after': after }),
        },
      })
      if (classifyRead(prefix, seen) === 'not_found') {
        throw new StoreError('misconfigured', prefix, 'a listing was answered by NoSuchKey')
      }
      const listed = parseListing(prefix, await response.text(), format)
      objects.push(...listed.objects)
      after = listed.objects.at(-1)?.key
      if (!listed.is_truncated || after === undefined) break
    }
    return objects
  }

  return {
    capabilities: { driver: 's3-fetch', meta: true, conditional_delete },
    async get(key, { signal, bytes_max } = {}) {
      checkKey(key)
      return reading(key, async () => {
        const { reply: seen, response } = await reply({ method: 'GET', key, signal })
        if (classifyRead(key, seen) === 'not_found') return { outcome: 'not_found' }
        const token = tokenOf(seen, format)
        if (token === null) throw new StoreError('corrupt', key, 'the answer has no ETag')
        const announced = lengthOf(response.headers.get('content-length'))
        const bytes = await readBody(key, response.body, { announced, bytes_max })
        const meta = metaOf(response.headers)
        return {
          outcome: 'ok',
          bytes,
          token,
          ...timesOf(response.headers.get('last-modified'), response.headers.get('date')),
          ...(Object.keys(meta).length === 0 ? {} : { meta }),
        }
      })
    },
    async head(key, { signal } = {}) {
      checkKey(key)
      return reading(key, async () => {
        const { reply: seen, response } = await reply({ method: 'HEAD', key, signal })
        if (classifyHead(key, seen) === 'not_found') return { outcome: 'not_found' }
        const token = tokenOf(seen, format)
        if (token === null) throw new StoreError('corrupt', key, 'the answer has no ETag')
        const { last_modified_ms } = timesOf(response.headers.get('last-modified'), null)
        return {
          outcome: 'ok',
          token,
          size: lengthOf(response.headers.get('content-length')) ?? 0,
          ...(last_modified_ms === undefined ? {} : { last_modified_ms }),
        }
      })
    },
    async put(key, bytes, precondition, { signal, meta } = {}) {
      checkKey(key)
      if (signal?.aborted === true) return { outcome: 'unknown' }
      const condition = conditionHeaders(precondition, style)
      if (condition === null) return { outcome: 'precondition_failed' }
      const headers = { ...(await objectHeaders(key, bytes, meta)), ...condition }
      return putOnce({ method: 'PUT', key, body: bytes, headers, signal }, precondition)
    },
    async delete(key, { signal, token } = {}) {
      checkKey(key)
      if (token !== undefined && !conditional_delete) {
        throw new StoreError('unsupported', key, 'this store cannot delete one version only')
      }
      const match = token === undefined ? null : ifMatchValue(token, style)
      if (token !== undefined && match === null) return { outcome: 'precondition_failed' }
      return reading(key, async () => {
        const headers = match === null ? {} : { 'if-match': match }
        const { reply: seen } = await reply({ method: 'DELETE', key, headers, signal })
        return { outcome: classifyDelete(key, seen) }
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
      conditions: S3_CONDITIONS,
      withIfMatchStyle: (if_match_style) => s3FetchStore({ ...options, if_match_style }),
      withConditionalDelete: () => s3FetchStore({ ...options, conditional_delete: true }),
      async putWithWrongDigest(key, bytes) {
        checkKey(key)
        const headers = { ...(await objectHeaders(key, bytes)), 'content-md5': WRONG_MD5 }
        const { reply: seen } = await reply({ method: 'PUT', key, body: bytes, headers, signal: undefined })
        return seen.status === 400 || classifyRead(key, seen) !== 'ok' ? 'refused' : 'accepted'
      },
      async getIfChanged(key, token) {
        checkKey(key)
        const headers = { 'if-none-match': ifMatchValue(token, style) ?? '' }
        const { reply: seen, response } = await reply({ method: 'GET', key, headers, signal: undefined })
        if (seen.status === 304) return 'not_modified'
        if (classifyRead(key, seen) === 'ok') await response.body?.cancel()
        return 'sent'
      },
    },
  }
}

/** 16 bytes that are the MD5 of nothing in particular. */
const WRONG_MD5 = btoa('tidemark-doctor!')

/** Signs and sends one request. */
interface Sender {
  (request: S3Request, credentials: S3Credentials): Promise<Response>
  /** Sign by the store's clock from now on. */
  setClock(date: string | null): void
}

/** Never follows a redirect, never retries (spec/providers.md Q-7, 6). */
function sender(options: S3FetchOptions): Sender {
  const doFetch = options.fetch ?? fetch
  const base = `${withoutTrailingSlashes(options.endpoint)}/${options.bucket}`
  let ahead_ms = 0

  async function send(
    { method, key, query, headers, body, signal }: S3Request,
    credentials: S3Credentials,
  ): Promise<Response> {
    const client = new AwsClient({
      accessKeyId: credentials.access_key_id,
      secretAccessKey: credentials.secret_access_key,
      ...(credentials.session_token === undefined ? {} : { sessionToken: credentials.session_token }),
      service: 's3',
      region: options.region,
      retries: 0,
    })
    const path = key === '' ? '' : `/${key.split('/').map(encodeSegment).join('/')}`
    const search = query === undefined ? '' : `?${queryOf(query)}`
    const signed = await client.sign(`${base}${path}${search}`, {
      method,
      headers: { 'x-amz-content-sha256': await sha256Hex(body ?? new Uint8Array()), ...headers },
      ...(body === undefined ? {} : { body: body.slice() }),
      aws: { allHeaders: true, datetime: amzDate(Date.now() + ahead_ms) },
    })
    return doFetch(signed, { redirect: 'manual', ...(signal === undefined ? {} : { signal }) })
  }

  return Object.assign(send, {
    setClock(date: string | null) {
      ahead_ms = (httpDateMs(date) ?? Date.now()) - Date.now()
    },
  })
}

/** `20260731T120000Z` */
function amzDate(at_ms: number): string {
  return new Date(at_ms).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
}

function isSame(a: S3Credentials, b: S3Credentials): boolean {
  return (
    a.access_key_id === b.access_key_id &&
    a.secret_access_key === b.secret_access_key &&
    a.session_token === b.session_token
  )
}

/** Headers of every object that is stored. MD5 is sent where the runtime can compute it (Q-5); SHA-256 is signed anyway. */
async function objectHeaders(
  key: string,
  bytes: Uint8Array,
  meta: Meta = {},
): Promise<Record<string, string>> {
  const md5 = await crypto.subtle.digest('MD5', bytes.slice()).catch(() => null)
  return {
    'content-type': contentTypeOf(key),
    'cache-control': CACHE_CONTROL,
    ...(md5 === null ? {} : { 'content-md5': btoa(String.fromCharCode(...new Uint8Array(md5))) }),
    ...Object.fromEntries(Object.entries(meta).map(([name, value]) => [`x-amz-meta-${name}`, value])),
  }
}

async function replyOf(method: S3Request['method'], response: Response): Promise<S3Reply> {
  const has_error_body = response.status >= 300 && response.status !== 304 && method !== 'HEAD'
  return {
    status: response.status,
    code: has_error_body ? errorCode(await readErrorText(response.body)) : null,
    header: (name) => response.headers.get(name),
  }
}

/** What `encodeURIComponent` leaves literal and SigV4 does not. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function queryOf(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encodeSegment(name)}=${encodeSegment(value)}`)
    .join('&')
}

async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()))
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The parts of a ListObjectsV2 answer that we need. Keys here are ASCII, so XML has five entities to undo. */
function parseListing(
  prefix: string,
  xml: string,
  format: TokenFormat,
): { readonly objects: readonly ListedObject[]; readonly is_truncated: boolean } {
  if (!xml.includes('<ListBucketResult')) throw new StoreError('corrupt', prefix, 'the listing is not one')
  const objects = elements(xml, 'Contents').map((item): ListedObject => {
    const last_modified_ms = Date.parse(member(item, 'LastModified'))
    return {
      key: member(item, 'Key'),
      size: Number(member(item, 'Size')),
      token: formatToken({ e_tag: member(item, 'ETag'), version: null }, format),
      ...(Number.isNaN(last_modified_ms) ? {} : { last_modified_ms }),
    }
  })
  return { objects, is_truncated: /<IsTruncated>true<\/IsTruncated>/.test(xml) }
}

/** What stands inside of each element of a name, in one pass (S18: a pattern would begin again at every `<`). */
function elements(xml: string, name: string): string[] {
  const [open, close] = [`<${name}>`, `</${name}>`]
  const found: string[] = []
  for (let at = xml.indexOf(open); at !== -1;) {
    const from = at + open.length
    const to = xml.indexOf(close, from)
    if (to === -1) break
    found.push(xml.slice(from, to))
    at = xml.indexOf(open, to)
  }
  return found
}

function member(xml: string, name: string): string {
  const text = elements(xml, name)[0] ?? ''
  return text.replaceAll(/&(amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);/g, (_all, entity: string) => {
    if (entity.startsWith('#x')) return String.fromCodePoint(Number.parseInt(entity.slice(2), 16))
    if (entity.startsWith('#')) return String.fromCodePoint(Number(entity.slice(1)))
    return ENTITIES[entity] ?? ''
  })
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
