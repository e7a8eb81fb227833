/** What a failed connection proves about a write (spec/providers.md 1): only what was certainly never sent had no effect. */
import { StoreError, type PutResult } from './types.ts'

/**
 * System errors of a connection that was never made. Their system call has to be `connect` or a name look-up: on an
 * established connection Linux reports the same codes, after the request was sent.
 */
const UNCONNECTED_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])
const CONNECTING_CALLS: ReadonlySet<string> = new Set(['connect', 'getaddrinfo'])

/** The same, said by fetch or by TLS, which refuses a certificate before anything of the request is sent. */
const NOT_SENT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** What a put that ended in an exception came to: `no_effect` only when certainly nothing was sent. */
export function classifyPutFailure(key: string, error: unknown): PutResult {
  return wasNeverSent(error)
    ? { outcome: 'no_effect', cause: readFailure(key, error) }
    : { outcome: 'unknown' }
}

/** Looks through `cause`, where fetch hides the system's error, and through the errors of several addresses. */
export function wasNeverSent(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  if ('code' in error && typeof error.code === 'string' && isNeverSentCode(error.code, error)) return true
  if ('errors' in error && Array.isArray(error.errors)) {
    return error.errors.length > 0 && error.errors.every(wasNeverSent)
  }
  return 'cause' in error && wasNeverSent(error.cause)
}

function isNeverSentCode(code: string, error: object): boolean {
  if (NOT_SENT_CODES.has(code)) return true
  // The second is node-fetch's name for it, which Google's SDK uses.
  const call = 'syscall' in error ? error.syscall : 'erroredSysCall' in error ? error.erroredSysCall : ''
  return UNCONNECTED_CODES.has(code) && CONNECTING_CALLS.has(String(call))
}

/** A call that ended in an exception: the store did not answer, or not to the end. */
export function readFailure(key: string, cause: unknown): StoreError {
  return cause instanceof StoreError
    ? cause
    : new StoreError('unavailable', key, `the store did not answer: ${causeText(cause)}`, { cause })
}

const CAUSE_CHARS_MAX = 200

/** What the innermost error says, for logs: clients wrap it in "fetch failed" and the like. */
export function causeText(error: unknown): string {
  let inner = error
  for (let depth = 0; depth < 8 && hasCause(inner); depth++) inner = inner.cause
  // Several addresses were tried: the last one speaks for all.
  if (inner instanceof AggregateError && inner.errors.length > 0) inner = inner.errors.at(-1)
  return (inner instanceof Error ? inner.message || inner.name : String(inner)).slice(0, CAUSE_CHARS_MAX)
}

function hasCause(error: unknown): error is { readonly cause: unknown } {
  return typeof error === 'object' && error !== null && 'cause' in error && error.cause !== undefined
}

/**
 * What a put came to whose credentials could not be fetched. Nothing was sent, so a source that does not answer now is
 * `no_effect`; one that refuses is thrown.
 */
export function putWithoutCredentials(error: unknown): PutResult {
  if (error instanceof StoreError && error.code === 'unavailable') {
    return { outcome: 'no_effect', cause: error }
  }
  throw error
}

/** What an abandoned call comes to. */
export const ABORTED = Symbol('aborted')

/** For clients that take no signal: an aborted call is abandoned, and may still take effect. */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  call: Promise<T>,
): Promise<T | typeof ABORTED> {
  if (signal === undefined) return call
  let stop: (() => void) | undefined
  const aborted = new Promise<typeof ABORTED>((resolve) => {
    stop = (): void => resolve(ABORTED)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  call.catch(() => undefined)
  try {
    return await Promise.race([call, aborted])
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop)
  }
}
