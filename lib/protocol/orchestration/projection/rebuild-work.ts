/** What both modes of a rebuild share: the request at work, its time, what it tells about itself, and how it refuses. */
import { note, now, type Protocol } from '../../effects.ts'
import { keepAlive } from './authority.ts'
import { addRefusal, readEvents, refuseBadEvents, type Refusals } from './load-events.ts'
import type { RefusedEvent } from './outcomes.ts'
import type { RebuildList } from './rebuild-list.ts'
import type { Session } from './revision.ts'
import type { ProjectionSettings } from './settings.ts'

/** One rebuild at work. */
export interface Rebuild {
  readonly settings: ProjectionSettings
  readonly session: Session
  readonly request: RebuildChoices
  readonly list: RebuildList
  readonly rebuild_id: string
  readonly started_ms: number
}

/** What the caller of a rebuild may choose. */
export interface RebuildChoices {
  readonly mode: 'incremental' | 'full'
  /** Events that do not decode are left out and recorded, instead of ending the rebuild. */
  readonly quarantine: boolean
  /** Of a full rebuild: the list may end before what is visible. */
  readonly allow_regression: boolean
  /** The call ends with what is finished when it has taken this long, ms; null: it goes on to the end. */
  readonly time_budget_ms: number | null
  /** The call ends with what is finished when it has read this many events; null: it goes on to the end. */
  readonly events_budget: number | null
}

/** Whether the call should end after the chunk that is finished, having read so many events. */
export function* isOverBudget({ request, started_ms }: Rebuild, events_read: number): Protocol<boolean> {
  if (request.events_budget !== null && events_read >= request.events_budget) return true
  if (request.time_budget_ms === null) return false
  const { monotonic_ms } = yield* now()
  return monotonic_ms - started_ms >= request.time_budget_ms
}

/** How far a rebuild is: places in the list, of which `published` are visible, and the events that this call read. */
export interface Reached {
  readonly read: number
  readonly folded: number
  readonly published: number
}

/** Tell the operator how far it is. */
export function* noteProgress(
  { rebuild_id, request, list, started_ms }: Rebuild,
  reached: Reached,
): Protocol<void> {
  const { monotonic_ms } = yield* now()
  yield* note({
    note: 'rebuild_progress',
    rebuild_id,
    mode: request.mode,
    listed: list.listed,
    events_total: list.events.length,
    events_read: reached.read,
    events_folded: reached.folded,
    events_published: reached.published,
    elapsed_ms: Math.round(monotonic_ms - started_ms),
  })
}

/** Bad events were met: look at the rest of the list from `from` on, then refuse with all of them (RB-11). */
export function* refuseTogether(it: Rebuild, bad: readonly RefusedEvent[], from: number): Protocol<void> {
  const { list, settings, session, request } = it
  const refusals: Refusals = { events: [], truncated: false }
  for (const refused of bad) addRefusal(refusals, refused)
  for (let at = from; at < list.events.length && !refusals.truncated; at += settings.reads_max) {
    if (yield* isOverBudget(it, 0)) refusals.truncated = true
    yield* keepAlive(session.authority)
    for (const each of yield* readEvents(list.events.paths(at, at + settings.reads_max), settings.scope)) {
      if (each.ok || (request.quarantine && each.refused.reason === 'event_invalid')) continue
      addRefusal(refusals, each.refused)
    }
  }
  refuseBadEvents(refusals)
}
