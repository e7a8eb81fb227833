/**
 * S3-compatible stores by the AWS SDK, for its credential chains: Node, Deno, Lambda (spec/providers.md 3.1, 6). One wire
 * attempt a call: the SDK's retries are off, `limits.ts` repeats reads, the protocol repeats writes after a look.
 */
import { createHash } from 'node:crypto'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { CACHE_CONTROL, contentTypeOf, lengthOf, readBody, timesOf } from './content.ts'
import { checkKey, checkListRequest } from './keys.ts'
import { listByPrefix } from './listing.ts'
import { causeText, classifyPutFailure, putWithoutCredentials, readFailure } from './network.ts'
import {
  classifyDelete,
  classifyHead,
  classifyPut,
  classifyRead,
  conditionHeaders,
  ifMatchValue,
  isCredentialRefusal,
  S3_CONDITIONS,
  SKEWED,
  tokenOf,
  type S3Reply,
  type S3WireOptions,
} from './s3-wire.ts'
import { formatToken } from './tokens.ts'
import {
  StoreError,
  type Certifiable,
  type ListedObject,
  type MaintenanceStore,
  type Precondition,
} from './types.ts'

/** Where the bucket is. Credentials come from the SDK's chain unless they are given. */
export interface S3Options extends S3WireOptions {
  readonly region?: string
  /** MinIO, R2, …; addressed path style. AWS itself when left out. */
  readonly endpoint?: string
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string
  }
  readonly connect_ms?: number
  readonly request_ms?: number
}

/** Times of spec/storage.md 9; `limits.ts` is stricter for most calls. */
const CONNECT_MS = 3_000
const REQUEST_MS = 30_000

/** For the small objects of certification. */
const UNLIMITED = { announced: undefined, bytes_max: undefined }

/** Sends one command; the SDK's own retries are off. */
type Call<Output> = (http: { readonly abortSignal?: AbortSignal }) => Promise<Output>

/** An answer of either kind: the SDK throws those that are not a success. */
interface Answer<Output> {
  readonly reply: S3Reply
  /** Null when the store refused. */
  readonly output: Output | null
}

