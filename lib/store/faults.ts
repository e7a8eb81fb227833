/**
 * Faults on purpose, in front of any store (spec/correctness.md 3, spec/providers.md 3.5): what a network and a busy
 * provider do to a request. For tests and for trying out a client; no deployment uses it.
 */
import { checkKey, checkListRequest } from './keys.ts'
import { StoreError, type MaintenanceStore, type PutResult } from './types.ts'

/** The call that is about to be made; `index` counts all calls of this store from 0. */
export interface FaultyCall {
  readonly kind: 'get' | 'head' | 'put' | 'delete' | 'list'
  readonly key: string
  readonly index: number
}

/**
 * What happens to one call. `lost_request` (F1) and `error_before` never reach the store, `lost_response` (F2) and
 * `error_after` take effect first, `late` (F3) takes effect when its promise resolves, `hang` never answers.
 */
export type Fault =
  | { readonly fault: 'latency'; readonly until: Promise<void> }
  | { readonly fault: 'lost_request' | 'lost_response' | 'error_before' | 'error_after' | 'hang' }
  | { readonly fault: 'late'; readonly until: Promise<void> }
  | { readonly fault: 'conflict' }
  | { readonly fault: 'throttle'; readonly retry_after_ms?: number }

/** Decides for each call; undefined lets it through. */
export type FaultPlan = (call: FaultyCall) => Fault | undefined

/** The store behind a faulty network. An invalid key gets as far as the driver, never onto the wire (ST-25). */
export function withFaults(store: MaintenanceStore, plan: FaultPlan): MaintenanceStore {
  let index = 0
  const ask = (kind: FaultyCall['kind'], key: string): Fault | undefined =>
    plan({ kind, key, index: index++ })

  /** Reads and deletes: a fault is an unavailable store; a hang ends with the signal. */
  async function reading<T>(
    kind: FaultyCall['kind'],
    key: string,
    signal: AbortSignal | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    if (kind !== 'list') checkKey(key)
    const fault = ask(kind, key)
    if (fault === undefined) return call()
    switch (fault.fault) {
      case 'latency':
        await fault.until
        return call()
      case 'late':
        callLater(fault.until, call)
        throw new StoreError('unavailable', key, 'injected late')
      case 'error_after':
      case 'lost_response':
        await call()
        throw new StoreError('unavailable', key, `injected ${fault.fault}`)
      case 'hang':
        await aborted(signal)
        throw new StoreError('unavailable', key, 'injected hang')
      case 'throttle':
        throw new StoreError('unavailable', key, 'injected throttle', {
          retry_after_ms: fault.retry_after_ms,
        })
      case 'conflict':
      case 'error_before':
      case 'lost_request':
        throw new StoreError('unavailable', key, `injected ${fault.fault}`)
    }
  }

  return {
    capabilities: store.capabilities,
    get: async (key, options) => reading('get', key, options?.signal, async () => store.get(key, options)),
    head: async (key, options) => reading('head', key, options?.signal, async () => store.head(key, options)),
    delete: async (key, options) =>
      reading('delete', key, options?.signal, async () => store.delete(key, options)),
    async listPage(request, options) {
      checkListRequest(request)
      return reading('list', request.prefix, options?.signal, async () => store.listPage(request, options))
    },
    async put(key, bytes, precondition, options): Promise<PutResult> {
      checkKey(key)
      const fault = ask('put', key)
      const call = async (): Promise<PutResult> => store.put(key, bytes, precondition, options)
      if (fault === undefined) return call()
      switch (fault.fault) {
        case 'latency':
          await fault.until
          return call()
        case 'lost_request':
        case 'error_before':
          return { outcome: 'unknown' }
        case 'lost_response':
        case 'error_after':
          await call()
          return { outcome: 'unknown' }
        case 'late':
          callLater(fault.until, call)
          return { outcome: 'unknown' }
        case 'hang':
          await aborted(options?.signal)
          return { outcome: 'unknown' }
        case 'conflict':
          return { outcome: 'no_effect' }
        case 'throttle':
          return fault.retry_after_ms === undefined
            ? { outcome: 'no_effect' }
            : { outcome: 'no_effect', retry_after_ms: fault.retry_after_ms }
      }
    },
  }
}

/** A detached effect: nobody is left to be told how it went. */
function callLater(until: Promise<void>, call: () => Promise<unknown>): void {
  until.then(call).catch(() => undefined)
}

/** Resolves when the signal fires; without one, never. */
async function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true })
  })
}
