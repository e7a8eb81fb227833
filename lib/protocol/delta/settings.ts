/** What a deployment decides about commits. Everything else is fixed in `limits.ts`. */
import { COMMIT_DEADLINE_MS, RESERVATION_TTL_MS } from './limits.ts'

/** The choices of one deployment; `DEFAULT_SETTINGS` are those of the spec. */
export interface DeltaSettings {
  /** Reservation TTL in ms; every process that writes a table must agree on it. */
  readonly ttl_ms: number
  /** A request that takes longer than this answers `storage_unavailable` or `outcome_unknown`. */
  readonly deadline_ms: number
  /** How a staged payload is checked (SG-6). */
  readonly validation: 'strict' | 'opaque'
  /** H-7 for this table: what to do with a log entry whose owner cannot be told. */
  unknownOwner(table_id: string): 'refuse' | 'adopt'
  /** H-8 for this table: drop a reservation whose payload is gone, or close its version with a no-op commit. */
  lostPayload(table_id: string): 'abandon' | 'seal'
  /** `engineInfo` of a no-op commit (HP-6). */
  readonly product: string
}

/** The defaults of spec/coordinator.md 12 and 6.5. */
export const DEFAULT_SETTINGS: DeltaSettings = {
  ttl_ms: RESERVATION_TTL_MS,
  deadline_ms: COMMIT_DEADLINE_MS,
  validation: 'strict',
  unknownOwner: () => 'refuse',
  lostPayload: () => 'abandon',
  product: 'tidemark',
}
