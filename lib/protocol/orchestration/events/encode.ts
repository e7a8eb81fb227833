/** From an event to the bytes of a ledger object (spec/events.md 4.5), and the canonical form that appends compare. */
import { isIntegerLiteral, isJsonObject, NumberLiteral } from '../../json.ts'
import type { JsonValue } from '../../json.ts'
import { compareBytes } from '../byte-order.ts'
import { defaultIdempotencyKey, EVENT_NAMES, runIdOf } from './describe.ts'
import type { Instant } from './instant.ts'
import { ledgerEvent } from './kinds.ts'
import type { EventData, LedgerEvent } from './kinds.ts'

/** What a writer must say about a new event; everything else has a rule (spec/events.md 1). */
export interface NewEvent {
  readonly event_id: string
  readonly timestamp: Instant
  readonly tenant_id: string
  readonly workspace_id: string
  readonly data: Exclude<EventData, { readonly type: 'unknown' }>
  /** For the writers whose key does not follow the formula. */
  readonly idempotency_key?: string
  readonly causation_id?: string
}

/** The event that a writer appends. */
export function newEvent(given: NewEvent): LedgerEvent {
  const { data, tenant_id, workspace_id } = given
  return {
    event_id: given.event_id,
    event_type: EVENT_NAMES[data.type],
    event_version: 1,
    timestamp: given.timestamp,
    source: `arco-flow/${tenant_id}/${workspace_id}`,
    tenant_id,
    workspace_id,
    idempotency_key: given.idempotency_key ?? defaultIdempotencyKey(data),
    correlation_id: runIdOf(data),
    causation_id: given.causation_id ?? null,
    data,
  }
}

/** The text of an event, canonical, so that equal events have equal bytes. */
export function encodeEvent(event: LedgerEvent): string {
  return canonicalText(ledgerEvent.encode(event))
}

/**
 * Canonical JSON of the ledger: members sorted by their UTF-8 bytes, no blanks, minimal escapes, integers only and
 * every digit of them. This is not RFC 8785, which sorts by UTF-16 units and rounds integers to doubles. Throws
 * TypeError for a number that is no integer.
 */
export function canonicalText(value: JsonValue): string {
  if (value instanceof NumberLiteral) {
    if (!isIntegerLiteral(value)) throw new TypeError(`expected an integer, saw ${value.text.slice(0, 24)}`)
    return value.text
  }
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new TypeError(`expected an integer, saw ${value}`)
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const members = Object.entries(value).toSorted(([a], [b]) => compareBytes(a, b))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalText(member)}`).join(',')}}`
}
