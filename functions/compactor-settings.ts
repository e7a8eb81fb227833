/** What a deployment decides about the compactor routes. */
import {
  DEFAULT_PROJECTION_SETTINGS,
  type ProjectionSettings,
} from '../lib/protocol/orchestration/projection/settings.ts'

/** The choices of one deployment. */
export interface CompactorSettings {
  /** All but the scope, which is that of the request. */
  readonly projection: Omit<ProjectionSettings, 'scope'>
  /** Which object is the compaction lock; at the bucket root beside a live Arco (spec/locks-and-fencing.md 9). */
  readonly lock_scope: 'scoped' | 'bucket-root'
  /** Refuse the plain shapes, as the reference does (spec/locks-and-fencing.md 6.1). */
  readonly requires_fencing: boolean
  /** How long one request may take, ms (spec/http-api.md 11). */
  readonly deadline_ms: number
  /** A rebuild ends with what is finished when one request has read this many events; null: only time ends it. */
  readonly events_budget: number | null
}

/** Those of the specification. */
export const DEFAULT_COMPACTOR_SETTINGS: CompactorSettings = {
  projection: DEFAULT_PROJECTION_SETTINGS,
  lock_scope: 'scoped',
  requires_fencing: false,
  deadline_ms: 300_000,
  events_budget: null,
}
