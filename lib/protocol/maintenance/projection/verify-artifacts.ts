/** The third stage of verify: every artifact of the visible manifest, byte by byte and row by row (spec/reconcile.md RC-10). */
import { get, sha256, type Protocol } from '../../effects.ts'
import { StoreError, type GetResult } from '../../../store/types.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { pathOf, type ArtifactRef } from '../../orchestration/projection/artifact.ts'
import { countDeletions, DELETIONS } from '../../orchestration/projection/deletions.ts'
import { parseDocument } from '../../orchestration/projection/documents.ts'
import { ARTIFACT_BYTES_MAX } from '../../orchestration/projection/limits.ts'
import type { Manifest } from '../../orchestration/projection/manifest.ts'
import { decodeTable } from '../../orchestration/projection/table-file.ts'
import type { TableRef } from '../../orchestration/projection/table-refs.ts'
import { TABLE_NAMES, type TableName } from '../../orchestration/tables/all.ts'
import type { Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { readManifest } from './lineage.ts'
import { projectionFinding } from './rules.ts'
import type { Stage } from './verify.ts'
import type { PositionOf } from './verify-cursor.ts'

/** What is counted together: the artifacts of one table of one layer, or the deletions of a delta. */
interface Group {
  readonly layer: string
  readonly table: TableName | 'deletions'
  readonly refs: readonly ArtifactRef[]
  /** Rows that the manifest says there are; null where it says nothing. */
  readonly expected: number | null
}

/** Check groups from `group` on, until `limit` artifacts were read. */
export function* verifyArtifacts(
  { manifest_path, group }: PositionOf<'artifacts'>,
  limit: number,
): Maintenance<Stage> {
  const read = yield* readManifest(manifest_path, true)
  if ('finding' in read) return { findings: [read.finding], objects: 1, next: { stage: 'orphans' } }
  const groups = groupsOf(read.seen.value)
  const findings: Finding[] = []
  let objects = 1
  let at = group
  for (; at < groups.length && objects <= limit; at++) {
    const each = groups[at]
    if (each === undefined) break
    findings.push(...(yield* verifyGroup(each, manifest_path)))
    objects += each.refs.length
  }
  const next =
    at < groups.length
      ? ({ stage: 'artifacts', manifest_path, group: at } as const)
      : ({ stage: 'ledger', manifest_path, after: '' } as const)
  return { findings, objects, next }
}

function groupsOf({ base_snapshot, l0_deltas }: Manifest): Group[] {
  const { snapshot_id, tables } = base_snapshot
  const base = snapshot_id === null ? [] : tableGroups(`base ${snapshot_id}`, tables, () => null)
  const deltas = l0_deltas.flatMap(({ delta_id, tables: own, row_counts, deletions, deletion_count }) => {
    const layer = `delta ${delta_id}`
    const gone: Group[] =
      deletions === null ? [] : [{ layer, table: 'deletions', refs: [deletions], expected: deletion_count }]
    return [...tableGroups(layer, own, (table) => row_counts[table]), ...gone]
  })
  return [...base, ...deltas]
}

function tableGroups(
  layer: string,
  tables: readonly TableRef[],
  expectedOf: (table: TableName) => number | null,
): Group[] {
  return TABLE_NAMES.map((table): Group => {
    const refs = tables.filter((each) => each.table === table).map(({ ref }) => ref)
    return { layer, table, refs, expected: expectedOf(table) }
  }).filter(({ refs, expected }) => refs.length > 0 || (expected ?? 0) > 0)
}

function* verifyGroup({ layer, table, refs, expected }: Group, manifest_path: string): Protocol<Finding[]> {
  const findings: Finding[] = []
  let rows = 0
  for (const ref of refs) {
    if (typeof ref === 'string') {
      findings.push(projectionFinding('PJ-306', { path: ref, detail: `${layer}, ${table}: a path alone` }))
    }
    const checked = yield* verifyArtifact(table, ref)
    if (typeof checked === 'number') rows += checked
    else findings.push(checked)
  }
  const is_whole = findings.every(({ rule }) => rule === 'PJ-306')
  if (expected !== null && is_whole && rows !== expected) {
    const what = table === 'deletions' ? 'deleted keys' : `rows of ${table}`
    const detail = `${layer}: the manifest says ${expected} ${what}, its artifacts have ${rows}`
    findings.push(projectionFinding('PJ-305', { path: manifest_path, detail }))
  }
  return findings
}

/** How many rows it has, or the first thing that is wrong with it. */
function* verifyArtifact(table: Group['table'], ref: ArtifactRef): Protocol<number | Finding> {
  const path = pathOf(ref)
  const size = typeof ref === 'string' ? null : ref.byte_size
  const answer = yield* read(path, size ?? ARTIFACT_BYTES_MAX)
  if ('code' in answer) {
    return answer.code === 'too_large' && size !== null
      ? projectionFinding('PJ-302', { path, detail: `expected ${size} bytes, it has more` })
      : projectionFinding('PJ-303', { path, detail: `the store cannot give its bytes: ${answer.code}` })
  }
  if (answer.outcome === 'not_found') {
    return projectionFinding('PJ-301', {
      path,
      detail: 'the visible manifest names it, and it does not exist',
    })
  }
  const { bytes } = answer
  if (typeof ref !== 'string') {
    if (bytes.length !== ref.byte_size) {
      return projectionFinding('PJ-302', {
        path,
        detail: `expected ${ref.byte_size} bytes, got ${bytes.length}`,
      })
    }
    const hash = `sha256:${yield* sha256(bytes)}`
    if (hash !== ref.checksum_sha256) {
      return projectionFinding('PJ-303', { path, detail: `expected ${ref.checksum_sha256}, got ${hash}` })
    }
  }
  try {
    return table === 'deletions'
      ? countDeletions(parseDocument(DELETIONS, path, bytes))
      : decodeTable(table, path, bytes).length
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
    return projectionFinding('PJ-304', { path, detail: error.message })
  }
}

/** What the object is, or why the store cannot tell though it answers. */
function* read(
  path: string,
  bytes_max: number,
): Protocol<GetResult | { readonly code: 'too_large' | 'corrupt' }> {
  try {
    return yield* get(path, bytes_max)
  } catch (error) {
    if (error instanceof StoreError && (error.code === 'too_large' || error.code === 'corrupt')) {
      return { code: error.code }
    }
    throw error
  }
}
