/** The keys that make an event count once (spec/fold.md 3). Only events that were applied take theirs. */
import type { LedgerEvent } from '../events/kinds.ts'
import { expireKeyLater } from './expiry.ts'
import { find, put } from './rows.ts'
import type { FoldState } from './state.ts'

/** Whether the key is taken, by whatever event. */
export function isKeyTaken(state: FoldState, event: LedgerEvent): boolean {
  return find(state.rows.idempotency_keys, event.idempotency_key) !== null
}

/** Take the event's key. */
export function takeKey(state: FoldState, event: LedgerEvent): void {
  const slot = put(state.rows.idempotency_keys, {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    idempotency_key: event.idempotency_key,
    event_id: event.event_id,
    event_type: event.event_type,
    recorded_at: event.timestamp,
    row_version: event.event_id,
  })
  expireKeyLater(state.retention, slot)
}
