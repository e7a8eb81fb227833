/**
 * One table as a Parquet file, and back (spec/projections.md 2–8, spec/parquet-interop.md 4 and 5). The bytes are a
 * function of the rows (Q7): rows in the order of their key, one size of row groups, Snappy, no times or names in the
 * footer.
 */
import type { SchemaElement } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { sortedByKey } from '../fold/rows.ts'
import { tableNamed, type RowIn, type TableName } from '../tables/all.ts'
import type { StoredType, Table } from '../tables/columns.ts'
import { cellReader, cellWriter, type Cell } from './cells.ts'
import { corrupt } from './documents.ts'
import { legacyEventType } from './legacy-event-type.ts'
import { ParquetError } from './parquet-error.ts'
import { openParquet, readGroups, storedTypeOf, type ParquetFile } from './parquet-reader.ts'

/** Rows of a group; fixed, so that the bytes depend on the rows alone. Cells of one group are in memory at a time. */
const ROW_GROUP_ROWS = 20_000

const PHYSICAL: Record<StoredType, Pick<SchemaElement, 'type' | 'converted_type'>> = {
  Utf8: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  // Never a logical type: the writer encodes its width wrongly (parquet-interop.md G1).
  UInt32: { type: 'INT32', converted_type: 'UINT_32' },
  Int64: { type: 'INT64' },
  Boolean: { type: 'BOOLEAN' },
}

/** The bytes of a table's rows, in any order. Throws RangeError for a value that its column cannot hold. */
export function encodeTable<N extends TableName>(name: N, rows: readonly RowIn<N>[]): Uint8Array {
  return encodeSorted(name, sortedByKey(tableNamed(name), rows))
}

/** Files without rows: a base has a dozen of them, each time the same. */
const emptyFiles = new Map<TableName, Uint8Array>()

/** As `encodeTable`, for rows in the order of their key. */
export function encodeSorted<N extends TableName>(name: N, rows: readonly RowIn<N>[]): Uint8Array {
  if (rows.length > 0) return encodeRows(name, rows)
  const known = emptyFiles.get(name) ?? withTypedEmptyList(encodeRows(name, rows))
  emptyFiles.set(name, known)
  return known
}

function encodeRows<N extends TableName>(name: N, rows: readonly RowIn<N>[]): Uint8Array {
  const columns = Object.entries(tableNamed(name).columns)
  const schema: SchemaElement[] = [
    { name: 'arrow_schema', num_children: columns.length },
    ...columns.map(([column, { stored, nullable }]) => ({
      name: column,
      ...PHYSICAL[stored],
      repetition_type: nullable ? ('OPTIONAL' as const) : ('REQUIRED' as const),
    })),
  ]
  // One list drives schema and data: readers other than ours go by position (G2).
  const cells = columns.map(([column, description]) => ({
    column: column as keyof RowIn<N>,
    write: cellWriter(`${name}.${column}`, description),
  }))
  const writer = new ByteWriter()
  // No reader of these files looks for some rows of them: bounds of values would cost and serve nobody.
  const file = new ParquetWriter({
    writer,
    schema,
    codec: 'SNAPPY',
    statistics: false,
    createdBy: 'tidemark',
  })
  for (let from = 0; from < rows.length; from += ROW_GROUP_ROWS) {
    const group = rows.slice(from, from + ROW_GROUP_ROWS)
    const columnData = cells.map(({ column, write }) => ({
      name: String(column),
      data: encodedTogether(group.map((row) => write(row[column]))),
      offsetIndex: false,
    }))
    void file.write({ columnData, rowGroupSize: ROW_GROUP_ROWS })
  }
  void file.finish()
  return writer.getBytes().slice()
}

/** Cells looked at to tell whether a column repeats itself. */
const SAMPLE_CELLS = 100

/**
 * Texts that do not repeat, as bytes that are cut from one buffer: the writer would make a buffer for each. What it
 * writes is the same. Others it keeps once in a dictionary, and texts that are not ASCII have another length in bytes.
 */
function encodedTogether(cells: Cell[]): (Cell | Uint8Array)[] {
  const sample = cells.slice(0, SAMPLE_CELLS)
  if (typeof sample[0] !== 'string' || new Set(sample).size < sample.length) return cells
  const joined = cells.join('')
  const bytes = new TextEncoder().encode(joined)
  if (bytes.length !== joined.length) return cells
  let to = 0
  return cells.map((cell) => (typeof cell === 'string' ? bytes.subarray(to, (to += cell.length)) : cell))
}

/**
 * The writer leaves the element type of an empty row-group list open, which strict readers refuse (G3): say "struct".
 * The footer of an empty file has exactly one such list.
 */
function withTypedEmptyList(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = bytes.length - 8 - view.getUint32(bytes.length - 8, true)
  const places: number[] = []
  for (let at = start; at + 3 < bytes.length - 8; at++) {
    if (bytes[at] === 0x16 && bytes[at + 1] === 0 && bytes[at + 2] === 0x19 && bytes[at + 3] === 0) {
      places.push(at + 3)
    }
  }
  const [place] = places
  if (place === undefined || places.length !== 1) throw new Error('unexpected footer of an empty file')
  bytes[place] = 0x0c
  return bytes
}

/** The rows of a stored table, in file order. StoredObjectError `object_corrupt` for a file that is not this table. */
export function decodeTable<N extends TableName>(name: N, path: string, bytes: Uint8Array): RowIn<N>[] {
  try {
    const file = openParquet(bytes)
    return file.row_count === 0 ? [] : decodeRows(name, file)
  } catch (error) {
    throw error instanceof ParquetError ? corrupt('artifact', path, error.message) : error
  }
}

function decodeRows<N extends TableName>(name: N, file: ParquetFile): RowIn<N>[] {
  const table = tableNamed(name)
  const present = presentColumns(table, file)
  const absent = Object.entries(table.columns).filter(([column]) => !present.includes(column))
  const readers = present.map((column) => {
    const description = table.columns[column]
    if (description === undefined) throw new ParquetError(`no column ${column}`)
    return { column, read: cellReader(`${name}.${column}`, description) }
  })
  const rows: Record<string, unknown>[] = []
  for (const { row_count, cells } of readGroups(file, present)) {
    const columns = readers.map(({ column, read }) => ({ column, read, cells: cells.get(column) ?? [] }))
    for (let at = 0; at < row_count; at++) {
      const row: Record<string, unknown> = {}
      for (const { column, read, cells: own } of columns) row[column] = read(own[at])
      for (const [column, { missing }] of absent) row[column] = missing
      rows.push(row)
    }
  }
  if (name === 'idempotency_keys') rows.forEach(inferEventType)
  return rows as unknown as RowIn<N>[]
}

/** Columns to read: a mandatory one must be there, and one that is there must have its type (PJ-2). */
function presentColumns(table: Table<unknown>, { columns }: ParquetFile): string[] {
  return Object.entries(table.columns).flatMap(([column, { stored, mandatory }]) => {
    const element = columns.get(column)
    if (element === undefined) {
      if (mandatory) throw new ParquetError(`column ${table.name}.${column} is missing`)
      return []
    }
    if (storedTypeOf(element) !== stored) {
      throw new ParquetError(`column ${table.name}.${column} has another type`)
    }
    return [column]
  })
}

/** An early writer left the type out; the key says it (8.4). */
function inferEventType(row: Record<string, unknown>): void {
  if (row['event_type'] === UNKNOWN_TYPE) row['event_type'] = legacyEventType(String(row['idempotency_key']))
}

/** What `tables/keys.ts` says about a missing event type. */
const UNKNOWN_TYPE = 'LegacyUnknown'
