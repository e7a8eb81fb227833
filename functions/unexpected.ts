/** What was thrown as a problem (spec/storage.md 8); its text goes to the log only. */
import { StoreError, type StoreErrorCode } from '../lib/store/types.ts'
import { INTERNAL_DETAIL, type Problem } from './problem.ts'

/** A bug or a wrong configuration; the text of its cause goes to the log only. */
export const INTERNAL: Problem = {
  reason: 'internal',
  detail: INTERNAL_DETAIL,
}

/** Reasons of thrown store failures; null is 500 `internal`, its cause only in the log. */
const STORE_PROBLEMS: Record<StoreErrorCode, Problem | null> = {
  invalid_key: { reason: 'bad_request', detail: 'a path of this request is not a valid key' },
  unavailable: {
    reason: 'storage_unavailable',
    detail: 'the store did not answer in time; send the identical request again',
  },
  corrupt: {
    reason: 'object_corrupt',
    detail: 'a stored object could not be read whole',
    members: { object_class: 'object' },
  },
  too_large: {
    reason: 'object_corrupt',
    detail: 'a stored object is larger than its class allows',
    members: { object_class: 'object' },
  },
  unsupported: { reason: 'not_implemented', detail: 'the store cannot do this' },
  denied: null,
  misconfigured: null,
}

/** The refusal for whatever a handler threw. */
export function problemOfError(error: unknown): Problem {
  return (error instanceof StoreError ? STORE_PROBLEMS[error.code] : null) ?? INTERNAL
}
