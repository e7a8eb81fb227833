/** Writes down every call of a store and what it came to, in the order in which the answers arrived at the caller. */
import type { MaintenanceStore } from '../../lib/store/types.ts'

/** One call. A read that was thrown has the outcome `failed`. */
export interface Recorded {
  readonly kind: 'get' | 'put'
  readonly key: string
  readonly outcome: 'ok' | 'not_found' | 'precondition_failed' | 'no_effect' | 'unknown' | 'failed'
}

/** A store that writes down its gets and puts. */
export function recordCalls(store: MaintenanceStore): {
  readonly store: MaintenanceStore
  readonly calls: Recorded[]
} {
  const calls: Recorded[] = []
  return {
    calls,
    store: {
      ...store,
      async get(key, options) {
        try {
          const result = await store.get(key, options)
          calls.push({ kind: 'get', key, outcome: result.outcome })
          return result
        } catch (error) {
          calls.push({ kind: 'get', key, outcome: 'failed' })
          throw error
        }
      },
      async put(key, bytes, precondition, options) {
        const result = await store.put(key, bytes, precondition, options)
        calls.push({ kind: 'put', key, outcome: result.outcome })
        return result
      },
    },
  }
}
