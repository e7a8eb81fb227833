/**
 * Keys of the orchestration domain (spec/events.md 4), the counterpart of `lib/protocol/paths.ts`. All are relative
 * to the scope; the scoped store adds `tenant=…/workspace=…/`.
 */
import { ulidTime_ms } from '../ids.ts'
import { formatDate, fromMs } from './events/instant.ts'
import type { LedgerEvent } from './events/kinds.ts'

const LEDGER = 'ledger/orchestration'

/**
 * The one path at which an event may be stored (4.2): under the date in its id when that is a ULID, else under the
 * date of its timestamp. The id is used as it is.
 */
export function eventPath(event: Pick<LedgerEvent, 'event_id' | 'timestamp'>): string {
  const id_ms = ulidTime_ms(event.event_id)
  const date = formatDate(id_ms === null ? event.timestamp : fromMs(id_ms))
  return `${LEDGER}/${date}/${event.event_id}.json`
}

/** The event id in a ledger path, or null when it is none (4.3). The date is only checked for its shape. */
export function eventIdOfPath(path: string): string | null {
  return /^ledger\/orchestration\/[0-9]{4}-[0-9]{2}-[0-9]{2}\/([^/]+)\.json$/s.exec(path)?.[1] ?? null
}
