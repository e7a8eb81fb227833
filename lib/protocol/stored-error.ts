/** A stored protocol object that breaks its own rules. Fail closed; the object is never overwritten (J-5). */

/** Reasons of spec/http-api.md 6.2 for a broken stored object. */
export type StoredObjectReason =
  | 'state_corrupt'
  | 'marker_corrupt'
  | 'state_invariant'
  | 'lock_corrupt'
  | 'object_corrupt'

/** Thrown by the readers of stored objects. The message is for logs: it names the rule, never the content. */
export class StoredObjectError extends Error {
  readonly reason: StoredObjectReason
  readonly path: string
  /** `object_class` of the answer when the reason is `object_corrupt`. */
  readonly object_class: string

  constructor(reason: StoredObjectReason, path: string, message: string, object_class = 'object') {
    super(message)
    this.name = 'StoredObjectError'
    this.reason = reason
    this.path = path
    this.object_class = object_class
  }
}
