/**
 * The S3 wire as both S3 drivers speak it (spec/providers.md 1, 3.1): how a token is composed and sent back, and what
 * an answer means. Pure; one place for the SDK and the fetch driver.
 */
import { retryAfterMs } from './content.ts'
import { bareTag, formatToken, parseToken, type TokenFormat } from './tokens.ts'
import { StoreError, type Meta, type Precondition, type PutResult, type Token } from './types.ts'

/** How `If-Match` wants its ETag; certification finds out (Q-1, K-4). */
export type IfMatchStyle = 'quoted' | 'unquoted'

/** What an S3 driver is told about its bucket, whichever client it uses. */
export interface S3WireOptions {
  readonly bucket: string
  readonly token_format?: TokenFormat
  readonly if_match_style?: IfMatchStyle
  /** `DELETE` honours `If-Match`; several servers ignore it and delete (spec/providers.md 8). Default false. */
  readonly conditional_delete?: boolean
}

/** What a driver saw of one answer. */
export interface S3Reply {
  readonly status: number
  /** `<Code>` of the error body; null on success and where there is no body. */
  readonly code: string | null
  header(name: string): string | null | undefined
}

/** The token of the generation that an answer describes; null when it names no ETag. */
export function tokenOf(reply: S3Reply, format: TokenFormat): Token | null {
  const e_tag = reply.header('etag') ?? ''
  if (e_tag === '') return null
  const version = reply.header('x-amz-version-id') ?? null
  // A bucket without versioning, or with it suspended, says "null": no version at all.
  return formatToken({ e_tag, version: version === 'null' || version === '' ? null : version }, format)
}

/**
 * The `If-Match` value for a token, or null when no generation of this store can have it: a weak tag, another
 * store's token, or text that would not be one ETag on the wire (`*`, a list, a line break).
 */
export function ifMatchValue(token: Token, style: IfMatchStyle): string | null {
  const { e_tag } = parseToken(token)
  if (e_tag === null || e_tag.startsWith('W/')) return null
  const tag = bareTag(e_tag)
  if (tag === '*' || !/^[\x21\x23-\x7e]+$/.test(tag)) return null
  return style === 'quoted' ? `"${tag}"` : tag
}

/** Condition headers of a put; null when the condition cannot hold, so that nothing needs to be sent. */
export function conditionHeaders(
  precondition: Precondition,
  style: IfMatchStyle,
): Readonly<Record<string, string>> | null {
  if (precondition === 'none') return {}
  if (precondition === 'doesNotExist') return { 'if-none-match': '*' }
  const value = ifMatchValue(precondition.matchesVersion, style)
  return value === null ? null : { 'if-match': value }
}

/** Refused before it was evaluated: nothing was stored. */
const CONFLICT_CODES: ReadonlySet<string> = new Set([
  'ConditionalRequestConflict',
  'ConcurrentModification',
  'OperationAborted',
])

/** The body did not arrive whole: whether the store gave up before or after it evaluated the condition is not said. */
const INCOMPLETE_CODES: ReadonlySet<string> = new Set(['RequestTimeout', 'IncompleteBody'])

/** The body arrived and was not what its digest says. */
const DIGEST_CODES: ReadonlySet<string> = new Set([
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
])

/** Throttled. MinIO's `SlowDownWrite` is not here: it may come after a part of the write. */
const SLOW_DOWN_CODES: ReadonlySet<string> = new Set(['SlowDown', 'ServerBusy'])

/** The credentials were refused, not the request: worth one more attempt with fresh ones (PV-20). */
const CREDENTIAL_CODES: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'TokenRefreshRequired',
  'InvalidToken',
])

/** The store's clock and ours differ by more than SigV4 allows. */
export const SKEWED = 'RequestTimeTooSkewed'

/** True for a definite refusal of the credentials or the clock: nothing was applied, fresh ones may pass. */
export function isCredentialRefusal(reply: S3Reply): boolean {
  return (
    reply.status === 401 ||
    reply.status === 403 ||
    (reply.status === 400 && CREDENTIAL_CODES.has(reply.code ?? ''))
  )
}

