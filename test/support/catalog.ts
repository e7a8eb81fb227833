/** A catalog as Arco writes it: pointer, immutable manifest, `tables.parquet` (spec/coordinator.md 11.1). */
import { parquetWriteBuffer } from 'hyparquet-writer'
import { sha256Hex } from './service.ts'

/** One table of a catalog; null where the column is null. */
export interface CatalogRow {
  readonly id: string
  readonly location: string | null
  readonly format: string | null
}

/** Where the three objects of `catalogObjects` are, relative to the scope. */
export const CATALOG_PATHS = {
  pointer: 'manifests/catalog.pointer.json',
  manifest: 'manifests/catalog/00000000000000000001.json',
  tables: 'snapshots/catalog/v1/tables.parquet',
} as const

/** The three objects by their relative paths. */
export function catalogObjects(rows: readonly CatalogRow[]): Record<keyof typeof CATALOG_PATHS, Uint8Array> {
  const tables = tablesParquet(rows)
  return {
    pointer: encode(POINTER),
    manifest: encode(catalogManifest({ checksumSha256: sha256Hex(tables) })),
    tables,
  }
}

/** A pointer that names the manifest. */
export const POINTER = {
  manifestId: '00000000000000000001',
  manifestPath: CATALOG_PATHS.manifest,
  epoch: 1,
}

/** A manifest that names the tables. */
export function catalogManifest(file: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    snapshotVersion: 1,
    snapshotPath: 'snapshots/catalog/v1/',
    snapshot: { path: 'snapshots/catalog/v1/', files: [{ path: 'tables.parquet', ...file }] },
  }
}

/** The read model, without the columns that Tidemark does not read. */
export function tablesParquet(rows: readonly CatalogRow[]): Uint8Array {
  const column = (
    name: keyof CatalogRow,
  ): { name: string; data: unknown[]; type: 'STRING'; nullable: true } => ({
    name,
    data: rows.map((row) => row[name]),
    type: 'STRING',
    nullable: true,
  })
  return new Uint8Array(
    parquetWriteBuffer({ columnData: [column('id'), column('location'), column('format')] }),
  )
}

function encode(document: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(document))
}
