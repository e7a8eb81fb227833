/** From a manifest to the state that it stands for (spec/manifests.md 9): all its layers, verified, merged in order. */
import type { Protocol } from '../../effects.ts'
import { loadState, type Layer } from '../fold/layers.ts'
import type { FoldState } from '../fold/state.ts'
import type { TableName } from '../tables/all.ts'
import { batchesOf, pathOf, readArtifacts, type ArtifactRef, type WantedArtifact } from './artifact.ts'
import { DELETIONS, type Deletions } from './deletions.ts'
import type { TombstoneMode } from './delete-channel.ts'
import { parseDocument } from './documents.ts'
import { ARTIFACT_BYTES_MAX, DELETIONS_BYTES_MAX } from './limits.ts'
import type { Manifest } from './manifest.ts'
import type { ProjectionSettings } from './settings.ts'
import { decodeTable } from './table-file.ts'
import type { TableRef } from './table-refs.ts'

/** What is in an artifact. */
type Content = { readonly rows: readonly object[] } | { readonly deletions: Deletions }

/**
 * Contents that this call has read, by path and hash: artifacts never change, so that an attempt after a lost race
 * reads only what is new (manifests.md M5). It lives as long as the call and holds what the last manifest named.
 */
export type ArtifactCache = Map<string, Content>

/** One artifact of a layer; `table` null: its deletions. */
interface Piece extends WantedArtifact {
  readonly table: TableName | null
}

/** What a call has already: contents that it has read, and layers above those that are stored. */
export interface LoadOptions {
  readonly cache?: ArtifactCache
  readonly above?: readonly Layer[]
  /** Before each batch of reads, which are minutes for a large base: whoever works under a lease renews it. */
  readonly beforeRead?: () => Protocol<void>
}

/** Read and merge the layers of a manifest; null stands for an empty workspace. */
export function* loadProjection(
  manifest: Manifest | null,
  mode: TombstoneMode,
  settings: ProjectionSettings,
  { cache, above = [], beforeRead }: LoadOptions = {},
): Protocol<FoldState> {
  const layers =
    manifest === null ? [] : yield* readLayers(layersOf(manifest), settings.reads_max, cache, beforeRead)
  const { tenant_secret, terminal_run_days } = settings
  return loadState(
    { tenant_secret, terminal_run_days: mode === 'emit' ? terminal_run_days : null },
    [...layers, ...above],
    manifest?.watermarks.last_committed_event_id ?? null,
  )
}

/** Artifacts of one layer. */
export interface StoredLayer {
  readonly tables: readonly TableRef[]
  readonly deletions: ArtifactRef | null
}

/** The layers of a manifest, the oldest first. */
export function layersOf({ base_snapshot, l0_deltas }: Manifest): StoredLayer[] {
  const base = base_snapshot.snapshot_id === null ? [] : [{ tables: base_snapshot.tables, deletions: null }]
  return [...base, ...l0_deltas]
}

/** Read layers, a bounded number of artifacts together, each compared with its hash before it is decoded. */
export function* readLayers(
  layers: readonly StoredLayer[],
  reads_max: number,
  cache: ArtifactCache = new Map(),
  beforeRead?: () => Protocol<void>,
): Protocol<Layer[]> {
  const pieces = layers.map(piecesOf)
  const wanted = new Map(pieces.flat().map((piece) => [keyOf(piece), piece]))
  for (const key of cache.keys()) if (!wanted.has(key)) cache.delete(key)
  const missing = [...wanted.values()].filter((piece) => !cache.has(keyOf(piece)))
  for (const batch of batchesOf(missing, reads_max)) {
    if (beforeRead !== undefined) yield* beforeRead()
    const contents = yield* readArtifacts(batch)
    batch.forEach((piece, index) =>
      cache.set(keyOf(piece), decode(piece, contents[index] ?? new Uint8Array())),
    )
  }
  return pieces.map((own) => layerOf(own, cache))
}

function piecesOf({ tables, deletions }: StoredLayer): Piece[] {
  const files = tables.map(({ table, ref }): Piece => ({
    object_class: 'artifact',
    table,
    ref,
    bytes_max: ARTIFACT_BYTES_MAX,
  }))
  return deletions === null
    ? files
    : [...files, { object_class: 'deletions', table: null, ref: deletions, bytes_max: DELETIONS_BYTES_MAX }]
}

function keyOf({ table, ref }: Piece): string {
  return `${table ?? ''} ${typeof ref === 'string' ? ref : `${ref.path} ${ref.checksum_sha256}`}`
}

function decode({ table, ref }: Piece, bytes: Uint8Array): Content {
  return table === null
    ? { deletions: parseDocument(DELETIONS, pathOf(ref), bytes) }
    : { rows: decodeTable(table, pathOf(ref), bytes) }
}

function layerOf(pieces: readonly Piece[], cache: ArtifactCache): Layer {
  const rows: { [N in TableName]?: object[] } = {}
  let deletions: Deletions = {}
  for (const piece of pieces) {
    const { table } = piece
    const content = cache.get(keyOf(piece))
    if (content === undefined) throw new Error(`${pathOf(piece.ref)} was not read`)
    if ('deletions' in content) deletions = content.deletions
    else if (table !== null) rows[table] = (rows[table] ?? []).concat(content.rows)
  }
  return { rows: rows as Layer['rows'], deletions }
}
