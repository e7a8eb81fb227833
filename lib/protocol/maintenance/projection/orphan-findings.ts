/** From what a check saw to what an operator is told about it. */
import { bySeverity, type Finding } from '../finding.ts'
import { POINTER_PATH } from '../../orchestration/paths.ts'
import type { EntryKind } from './entries.ts'
import type { Check } from './check.ts'
import { projectionFinding, type ProjectionRuleId } from './rules.ts'
import { QUARANTINE_MIN_MS } from './settings.ts'
import type { Orphan } from './survey.ts'

const RULES: Readonly<Record<EntryKind, ProjectionRuleId>> = {
  manifest_snapshot: 'RC-101',
  base_dir: 'RC-102',
  l0_dir: 'RC-103',
}

/** Findings of a check, the worst first; entries in `deleted` are gone and are not told again. */
export function orphanFindings(check: Check, deleted: ReadonlySet<string>): readonly Finding[] {
  const { lineage, survey } = check
  const orphans = survey.orphans.filter(({ path }) => !deleted.has(path))
  const unknown = unknownReach(check, orphans)
  const own = unknown ?? orphans.map((each) => orphanFinding(each, check))
  return [...lineage.findings, ...survey.findings, ...own].toSorted(bySeverity)
}

/** Where it is not known what is reachable nothing can be called an orphan; null where it is. */
function unknownReach({ top, lineage }: Check, orphans: readonly Orphan[]): Finding[] | null {
  if (top.kind === 'pointer' && lineage.is_complete) return null
  if (orphans.length === 0) return []
  const detail = `${orphans.length} manifests and folders cannot be told from orphans`
  if (top.kind !== 'empty' && top.kind !== 'retired') return [projectionFinding('RC-201', { detail })]
  const refused = projectionFinding('RC-202', {
    path: POINTER_PATH,
    detail: `there is no pointer: ${detail}`,
  })
  const has_manifests = orphans.some(({ kind }) => kind === 'manifest_snapshot')
  if (!has_manifests || top.kind === 'retired') return [refused]
  const lost = projectionFinding('PJ-102', {
    path: POINTER_PATH,
    detail: 'there are manifests and no pointer',
  })
  return [lost, refused]
}

/** A young one is most likely somebody at work. */
function orphanFinding(orphan: Orphan, { top, lineage, now_ms }: Check): Finding {
  const { kind, path, objects } = orphan
  const bytes = objects.reduce((sum, { size }) => sum + size, 0)
  const newest_ms = Math.max(
    ...objects.map(({ last_modified_ms = Number.POSITIVE_INFINITY }) => last_modified_ms),
  )
  const age_ms = now_ms - newest_ms
  const is_old = age_ms >= QUARANTINE_MIN_MS
  const is_above =
    kind === 'manifest_snapshot' && top.kind === 'pointer' && path > (lineage.current_manifest_path ?? '')
  const age = Number.isFinite(age_ms)
    ? `written ${Math.max(0, Math.floor(age_ms / 1_000))} s ago`
    : 'of unknown age'
  const detail = `no manifest that is kept names it; ${objects.length} objects, ${bytes} bytes, ${age}`
  return projectionFinding(is_above ? 'RC-104' : RULES[kind], {
    ...(is_old
      ? {}
      : { severity: 'info', next: 'Wait an hour: it may be the work of a compaction that goes on.' }),
    path,
    detail,
  })
}
