/** From rows to the artifacts of a base snapshot or a delta (spec/projections.md 11), under a fresh folder each time. */
import { now, ulid, type Protocol } from '../../effects.ts'
import { allRows, type Layer } from '../fold/layers.ts'
import type { FoldState } from '../fold/state.ts'
import { baseFolder, deltaFolder } from '../paths.ts'
import { sha256Hex } from '../../sha256.ts'
import { TABLE_NAMES, type RowIn, type TableName } from '../tables/all.ts'
import type { CatalogRow } from '../tables/runs.ts'
import { newArtifacts, type ArtifactRef, type NewArtifact } from './artifact.ts'
import { keepAlive, type Authority } from './authority.ts'
import { countDeletions, encodeDeletions } from './deletions.ts'
import type { TombstoneMode } from './delete-channel.ts'
import { timeText } from './document-parts.ts'
import { ATTEMPT_PAUSES_MS, RETRY_AFTER_MS } from './limits.ts'
import type { BaseSnapshot, Delta, RowCounts } from './manifest.ts'
import { Refused } from './outcomes.ts'
import { putOnce } from './put-once.ts'
import type { ProjectionSettings } from './settings.ts'
import { encodeSorted } from './table-file.ts'
import type { TableRef } from './table-refs.ts'

/** Where and how a layer is written. */
export interface LayerWriter {
  readonly settings: ProjectionSettings
  readonly authority: Authority
}

/** Encoded bytes that may wait for being written. */
const PENDING_BYTES_MAX = 32 * 1024 * 1024

/** Write every row of a state as a new base: all tables, those without rows too. */
export function* writeBase(
  state: FoldState,
  mode: TombstoneMode,
  writer: LayerWriter,
): Protocol<BaseSnapshot> {
  const { now_ms } = yield* now()
  return yield* underFreshId(function* (snapshot_id) {
    const written = yield* writeFiles(baseFolder(snapshot_id), baseTables(state, writer.settings), writer)
    if (written === null) return null
    return {
      snapshot_id,
      published_at: timeText(now_ms),
      tables: written.map(({ file, ref }) => ({ table: file.table, org_id: file.org_id, ref })),
      delete_channel_version: mode === 'emit' ? 1 : 0,
    }
  })
}

/** Write what a batch changed. Deletions are recorded in mode emit, even when there are none. */
export function* writeDelta(
  layer: Layer,
  about: Pick<Delta, 'created_at' | 'event_range' | 'row_counts'>,
  mode: TombstoneMode,
  writer: LayerWriter,
): Protocol<Delta> {
  return yield* underFreshId(function* (delta_id) {
    const written = yield* writeFiles(deltaFolder(delta_id), layerFiles(layer, mode === 'emit'), writer)
    if (written === null) return null
    return {
      delta_id,
      ...about,
      ...splitFiles(written),
      deletion_count: mode === 'emit' ? countDeletions(layer.deletions) : 0,
    }
  })
}

/** References of a layer's files, the tables apart from the deletions. */
export function splitFiles(written: readonly WrittenFile<TableFile | DeletionsFile>[]): {
  readonly tables: TableRef[]
  readonly deletions: ArtifactRef | null
} {
  const tables = written.flatMap(({ file, ref }) =>
    file.table === null ? [] : [{ table: file.table, org_id: file.org_id, ref }],
  )
  return { tables, deletions: written.find(({ file }) => file.table === null)?.ref ?? null }
}

/** Rows of a layer by table. */
export function countLayer({ rows }: Layer): RowCounts {
  const counts = TABLE_NAMES.map((name) => [name, Math.min(rows[name]?.length ?? 0, 0xffff_ffff)] as const)
  return Object.fromEntries(counts) as RowCounts
}

/** One file of a layer, encoded when it is asked for. */
export interface LayerFile {
  /** Its name, before a part of its hash is put into it. */
  readonly file: string
  encode(): Uint8Array
}

/** Rows of one table; of `catalog_run_index`, those of one organisation. */
export interface TableFile extends LayerFile {
  readonly table: TableName
  readonly org_id: string | null
}