/** Open a bucket. Nothing is read before the first operation. */
export function s3Store(options: S3Options): MaintenanceStore & Certifiable {
  const { bucket: Bucket } = options
  const style = options.if_match_style ?? 'quoted'
  const format = options.token_format ?? 'plain'
  const conditional_delete = options.conditional_delete ?? false
  const client = createClient(options)

  /** Before anything is sent, so that a failure here is never taken for the store's. The SDK caches what it gets. */
  async function fetchCredentials(key: string, forceRefresh: boolean): Promise<void> {
    try {
      await client.config.region()
      await client.config.credentials({ forceRefresh })
    } catch (cause) {
      throw credentialsFailure(key, cause)
    }
  }

  async function once<Output extends object>(
    call: Call<Output>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<Output>> {
    try {
      const output = await call(signal === undefined ? {} : { abortSignal: signal })
      const headers = headersOf(output)
      return { output, reply: { status: statusOf(output) ?? 0, code: null, header: (name) => headers[name] } }
    } catch (error) {
      const status = statusOf(error)
      // An answer that is a success and still cannot be read is none.
      if (status === null || status < 300) throw error
      const headers = headersOf(error)
      return { output: null, reply: { status, code: codeOf(error), header: (name) => headers[name] } }
    }
  }

  /** Refused credentials prove that nothing was applied: one more attempt with fresh ones (PV-20). */
  async function send<Output extends object>(
    key: string,
    call: Call<Output>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<Output>> {
    const first = await once(call, signal)
    if (!isCredentialRefusal(first.reply)) return first
    // The SDK has set its clock by the refusal; credentials that were given to us cannot be fetched again.
    if (first.reply.code === SKEWED) return once(call, signal)
    if (options.credentials !== undefined) return first
    await fetchCredentials(key, true)
    return once(call, signal)
  }

  async function reading<T>(key: string, call: () => Promise<T>): Promise<T> {
    try {
      await fetchCredentials(key, false)
      return await call()
    } catch (error) {
      throw readFailure(key, error)
    }
  }

  async function putWith(
    input: Omit<PutObjectCommandInput, 'Bucket'> & { readonly Key: string },
    precondition: Precondition,
    signal: AbortSignal | undefined,
  ): Promise<ReturnType<typeof classifyPut>> {
    let answer: Answer<unknown>
    try {
      await fetchCredentials(input.Key, false)
      answer = await send(
        input.Key,
        async (http) => client.send(new PutObjectCommand({ Bucket, ...input }), http),
        signal,
      )
    } catch (error) {
      if (error instanceof StoreError) return putWithoutCredentials(error)
      return signal?.aborted === true ? { outcome: 'unknown' } : classifyPutFailure(input.Key, error)
    }
    return classifyPut(input.Key, answer.reply, precondition, format)
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
      const input = {
        Bucket,
        Prefix: prefix,
        MaxKeys: limit - objects.length,
        ...(after === undefined ? {} : { StartAfter: after }),
      }
      const { reply, output } = await send(
        prefix,
        async (http) => client.send(new ListObjectsV2Command(input), http),
        signal,
      )
      if (classifyRead(prefix, reply) === 'not_found' || output === null) {
        throw new StoreError('misconfigured', prefix, 'a listing was answered by NoSuchKey')
      }
      const page = (output.Contents ?? []).map(
        ({ Key = '', Size = 0, ETag = '', LastModified }): ListedObject => ({
          key: Key,
          size: Size,
          token: formatToken({ e_tag: ETag, version: null }, format),
          ...(LastModified === undefined ? {} : { last_modified_ms: LastModified.getTime() }),
        }),
      )
      objects.push(...page)
      after = page.at(-1)?.key
      if (output.IsTruncated !== true || after === undefined) break
    }
    return objects
  }

  return {
    capabilities: { driver: 's3', meta: true, conditional_delete },
    async get(key, { signal, bytes_max } = {}) {
      checkKey(key)
      return reading(key, async () => {
        const { reply, output } = await send(
          key,
          async (http) => client.send(new GetObjectCommand({ Bucket, Key: key }), http),
          signal,
        )
        if (classifyRead(key, reply) === 'not_found' || output === null) return { outcome: 'not_found' }
        const token = tokenOf(reply, format)
        if (token === null) throw new StoreError('corrupt', key, 'the answer has no ETag')
        const announced = lengthOf(reply.header('content-length'))
        const bytes = await readBody(key, bodyOf(output.Body), { announced, bytes_max })
        const meta = output.Metadata ?? {}
        return {
          outcome: 'ok',
          bytes,
          token,
          ...timesOf(reply.header('last-modified'), reply.header('date')),
          ...(Object.keys(meta).length === 0 ? {} : { meta }),
        }
      })
    },
    async head(key, { signal } = {}) {
      checkKey(key)
      return reading(key, async () => {
        const { reply } = await send(
          key,
          async (http) => client.send(new HeadObjectCommand({ Bucket, Key: key }), http),
          signal,
        )
        if (classifyHead(key, reply) === 'not_found') return { outcome: 'not_found' }
        const token = tokenOf(reply, format)
        if (token === null) throw new StoreError('corrupt', key, 'the answer has no ETag')
        const { last_modified_ms } = timesOf(reply.header('last-modified'), null)
        return {
          outcome: 'ok',
          token,
          size: lengthOf(reply.header('content-length')) ?? 0,
          ...(last_modified_ms === undefined ? {} : { last_modified_ms }),
        }
      })
    },
    async put(key, bytes, precondition, { signal, meta } = {}) {
      checkKey(key)
      if (signal?.aborted === true) return { outcome: 'unknown' }
      const condition = conditionHeaders(precondition, style)
      if (condition === null) return { outcome: 'precondition_failed' }
      const input = {
        ...objectInput(key, bytes),
        ...(meta === undefined ? {} : { Metadata: { ...meta } }),
        ...(condition['if-match'] === undefined ? {} : { IfMatch: condition['if-match'] }),
        ...(condition['if-none-match'] === undefined ? {} : { IfNoneMatch: condition['if-none-match'] }),
      }
      return putWith(input, precondition, signal)
    },
    async delete(key, { signal, token } = {}) {
      checkKey(key)
      if (token !== undefined && !conditional_delete) {
        throw new StoreError('unsupported', key, 'this store cannot delete one version only')
      }
      const match = token === undefined ? null : ifMatchValue(token, style)
      if (token !== undefined && match === null) return { outcome: 'precondition_failed' }
      return reading(key, async () => {
        const input = { Bucket, Key: key, ...(match === null ? {} : { IfMatch: match }) }
        const { reply } = await send(
          key,
          async (http) => client.send(new DeleteObjectCommand(input), http),
          signal,
        )
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
      conditions: S3_CONDITIONS,
      withIfMatchStyle: (if_match_style) => s3Store({ ...options, if_match_style }),
      withConditionalDelete: () => s3Store({ ...options, conditional_delete: true }),
      async putWithWrongDigest(key, bytes) {
        checkKey(key)
        const ContentMD5 = md5('not these bytes')
        const input = { Bucket, ...objectInput(key, bytes), ContentMD5 }
        const { reply } = await send(
          key,
          async (http) => client.send(new PutObjectCommand(input), http),
          undefined,
        )
        return reply.status === 400 || classifyRead(key, reply) !== 'ok' ? 'refused' : 'accepted'
      },
      async getIfChanged(key, token) {
        checkKey(key)
        const input = { Bucket, Key: key, IfNoneMatch: ifMatchValue(token, style) ?? '' }
        const { reply, output } = await send(
          key,
          async (http) => client.send(new GetObjectCommand(input), http),
          undefined,
        )
        if (reply.status === 304) return 'not_modified'
        if (classifyRead(key, reply) === 'ok') await readBody(key, bodyOf(output?.Body), UNLIMITED)
        return 'sent'
      },
    },
  }
}

function createClient(options: S3Options): S3Client {
  const { region, endpoint, credentials } = options
  const client = new S3Client({
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: options.connect_ms ?? CONNECT_MS,
      requestTimeout: options.request_ms ?? REQUEST_MS,
      throwOnRequestTimeout: true,
    },
    // A region that was moved must not send our writes to another bucket.
    followRegionRedirects: false,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
  })
  keepHeaders(client)
  return client
}

/** The SDK keeps `Date` and others to itself: hang the headers on the output before they are gone. */
function keepHeaders(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      Object.assign(result.output ?? {}, { [HEADERS]: headersIn(result.response) })
      return result
    },
    { step: 'deserialize', priority: 'high', name: 'keepHeaders' },
  )
}

