/** What a failed connection proves about a write (spec/providers.md 1): only what was certainly never sent had no effect. */
import { StoreError, type PutResult } from './types.ts'

/** Connection failures before a byte of the request was sent: DNS, refused, TLS. */
const NOT_SENT_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** What a put that ended in an exception came to: `no_effect` only when certainly nothing was sent. */
export function classifyPutFailure(error: unknown): PutResult {
  return wasNeverSent(error) ? { outcome: 'no_effect' } : { outcome: 'unknown' }
}

/** Looks through `cause`, where fetch hides the system's error, and through the errors of several addresses. */
export function wasNeverSent(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  if ('code' in error && typeof error.code === 'string' && NOT_SENT_CODES.has(error.code)) return true
  if ('errors' in error && Array.isArray(error.errors)) {
    return error.errors.length > 0 && error.errors.every(wasNeverSent)
  }
  return 'cause' in error && wasNeverSent(error.cause)
}

/** A read that ended in an exception: the store did not answer. */
export function readFailure(key: string, cause: unknown): StoreError {
  return cause instanceof StoreError
    ? cause
    : new StoreError('unavailable', key, 'the store did not answer', { cause })
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