/** What one put came to (spec/providers.md 1). Thrown: what no repetition can help. */
export function classifyPut(
  key: string,
  reply: S3Reply,
  precondition: Precondition,
  format: TokenFormat,
): PutResult {
  const { status } = reply
  const code = reply.code ?? ''
  if (status === 200 || status === 201 || status === 204) {
    const token = tokenOf(reply, format)
    return token === null ? { outcome: 'unknown' } : { outcome: 'ok', token }
  }
  if (status === 412 || status === 304) return { outcome: 'precondition_failed' }
  if (status === 409 && CONFLICT_CODES.has(code)) return noEffect(reply)
  if (status === 429 || (status === 503 && SLOW_DOWN_CODES.has(code))) return noEffect(reply)
  if (status === 404 && code !== 'NoSuchBucket') {
    // Only the store itself says NoSuchKey; any other 404 is somebody in between.
    return code === 'NoSuchKey' && isUpdate(precondition)
      ? { outcome: 'precondition_failed' }
      : { outcome: 'unknown' }
  }
  if (isCredentialRefusal(reply)) throw denied(key, reply)
  if (status === 400 && DIGEST_CODES.has(code)) {
    throw new StoreError('corrupt', key, `the bytes changed on their way to the store (${code})`)
  }
  if (status === 400 && INCOMPLETE_CODES.has(code)) return { outcome: 'unknown' }
  if (status === 409 || status === 408 || (status >= 500 && status !== 501)) return { outcome: 'unknown' }
  if (status === 501) {
    throw new StoreError('misconfigured', key, `the store has no conditional writes: ${describe(reply)}`)
  }
  throw misconfigured(key, reply)
}

function isUpdate(precondition: Precondition): boolean {
  return precondition !== 'none' && precondition !== 'doesNotExist'
}

function noEffect(reply: S3Reply): PutResult {
  const retry_after_ms = retryAfterMs(reply.header('retry-after'), Date.now())
  return retry_after_ms === undefined ? { outcome: 'no_effect' } : { outcome: 'no_effect', retry_after_ms }
}

/**
 * What a read came to: found, not found, or thrown. A 403 is never "absent" (PV-13), and neither is a 404 that does not
 * say NoSuchKey: it came from a load balancer or a wrong address.
 */
export function classifyRead(key: string, reply: S3Reply): 'ok' | 'not_found' {
  const { status, code } = reply
  if (status === 200 || status === 206) return 'ok'
  if (status === 404 && code === 'NoSuchKey') return 'not_found'
  if (isCredentialRefusal(reply)) throw denied(key, reply)
  if (isTransient(status) || (status === 404 && code !== 'NoSuchBucket')) {
    const retry_after_ms = retryAfterMs(reply.header('retry-after'), Date.now())
    throw new StoreError('unavailable', key, `the store answered ${describe(reply)}`, { retry_after_ms })
  }
  throw misconfigured(key, reply)
}

function isTransient(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || (status >= 500 && status !== 501)
}

/** A HEAD has no body: its 404 is "absent, or no such bucket" (spec/providers.md 1). */
export function classifyHead(key: string, reply: S3Reply): 'ok' | 'not_found' {
  return reply.status === 404 ? 'not_found' : classifyRead(key, reply)
}

/** A delete: what is not there is deleted (ST-10). */
export function classifyDelete(key: string, reply: S3Reply): 'ok' | 'precondition_failed' {
  if (reply.status === 204) return 'ok'
  if (reply.status === 412) return 'precondition_failed'
  if (reply.status === 501) {
    throw new StoreError('unsupported', key, `the store cannot delete one version only: ${describe(reply)}`)
  }
  classifyRead(key, reply)
  return 'ok'
}

function denied(key: string, reply: S3Reply): StoreError {
  const why = reply.code === SKEWED ? 'the clock of this machine' : 'the credentials'
  return new StoreError('denied', key, `the store refused ${why}: ${describe(reply)}`)
}

function misconfigured(key: string, reply: S3Reply): StoreError {
  return new StoreError('misconfigured', key, `the store cannot serve this bucket: ${describe(reply)}`)
}

function describe({ status, code }: S3Reply): string {
  return code === null ? String(status) : `${status} ${code}`
}

/** How conditions are spelled on this wire. */
export const S3_CONDITIONS = {
  create: 'If-None-Match: *',
  replace: 'If-Match: <ETag>',
  delete: 'If-Match: <ETag>',
}

/** `<Code>` of an S3 error body, by a bounded scan. */
export function errorCode(body: string): string | null {
  return /<Code>([A-Za-z0-9._-]{1,64})<\/Code>/.exec(body.slice(0, 8192))?.[1] ?? null
}

/** User metadata of an answer; names in lower case. */
export function metaOf(headers: Iterable<readonly [string, string]>): Meta {
  const prefix = 'x-amz-meta-'
  const entries = [...headers].map(([name, value]) => [name.toLowerCase(), value] as const)
  return Object.fromEntries(
    entries
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  )
}
