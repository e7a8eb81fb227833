/**
 * The Cloud Storage JSON API as both GCS drivers speak it (spec/providers.md 1, 3.3): generations as conditions, and what
 * an answer means. Pure.
 */
import { retryAfterMs } from './content.ts'
import { crc32c } from './gcs-crc32c.ts'
import { formatToken, parseToken, type TokenFormat } from './tokens.ts'
import { StoreError, type Precondition, type PutResult, type Token } from './types.ts'

/** What a GCS driver is told about its bucket, whichever client it uses. */
export interface GcsWireOptions {
  readonly bucket: string
  readonly token_format?: TokenFormat
}

/** What a driver saw of one answer. */
export interface GcsReply {
  readonly status: number
  /** `reason` of the first error of the body, such as `rateLimitExceeded`; null on success. */
  readonly code: string | null
  header(name: string): string | null | undefined
}

/** How the store names one generation: decimal generation, and the MD5 (base64) where it is known. */
export interface Generation {
  readonly generation: string
  readonly md5: string | null
}

/**
 * The token of a generation. `reference` also needs the ETag that the reference sees on the XML API: the quoted hex MD5
 * of an object that was uploaded in one part.
 */
export function tokenOf({ generation, md5 }: Generation, format: TokenFormat): Token {
  if (format === 'plain') return formatToken({ e_tag: null, version: generation }, 'plain')
  return formatToken({ e_tag: md5 === null ? null : `"${hexOfBase64(md5)}"`, version: generation }, format)
}

