/**
 * What Tidemark asks of an object store (spec/storage.md 6): three operations with five outcomes for the
 * request path, two more for maintenance. A driver is a leaf file beside this one.
 */

/**
 * Identifies one generation of one object. Opaque and non-empty, at most 1024 characters; compared only with
 * `sameVersion` of `tokens.ts` (spec/storage.md 5), never with `===` or `<`.
 */
export type Token = string

/** When a put may take effect. Protocol code never uses `none` (spec/storage.md 6.1). */
export type Precondition = 'none' | 'doesNotExist' | { readonly matchesVersion: Token }

/** User metadata of an object: lower-case ASCII names, ASCII values. Stored where `capabilities.meta` is true. */
export type Meta = Readonly<Record<string, string>>

/** One generation of an object: bytes and token come from the same response (spec/storage.md V-3). */
export interface StoredObject {
  readonly outcome: 'ok'
  readonly bytes: Uint8Array
  readonly token: Token
  /** The store's own time of the write, epoch ms. */
  readonly last_modified_ms?: number
  /** The store's clock when it answered, epoch ms. */
  readonly server_date_ms?: number
  readonly meta?: Meta
}

/** The object does not exist. A value, not an error (ST-11, ST-12). */
export interface NotFound {
  readonly outcome: 'not_found'
}

/** What a read came to; a failed one is thrown as StoreError. */
export type GetResult = StoredObject | NotFound

/** What a store says of an object without its bytes. `size` in bytes. */
export interface ObjectHead {
  readonly outcome: 'ok'
  readonly token: Token
  readonly size: number
  readonly last_modified_ms?: number
}

/** What a metadata read came to. */
export type HeadResult = ObjectHead | NotFound

/**
 * What one wire attempt of a put came to (spec/storage.md 6.1, spec/providers.md 1). After `unknown` the write
 * may have landed, or may still land: look before deciding. `no_effect` was refused before it was evaluated.
 */
export type PutResult =
  | { readonly outcome: 'ok'; readonly token: Token }
  | { readonly outcome: 'precondition_failed' }
  | {
      readonly outcome: 'no_effect'
      readonly retry_after_ms?: number
      /** For the log, where the driver knows more than that the store was busy. */
      readonly cause?: StoreError
    }
  | { readonly outcome: 'unknown' }

/** What every call takes. */
export interface CallOptions {
  /** Ends the call: a put resolves as `unknown`, a read is thrown as `unavailable` (ST-33). */
  readonly signal?: AbortSignal
}

/** What a read takes. */
export interface GetOptions extends CallOptions {
  /** Refuse a larger object with StoreError `too_large` (the limits of spec/storage.md 8). */
  readonly bytes_max?: number
}

/** What a put takes. `meta` is ignored where the capability is missing. */
export interface PutOptions extends CallOptions {
  readonly meta?: Meta
}

/** What differs between stores and is visible to callers. */
export interface Capabilities {
  /** Short name for logs and reports: `memory`, `fs`, … */
  readonly driver: string
  /** Owner metadata is stored and returned (spec/correctness.md R25). */
  readonly meta: boolean
  /** `delete` honours a token. */
  readonly conditional_delete: boolean
}

/**
 * The store as request handlers and the protocol see it. It cannot list and it cannot delete: those exist only
 * on `MaintenanceStore` (spec/storage.md 6.3, spec/correctness.md C17, C20).
 */
export interface Store {
  readonly capabilities: Capabilities
  get(key: string, options?: GetOptions): Promise<GetResult>
  head(key: string, options?: CallOptions): Promise<HeadResult>
  /** One wire attempt, whatever happens (spec/providers.md P-1). */
  put(key: string, bytes: Uint8Array, precondition: Precondition, options?: PutOptions): Promise<PutResult>
}

/** One object of a listing. */
export interface ListedObject {
  readonly key: string
  readonly size: number
  readonly token: Token
  readonly last_modified_ms?: number
}

/** One page of a listing, keys in ascending byte order. */
export interface ListPage {
  readonly objects: readonly ListedObject[]
  /** Pass as `start_after` of the next page; present exactly when this page was full (ST-30). */
  readonly next_start_after?: string
}

/** Which page of a listing: at most `limit` objects (1 to 1000) after `start_after`, exclusive. */
export interface ListRequest {
  /** A whole path segment or the start of keys below it: `a/b` matches `a/b` and `a/b/…`, not `a/bc` (ST-31). */
  readonly prefix: string
  readonly start_after?: string
  readonly limit: number
}

/** For verify, reconcile, garbage collection and doctor only. */
export interface MaintenanceStore extends Store {
  /** Idempotent; a token only where `capabilities.conditional_delete`. */
  delete(key: string, options?: CallOptions & { readonly token?: Token }): Promise<DeleteResult>
  listPage(request: ListRequest, options?: CallOptions): Promise<ListPage>
}

/** What a delete came to. Deleting what is not there is `ok` (ST-10). */
export type DeleteResult = { readonly outcome: 'ok' } | { readonly outcome: 'precondition_failed' }

/**
 * What only certification asks of a driver (spec/providers.md 7). `withIfMatchStyle` and `withConditionalDelete` open the
 * same bucket with another assumption about it; the two probes send requests that no protocol needs.
 */
export interface CertificationHooks {
  /** How a condition is spelled on this wire, for the vendor who is told that it was not honoured. */
  readonly conditions: { readonly create: string; readonly replace: string; readonly delete: string }
  withIfMatchStyle?(style: 'quoted' | 'unquoted'): MaintenanceStore & Certifiable
  withConditionalDelete?(): MaintenanceStore & Certifiable
  /** Put with a digest that does not fit the bytes (K-9). */
  putWithWrongDigest?(key: string, bytes: Uint8Array): Promise<'refused' | 'accepted'>
  /** Get unless the object still is this generation (K-11). */
  getIfChanged?(key: string, token: Token): Promise<'not_modified' | 'sent'>
}

/** A driver of a real service, which must be certified before it may write. */
export interface Certifiable {
  readonly certification: CertificationHooks
}

/** The closed list of thrown store failures (spec/storage.md 8). */
export type StoreErrorCode =
  | 'invalid_key'
  | 'unavailable'
  | 'denied'
  | 'corrupt'
  | 'too_large'
  | 'misconfigured'
  | 'unsupported'

/** What a store failure may know besides its cause. */
export interface StoreErrorOptions extends ErrorOptions {
  /** How long a busy store wants to be left alone, ms. */
  readonly retry_after_ms?: number | undefined
}

/** A store failure that is not an outcome. The key is for logs, never for a response body. */
export class StoreError extends Error {
  readonly code: StoreErrorCode
  readonly key: string
  /** Of `unavailable`, where the store said it: no read sooner than that (spec/providers.md P-8). */
  readonly retry_after_ms: number | undefined

  constructor(code: StoreErrorCode, key: string, message: string, options: StoreErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {})
    this.name = 'StoreError'
    this.code = code
    this.key = key
    this.retry_after_ms = options.retry_after_ms
  }
}
