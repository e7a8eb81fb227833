/**
 * The only ways out of a scope (spec/storage.md S-6): the readiness probe, certification, and the lock keys at the
 * bucket root while reference processes are live. Each is a view that refuses every other key before any I/O.
 */
import { checkKey } from './keys.ts'
import { StoreError } from './types.ts'
import type { CallOptions, HeadResult, MaintenanceStore, Store } from './types.ts'

/** What `/ready` looks at. Need not exist: an answer of any kind shows that the store is reachable. */
export const READY_CHECK_KEY = '__arco/ready-check'

/** Folder of the objects that certification writes and deletes (spec/providers.md 7). */
export const CERTIFY_PREFIX = '__arco/certify/'

/** The single unscoped read of the request path. */
export interface UnscopedProbe {
  readyCheck(options?: CallOptions): Promise<HeadResult>
}

/** Narrows a raw store to the readiness probe. */
export function unscopedProbe(store: Store): UnscopedProbe {
  return { readyCheck: async (options) => store.head(READY_CHECK_KEY, options) }
}

/** A store without listing, for the certification sequence only. */
export type CertificationStore = Omit<MaintenanceStore, 'listPage'>

/** Narrows a raw store to `__arco/certify/{ulid}`. */
export function certificationStore(store: MaintenanceStore): CertificationStore {
  const check = (key: string): void => {
    if (!CERTIFY_KEY.test(key)) throw outside(key, `${CERTIFY_PREFIX}{ulid}`)
  }
  return {
    ...narrowed(store, check),
    async delete(key, options) {
      check(key)
      return store.delete(key, options)
    },
  }
}

/** Narrows a raw store to `locks/….lock.json` at the bucket root (spec/locks-and-fencing.md 9). */
export function bucketRootLockStore(store: Store): Store {
  return narrowed(store, (key) => {
    checkKey(key)
    if (!LOCK_KEY.test(key)) throw outside(key, 'locks/{name}.lock.json')
  })
}

const CERTIFY_KEY = /^__arco\/certify\/[0-9A-HJKMNP-TV-Z]{26}$/
const LOCK_KEY = /^locks\/.+\.lock\.json$/

function narrowed(store: Store, check: (key: string) => void): Store {
  return {
    capabilities: store.capabilities,
    async get(key, options) {
      check(key)
      return store.get(key, options)
    },
    async head(key, options) {
      check(key)
      return store.head(key, options)
    },
    async put(key, bytes, precondition, options) {
      check(key)
      return store.put(key, bytes, precondition, options)
    },
  }
}

function outside(key: string, allowed: string): StoreError {
  return new StoreError('invalid_key', key, `this unscoped view reaches ${allowed} only`)
}
