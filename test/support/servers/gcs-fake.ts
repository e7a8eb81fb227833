/**
 * Cloud Storage's JSON API as its documentation has it, for the calls that our drivers make and no others: generations,
 * preconditions on every method, digests that are checked, errors in both of its shapes. What it does not know, it refuses.
 * fake-gcs-server is a real server and laxer: it ignores preconditions on GET and DELETE.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { compareKeys } from '../../../lib/store/keys.ts'
import type { GcsServer } from './fake-gcs.ts'

/** One call, as far as a plan can see it. */
export interface GcsCall {
  readonly kind: 'get' | 'media' | 'upload' | 'delete' | 'list'
  readonly key: string
}

/**
 * What a broken service does instead: answers an error, takes no notice of conditions, checks them and writes later as if
 * nothing could happen in between, or leaves the generation out of its answer.
 */
export type GcsFault =
  | { readonly fault: 'error'; readonly status: number; readonly reason: string; readonly message?: string }
  | { readonly fault: 'ignore_conditions' | 'check_then_write' | 'no_generation' }

/** How a fake behaves; everything is optional. */
export interface GcsFakeOptions {
  readonly bucket?: string
  /** Whether the `Authorization` header is good; everybody may come in without it. */
  accepts?(authorization: string | undefined): boolean
}

/** A fake that runs. */
export interface GcsFake extends GcsServer {
  /** Decides for each call; null ends it. */
  setPlan(plan: ((call: GcsCall) => GcsFault | undefined) | null): void
  /** Every write that was applied, in order. */
  readonly written: readonly { readonly key: string; readonly generation: string }[]
  /** An object as it is stored. */
  peek(key: string): StoredResource | null
}

/** An object and what is known of it. */
export interface StoredResource {
  readonly bytes: Buffer
  readonly generation: bigint
  readonly updated: Date
  readonly contentType: string
  readonly cacheControl: string | null
  readonly metadata: Readonly<Record<string, string>>
}

interface Bucket {
  readonly name: string
  readonly objects: Map<string, StoredResource>
  readonly written: { key: string; generation: string }[]
  nextGeneration(): bigint
}

