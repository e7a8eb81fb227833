/** What a deployment decides about its health check: when something takes too long, and how much one run does. */
import type { DeltaSettings } from '../../delta/settings.ts'
import type { WorkCapabilities } from '../../delta/work.ts'
import { DAY_MS } from '../../orchestration/events/instant.ts'

/** When something takes too long. */
export interface HealthLimits {
  /** An event may wait so long to be folded, ms. */
  readonly lag_ms: number
  /** The compaction lock may be with one holder so long, ms. */
  readonly lock_held_ms: number
  /** A certification of the store may be so old, ms. */
  readonly certification_ms: number
}

/** A quarter of an hour, half an hour, and a quarter of a year. */
export const DEFAULT_HEALTH_LIMITS: HealthLimits = {
  lag_ms: 15 * 60_000,
  lock_held_ms: 30 * 60_000,
  certification_ms: 90 * DAY_MS,
}

/** What a sweep works with. */
export interface SweepSettings {
  readonly limits: HealthLimits
  readonly delta: DeltaSettings
  readonly capabilities: WorkCapabilities
}

/** Tables that one run looks at, unless told. */
export const TABLES_DEFAULT = 200
/** And at most: one page of a listing. */
export const TABLES_MAX = 1_000
/** A run ends after so many stuck tables, each of which costs it reads, and writes when it recovers. */
export const STUCK_MAX = 20
/** States that are read at a time. */
export const READS_MAX = 16
/** A run begins nothing new after so long, ms: what is left is for the next one. */
export const RUN_MS_MAX = 20_000
/** Orphans of each kind, and events that wait, that one run lists. */
export const ORPHANS_MAX = 100
export const EVENTS_MAX = 1_000
