/** What the compactor routes have in common: the store with its lock, the settings of the scope, the time limit. */
import { withDeadline } from '../lib/protocol/deadline.ts'
import type { Protocol } from '../lib/protocol/effects.ts'
import { LOCK_PATH } from '../lib/protocol/orchestration/paths.ts'
import type { ProjectionSettings } from '../lib/protocol/orchestration/projection/settings.ts'
import { scopedStore, type Scope } from '../lib/store/scoped.ts'
import type { Store } from '../lib/store/types.ts'
import { bucketRootLockStore } from '../lib/store/unscoped.ts'
import type { CompactorSettings } from './compactor-settings.ts'
import { perform, type Call } from './handler.ts'

/** The settings of the projection of the request's scope. Whoever waits for the lock has time left to say who holds it. */
export function projectionSettings({ service: { compactor, scope } }: Call): ProjectionSettings {
  const { projection, deadline_ms } = compactor
  return { ...projection, scope, wait_ms: Math.min(projection.wait_ms, deadline_ms / 2) }
}

/** Drive an operation on the projection, for as long as the deployment lets it. */
export async function performOnProjection<R>(call: Call, protocol: Protocol<R>): Promise<R> {
  const { lock_scope, deadline_ms } = call.service.compactor
  return perform(call, withDeadline(protocol, deadline_ms), (store, scope) =>
    compactorStore(store, scope, lock_scope),
  )
}

/** The scope, in which the compaction lock is where the deployment has it. */
export function compactorStore(
  store: Store,
  scope: Scope,
  lock_scope: CompactorSettings['lock_scope'],
): Store {
  const scoped = scopedStore(store, scope)
  if (lock_scope === 'scoped') return scoped
  const locks = bucketRootLockStore(store)
  const of = (path: string): Store => (path === LOCK_PATH ? locks : scoped)
  return {
    capabilities: store.capabilities,
    get: async (path, options) => of(path).get(path, options),
    head: async (path, options) => of(path).head(path, options),
    put: async (path, bytes, precondition, options) => of(path).put(path, bytes, precondition, options),
  }
}
