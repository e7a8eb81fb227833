/** Everything that lies where manifests and artifacts do and that nobody names (spec/reconcile.md 3, RC-11). */
import type { ListedObject } from '../../../store/types.ts'
import type { Protocol } from '../../effects.ts'
import { list, type Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { ENTRY_KINDS, ENTRY_PREFIXES, entryOf, type EntryName } from './entries.ts'
import { projectionFinding } from './rules.ts'

/** An entry that nobody names, and what is in it. */
export interface Orphan extends EntryName {
  readonly objects: readonly ListedObject[]
}

/** What a survey came to. */
export interface Survey {
  /** In the order in which they are collected; each kind by path. */
  readonly orphans: readonly Orphan[]
  readonly findings: readonly Finding[]
  /** Objects that were looked at. */
  readonly listed: number
}

/** How a survey is bounded and kept alive. */
export interface SurveyBounds {
  /** Orphaned objects that are kept in mind. */
  readonly objects_max: number
  readonly between?: () => Protocol<void>
}

const PAGE_OBJECTS = 1_000

/** List the three folders and keep what is not in `entries`. Pages are read one after the other. */
export function* surveyOrphans(
  entries: ReadonlySet<string>,
  { objects_max, between }: SurveyBounds,
): Maintenance<Survey> {
  const orphans = new Map<string, EntryName & { readonly objects: ListedObject[] }>()
  const findings: Finding[] = []
  let kept = 0
  let listed = 0
  for (const kind of ENTRY_KINDS) {
    let start_after: string | undefined
    do {
      if (between !== undefined) yield* between()
      const page = yield* list({
        prefix: ENTRY_PREFIXES[kind],
        limit: PAGE_OBJECTS,
        ...(start_after === undefined ? {} : { start_after }),
      })
      start_after = page.next_start_after
      listed += page.objects.length
      for (const object of page.objects) {
        const entry = entryOf(object.key)
        if (entry === null) findings.push(strayFinding(object))
        if (entry === null || entries.has(entry.path)) continue
        if (kept >= objects_max) {
          // Half a folder would hide that its other half is young.
          orphans.delete(entry.path)
          return { orphans: [...orphans.values()], findings: [...findings, tooMany(kept)], listed }
        }
        const orphan = orphans.get(entry.path) ?? { ...entry, objects: [] }
        orphans.set(entry.path, orphan)
        orphan.objects.push(object)
        kept += 1
      }
    } while (start_after !== undefined)
  }
  return { orphans: [...orphans.values()], findings, listed }
}

function strayFinding({ key, size }: ListedObject): Finding {
  return projectionFinding('RC-105', { path: key, detail: `expected it in a folder; ${size} bytes` })
}

function tooMany(kept: number): Finding {
  return projectionFinding('RC-204', { detail: `${kept} objects that nobody names were kept in mind` })
}
