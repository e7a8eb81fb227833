/**
 * One row of Arco's catalog read model, found without listing: pointer → immutable manifest → `tables.parquet`
 * (spec/coordinator.md 11.1, camelCase members as Arco writes them).
 */
import * as z from 'zod'
import { StoreError, type GetResult, type StoredObject } from '../../store/types.ts'
import { get, parquetRows, sha256, type Protocol } from '../effects.ts'
import { parseJson } from '../json.ts'
import { CATALOG_POINTER_PATH, isValidKey } from '../paths.ts'
import { StoredObjectError } from '../stored-error.ts'
import { CATALOG_MANIFEST_BYTES_MAX, CATALOG_TABLES_BYTES_MAX, POINTER_BYTES_MAX } from './limits.ts'

/** `manifests/catalog.pointer.json`. */
const Pointer = z.looseObject({
  manifestId: z.string(),
  manifestPath: z
    .string()
    .refine((path) => path.startsWith('manifests/catalog/') && path.endsWith('.json') && isValidKey(path)),
})

/** The immutable manifest; version 0 has no files. */
const Manifest = z.looseObject({
  snapshotVersion: z.int().min(0),
  snapshotPath: z.string().refine(isSnapshotPath),
  snapshot: z
    .looseObject({
      path: z.string().refine(isSnapshotPath),
      files: z.array(z.looseObject({ path: z.string(), checksumSha256: z.string().optional() })),
    })
    .nullish(),
})

/** What Tidemark needs of a catalog table. */
export interface CatalogTable {
  readonly location: string | null
  readonly format: string | null
}

const TABLES_FILE = 'tables.parquet'

/** The row of `table_id`, or null when the catalog has none. StoredObjectError `object_corrupt` for broken objects. */
export function* readCatalogTable(pointer: StoredObject, table_id: string): Protocol<CatalogTable | null> {
  const { manifestPath } = parse(Pointer, pointer.bytes, CATALOG_POINTER_PATH, 'catalog_pointer')
  const stored = yield* read(manifestPath, CATALOG_MANIFEST_BYTES_MAX, 'catalog_manifest')
  if (stored.outcome === 'not_found') throw corrupt(manifestPath, 'the pointer names it', 'catalog_manifest')
  const manifest = parse(Manifest, stored.bytes, manifestPath, 'catalog_manifest')
  if (manifest.snapshotVersion === 0) return null
  const base = manifest.snapshot?.path ?? manifest.snapshotPath
  const path = `${base.replace(/\/$/, '')}/${TABLES_FILE}`
  const tables = yield* read(path, CATALOG_TABLES_BYTES_MAX, 'catalog_tables')
  if (tables.outcome === 'not_found') throw corrupt(path, 'the manifest names it', 'catalog_tables')
  const expected = manifest.snapshot?.files.find((file) => file.path === TABLES_FILE)?.checksumSha256
  if (expected !== undefined && expected !== (yield* sha256(tables.bytes))) {
    throw corrupt(path, 'SHA-256 differs from the manifest', 'catalog_tables')
  }
  return yield* findRow(path, tables.bytes, table_id)
}

/** The pointer, or `not_found` where there is no catalog. */
export function* readCatalogPointer(): Protocol<GetResult> {
  return yield* read(CATALOG_POINTER_PATH, POINTER_BYTES_MAX, 'catalog_pointer')
}

/** An object that is too large or does not arrive whole is as corrupt as one that does not parse (storage.md 8). */
function* read(path: string, bytes_max: number, object_class: string): Protocol<GetResult> {
  try {
    return yield* get(path, bytes_max)
  } catch (error) {
    throw asCorrupt(error, path, object_class)
  }
}

function asCorrupt(error: unknown, path: string, object_class: string): unknown {
  const is_corrupt = error instanceof StoreError && (error.code === 'corrupt' || error.code === 'too_large')
  return is_corrupt ? corrupt(path, error.code, object_class) : error
}

function* findRow(path: string, bytes: Uint8Array, table_id: string): Protocol<CatalogTable | null> {
  const row = (yield* rowsOf(path, bytes)).find(({ id }) => id === table_id)
  if (row === undefined) return null
  const { location = null, format = null } = row
  if (!isText(location) || !isText(format))
    throw corrupt(path, 'location or format is not text', 'catalog_tables')
  return { location, format }
}

function* rowsOf(path: string, bytes: Uint8Array): Protocol<readonly Readonly<Record<string, unknown>>[]> {
  try {
    return yield* parquetRows(bytes, ['id', 'location', 'format'], 'flat')
  } catch (error) {
    throw asCorrupt(error, path, 'catalog_tables')
  }
}

function isText(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

function isSnapshotPath(path: string): boolean {
  return path.startsWith('snapshots/catalog/') && isValidKey(path.replace(/\/$/, ''))
}

function parse<T extends z.ZodType>(
  schema: T,
  bytes: Uint8Array,
  path: string,
  object_class: string,
): z.infer<T> {
  try {
    return schema.parse(parseJson(bytes))
  } catch {
    throw corrupt(path, 'does not parse', object_class)
  }
}

function corrupt(path: string, why: string, object_class: string): StoredObjectError {
  return new StoredObjectError('object_corrupt', path, `${object_class}: ${why}`, object_class)
}
