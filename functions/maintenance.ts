/**
 * Handlers that may list. They get a way to run maintenance work beside their call; everybody else's call has a store that
 * cannot list or delete, at run time as well as by type (spec/storage.md 6.3, C17, C20).
 */
import { withDeadline } from '../lib/protocol/deadline.ts'
import type { Maintenance, MaintenanceOp } from '../lib/protocol/maintenance/effects.ts'
import { runMaintenance } from '../lib/protocol/maintenance/run.ts'
import { scopedMaintenanceStore, type Scope } from '../lib/store/scoped.ts'
import type { MaintenanceStore } from '../lib/store/types.ts'
import { compactorStore } from './compactor.ts'
import type { CompactorSettings } from './compactor-settings.ts'
import { createEnvironment } from './environment.ts'
import type { Call, Handler } from './handler.ts'

/** What an app needs for its maintenance routes. */
export interface MaintenanceParts {
  /** Unscoped; only `maintenanceHandler` takes hold of it. */
  readonly maintenance_store: MaintenanceStore
}

/** Drives maintenance work in the scope of one call. */
export type RunMaintenance = <R>(work: Maintenance<R>) => Promise<R>

/** A handler of a route that says that it lists. */
export type MaintenanceHandler = (call: Call, run: RunMaintenance) => Promise<Response>

/**
 * Give a maintenance handler what it runs its work with. That of the compactor finds its lock where the deployment has it,
 * and ends when the time of a request is up.
 */
export function maintenanceHandler(
  store: MaintenanceStore,
  handler: MaintenanceHandler,
  service: 'table' | 'compactor' = 'table',
): Handler {
  return async (call) => {
    const { scope, resolver, overrides, compactor } = call.service
    const view =
      service === 'table'
        ? scopedMaintenanceStore(store, scope)
        : compactorMaintenanceStore(store, scope, compactor.lock_scope)
    const scoped = watched(view, (error) => call.failed(error))
    const environment = createEnvironment({
      store: scoped,
      resolver,
      overrides,
      note: (fact) => call.note(fact),
    })
    async function run<R>(work: Maintenance<R>): Promise<R> {
      const bounded: Maintenance<R> =
        service === 'table' ? work : withDeadline<R, MaintenanceOp>(work, compactor.deadline_ms)
      return runMaintenance(bounded, { ...environment, store: scoped })
    }
    return handler(call, run)
  }
}

/** The scope, in which the compaction lock is where the deployment has it; nothing outside of the scope is listed or deleted. */
export function compactorMaintenanceStore(
  store: MaintenanceStore,
  scope: Scope,
  lock_scope: CompactorSettings['lock_scope'],
): MaintenanceStore {
  return { ...scopedMaintenanceStore(store, scope), ...compactorStore(store, scope, lock_scope) }
}

/** The cause of a failed call goes to the log, as in `handler.ts`. */
function watched(store: MaintenanceStore, failed: (error: unknown) => void): MaintenanceStore {
  async function watch<T>(call: Promise<T>): Promise<T> {
    try {
      return await call
    } catch (error) {
      failed(error)
      throw error
    }
  }
  return {
    capabilities: store.capabilities,
    get: async (path, options) => watch(store.get(path, options)),
    head: async (path, options) => watch(store.head(path, options)),
    put: async (path, bytes, precondition, options) => watch(store.put(path, bytes, precondition, options)),
    delete: async (path, options) => watch(store.delete(path, options)),
    listPage: async (request, options) => watch(store.listPage(request, options)),
  }
}
