/** What the rows of the store contract are made of. */
import type { MaintenanceStore } from '../../../lib/store/types.ts'

/** What can happen to one write request between the driver and its service. */
export type WireFault =
  /** Not applied, no answer (F1). */
  | 'lost_request'
  /** Applied, then the connection drops (F2). */
  | 'lost_response'
  /** Applied, then a 5xx. */
  | 'error_after'
  /** 429, or a 503 that says slow down. */
  | 'throttle'
  /** 409 of a conditional request that raced. */
  | 'conflict'
  /** 304 where 412 is meant, as some old S3 clones answer a failed create. */
  | 'not_modified'

/** Sees every write request of a store, and can break one. */
export interface Wire {
  /** Write requests that left the driver so far. */
  writes(): number
  /** The next write request meets this; later ones pass. */
  breakNextWrite(fault: WireFault): void
  /** A client whose requests are never answered, and the time that it was given for one operation. */
  hangingClient(): { readonly store: MaintenanceStore; readonly deadline_ms: number }
}

/** A store under the contract. */
export interface ContractStore {
  readonly store: MaintenanceStore
  /** Another client of the same data, as another process has it. */
  another(): MaintenanceStore
  /** Where the rows of ambiguous writes look and act; without it they have to be declared not applicable. */
  readonly wire?: Wire
  /** The stored bytes as another tool sees them; without it ST-29 goes by what the store returns. */
  rawBytes?(key: string): Promise<Uint8Array>
  close?(): void | Promise<void>
}

/** What a row works with: one store and keys that no other test uses. */
export interface ContractContext extends ContractStore {
  /** Equal bytes give equal tokens (spec/storage.md 5.4). */
  readonly has_content_tokens: boolean
  /** A key of this row's own. */
  key(name: string): string
  /** The wire, or a failure that says how to declare its absence. */
  needWire(): Wire
}

/** One promise of the contract; several rows can share an id. */
export interface ContractRow {
  readonly id: string
  readonly promise: string
  run(context: ContractContext): Promise<void>
}

/** The answer of a read when there is no object. */
export const ABSENT = { outcome: 'not_found' }

/** The answer of a put whose condition was false. */
export const REFUSED = { outcome: 'precondition_failed' }
