/** From listed paths to events (spec/rebuild.md 6): read, decode, and check that each is what and where it should be. */
import type { GetResult } from '../../../store/types.ts'
import { all, type Protocol, type ReadAnswer } from '../../effects.ts'
import { isValidKey } from '../../paths.ts'
import { decodeEvent, EventError } from '../events/decode.ts'
import type { LedgerEvent } from '../events/kinds.ts'
import { eventIdOfPath, eventPath } from '../paths.ts'
import { corrupt } from './documents.ts'
import { EVENT_BYTES_MAX, PATH_CHARS_MAX, REFUSED_EVENTS_MAX } from './limits.ts'
import { Refused, type EventsRefused, type RefusedEvent } from './outcomes.ts'
import type { EventScope, ProjectionSettings } from './settings.ts'

/** An event that passed every check, and the one path at which it may be. */
export interface LoadedEvent {
  readonly path: string
  readonly event: LedgerEvent
}

/** What became of one path. */
export type Loaded =
  | { readonly ok: true; readonly loaded: LoadedEvent }
  | { readonly ok: false; readonly refused: RefusedEvent }

/** Read some paths together and check what they hold; answers in the same order. Nothing is thrown for a bad event. */
export function* readEvents(paths: readonly string[], scope: EventScope): Protocol<Loaded[]> {
  const answers = yield* all(
    paths.map((path) => ({ kind: 'get' as const, path, bytes_max: EVENT_BYTES_MAX })),
  )
  return paths.map((path, index) => toEvent(path, answers[index] ?? { outcome: 'not_found' }, scope))
}

/** Why a listed path cannot be one of an event, whatever is stored there; null when it can. */
export function pathProblem(path: string): RefusedEvent | null {
  if (path.length <= PATH_CHARS_MAX && eventIdOfPath(path) !== null && isValidKey(path)) return null
  const shown = path.slice(0, PATH_CHARS_MAX)
  return {
    reason: 'event_path_invalid',
    path: shown,
    detail: `not a ledger event path: ${JSON.stringify(shown)}`,
  }
}

function toEvent(path: string, answer: ReadAnswer, scope: EventScope): Loaded {
  const refuse = (refused: Omit<RefusedEvent, 'path'>): Loaded => ({
    ok: false,
    refused: { path, ...refused },
  })
  const stored = readEvent(path, answer)
  if (stored === 'too_large') {
    return refuse({
      reason: 'event_invalid',
      detail: `expected at most ${EVENT_BYTES_MAX} bytes`,
      offset: EVENT_BYTES_MAX,
    })
  }
  if (stored.outcome === 'not_found')
    return refuse({ reason: 'event_not_found', detail: 'the event does not exist' })
  let event: LedgerEvent
  try {
    event = decodeEvent(stored.bytes, path)
  } catch (error) {
    if (!(error instanceof EventError)) throw error
    return refuse({ reason: 'event_invalid', detail: error.detail, offset: error.offset })
  }
  if (event.tenant_id !== scope.tenant || event.workspace_id !== scope.workspace) {
    return refuse({
      reason: 'event_out_of_scope',
      detail: 'the event belongs to another tenant or workspace',
    })
  }
  const canonical = eventPath(event)
  if (canonical !== path) {
    return refuse({
      reason: 'event_path_invalid',
      detail: `noncanonical event path: expected "${canonical}"`,
    })
  }
  return { ok: true, loaded: { path, event } }
}

/** What a read came to; one that failed is the store's and ends the call. */
function readEvent(path: string, answer: ReadAnswer): GetResult | 'too_large' {
  if (answer.outcome !== 'failed') return answer
  if (answer.error.code === 'too_large') return 'too_large'
  throw answer.error.code === 'corrupt' ? corrupt('event', path, 'corrupt') : answer.error
}

/** Bad events of one call, to be reported together. */
export interface Refusals {
  readonly events: RefusedEvent[]
  truncated: boolean
}

/** Remember a bad event; false when enough are known and the rest need not be looked at. */
export function addRefusal(refusals: Refusals, refused: RefusedEvent): boolean {
  if (refusals.events.length >= REFUSED_EVENTS_MAX) {
    refusals.truncated = true
    return false
  }
  refusals.events.push(refused)
  return true
}

/** Ends the call when there is any bad event. The first in the order of the list gives the answer its reason. */
export function refuseBadEvents({ events, truncated }: Refusals): void {
  const [first] = events
  if (first === undefined) return
  const failure: EventsRefused = { ok: false, ...first, paths: events, truncated }
  throw new Refused(failure)
}

/**
 * Read a batch as a whole. All of its bad events are reported in one pass: once there is one, the others are still
 * looked at. With `quarantine` events that do not decode are left out instead.
 */
export function* loadBatch(
  paths: readonly string[],
  settings: ProjectionSettings,
  options: { readonly quarantine: boolean; readonly beforeRead: () => Protocol<void> },
): Protocol<{ readonly events: LoadedEvent[]; readonly quarantined: RefusedEvent[] }> {
  const events: LoadedEvent[] = []
  const quarantined: RefusedEvent[] = []
  const refusals: Refusals = { events: [], truncated: false }
  for (let from = 0; from < paths.length && !refusals.truncated; from += settings.reads_max) {
    yield* options.beforeRead()
    for (const each of yield* readEvents(paths.slice(from, from + settings.reads_max), settings.scope)) {
      if (each.ok) events.push(each.loaded)
      else if (options.quarantine && each.refused.reason === 'event_invalid') quarantined.push(each.refused)
      else addRefusal(refusals, each.refused)
    }
  }
  refuseBadEvents(refusals)
  return { events, quarantined }
}
