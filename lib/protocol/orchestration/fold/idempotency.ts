/** The keys that make an event count once (spec/fold.md 3). Only events that were applied keep theirs. */
import type { LedgerEvent } from '../events/kinds.ts'
import type { IdempotencyRow } from '../tables/keys.ts'
import { expireKeyLater } from './expiry.ts'
import { giveBack, replace, slotAt } from './rows.ts'
import type { Slot } from './rows.ts'
import type { FoldState } from './state.ts'

/** Where the event's key is, or will be: the key is taken when there is a row, by whatever event. */
export function keySlot(state: FoldState, event: LedgerEvent): Slot<IdempotencyRow> {
  return slotAt(state.rows.idempotency_keys, event.idempotency_key)
}

/** Take the event's key. */
export function takeKey(state: FoldState, event: LedgerEvent, slot: Slot<IdempotencyRow>): void {
  replace(state.rows.idempotency_keys, slot, {
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

/** Leave the event's key free. */
export function freeKey(state: FoldState, event: LedgerEvent, slot: Slot<IdempotencyRow>): void {
  giveBack(state.rows.idempotency_keys, slot, event.idempotency_key)
}
