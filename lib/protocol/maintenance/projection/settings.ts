/** What a deployment decides about collecting and verifying its projection. */
import { DAY_MS } from '../../orchestration/events/instant.ts'
import {
  DEFAULT_PROJECTION_SETTINGS,
  type ProjectionSettings,
} from '../../orchestration/projection/settings.ts'

/** No shorter quarantine is accepted, ms (spec/reconcile.md 9 rule 2). */
export const QUARANTINE_MIN_MS = 3_600_000

/** How much of the past is kept (RC-3). */
export interface Retention {
  /** Revisions before the visible one that are always kept. */
  readonly revisions: number
  /** A revision that was visible within this time is kept, ms. It bounds how long readers and proofs may take. */
  readonly younger_ms: number
}

/** The choices of one deployment. */
export interface ReconcileSettings {
  /** How the lock is taken, and which scope this is. */
  readonly projection: ProjectionSettings
  readonly retention: Retention
  /** Age that an object must have, by its own time of writing, before it may be deleted, ms. */
  readonly quarantine_ms: number
  /** Orphaned objects that one call keeps in mind. */
  readonly objects_max: number
}

/** The defaults: a week of history, and an hour for whoever is at work. */
export const DEFAULT_RECONCILE_SETTINGS: Omit<ReconcileSettings, 'projection'> = {
  retention: { revisions: 1_000, younger_ms: 7 * DAY_MS },
  quarantine_ms: QUARANTINE_MIN_MS,
  objects_max: 100_000,
}

/** The settings of one scope with everything else as specified. */
export function reconcileSettings(scope: ProjectionSettings['scope']): ReconcileSettings {
  return { ...DEFAULT_RECONCILE_SETTINGS, projection: { ...DEFAULT_PROJECTION_SETTINGS, scope } }
}