function hexOfBase64(text: string): string {
  return Array.from(atob(text), (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}

/** `crc32c=…,md5=…` of the `x-goog-hash` header, by name. */
export function hashesOf(header: string | null | undefined): ReadonlyMap<string, string> {
  const parts = (header ?? '').split(',').map((part) => part.trim())
  return new Map(
    parts.flatMap((part) => {
      const at = part.indexOf('=')
      return at < 1 ? [] : [[part.slice(0, at), part.slice(at + 1)] as const]
    }),
  )
}

/** Largest generation: a signed 64-bit integer. */
const GENERATION_MAX = 2n ** 63n - 1n

/**
 * `ifGenerationMatch` for a precondition: `0` creates, undefined puts in any case, null when no generation of this
 * store can have the token, so that nothing needs to be sent.
 */
export function generationCondition(precondition: Precondition): string | undefined | null {
  if (precondition === 'none') return undefined
  if (precondition === 'doesNotExist') return '0'
  return generationOf(precondition.matchesVersion)
}

/** The generation in a token, or null when it has none that could exist. `0` would mean "create". */
export function generationOf(token: Token): string | null {
  const { version } = parseToken(token)
  if (version === null || !/^[1-9]\d{0,18}$/.test(version)) return null
  return BigInt(version) <= GENERATION_MAX ? version : null
}

/**
 * The token of an object that was read, after a look whether the bytes are those that were stored. StoreError `corrupt`
 * without a generation, without a checksum, or with another one (G-2).
 */
export function tokenOfMedia(key: string, bytes: Uint8Array, reply: GcsReply, format: TokenFormat): Token {
  const generation = reply.header('x-goog-generation') ?? ''
  const hashes = hashesOf(reply.header('x-goog-hash'))
  const checksum = hashes.get('crc32c')
  if (generation === '') throw new StoreError('corrupt', key, 'the answer has no generation')
  if (checksum === undefined) throw new StoreError('corrupt', key, 'the answer has no checksum')
  if (checksum !== crc32c(bytes)) {
    throw new StoreError('corrupt', key, 'the bytes changed on their way from the store')
  }
  return tokenOf({ generation, md5: hashes.get('md5') ?? null }, format)
}

/** What one put came to, when the store refused it (spec/providers.md 1). Thrown: what no repetition can help. */
export function classifyPutRefusal(key: string, reply: GcsReply, precondition: Precondition): PutResult {
  const { status } = reply
  if (status === 412 || status === 304) return { outcome: 'precondition_failed' }
  if (isThrottled(reply) || status === 409) return noEffect(reply)
  if (status === 404 && reply.code !== NO_SUCH_BUCKET) {
    return reply.code === NOT_FOUND && isUpdate(precondition)
      ? { outcome: 'precondition_failed' }
      : { outcome: 'unknown' }
  }
  if (status === 401 || status === 403) throw denied(key, reply)
  if (status === 400 && (reply.code === 'invalid' || reply.code === 'checksumMismatch')) {
    throw new StoreError('corrupt', key, `the store refused the bytes (${describe(reply)})`)
  }
  if (isTransient(status) || (status >= 200 && status < 300)) return { outcome: 'unknown' }
  if (status === 501) {
    throw new StoreError('misconfigured', key, `the store has no conditional writes: ${describe(reply)}`)
  }
  throw misconfigured(key, reply)
}

function isUpdate(precondition: Precondition): boolean {
  return precondition !== 'none' && precondition !== 'doesNotExist'
}

function isTransient(status: number): boolean {
  return status === 408 || (status >= 500 && status !== 501)
}

/** 429, and the rate limits that the API reports with another status. */
function isThrottled({ status, code }: GcsReply): boolean {
  return status === 429 || ((status === 403 || status === 503) && THROTTLE_CODES.has(code ?? ''))
}

const THROTTLE_CODES: ReadonlySet<string> = new Set([
  'SlowDown',
  'rateLimitExceeded',
  'userRateLimitExceeded',
])

function noEffect(reply: GcsReply): PutResult {
  const retry_after_ms = retryAfterMs(reply.header('retry-after'), Date.now())
  return retry_after_ms === undefined ? { outcome: 'no_effect' } : { outcome: 'no_effect', retry_after_ms }
}

/**
 * What a read came to: found, not found, or thrown. A 403 is never "absent" (PV-13), and neither is a 404 that does not
 * say so in the store's words: it came from a load balancer or a wrong address.
 */
export function classifyRead(key: string, reply: GcsReply): 'ok' | 'not_found' {
  const { status, code } = reply
  if (status === 200 || status === 206) return 'ok'
  if (status === 404 && code === NOT_FOUND) return 'not_found'
  if ((status === 401 || status === 403) && !isThrottled(reply)) throw denied(key, reply)
  if (isTransient(status) || isThrottled(reply) || (status === 404 && code !== NO_SUCH_BUCKET)) {
    const retry_after_ms = retryAfterMs(reply.header('retry-after'), Date.now())
    throw new StoreError('unavailable', key, `the store answered ${describe(reply)}`, { retry_after_ms })
  }
  throw misconfigured(key, reply)
}

/** A delete: what is not there is deleted (ST-10). */
export function classifyDelete(key: string, reply: GcsReply): 'ok' | 'precondition_failed' {
  if (reply.status === 204) return 'ok'
  if (reply.status === 412) return 'precondition_failed'
  classifyRead(key, reply)
  return 'ok'
}

const NOT_FOUND = 'notFound'
const NO_SUCH_BUCKET = 'noSuchBucket'

/**
 * The code of an error body: `reason` of its first error. Of a missing object and a missing bucket both say `notFound`,
 * and a media read says it in plain text, so that the message decides. Reads at most the first 8 KiB.
 */
export function errorCode(body: string): string | null {
  const head = body.slice(0, 8192)
  if (/bucket does not exist|No such bucket/i.test(head)) return NO_SUCH_BUCKET
  // The bare words are those of fake-gcs-server.
  if (/^(No such object\b.*|Not Found)\s*$/.test(head)) return NOT_FOUND
  return /"reason"\s*:\s*"([A-Za-z0-9._-]{1,64})"/.exec(head)?.[1] ?? null
}

/** How conditions are spelled on this wire. */
export const GCS_CONDITIONS = {
  create: 'ifGenerationMatch=0',
  replace: 'ifGenerationMatch=<generation>',
  delete: 'ifGenerationMatch=<generation>',
}

function denied(key: string, reply: GcsReply): StoreError {
  return new StoreError('denied', key, `the store refused the credentials: ${describe(reply)}`)
}

function misconfigured(key: string, reply: GcsReply): StoreError {
  return new StoreError('misconfigured', key, `the store cannot serve this bucket: ${describe(reply)}`)
}

function describe({ status, code }: GcsReply): string {
  return code === null ? String(status) : `${status} ${code}`
}
