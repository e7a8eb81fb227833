/** One look at the projection: what is reachable, and what lies beside it (spec/reconcile.md 3). Reads and lists only. */
import { now, type Protocol } from '../../effects.ts'
import type { Maintenance } from '../effects.ts'
import { lineageOf, readTop, type Lineage, type Top } from './lineage.ts'
import type { ReconcileSettings } from './settings.ts'
import { surveyOrphans, type Survey } from './survey.ts'

/** What a check saw. */
export interface Check {
  readonly top: Top
  readonly lineage: Lineage
  readonly survey: Survey
  /** When it was finished, by our clock. */
  readonly checked_at_ms: number
  /** The time by which objects are old. */
  readonly now_ms: number
}

/** See what is reachable, then list what is not. */
export function* checkProjection(
  { retention, objects_max }: ReconcileSettings,
  between?: () => Protocol<void>,
): Maintenance<Check> {
  const top = yield* readTop()
  const keeping = between === undefined ? {} : { between }
  const lineage = yield* lineageOf(top, { retention, now_ms: yield* storeNow(top), ...keeping })
  const survey = yield* surveyOrphans(lineage.entries, { objects_max, ...keeping })
  const { now_ms: checked_at_ms } = yield* now()
  return { top, lineage, survey, checked_at_ms, now_ms: yield* storeNow(top) }
}

/**
 * The time by which objects are old: of the store's clock and ours the one that is behind. A clock that is ahead would
 * make everything old enough.
 */
function* storeNow(top: Top): Protocol<number> {
  const { now_ms } = yield* now()
  const { server_date_ms = now_ms } = top.kind === 'pointer' ? top.stored : {}
  return Math.min(now_ms, server_date_ms)
}