/** Start one on a free loopback port. */
export async function startGcsFake(options: GcsFakeOptions = {}): Promise<GcsFake> {
  let last = BigInt(Date.now()) * 1000n
  const bucket: Bucket = {
    name: options.bucket ?? 'tidemark',
    objects: new Map(),
    written: [],
    nextGeneration() {
      // Microseconds, as the service has them: large, growing, with gaps.
      last += 1n + BigInt(Math.floor(Math.random() * 1000))
      return last
    },
  }
  let plan: ((call: GcsCall) => GcsFault | undefined) | null = null
  const server = createServer((request, response) => {
    serve(request, { bucket, options, planned: (call) => plan?.(call) })
      .catch((error: unknown) => (error instanceof ApiError ? error.answer : Promise.reject(error)))
      .then((answer) => send(response, answer))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bucket: bucket.name,
    written: bucket.written,
    setPlan: (next) => void (plan = next),
    peek: (key) => bucket.objects.get(key) ?? null,
    async stop() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** A refusal. Media reads have plain text, everything else the JSON that names a reason. */
class ApiError extends Error {
  readonly answer: Answer

  constructor(status: number, reason: string, message: string, is_media = false) {
    super(message)
    const json = { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } }
    this.answer = {
      status,
      headers: { 'content-type': is_media ? 'text/html; charset=UTF-8' : 'application/json; charset=UTF-8' },
      body: Buffer.from(status === 304 ? '' : is_media ? message : JSON.stringify(json)),
    }
  }
}

interface Context {
  readonly bucket: Bucket
  readonly options: GcsFakeOptions
  planned(call: GcsCall): GcsFault | undefined
}

/** Parameters that the drivers use; another one may change the meaning of a call, so it is refused. */
const KNOWN: Readonly<Record<GcsCall['kind'], readonly string[]>> = {
  get: ['ifGenerationMatch', 'ifGenerationNotMatch', 'generation', 'prettyPrint', 'alt'],
  media: ['alt', 'ifGenerationMatch', 'ifGenerationNotMatch', 'generation', 'prettyPrint'],
  upload: ['uploadType', 'name', 'ifGenerationMatch', 'ifGenerationNotMatch', 'prettyPrint'],
  delete: ['ifGenerationMatch', 'ifGenerationNotMatch', 'generation', 'prettyPrint'],
  list: ['prefix', 'startOffset', 'pageToken', 'maxResults', 'prettyPrint', 'autoPaginate'],
}

async function serve(request: IncomingMessage, context: Context): Promise<Answer> {
  const url = new URL(request.url ?? '', 'http://gcs')
  const body = await bodyOf(request)
  const call = callOf(request.method ?? '', url)
  const is_media = call.kind === 'media'
  if (context.options.accepts?.(request.headers.authorization) === false) {
    throw new ApiError(401, 'authError', 'Invalid Credentials', is_media)
  }
  for (const name of url.searchParams.keys()) {
    if (!KNOWN[call.kind].includes(name)) throw new ApiError(400, 'invalidParameter', `unknown ${name}`)
  }
  const { bucket } = context
  if (call.bucket !== bucket.name) {
    throw new ApiError(404, 'notFound', 'The specified bucket does not exist.', is_media)
  }
  const fault = context.planned(call)
  if (fault?.fault === 'error') {
    throw new ApiError(fault.status, fault.reason, fault.message ?? fault.reason, is_media)
  }
  switch (call.kind) {
    case 'get':
    case 'media':
      return read(bucket, call, url, fault)
    case 'upload':
      return upload(bucket, { url, body, type: request.headers['content-type'] ?? '' }, fault)
    case 'delete':
      return remove(bucket, call.key, url, fault)
    case 'list':
      return list(bucket, url)
  }
}

function callOf(method: string, url: URL): GcsCall & { readonly bucket: string } {
  const [, upload_bucket] = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(url.pathname) ?? []
  if (upload_bucket !== undefined && method === 'POST') {
    return {
      kind: 'upload',
      bucket: decodeURIComponent(upload_bucket),
      key: url.searchParams.get('name') ?? '',
    }
  }
  const [, name = '', key] = /^\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/.exec(url.pathname) ?? []
  const bucket = decodeURIComponent(name)
  if (name !== '' && key === undefined && method === 'GET') return { kind: 'list', bucket, key: '' }
  if (name !== '' && key !== undefined && (method === 'GET' || method === 'DELETE')) {
    const kind = method === 'DELETE' ? 'delete' : url.searchParams.get('alt') === 'media' ? 'media' : 'get'
    return { kind, bucket, key: decodeURIComponent(key) }
  }
  throw new ApiError(404, 'noSuchCall', `no such call: ${method} ${url.pathname}`)
}

/** Generation preconditions, which every method has. `0` means that there is no live object. */
function check(url: URL, object: StoredResource | undefined, not_match: 304 | 412, is_media = false): void {
  const current = object?.generation ?? 0n
  const match = generation(url, 'ifGenerationMatch')
  if (match !== null && match !== current) {
    throw new ApiError(
      412,
      'conditionNotMet',
      'At least one of the pre-conditions you specified did not hold.',
      is_media,
    )
  }
  const other = generation(url, 'ifGenerationNotMatch')
  if (other !== null && other === current)
    throw new ApiError(not_match, 'notModified', 'Not Modified', is_media)
}

function generation(url: URL, name: string): bigint | null {
  const text = url.searchParams.get(name)
  if (text === null) return null
  if (!/^\d{1,19}$/.test(text) || BigInt(text) > 2n ** 63n - 1n) {
    throw new ApiError(400, 'invalid', `Invalid value for ${name}: ${text}`)
  }
  return BigInt(text)
}

function read(bucket: Bucket, { kind, key }: GcsCall, url: URL, fault: GcsFault | undefined): Answer {
  const is_media = kind === 'media'
  const object = bucket.objects.get(key)
  if (fault?.fault !== 'ignore_conditions') check(url, object, 304, is_media)
  const wanted = generation(url, 'generation')
  if (object === undefined || (wanted !== null && wanted !== object.generation)) {
    throw new ApiError(404, 'notFound', `No such object: ${bucket.name}/${key}`, is_media)
  }
  if (!is_media) return json(resourceOf(bucket, key, object))
  const { crc32c, md5Hash } = digestsOf(object.bytes)
  return {
    status: 200,
    body: object.bytes,
    headers: {
      ...(fault?.fault === 'no_generation' ? {} : { 'x-goog-generation': String(object.generation) }),
      'x-goog-metageneration': '1',
      'x-goog-hash': `crc32c=${crc32c},md5=${md5Hash}`,
      'x-goog-stored-content-encoding': 'identity',
      'x-goog-stored-content-length': String(object.bytes.length),
      'content-type': object.contentType,
      'last-modified': object.updated.toUTCString(),
      ...(object.cacheControl === null ? {} : { 'cache-control': object.cacheControl }),
      ...Object.fromEntries(
        Object.entries(object.metadata).map(([name, text]) => [`x-goog-meta-${name}`, text]),
      ),
    },
  }
}

async function upload(
  bucket: Bucket,
  request: { readonly url: URL; readonly body: Buffer; readonly type: string },
  fault: GcsFault | undefined,
): Promise<Answer> {
  const { url } = request
  const key = url.searchParams.get('name') ?? ''
  if (key === '') throw new ApiError(400, 'required', 'Required')
  const { resource, bytes, contentType } = partsOf(request)
  const digests = digestsOf(bytes)
  for (const name of ['md5Hash', 'crc32c'] as const) {
    const said = resource[name]
    if (said !== undefined && said !== digests[name]) {
      throw new ApiError(
        400,
        'invalid',
        `Provided ${name} ${JSON.stringify(said)} doesn't match calculated "${digests[name]}".`,
      )
    }
  }
  if (fault?.fault !== 'ignore_conditions') check(url, bucket.objects.get(key), 412)
  if (fault?.fault === 'check_then_write') await new Promise((later) => setTimeout(later, 20))
  const stored: StoredResource = {
    bytes,
    contentType,
    generation: bucket.nextGeneration(),
    updated: new Date(),
    cacheControl: typeof resource['cacheControl'] === 'string' ? resource['cacheControl'] : null,
    metadata: (resource['metadata'] ?? {}) as Record<string, string>,
  }
  bucket.objects.set(key, stored)
  bucket.written.push({ key, generation: String(stored.generation) })
  const { generation: _left_out, ...rest } = resourceOf(bucket, key, stored)
  return json(fault?.fault === 'no_generation' ? rest : resourceOf(bucket, key, stored))
}

/** `multipart` is metadata and bytes in one request, `media` bytes alone. Resumable uploads are two requests: refused. */
function partsOf({ url, body, type }: { readonly url: URL; readonly body: Buffer; readonly type: string }): {
  readonly resource: Readonly<Record<string, unknown>>
  readonly bytes: Buffer
  readonly contentType: string
} {
  const upload_type = url.searchParams.get('uploadType')
  if (upload_type === 'media') return { resource: {}, bytes: body, contentType: type }
  const boundary = /^multipart\/related;.*boundary="?([^";]+)"?/i.exec(type)?.[1]
  if (upload_type !== 'multipart' || boundary === undefined)
    throw new ApiError(400, 'invalid', 'no such upload')
  const parts: { head: string; body: Buffer }[] = []
  const mark = Buffer.from(`--${boundary}`)
  for (let at = body.indexOf(mark); ;) {
    const next = body.indexOf(mark, at + mark.length)
    if (at < 0 || next < 0) break
    const part = body.subarray(at + mark.length + 2, next - 2)
    const head_end = part.indexOf('\r\n\r\n')
    parts.push({ head: part.toString('latin1', 0, head_end), body: part.subarray(head_end + 4) })
    at = next
  }
  const [first, second] = parts
  if (parts.length !== 2 || first === undefined || second === undefined) {
    throw new ApiError(400, 'badContent', `${parts.length} parts`)
  }
  const resource = JSON.parse(first.body.toString('utf8')) as Record<string, unknown>
  const part_type = /^content-type:\s*(.+)$/im.exec(second.head)?.[1]?.trim()
  return {
    resource,
    bytes: Buffer.from(second.body),
    contentType: typeof resource['contentType'] === 'string' ? resource['contentType'] : (part_type ?? ''),
  }
}

