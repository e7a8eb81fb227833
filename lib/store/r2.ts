/**
 * R2 through a Worker's binding (spec/providers.md 3.2). Conditions in object form with bare ETags; a `null` answer is
 * a failed condition. Needs nothing but the binding.
 */
import { CACHE_CONTROL, contentTypeOf, readBody } from './content.ts'
import { checkKey, checkListRequest } from './keys.ts'
import { listByPrefix } from './listing.ts'
import { ABORTED, readFailure, unlessAborted } from './network.ts'
import { bareTag, formatToken, parseToken, type TokenFormat } from './tokens.ts'
import {
  StoreError,
  type Certifiable,
  type ListedObject,
  type MaintenanceStore,
  type Precondition,
  type PutResult,
  type Token,
} from './types.ts'

/** The part of a Worker's `R2Bucket` that is used; structural, so that this file needs no Workers types. */
export interface R2BucketBinding {
  get(key: string, options?: { readonly onlyIf?: R2Condition }): Promise<R2Found | null>
  head(key: string): Promise<R2Object | null>
  put(
    key: string,
    value: Uint8Array,
    options: {
      readonly onlyIf?: R2Condition
      readonly httpMetadata?: { readonly contentType: string; readonly cacheControl: string }
      readonly customMetadata?: Readonly<Record<string, string>>
      readonly sha256?: ArrayBuffer
    },
  ): Promise<R2Object | null>
  delete(key: string): Promise<void>
  list(options: {
    readonly prefix: string
    readonly limit: number
    readonly startAfter?: string
    readonly cursor?: string
  }): Promise<{
    readonly objects: readonly R2Object[]
    readonly truncated: boolean
    readonly cursor?: string
  }>
}

/** Bare ETags: a quoted one throws. */
export interface R2Condition {
  readonly etagMatches?: string
  readonly etagDoesNotMatch?: string
}

/** What R2 says of an object. `etag` has no quotes; `version` differs for every write. */
export interface R2Object {
  readonly key: string
  readonly size: number
  readonly etag: string
  readonly version: string
  readonly uploaded: Date
  readonly customMetadata?: Readonly<Record<string, string>>
}

/** An object with its body; without one when its condition failed. */
export interface R2Found extends R2Object {
  readonly body?: AsyncIterable<Uint8Array> | null
}

/** How tokens are spelled. */
export interface R2Options {
  readonly token_format?: TokenFormat
}

/** A store over a binding. */
export function r2Store(bucket: R2BucketBinding, options: R2Options = {}): MaintenanceStore & Certifiable {
  const format = options.token_format ?? 'plain'
  const tokenOf = ({ etag, version }: R2Object): Token =>
    formatToken({ e_tag: `"${etag}"`, version: version === '' ? null : version }, format)

  const listed = (object: R2Object): ListedObject => ({
    key: object.key,
    size: object.size,
    token: tokenOf(object),
    last_modified_ms: object.uploaded.getTime(),
  })

  return {
    capabilities: { driver: 'r2', meta: true, conditional_delete: false },
    async get(key, { signal, bytes_max } = {}) {
      checkKey(key)
      return reading(key, signal, async () => {
        const found = await unlessMissing(bucket.get(key))
        if (found === null) return { outcome: 'not_found' }
        const bytes = await readBody(key, found.body ?? null, { announced: found.size, bytes_max })
        const meta = found.customMetadata ?? {}
        return {
          outcome: 'ok',
          bytes,
          token: tokenOf(found),
          last_modified_ms: found.uploaded.getTime(),
          ...(Object.keys(meta).length === 0 ? {} : { meta }),
        }
      })
    },
    async head(key, { signal } = {}) {
      checkKey(key)
      return reading(key, signal, async () => {
        const object = await unlessMissing(bucket.head(key))
        if (object === null) return { outcome: 'not_found' }
        const { token, size, last_modified_ms } = listed(object)
        return { outcome: 'ok', token, size, ...(last_modified_ms === undefined ? {} : { last_modified_ms }) }
      })
    },
    async put(key, bytes, precondition, { signal, meta } = {}) {
      checkKey(key)
      if (signal?.aborted === true) return { outcome: 'unknown' }
      const onlyIf = conditionOf(precondition)
      if (onlyIf === null) return { outcome: 'precondition_failed' }
      const sha256 = await crypto.subtle.digest('SHA-256', bytes.slice())
      try {
        const stored = await unlessAborted(
          signal,
          bucket.put(key, bytes, {
            ...(onlyIf === undefined ? {} : { onlyIf }),
            httpMetadata: { contentType: contentTypeOf(key), cacheControl: CACHE_CONTROL },
            ...(meta === undefined ? {} : { customMetadata: meta }),
            sha256,
          }),
        )
        if (stored === ABORTED) return { outcome: 'unknown' }
        return stored === null
          ? { outcome: 'precondition_failed' }
          : { outcome: 'ok', token: tokenOf(stored) }
      } catch (error) {
        return putFailure(key, error)
      }
    },
    async delete(key, { signal, token } = {}) {
      checkKey(key)
      if (token !== undefined) {
        throw new StoreError('unsupported', key, 'the R2 binding cannot delete one version only')
      }
      return reading(key, signal, async () => {
        await bucket.delete(key)
        return { outcome: 'ok' }
      })
    },
    async listPage(request, { signal } = {}) {
      checkListRequest(request)
      return reading(request.prefix, signal, async () =>
        listByPrefix(request, async ({ prefix, start_after, limit }) => {
          const objects: ListedObject[] = []
          let cursor: string | undefined
          do {
            const page = await bucket.list({
              prefix,
              limit: limit - objects.length,
              ...(cursor === undefined ? {} : { cursor }),
              ...(start_after === undefined || cursor !== undefined ? {} : { startAfter: start_after }),
            })
            objects.push(...page.objects.map(listed))
            cursor = page.truncated ? page.cursor : undefined
          } while (cursor !== undefined && objects.length < limit)
          return objects
        }),
      )
    },
    certification: {
      conditions: {
        create: "onlyIf: { etagDoesNotMatch: '*' }",
        replace: 'onlyIf: { etagMatches: <ETag> }',
        delete: 'a condition',
      },
      async putWithWrongDigest(key, bytes) {
        checkKey(key)
        const sha256 = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('not these bytes'))
        try {
          await bucket.put(key, bytes, { sha256 })
          return 'accepted'
        } catch (error) {
          if (codeOf(error) === DIGEST_MISMATCH) return 'refused'
          throw error
        }
      },
      async getIfChanged(key, token) {
        checkKey(key)
        const tag = bareTag(parseToken(token).e_tag ?? '')
        const found = await bucket.get(key, { onlyIf: { etagDoesNotMatch: tag } })
        return found?.body === undefined || found.body === null ? 'not_modified' : 'sent'
      },
    },
  }
}

