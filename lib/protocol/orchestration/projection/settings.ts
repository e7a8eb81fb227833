/** What a deployment decides about its projection. Everything else is fixed in `limits.ts`. */
import { LEASE_MS, WAIT_MS } from '../../lock.ts'

/** Whose events are folded: the scope of the store that the operations run on. */
export interface EventScope {
  readonly tenant: string
  readonly workspace: string
}

/** The choices of one deployment; `DEFAULT_PROJECTION_SETTINGS` has all but the scope. */
export interface ProjectionSettings {
  readonly scope: EventScope
  /** Under which run ids are derived; another one gives other rows (fold.md 8.1). */
  readonly tenant_secret: Uint8Array
  /** Whether removed rows are recorded; `follow` does what the visible manifest does (manifests.md 10). */
  readonly tombstones: 'follow' | 'emit' | 'understand'
  /** Days after which an ended run expires, where removed rows are recorded; 0 for never (11). */
  readonly terminal_run_days: number
  /** Objects that are read together (rebuild.md RB-1). */
  readonly reads_max: number
  /** Events of one chunk of a rebuild: what a crash loses at most (correctness.md Q10). */
  readonly chunk_events: number
  /** Lease of a request that takes the lock itself, ms. */
  readonly lease_ms: number
  /** How long such a request waits for another holder, ms. */
  readonly wait_ms: number
  /** Fencing tokens begin above this, besides the pointer's epoch: for moving a lock (locks-and-fencing.md 9). */
  readonly lock_floor: number
}

/** The defaults of the specification, and ours where it has none. */
export const DEFAULT_PROJECTION_SETTINGS: Omit<ProjectionSettings, 'scope'> = {
  tenant_secret: new Uint8Array(),
  tombstones: 'follow',
  terminal_run_days: 90,
  reads_max: 256,
  chunk_events: 10_000,
  lease_ms: LEASE_MS,
  wait_ms: WAIT_MS,
  lock_floor: 0,
}