const HEADERS = Symbol('response headers')

/** Lower-case names; of an answer, or of the response that an error carries. */
function headersOf(answer: unknown): Readonly<Record<string, string>> {
  if (typeof answer !== 'object' || answer === null) return {}
  if (HEADERS in answer) return answer[HEADERS] as Readonly<Record<string, string>>
  return '$response' in answer ? headersIn(answer.$response) : {}
}

function headersIn(response: unknown): Readonly<Record<string, string>> {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return {}
  const entries = Object.entries(response.headers as Record<string, string>)
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]))
}

/** Status of an answer, returned or thrown; null when there was none. Names are not decided on (304, HEAD 404). */
function statusOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return null
  const metadata = error.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return null
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : null
}

/** `<Code>` of the body. The SDK's own names (`NotFound`, `Unknown`) come where the store said nothing. */
function codeOf(error: unknown): string | null {
  return typeof error === 'object' && error !== null && 'Code' in error && typeof error.Code === 'string'
    ? error.Code
    : null
}

/** No credentials, or a source of them that refuses: `denied`. One that does not answer now: `unavailable`. */
function credentialsFailure(key: string, cause: unknown): StoreError {
  const text = causeText(cause)
  if (text === 'Region is missing') {
    return new StoreError('misconfigured', key, 'no region: set AWS_REGION, or AWS_ENDPOINT_URL_S3', {
      cause,
    })
  }
  const is_refusal =
    cause instanceof Error && (cause.name === 'CredentialsProviderError' || (statusOf(cause) ?? 500) < 500)
  return is_refusal
    ? new StoreError('denied', key, `no usable credentials: ${text}`, { cause })
    : new StoreError('unavailable', key, `the source of the credentials did not answer: ${text}`, { cause })
}

function objectInput(
  key: string,
  bytes: Uint8Array,
): Omit<PutObjectCommandInput, 'Bucket'> & { Key: string } {
  return {
    Key: key,
    Body: bytes,
    ContentLength: bytes.length,
    ContentType: contentTypeOf(key),
    CacheControl: CACHE_CONTROL,
    ContentMD5: md5(bytes),
  }
}

function md5(bytes: Uint8Array | string): string {
  return createHash('md5').update(bytes).digest('base64')
}

function bodyOf(body: unknown): AsyncIterable<Uint8Array> | null {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
    ? (body as AsyncIterable<Uint8Array>)
    : null
}