/** Keys that are gone. */
export interface DeletionsFile extends LayerFile {
  readonly table: null
}

/** A file and the reference to it. */
export interface WrittenFile<F extends LayerFile> {
  readonly file: F
  readonly ref: NewArtifact['ref']
}

/** The files of a base, in the order of the tables; the rows are taken when a file is encoded. */
export function* baseTables(state: FoldState, { scope }: ProjectionSettings): Generator<TableFile> {
  for (const table of TABLE_NAMES) {
    if (table === 'catalog_run_index') yield* catalogFiles(allRows(state, table), scope.tenant)
    else yield tableFile(table, () => encodeSorted(table, allRows(state, table)))
  }
}

/** The files of a delta: tables with rows, and the deletions where they are recorded. */
export function* layerFiles(layer: Layer, with_deletions: boolean): Generator<TableFile | DeletionsFile> {
  for (const table of TABLE_NAMES) {
    const rows = layer.rows[table] ?? []
    if (rows.length === 0) continue
    if (table === 'catalog_run_index') yield* catalogFiles(rows as readonly CatalogRow[], null)
    else yield tableFile(table, () => encodeSorted(table, rows as readonly RowIn<typeof table>[]))
  }
  const encode = (): Uint8Array => encodeDeletions(layer.deletions)
  if (with_deletions) yield { table: null, file: 'deletions.json', encode }
}

function tableFile(table: TableName, encode: () => Uint8Array): TableFile {
  return { table, org_id: null, file: `${table}.parquet`, encode }
}

/** One file an organisation; for none, one without rows under `empty_org`. Rows come sorted, organisations first. */
function* catalogFiles(rows: readonly CatalogRow[], empty_org: string | null): Generator<TableFile> {
  if (rows.length === 0 && empty_org !== null) yield catalogFile(empty_org, [])
  for (let from = 0; from < rows.length;) {
    const org_id = rows[from]?.org_id ?? ''
    let to = from
    while (to < rows.length && rows[to]?.org_id === org_id) to += 1
    yield catalogFile(org_id, rows.slice(from, to))
    from = to
  }
}

function catalogFile(org_id: string, rows: readonly CatalogRow[]): TableFile {
  const table = 'catalog_run_index'
  const file = `${table}/org-${sha256Hex(org_id).slice(0, 32)}.parquet`
  return { table, org_id, file, encode: () => encodeSorted(table, rows) }
}

/** Write files as they are encoded; null when a path holds other bytes, and the folder cannot be used. */
export function* writeFiles<F extends LayerFile>(
  folder: string,
  files: Iterable<F>,
  { settings, authority }: LayerWriter,
): Protocol<WrittenFile<F>[] | null> {
  const written: WrittenFile<F>[] = []
  let pending: { readonly source: F; readonly file: string; readonly bytes: Uint8Array }[] = []
  function* flush(): Protocol<boolean> {
    const artifacts = yield* newArtifacts(folder, pending)
    const objects = artifacts.map(({ ref, bytes }) => ({ path: ref.path, bytes }))
    for (const [index, { source }] of pending.entries()) {
      const ref = artifacts[index]?.ref
      if (ref !== undefined) written.push({ file: source, ref })
    }
    pending = []
    return (yield* putOnce(objects, settings.reads_max)).length === 0
  }
  for (const source of files) {
    yield* keepAlive(authority)
    pending.push({ source, file: source.file, bytes: source.encode() })
    const bytes = pending.reduce((sum, each) => sum + each.bytes.length, 0)
    if (bytes >= PENDING_BYTES_MAX && !(yield* flush())) return null
  }
  return (yield* flush()) ? written : null
}

/** A folder is named by a fresh ULID; one that somebody else has filled is left alone. */
function* underFreshId<T>(write: (id: string) => Protocol<T | null>): Protocol<T> {
  for (const _attempt of ATTEMPT_PAUSES_MS) {
    const written = yield* write(yield* ulid())
    if (written !== null) return written
  }
  throw new Refused({
    ok: false,
    reason: 'contention',
    detail: 'immutable artifacts already exist',
    retry_after_ms: RETRY_AFTER_MS,
  })
}
