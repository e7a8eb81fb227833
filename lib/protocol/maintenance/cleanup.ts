/** What the two cleanups have in common: objects that only age makes superfluous, deleted as they were listed. */
import type { ListedObject } from '../../store/types.ts'
import { allOf, list, type Maintenance } from './effects.ts'

/** What a cleanup did. */
export interface Cleaned {
  readonly looked_at: number
  readonly deleted_objects: number
  readonly deleted_bytes: number
  /** Deletes that failed; a repetition finishes them. */
  readonly failed: number
}

/** Nothing. */
export const NOTHING_CLEANED: Cleaned = { looked_at: 0, deleted_objects: 0, deleted_bytes: 0, failed: 0 }

/** Both. */
export function addCleaned(one: Cleaned, other: Cleaned): Cleaned {
  return {
    looked_at: one.looked_at + other.looked_at,
    deleted_objects: one.deleted_objects + other.deleted_objects,
    deleted_bytes: one.deleted_bytes + other.deleted_bytes,
    failed: one.failed + other.failed,
  }
}

const PAGE_OBJECTS = 1_000
const TOGETHER = 64

/** One page below a prefix. */
export function* pageOf(
  prefix: string,
  start_after: string | undefined,
): Maintenance<{ readonly objects: readonly ListedObject[]; readonly next?: string }> {
  const page = yield* list({
    prefix,
    limit: PAGE_OBJECTS,
    ...(start_after === undefined ? {} : { start_after }),
  })
  const { objects, next_start_after } = page
  return next_start_after === undefined ? { objects } : { objects, next: next_start_after }
}

/** Written before this time by the store's word; without a time an object is never old. */
export function isWrittenBefore({ last_modified_ms }: ListedObject, before_ms: number): boolean {
  return last_modified_ms !== undefined && last_modified_ms < before_ms
}

/** Delete objects, each only as it was listed where the store can; one that fails is counted and left. */
export function* deleteListed(objects: readonly ListedObject[]): Maintenance<Cleaned> {
  let cleaned = NOTHING_CLEANED
  for (let from = 0; from < objects.length; from += TOGETHER) {
    const some = objects.slice(from, from + TOGETHER)
    const answers = yield* allOf(
      some.map(({ key, token }) => ({ kind: 'delete' as const, path: key, token })),
    )
    for (const [index, { size }] of some.entries()) {
      const is_gone = answers[index]?.outcome === 'ok'
      const done = is_gone ? { deleted_objects: 1, deleted_bytes: size } : { failed: 1 }
      cleaned = addCleaned(cleaned, { ...NOTHING_CLEANED, ...done })
    }
  }
  return cleaned
}
