/**
 * What a chunk of a rebuild changed, as one private object: columns as JSON arrays, a tenth of the cost of Parquet files.
 * Nobody but `rebuild-chunks.ts` reads it, after comparing its hash, so the platform's JSON is enough: it holds no number
 * that a double cannot.
 */
import type { Layer } from '../fold/layers.ts'
import { TABLE_NAMES, tableNamed, type TableName } from '../tables/all.ts'
import type { Column } from '../tables/columns.ts'
import { cellReader, cellWriter, type Cell } from './cells.ts'
import { corrupt } from './documents.ts'

/** A column: a cell for every row, or the one that all rows have. */
type StoredColumn = readonly JsonCell[] | { readonly all: JsonCell }

/** Times fit into a number, other 64-bit integers are texts. */
type JsonCell = string | number | boolean | null

interface StoredTable {
  readonly row_count: number
  readonly columns: { readonly [name: string]: StoredColumn }
}

interface StoredLayer {
  readonly tables: { readonly [N in TableName]?: StoredTable }
  readonly deletions: Layer['deletions']
}

/** The bytes of a layer; equal layers have equal bytes. */
export function encodeLayer({ rows, deletions }: Layer): Uint8Array {
  const tables = TABLE_NAMES.flatMap((name) => {
    const own = rows[name] ?? []
    return own.length === 0 ? [] : [[name, storedTable(name, own)] as const]
  })
  const layer: StoredLayer = { tables: Object.fromEntries(tables), deletions }
  return new TextEncoder().encode(JSON.stringify(layer))
}

/** The layer in some bytes, which were compared with their hash. */
export function decodeLayer(path: string, bytes: Uint8Array): Layer {
  let layer: StoredLayer
  try {
    layer = JSON.parse(new TextDecoder().decode(bytes)) as StoredLayer
  } catch {
    throw corrupt('rebuild_chunk', path, 'not JSON')
  }
  const rows: { [N in TableName]?: object[] } = {}
  for (const name of TABLE_NAMES) {
    const stored = layer.tables[name]
    if (stored !== undefined) rows[name] = rowsOf(name, stored)
  }
  return { rows: rows as Layer['rows'], deletions: layer.deletions }
}

function storedTable(name: TableName, rows: readonly object[]): StoredTable {
  const columns = Object.entries(tableNamed(name).columns).map(([column, description]) => {
    const write = cellWriter(`${name}.${column}`, description)
    const cells = rows.map((row) => toJson(write((row as Record<string, unknown>)[column]), description))
    const [first = null] = cells
    return [column, cells.every((cell) => cell === first) ? { all: first } : cells] as const
  })
  return { row_count: rows.length, columns: Object.fromEntries(columns) }
}

function toJson(cell: Cell, { meaning }: Column<unknown>): JsonCell {
  if (typeof cell !== 'bigint') return cell
  return meaning.kind === 'time' ? Number(cell) : String(cell)
}

function rowsOf(name: TableName, { row_count, columns }: StoredTable): object[] {
  const readers = Object.entries(tableNamed(name).columns).map(([column, description]) => {
    const stored = columns[column] ?? { all: null }
    const read = cellReader(`${name}.${column}`, description)
    const is_bigint = description.stored === 'Int64'
    const cellAt = 'all' in stored ? (): JsonCell => stored.all : (at: number): JsonCell => stored[at] ?? null
    return (row: Record<string, unknown>, at: number): void => {
      const cell = cellAt(at)
      row[column] = read(is_bigint && cell !== null ? BigInt(cell) : cell)
    }
  })
  return Array.from({ length: row_count }, (_, at) => {
    const row: Record<string, unknown> = {}
    for (const read of readers) read(row, at)
    return row
  })
}
