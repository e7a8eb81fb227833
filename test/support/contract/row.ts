/** What the rows of the store contract are made of. */
import type { Certifiable, MaintenanceStore } from '../../../lib/store/types.ts'

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
  /** Applied, and answered by a success that does not say which generation it made. */
  | 'no_token'
  /** Not applied: there is no such bucket. */
  | 'no_such_bucket'
  /** Not applied: there is no such object, as some services answer a replace. */
  | 'no_such_key'

/** Sees every write request of a store, and can break one. */
export interface Wire {
  /** Write requests that left the driver so far. */
  writes(): number
  /** The next write request meets this; later ones pass. */
  breakNextWrite(fault: WireFault): void
  /**
   * The next write request is held back: its sender sees a broken connection now, the service gets it when `deliver` is
   * called, which tells what came of it.
   */
  holdNextWrite(): { deliver(): Promise<'applied' | 'refused'> }
  /** A client whose requests are never answered, and the time that it was given for one operation. */
  hangingClient(): { readonly store: MaintenanceStore; readonly deadline_ms: number }
}

/** The driver of a real service. */
export type Driver = MaintenanceStore & Certifiable

/** What can happen to one read request. */
export type ReadFault =
  /** 403, as S3 answers for a missing key when the caller may not list. */
  | 'forbidden'
  /** 404 that says that the bucket is missing. */
  | 'no_such_bucket'
  /** 404 of something that is not the store: a load balancer, a wrong address. */
  | 'foreign_404'
  /** The object, without the name of its generation. */
  | 'no_token'
  /** A part of the object, and then the end. */
  | 'truncated'

/** What a gateway in front of a service does to its conditions (PV-01…PV-04). */
export type Gateway =
  | 'ignores_create'
  | 'ignores_replace'
  | 'checks_then_writes'
  | 'wants_unquoted'
  | 'wants_quoted'

/** What only a driver of a real service has. */
export interface Service {
  /** Without time limits. */
  readonly driver: Driver
  /** The next read request meets this. */
  breakNextRead(fault: ReadFault): void
  /** From now on whoever loses a race is told of a conflict instead of a failed condition. */
  conflictForLosers(): void
  /** The last write request as it left. */
  lastWrite(): { readonly headers: ReadonlyMap<string, string>; readonly body: Uint8Array }
  /** The same bucket behind something broken. */
  behind(gateway: Gateway): Driver
  /**
   * The same bucket, by credentials that the service refuses as expired: the first ones only, or all. `fetched` is how
   * often credentials were fetched, `sent` how many requests the service saw.
   */
  expired(which: 'first' | 'all'): Promise<Expired>
  /** Conditions as the binding of R2 got them. */
  conditions?(): readonly Readonly<Record<string, string>>[]
}

/** A driver whose credentials have expired. */
export interface Expired {
  readonly driver: Driver
  fetched(): number
  sent(): number
}

/** A store under the contract. */
export interface ContractStore {
  readonly store: MaintenanceStore
  /** Another client of the same data, as another process has it. */
  another(): MaintenanceStore
  /** Where the rows of ambiguous writes look and act; without it they have to be declared not applicable. */
  readonly wire?: Wire
  /** Where the rows of real services look and act (providers.md 9); without it they have to be declared not applicable. */
  readonly service?: Service
  /** The stored bytes as another tool sees them; without it ST-29 goes by what the store returns. */
  rawBytes?(key: string): Promise<Uint8Array>
  close?(): void | Promise<void>
}

/** What a row works with: one store and keys that no other test uses. */
export interface ContractContext extends ContractStore {
  /** Equal bytes give equal tokens (spec/storage.md 5.4). */
  readonly has_content_tokens: boolean
  /** A token replaces any generation that has the bytes of its own (spec/providers.md 5.1). */
  readonly has_content_conditions: boolean
  /** A key of this row's own. */
  key(name: string): string
  /** The wire, or a failure that says how to declare its absence. */
  needWire(): Wire
  /** The service, or a failure that says how to declare its absence. */
  needService(): Service
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
