/**
 * Time limits on every call and retries on reads, in front of any driver (spec/storage.md 9). A put is sent once,
 * whatever happens (spec/providers.md P-1), and so is a delete: when a put takes too long it is aborted and its outcome
 * is `unknown`.
 */
import { StoreError, type CallOptions, type MaintenanceStore, type PutResult } from './types.ts'

/** Times in ms; the defaults are those of spec/storage.md 9. */
export interface Limits {
  /** One attempt of a read, or a put of at most 64 KiB. */
  readonly attempt_ms: number
  /** A put of a larger body. */
  readonly large_put_ms: number
  readonly read_attempts: number
  /** All attempts of one read together. */
  readonly total_ms: number
  readonly backoff_base_ms: number
  readonly backoff_cap_ms: number
  sleep(ms: number): Promise<void>
  random(): number
}

const DEFAULTS: Limits = {
  attempt_ms: 10_000,
  large_put_ms: 30_000,
  read_attempts: 4,
  total_ms: 20_000,
  backoff_base_ms: 50,
  backoff_cap_ms: 2_000,
  sleep: async (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
}

const SMALL_BYTES_MAX = 64 * 1024

/** The store with limits. */
export function withLimits(store: MaintenanceStore, overrides: Partial<Limits> = {}): MaintenanceStore {
  const limits = { ...DEFAULTS, ...overrides }

  async function reading<T>(key: string, options: CallOptions | undefined, call: Attempt<T>): Promise<T> {
    const signal = options?.signal
    const ends_ms = performance.now() + limits.total_ms
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(key, signal, Math.min(limits.attempt_ms, ends_ms - performance.now()), call)
      } catch (error) {
        const backoff_ms =
          Math.min(limits.backoff_cap_ms, limits.backoff_base_ms * 2 ** (attempt - 1)) * limits.random()
        // At least what the store asked for; where the time left is less, the read is over (P-8).
        const asked_ms = error instanceof StoreError ? (error.retry_after_ms ?? 0) : 0
        const wait_ms = Math.max(backoff_ms, asked_ms)
        const is_over = attempt >= limits.read_attempts || performance.now() + wait_ms >= ends_ms
        if (!isRetryable(error, attempt) || is_over || signal?.aborted === true) throw error
        await limits.sleep(wait_ms)
      }
    }
  }

  return {
    capabilities: store.capabilities,
    get: async (key, options) =>
      reading(key, options, async (signal) => store.get(key, { ...options, signal })),
    head: async (key, options) =>
      reading(key, options, async (signal) => store.head(key, { ...options, signal })),
    // Sent once: a second one could remove what somebody wrote after the first.
    delete: async (key, options) =>
      once(key, options?.signal, limits.attempt_ms, async (signal) =>
        store.delete(key, { ...options, signal }),
      ),
    listPage: async (request, options) =>
      reading(request.prefix, options, async (signal) => store.listPage(request, { ...options, signal })),
    async put(key, bytes, precondition, options): Promise<PutResult> {
      const limit_ms = bytes.length <= SMALL_BYTES_MAX ? limits.attempt_ms : limits.large_put_ms
      const result = await within(limit_ms, options?.signal, async (signal) =>
        store.put(key, bytes, precondition, { ...options, signal }),
      )
      return result === TOOK_TOO_LONG ? { outcome: 'unknown' } : result
    },
  }
}

type Attempt<T> = (signal: AbortSignal) => Promise<T>

/** One attempt of anything but a put. */
async function once<T>(
  key: string,
  outer: AbortSignal | undefined,
  limit_ms: number,
  call: Attempt<T>,
): Promise<T> {
  const result = await within(limit_ms, outer, call)
  if (result !== TOOK_TOO_LONG) return result
  const why = outer?.aborted === true ? 'the call was aborted' : `no answer within ${Math.round(limit_ms)} ms`
  throw new StoreError('unavailable', key, why)
}

/** A store that did not answer; and once, bytes that changed on their way (spec/storage.md 8). */
function isRetryable(error: unknown, attempt: number): boolean {
  if (!(error instanceof StoreError)) return false
  return error.code === 'unavailable' || (error.code === 'corrupt' && attempt === 1)
}

const TOOK_TOO_LONG = Symbol('took too long')

/** The call's result, or TOOK_TOO_LONG once the limit has passed or the caller aborted; the call is aborted then. */
async function within<T>(
  limit_ms: number,
  outer: AbortSignal | undefined,
  call: Attempt<T>,
): Promise<T | typeof TOOK_TOO_LONG> {
  const inner = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let stop: (() => void) | undefined
  const ended = new Promise<typeof TOOK_TOO_LONG>((resolve) => {
    stop = (): void => {
      inner.abort()
      resolve(TOOK_TOO_LONG)
    }
    timer = setTimeout(stop, limit_ms)
    if (outer?.aborted === true) stop()
    else outer?.addEventListener('abort', stop, { once: true })
  })
  try {
    const running = call(inner.signal)
    // A late failure of an abandoned call has nobody left to tell.
    running.catch(() => undefined)
    return await Promise.race([running, ended])
  } finally {
    clearTimeout(timer)
    if (stop !== undefined) outer?.removeEventListener('abort', stop)
  }
}
