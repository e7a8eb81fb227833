/** What must hold between a pointer and the one that replaces it (spec/manifests.md 12, correctness.md P2). */
import { idNumber } from './manifest-id.ts'
import type { Pointer } from './pointer.ts'

/**
 * Throws when a publisher of ours is about to break the chain: that is a bug, not an answer. `previous_hash` is the
 * hash of the stored bytes of `previous`, which may be null where nothing was published, or where what was published
 * does not parse any more.
 */
export function assertSuccession(
  previous: Pointer | null,
  previous_hash: string | null,
  next: Pointer,
  kind: 'publish' | 'touch',
): void {
  const id = idNumber(next.manifest_id)
  if (id === null) throw new Error(`manifest id ${next.manifest_id} is none`)
  if (next.parent_pointer_hash !== previous_hash) throw new Error('the next pointer does not name its parent')
  if (previous === null) return
  const previous_id = idNumber(previous.manifest_id)
  if (previous_id !== null && (kind === 'publish' ? id <= previous_id : id !== previous_id)) {
    throw new Error('manifest ids must increase along the pointer')
  }
  if (next.epoch < previous.epoch) throw new Error('epochs must not decrease along the pointer')
}