/** Undefined puts in any case; null when no generation of R2 can have the token. */
function conditionOf(precondition: Precondition): R2Condition | undefined | null {
  if (precondition === 'none') return undefined
  if (precondition === 'doesNotExist') return { etagDoesNotMatch: '*' }
  const { e_tag } = parseToken(precondition.matchesVersion)
  if (e_tag === null || e_tag.startsWith('W/')) return null
  const tag = bareTag(e_tag)
  return tag === '*' || !/^[\x21\x23-\x7e]+$/.test(tag) ? null : { etagMatches: tag }
}

/** The numeric code that ends an R2 error's message. */
function codeOf(error: unknown): number | null {
  const text = error instanceof Error ? (/\((\d{5})\)\s*$/.exec(error.message)?.[1] ?? null) : null
  return text === null ? null : Number(text)
}

const NO_SUCH_KEY = 10_007
const PRECONDITION_FAILED = 10_031
const DIGEST_MISMATCH = 10_037
const RATE_LIMITED = 10_058

/** No credentials, no permission, no subscription, an object under a lock rule. */
const DENIED: ReadonlySet<number> = new Set([10_002, 10_003, 10_042, 10_069])

/** A bucket name, a missing bucket, metadata, a key or a digest that R2 does not take. */
const MISCONFIGURED: ReadonlySet<number> = new Set([10_005, 10_006, 10_012, 10_014, 10_020])

/** R2 takes one write a second to a key (spec/storage.md 7). */
const RATE_LIMIT_MS = 1_000

/** A failure that no repetition can help, or null. */
function finalFailure(key: string, cause: unknown): StoreError | null {
  const code = codeOf(cause)
  if (code === null) return null
  if (DENIED.has(code)) {
    return new StoreError('denied', key, `R2 refused the credentials (${code})`, { cause })
  }
  return MISCONFIGURED.has(code)
    ? new StoreError('misconfigured', key, `R2 cannot serve this bucket or request (${code})`, { cause })
    : null
}

/** Everything that is not named is `unknown`: the write may have landed. */
function putFailure(key: string, cause: unknown): PutResult {
  const failure = finalFailure(key, cause)
  if (failure !== null) throw failure
  const code = codeOf(cause)
  if (code === PRECONDITION_FAILED) return { outcome: 'precondition_failed' }
  if (code === RATE_LIMITED) return { outcome: 'no_effect', retry_after_ms: RATE_LIMIT_MS }
  if (code !== DIGEST_MISMATCH) return { outcome: 'unknown' }
  throw new StoreError('corrupt', key, 'the bytes changed on their way', { cause })
}

async function reading<T>(key: string, signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
  try {
    const result = await unlessAborted(signal, call())
    if (result === ABORTED) throw new StoreError('unavailable', key, 'the call was aborted')
    return result
  } catch (cause) {
    throw finalFailure(key, cause) ?? readFailure(key, cause)
  }
}

/** Null for a key that is not there, however R2 says it. */
async function unlessMissing<T>(call: Promise<T | null>): Promise<T | null> {
  try {
    return await call
  } catch (error) {
    if (codeOf(error) === NO_SUCH_KEY) return null
    throw error
  }
}