function remove(bucket: Bucket, key: string, url: URL, fault: GcsFault | undefined): Answer {
  const object = bucket.objects.get(key)
  if (object === undefined) throw new ApiError(404, 'notFound', `No such object: ${bucket.name}/${key}`)
  if (fault?.fault !== 'ignore_conditions') check(url, object, 412)
  bucket.objects.delete(key)
  return { status: 204, headers: {}, body: Buffer.alloc(0) }
}

/** Pages hold fewer than asked for now and then, as the service may do at any time. */
function list(bucket: Bucket, url: URL): Answer {
  const { searchParams: query } = url
  const asked = Math.min(Number(query.get('maxResults') ?? 1000), 1000)
  if (!(asked >= 1)) throw new ApiError(400, 'invalid', 'maxResults')
  const page_size = asked > 3 ? asked - 1 : asked
  const from = query.get('pageToken') ?? query.get('startOffset') ?? ''
  const keys = [...bucket.objects.keys()]
    .filter((key) => key.startsWith(query.get('prefix') ?? '') && compareKeys(key, from) >= 0)
    .toSorted(compareKeys)
  const next = keys[page_size]
  const items = keys.slice(0, page_size).flatMap((key) => {
    const object = bucket.objects.get(key)
    return object === undefined ? [] : [resourceOf(bucket, key, object)]
  })
  return json({
    kind: 'storage#objects',
    ...(items.length === 0 ? {} : { items }),
    ...(next === undefined ? {} : { nextPageToken: next }),
  })
}

function resourceOf(bucket: Bucket, key: string, object: StoredResource): Record<string, unknown> {
  return {
    kind: 'storage#object',
    bucket: bucket.name,
    name: key,
    generation: String(object.generation),
    metageneration: '1',
    size: String(object.bytes.length),
    ...digestsOf(object.bytes),
    contentType: object.contentType,
    updated: object.updated.toISOString(),
    ...(object.cacheControl === null ? {} : { cacheControl: object.cacheControl }),
    ...(Object.keys(object.metadata).length === 0 ? {} : { metadata: object.metadata }),
  }
}

function digestsOf(bytes: Uint8Array): { readonly md5Hash: string; readonly crc32c: string } {
  return { md5Hash: createHash('md5').update(bytes).digest('base64'), crc32c: crc32cBase64(bytes) }
}

/** CRC-32C bit by bit, as its definition reads; the drivers have their own table. */
function crc32cBase64(bytes: Uint8Array): string {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  const digest = Buffer.alloc(4)
  digest.writeUInt32BE((crc ^ 0xffffffff) >>> 0)
  return digest.toString('base64')
}

function json(value: unknown): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: Buffer.from(JSON.stringify(value)),
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length })
  response.end(body)
}
