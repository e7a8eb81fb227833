/**
 * What maintenance may ask beyond the protocol's own effects: list, look at metadata, delete. Verify, reconcile and the
 * health check are generators of these; commit, compact and rebuild are not, so the compiler keeps listing and deleting
 * out of them (spec/correctness.md C17, C20).
 *
 * A `Protocol` runs inside of a `Maintenance` by `yield*`, never the other way round.
 */
import type { DeleteResult, HeadResult, ListPage, StoreError, Token } from '../../store/types.ts'
import type { Answer, Op, ReadFailed } from '../effects.ts'

/** One page of a listing (spec/storage.md 6.3): keys in ascending byte order, `limit` of 1 to 1000 of them. */
export interface ListOp {
  readonly kind: 'list'
  readonly prefix: string
  readonly start_after?: string
  readonly limit: number
}

/** Size and generation of one object, without its bytes. */
export interface HeadOp {
  readonly kind: 'head'
  readonly path: string
}

/** Delete one object; with a token only that generation, where the store can (`capabilities.conditional_delete`). */
export interface DeleteOp {
  readonly kind: 'delete'
  readonly path: string
  readonly token?: Token
}

/** The closed list of what maintenance may ask for. */
export type MaintenanceOp = Op | ListOp | HeadOp | DeleteOp

/** One step of maintenance: a single operation, or several issued together. */
export type MaintenanceStep = MaintenanceOp | readonly MaintenanceOp[]

/** A maintenance operation that ends with `R`. */
export type Maintenance<R> = Generator<MaintenanceStep, R, Answer | readonly Answer[]>

/** What a listing is answered with; `next_start_after` is there when there may be more. */
export type ListAnswer = ({ readonly outcome: 'ok' } & ListPage) | ReadFailed

/** What a look at metadata is answered with. */
export type HeadAnswer = HeadResult | ReadFailed

/** What a delete is answered with; a failed one may or may not have had its effect. */
export type DeleteAnswer = DeleteResult | { readonly outcome: 'failed'; readonly error: StoreError }

/** Issue several operations together and wait for all of them. */
export function* allOf<const Ops extends readonly MaintenanceOp[]>(
  ops: Ops,
): Maintenance<{ -readonly [I in keyof Ops]: Answer<Ops[I]> }> {
  return (yield ops) as unknown as { -readonly [I in keyof Ops]: Answer<Ops[I]> }
}

/** List one page; throws the StoreError of a listing that failed. */
export function* list(request: Omit<ListOp, 'kind'>): Maintenance<ListPage> {
  const answer = (yield { kind: 'list', ...request }) as ListAnswer
  if (answer.outcome === 'failed') throw answer.error
  return answer
}

/** Look at one object's metadata; throws the StoreError of a look that failed. */
export function* head(path: string): Maintenance<HeadResult> {
  const answer = (yield { kind: 'head', path }) as HeadAnswer
  if (answer.outcome === 'failed') throw answer.error
  return answer
}

/** Delete one object, whatever comes of it. */
export function* remove(path: string, token?: Token): Maintenance<DeleteAnswer> {
  return (yield { kind: 'delete', path, ...(token === undefined ? {} : { token }) }) as DeleteAnswer
}
