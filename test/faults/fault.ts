/** What a planted fault is: one file of this folder each, and one test that plants them all. */
import type { FaultProjection } from '../support/fault-projection.ts'
import type { FaultTable } from '../support/fault-table.ts'
import type { Row } from './rows.ts'

/** Something that is wrong, what an operator is told about it, and what they are told to do. */
export interface Fault<World> {
  /** Rows of the specification that it is of. */
  readonly rows: readonly Row[]
  /** What went wrong, in a sentence for docs/faults.md. */
  readonly story: string
  /** The rule that `verify` has to name first, and its severity: `TM-201 warn`. */
  readonly first: string
  readonly plant: (world: World) => Promise<unknown> | void
  readonly resolved_by: Resolution<World>
}

/**
 * How the suggestion of the first finding is followed: `request` sends the request in its text; `restore` and `delete` do so
 * with the object that its text names, where no request can bring back what is lost; `ByHand` is any other step.
 */
export type Resolution<World> = 'request' | 'restore' | 'delete' | ByHand<World>

/** A step that no request does. */
export interface ByHand<World> {
  /** Words of the suggestion that tell an operator to do this. */
  readonly step: string
  readonly act: (world: World) => Promise<unknown> | void
}

/** What `GET …/inspect` has to say. */
export type TableInspection =
  | { readonly asks: 'table'; readonly status?: number; readonly says: object }
  /** `GET …/inspect/key`, for the idempotency key that is returned. */
  | {
      readonly asks: 'key'
      readonly status?: number
      readonly key: (table: FaultTable) => string
      readonly says: object
    }
  /** Nothing: it reads the known keys of the coordinator, and this is elsewhere. */
  | 'unseen'

/** A fault of a table. */
export interface TableFault extends Fault<FaultTable> {
  readonly inspect: TableInspection
}

/** A fault of the projection. */
export interface ProjectionFault extends Fault<FaultProjection> {
  /** `named`: the first finding of `GET /internal/inspect/projection` is the same. `unseen`: it reads known keys, and this is elsewhere. */
  readonly inspect: 'named' | 'unseen'
}
