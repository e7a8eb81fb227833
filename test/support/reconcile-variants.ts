/** One wrong variant for every guard of the collector, so that each has a test that notices (spec/correctness.md 9.9). */
import { compact } from '../../lib/protocol/orchestration/projection/compact.ts'
import { reconcile } from '../../lib/protocol/maintenance/projection/reconcile.ts'
import { withMutant, type SourceEdit } from './mutant.ts'

/** The code under test: what ships, or a copy with one rule broken. */
export interface CollectorCode {
  readonly reconcile: typeof reconcile
  readonly compact: typeof compact
}

/** The code that ships. */
export const SHIPPED_COLLECTOR: CollectorCode = { reconcile, compact }

const FOLDER = 'maintenance/projection'

function edit(file: string, find: string, replace: string): SourceEdit {
  return { file: file.includes('/') ? file : `${FOLDER}/${file}`, find, replace }
}

interface Variant {
  /** What the variant does wrong. */
  readonly breaks: string
  readonly edits: readonly SourceEdit[]
}

/** Wrong variants by the guard that they leave out. */
export const COLLECTOR_VARIANTS = {
  touch: {
    breaks: 'the pointer is not touched before deleting',
    edits: [
      edit(
        'collect.ts',
        'const touched = yield* touch({ stored, pointer, manifest: null, damage: null })',
        'const touched: string | null = stored.token',
      ),
    ],
  },
  'lost touch': {
    breaks: 'a touch that somebody was faster than counts',
    edits: [edit('collect.ts', 'if (touched !== null) return top', 'return top')],
  },
  reach: {
    breaks: 'what is reachable is not looked at again after the touch',
    edits: [
      edit(
        'collect.ts',
        'if (lineage.entries.has(orphan.path)) tally.skip(orphan)',
        'if (check.lineage.entries.has(orphan.path)) tally.skip(orphan)',
      ),
    ],
  },
  quarantine: {
    breaks: 'the age of an object does not matter',
    edits: [
      edit(
        'collect.ts',
        'last_modified_ms !== undefined && last_modified_ms <= written_before_ms',
        'last_modified_ms !== undefined',
      ),
      edit('collect.ts', 'sameVersion(listed.token, token) && last_modified_ms <= written_before_ms', 'true'),
    ],
  },
  'report age': {
    breaks: 'the quarantine runs from the report, as in the reference',
    edits: [
      edit(
        'collect.ts',
        'if (!is_old) tally.defer(orphan)\n    return is_old',
        'tally.defer(orphan)\n    return is_old && false',
      ),
    ],
  },
  folder: {
    breaks: 'one old object makes its folder old',
    edits: [edit('collect.ts', 'return objects.every(', 'return objects.some(')],
  },
  timeless: {
    breaks: 'an object without a time counts as old',
    edits: [
      edit(
        'collect.ts',
        'last_modified_ms !== undefined && last_modified_ms <= written_before_ms',
        '(last_modified_ms ?? 0) <= written_before_ms',
      ),
    ],
  },
  clock: {
    breaks: 'a process whose clock is ahead finds everything old',
    edits: [
      edit('check.ts', 'return Math.min(now_ms, server_date_ms)', 'return Math.max(now_ms, server_date_ms)'),
    ],
  },
  lock: {
    breaks: 'no lock is taken',
    edits: [
      edit(
        'reconcile.ts',
        "const { authority } = yield* ownLease(settings.projection, 'reconcile', floor, lock)",
        "const authority = { held_by: 'nobody', token: 1 } as Authority\n  void [ownLease, floor, lock]",
      ),
    ],
  },
  lease: {
    breaks: 'it goes on deleting after its lease has ended',
    edits: [
      edit('collect.ts', '  yield* keepAlive(authority)\n  if (isAbovePointer', '  if (isAbovePointer'),
      edit('collect.ts', '    yield* keepAlive(authority)\n    const answers', '    const answers'),
    ],
  },
  above: {
    breaks: 'the lock is not looked at before a manifest above the pointer is deleted',
    edits: [
      edit('collect.ts', '  if (isAbovePointer(orphan, lineage)) yield* checkAuthority(authority)\n', ''),
    ],
  },
  token: {
    breaks: 'an object that was written again since it was listed is deleted',
    edits: [
      edit(
        'collect.ts',
        'return sameVersion(listed.token, token) && last_modified_ms <= written_before_ms',
        'return token !== "" || listed.size + last_modified_ms < written_before_ms',
      ),
      edit(
        'collect.ts',
        "({ kind: 'delete' as const, path: key, token })",
        "({ kind: 'delete' as const, path: key, ...(token === '' ? { token } : {}) })",
      ),
    ],
  },
  'token time': {
    breaks: 'the same bytes, written again since they were listed, are deleted',
    edits: [
      edit(
        'collect.ts',
        ' && last_modified_ms <= written_before_ms\n}',
        ' && last_modified_ms < written_before_ms + 1e15\n}',
      ),
    ],
  },
  pointer: {
    breaks: 'without a pointer everything is an orphan',
    edits: [
      edit(
        'collect.ts',
        "if (top.kind === 'empty' || top.kind === 'retired') {",
        "if ((top.kind as string) === 'never') {",
      ),
      edit(
        'collect.ts',
        "if (top.kind !== 'pointer') return top\n",
        "if (top.kind !== 'pointer') return top\n    void authority\n",
      ),
    ],
  },
  complete: {
    breaks: 'what cannot be read counts as not reachable',
    edits: [
      edit('collect.ts', 'if (lineage.is_complete) return null', 'if (lineage.revisions >= 0) return null'),
    ],
  },
  'go on': {
    breaks: 'one failing delete ends the repair, as in the reference',
    edits: [
      edit(
        'collect.ts',
        "    else this.fail(orphan, key, answer.outcome === 'failed'",
        "    else if (answer.outcome === 'failed') throw answer.error\n    else this.fail(orphan, key, answer.outcome === 'ok'",
      ),
      edit('collect.ts', 'answer.error.code : ', "'ok' : "),
    ],
  },
  replaced: {
    breaks: 'what was visible a moment ago is as old as it was published',
    edits: [
      edit(
        'lineage.ts',
        'const is_kept = seen.size <= retention.revisions || replaced_ms >= now_ms - retention.younger_ms',
        'const is_kept = seen.size <= retention.revisions || seen.size === 0',
      ),
    ],
  },
  folders: {
    breaks: 'an artifact in the folder of another base is not protected',
    edits: [
      edit(
        'lineage.ts',
        'if (entry !== null) entries.add(entry.path)',
        'if (entry === null) entries.add(path)',
      ),
    ],
  },
  'X14 walk': {
    breaks: 'a publisher whose answer was lost does not walk the chain',
    edits: [
      edit(
        'orchestration/projection/publish.ts',
        'if (seen === null || isVisible === null) return null',
        'if (seen !== null || isVisible === null) return null',
      ),
    ],
  },
} as const satisfies Record<string, Variant>

/** Name of a wrong variant. */
export type CollectorVariantId = keyof typeof COLLECTOR_VARIANTS

/** Do something with a wrong variant. */
export async function withCollectorVariant<T>(
  id: CollectorVariantId,
  use: (code: CollectorCode) => Promise<T>,
): Promise<T> {
  return withMutant(COLLECTOR_VARIANTS[id].edits, async (load) => {
    const { reconcile: collecting } = await load<CollectorCode>(`protocol/${FOLDER}/reconcile.ts`)
    // Publishers are those that ship, unless it is one of theirs: loading the fold once more takes a while.
    if (!id.startsWith('X14')) return use({ reconcile: collecting, compact })
    const { compact: compacting } = await load<CollectorCode>('protocol/orchestration/projection/compact.ts')
    return use({ reconcile: collecting, compact: compacting })
  })
}
