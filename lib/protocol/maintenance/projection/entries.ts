/** What is collected as one: a manifest, or a folder of a base or a delta (spec/reconcile.md 1). */

/** Labels of reconcile.md 5. */
export type EntryKind = 'manifest_snapshot' | 'base_dir' | 'l0_dir'

/** Where entries of each kind lie; ends with a slash. */
export const ENTRY_PREFIXES: Readonly<Record<EntryKind, string>> = {
  manifest_snapshot: 'state/orchestration/manifests/',
  base_dir: 'state/orchestration/base/',
  l0_dir: 'state/orchestration/l0/',
}

/** Kinds in the order in which they are collected (5). */
export const ENTRY_KINDS = ['manifest_snapshot', 'base_dir', 'l0_dir'] as const satisfies readonly EntryKind[]

/** Name of one entry: the key of a manifest, or that of a folder without its slash. */
export interface EntryName {
  readonly kind: EntryKind
  readonly path: string
}

/** The entry that an object belongs to; null for one that is never collected. */
export function entryOf(path: string): EntryName | null {
  for (const kind of ENTRY_KINDS) {
    const prefix = ENTRY_PREFIXES[kind]
    if (!path.startsWith(prefix)) continue
    if (kind === 'manifest_snapshot') return { kind, path }
    const slash = path.indexOf('/', prefix.length)
    return slash === -1 ? null : { kind, path: path.slice(0, slash) }
  }
  return null
}
