/** When layers become a new base (spec/manifests.md 8). */
import { TABLE_NAMES } from '../tables/all.ts'
import { timeMs } from './document-parts.ts'
import type { Delta, Manifest, RowCounts } from './manifest.ts'

/** Whether to merge, with the pending delta, if there is one, counted in. */
export function isMergeDue(
  { l0_deltas, l0_limits }: Pick<Manifest, 'l0_deltas' | 'l0_limits'>,
  pending: Pick<Delta, 'created_at' | 'row_counts' | 'deletion_count'> | null,
  now_ms: number,
): boolean {
  const deltas = pending === null ? l0_deltas : [...l0_deltas, pending]
  const rows = deltas.reduce((sum, delta) => sum + countRows(delta.row_counts) + delta.deletion_count, 0)
  return (
    deltas.length >= l0_limits.max_count ||
    rows >= l0_limits.max_rows ||
    deltas.some(({ created_at }) => now_ms - timeMs(created_at) >= l0_limits.max_age_seconds * 1_000)
  )
}

/** Rows of a delta over all tables. */
export function countRows(counts: RowCounts): number {
  return TABLE_NAMES.reduce((sum, name) => sum + counts[name], 0)
}
