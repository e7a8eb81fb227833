/** A workspace whose store has a clock and can be listed, for tests of verify and reconcile over the projection. */
import { memoryStore, type MemoryOptions, type MemoryStore } from '../../lib/store/memory.ts'
import { scopedMaintenanceStore } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import type { Maintenance } from '../../lib/protocol/maintenance/effects.ts'
import {
  reconcile,
  type ReconcileRequest,
  type Reconciled,
} from '../../lib/protocol/maintenance/projection/reconcile.ts'
import {
  reconcileSettings,
  type ReconcileSettings,
} from '../../lib/protocol/maintenance/projection/settings.ts'
import { runMaintenance, type MaintenanceEnvironment } from '../../lib/protocol/maintenance/run.ts'
import { projectionWorld, WORLD_START_MS, type World, type WorldOptions } from './projection-world.ts'

/** The code under test: what ships, or a copy with one rule broken. */
export interface Reconciler {
  readonly reconcile: typeof reconcile
}

/** What a world may be made of. */
export interface ReconcileWorldOptions extends Omit<WorldOptions, 'store'> {
  readonly reconciler?: Reconciler
  readonly reconcile_settings?: Partial<ReconcileSettings>
  readonly memory?: MemoryOptions
  /** Put in front of the scoped store of maintenance: faults. */
  readonly wrap_maintenance?: (store: MaintenanceStore) => MaintenanceStore
}

/** A workspace, and maintenance of it. */
export interface ReconcileWorld extends World {
  readonly store: MemoryStore
  /** The clock of the store; `world.clock` is that of the processes. */
  readonly store_clock: { now_ms: number }
  readonly maintenance_env: MaintenanceEnvironment
  readonly reconcile_settings: ReconcileSettings
  /** Let time pass for everybody. */
  pass(ms: number): void
  maintain<R>(work: Maintenance<R>): Promise<R>
  reconcile(request?: Partial<ReconcileRequest>): Promise<Reconciled>
  /** A reconcile that has not begun. */
  reconciling(request?: Partial<ReconcileRequest>): ReturnType<typeof reconcile>
  /** Relative paths of everything in the bucket that starts so. */
  paths(prefix?: string): string[]
  /** Put an object there that was written some time ago, ms. */
  plant(path: string, text: string, age_ms: number): void
}

/** Longer than any quarantine, ms. */
export const OLD_MS = 2 * 3_600_000

/** Make one. */
export function reconcileWorld(options: ReconcileWorldOptions = {}): ReconcileWorld {
  const { reconciler = { reconcile }, memory = {}, wrap_maintenance = (same) => same } = options
  const store_clock = { now_ms: options.now_ms ?? WORLD_START_MS }
  const store = memoryStore({ clock: () => store_clock.now_ms, tokens: 'content', ...memory })
  const world = projectionWorld({ ...options, store })
  const { scope, prefix, env, clock } = world
  const reconcile_settings = {
    ...reconcileSettings(scope),
    projection: world.settings,
    ...options.reconcile_settings,
  }
  const maintenance_env: MaintenanceEnvironment = {
    ...env,
    store: wrap_maintenance(scopedMaintenanceStore(store, scope)),
  }
  const reconciling = (request: Partial<ReconcileRequest> = {}): ReturnType<typeof reconcile> =>
    reconciler.reconcile(reconcile_settings, { repair: true, scope: 'full', ...request })
  return {
    ...world,
    store,
    store_clock,
    maintenance_env,
    reconcile_settings,
    reconciling,
    pass(ms) {
      store_clock.now_ms += ms
      clock.now_ms += ms
    },
    maintain: async (work) => runMaintenance(work, maintenance_env),
    async reconcile(request) {
      const result = await runMaintenance(reconciling(request), maintenance_env)
      if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`)
      return result
    },
    paths: (start = '') =>
      [...store.dump().keys()]
        .map((key) => key.slice(prefix.length))
        .filter((path) => path.startsWith(start)),
    plant(path, text, age_ms) {
      store.seed(prefix + path, new TextEncoder().encode(text), undefined, {
        last_modified_ms: store_clock.now_ms - age_ms,
      })
    },
  }
}
