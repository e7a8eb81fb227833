/**
 * One table as a Parquet file, and back (spec/projections.md 2–8, spec/parquet-interop.md 4 and 5). The bytes are a
 * function of the rows (Q7): rows in the order of their key, one row group size, Snappy, no times or names in the
 * footer. What is read was compared with its hash before; limits hold all the same (S20).
 */
import { parquetMetadata, parquetSchema, type FileMetaData, type SchemaElement } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { parquetRows, type Protocol } from '../../effects.ts'
import { JsonError, parseJson, stringifyJson } from '../../json.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { compareBytes } from '../byte-order.ts'
import { floorMs, fromMs, type Instant } from '../events/instant.ts'
import { Mismatch, NOTHING_REPEATED } from '../events/schema.ts'
import { sortedByKey } from '../fold/rows.ts'
import type { RowIn, TableName } from '../tables/all.ts'
import { tableNamed } from '../tables/all.ts'
import type { Column, StoredType, Table } from '../tables/columns.ts'
import { legacyEventType } from './legacy-event-type.ts'

/** Rows of a group; fixed, so that the bytes depend on the rows alone. */
const ROW_GROUP_ROWS = 100_000

/** Refuse a footer that promises more than this before anything is decoded (S20). */
const ROWS_MAX = 10_000_000
const COLUMNS_MAX = 256
const ROW_GROUPS_MAX = 10_000
const CHUNK_BYTES_MAX = 1024 ** 3

const PHYSICAL: Record<StoredType, Pick<SchemaElement, 'type' | 'converted_type'>> = {
  Utf8: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  // Never a logical type: the writer encodes its width wrongly (parquet-interop.md G1).
  UInt32: { type: 'INT32', converted_type: 'UINT_32' },
  Int64: { type: 'INT64' },
  Boolean: { type: 'BOOLEAN' },
}

/** The bytes of a table's rows. Throws RangeError for a value that its column cannot hold. */
export function encodeTable<N extends TableName>(name: N, rows: readonly RowIn<N>[]): Uint8Array {
  const table = tableNamed(name)
  const columns = Object.entries(table.columns)
  const sorted = sortedByKey(table, rows) as readonly Readonly<Record<string, unknown>>[]
  const schema: SchemaElement[] = [
    { name: 'arrow_schema', num_children: columns.length },
    ...columns.map(([column, { stored, nullable }]) => ({
      name: column,
      ...PHYSICAL[stored],
      repetition_type: nullable ? ('OPTIONAL' as const) : ('REQUIRED' as const),
    })),
  ]
  // One list drives schema and data: readers other than ours go by position (G2).
  const columnData = columns.map(([column, description]) => ({
    name: column,
    data: sorted.map((row) => cellOf(`${name}.${column}`, description, row[column])),
  }))
  const bytes = new Uint8Array(
    parquetWriteBuffer({
      schema,
      columnData,
      codec: 'SNAPPY',
      rowGroupSize: ROW_GROUP_ROWS,
      createdBy: 'tidemark',
    }),
  )
  return sorted.length > 0 ? bytes : withTypedEmptyList(bytes)
}

/** From a value in memory to a cell. The writer's own checks have holes (G4, G5, G8). */
function cellOf(place: string, { stored, nullable, meaning }: Column<unknown>, value: unknown): unknown {
  const refuse = (): never => {
    throw new RangeError(`${place} cannot hold this value`)
  }
  if (value === null || value === undefined) return nullable ? null : refuse()
  switch (meaning.kind) {
    case 'time':
      return typeof value === 'bigint' ? BigInt(floorMs(value as Instant)) : refuse()
    case 'json':
      return meaning.empty_is_null && isEmpty(value)
        ? null
        : stringifyJson(meaning.codec.encode(sortedMap(value)))
    case 'enum':
      return typeof value === 'string' && meaning.values.includes(value) ? value : refuse()
    case 'text':
    case 'u32':
    case 'i64':
    case 'bool':
      return plainCell(stored, value) ? value : refuse()
  }
}

function plainCell(stored: StoredType, value: unknown): boolean {
  switch (stored) {
    case 'Utf8':
      return typeof value === 'string'
    case 'Boolean':
      return typeof value === 'boolean'
    case 'UInt32':
      return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
    case 'Int64':
      return typeof value === 'bigint' && BigInt.asIntN(64, value) === value
  }
}

/** Maps by name, so that equal rows give equal bytes. */
function sortedMap(value: unknown): unknown {
  if (!(value instanceof Map)) return value
  const entries = [...(value as ReadonlyMap<string, unknown>)]
  return new Map(entries.toSorted(([a], [b]) => compareBytes(a, b)))
}

function isEmpty(value: unknown): boolean {
  return value instanceof Map ? value.size === 0 : Array.isArray(value) && value.length === 0
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
export function* decodeTable<N extends TableName>(
  name: N,
  path: string,
  bytes: Uint8Array,
): Protocol<RowIn<N>[]> {
  const table = tableNamed(name)
  const corrupt = (why: string): StoredObjectError =>
    new StoredObjectError('object_corrupt', path, why, 'artifact')
  const metadata = readFooter(bytes, corrupt)
  if (metadata.num_rows === 0n) return []
  const present = presentColumns(table, metadata, corrupt)
  const cells = yield* parquetRows(bytes, present)
  return cells.map((row) => rowOf(name, table, row, corrupt) as RowIn<N>)
}

type Corrupt = (why: string) => StoredObjectError

function readFooter(bytes: Uint8Array, corrupt: Corrupt): FileMetaData {
  let metadata: FileMetaData
  try {
    metadata = parquetMetadata(bytes.slice().buffer, { geoparquet: false })
  } catch {
    throw corrupt('the Parquet footer does not parse')
  }
  const { num_rows, row_groups, schema } = metadata
  const chunk_bytes = row_groups
    .flatMap(({ columns }) => columns)
    .map(({ meta_data }) => Number(meta_data?.total_uncompressed_size ?? 0))
  if (
    num_rows < 0n ||
    num_rows > ROWS_MAX ||
    row_groups.length > ROW_GROUPS_MAX ||
    schema.length > COLUMNS_MAX ||
    chunk_bytes.some((size) => size < 0 || size > CHUNK_BYTES_MAX) ||
    row_groups.reduce((sum, group) => sum + group.num_rows, 0n) !== num_rows
  ) {
    throw corrupt('the Parquet footer promises more than a table may hold')
  }
  return metadata
}

/** Columns to read: a mandatory one must be there, and one that is there must have its type (PJ-2). */
function presentColumns(table: Table<unknown>, metadata: FileMetaData, corrupt: Corrupt): string[] {
  const found = new Map<string, SchemaElement>()
  for (const { element, children } of parquetSchema(metadata).children) {
    if (children.length === 0 && !found.has(element.name)) found.set(element.name, element)
  }
  return Object.entries(table.columns).flatMap(([column, { stored, mandatory }]) => {
    const element = found.get(column)
    if (element === undefined) {
      if (mandatory) throw corrupt(`column ${table.name}.${column} is missing`)
      return []
    }
    if (storedTypeOf(element) !== stored) throw corrupt(`column ${table.name}.${column} has another type`)
    return [column]
  })
}

/** What a Rust reader of the reference would make of the column (parquet-interop.md 3). */
function storedTypeOf(element: SchemaElement): StoredType | null {
  const { type, logical_type, converted_type } = element
  const logical = logical_type?.type
  if (type === 'BOOLEAN') return 'Boolean'
  if (type === 'BYTE_ARRAY') {
    const annotation = logical ?? (converted_type === 'UTF8' ? 'STRING' : converted_type)
    return annotation === 'STRING' || annotation === 'JSON' ? 'Utf8' : null
  }
  if (type === 'INT32') return isInteger(element, 32, false) || isPlain(element, 'UINT_32') ? 'UInt32' : null
  if (type === 'INT64') {
    return isInteger(element, 64, true) || isPlain(element, 'INT_64') || isPlain(element, undefined)
      ? 'Int64'
      : null
  }
  return null
}

function isInteger({ logical_type }: SchemaElement, width: number, signed: boolean): boolean {
  return (
    logical_type?.type === 'INTEGER' && logical_type.bitWidth === width && logical_type.isSigned === signed
  )
}

function isPlain({ logical_type, converted_type }: SchemaElement, expected: string | undefined): boolean {
  return logical_type === undefined && converted_type === expected
}

function rowOf(
  name: TableName,
  table: Table<unknown>,
  cells: Readonly<Record<string, unknown>>,
  corrupt: Corrupt,
): unknown {
  const row: Record<string, unknown> = {}
  for (const [column, description] of Object.entries(table.columns)) {
    row[column] = valueOf(`${name}.${column}`, description, cells[column], corrupt)
  }
  if (name === 'idempotency_keys' && (cells['event_type'] === undefined || cells['event_type'] === null)) {
    row['event_type'] = legacyEventType(String(row['idempotency_key']))
  }
  return row
}

function valueOf(place: string, column: Column<unknown>, cell: unknown, corrupt: Corrupt): unknown {
  const { nullable, mandatory, missing, meaning } = column
  if (cell === undefined || cell === null) {
    if (meaning.kind === 'json' && meaning.empty_is_null) return missing
    if (cell === undefined || !mandatory) return missing
    if (nullable) return null
    throw corrupt(`${place} is NULL`)
  }
  switch (meaning.kind) {
    case 'time':
      return timeOf(place, cell, corrupt)
    case 'enum': {
      const known = typeof cell === 'string' ? (ENUM_ALIASES[place]?.[cell] ?? cell) : cell
      if (typeof known === 'string' && meaning.values.includes(known)) return known
      throw corrupt(`${place} has an unknown value`)
    }
    case 'json':
      if (typeof cell !== 'string') throw corrupt(`${place} is not text`)
      try {
        return meaning.codec.decode(parseJson(cell, { forbid_proto: false }), NOTHING_REPEATED)
      } catch (error) {
        if (error instanceof Mismatch || error instanceof JsonError) {
          throw corrupt(`${place} does not hold the JSON that it should`)
        }
        throw error
      }
    case 'i64':
      return typeof cell === 'bigint' ? cell : BigInt(Number(cell))
    case 'text':
    case 'u32':
    case 'bool':
      return cell
  }
}

/** Values that old writers used for ones of today (spec/projections.md 7). */
const ENUM_ALIASES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'dispatch_outbox.status': { ACKED: 'CREATED', FAILED: 'CREATED' },
}

/** Epoch ms of the years ±262 000, which is what the reference can represent; anything else is a broken file (PJ-4). */
const TIME_MS_MAX = 8_210_266_876_799_999n
const TIME_MS_MIN = -8_334_601_228_800_000n

function timeOf(place: string, cell: unknown, corrupt: Corrupt): Instant {
  if (typeof cell !== 'bigint' || cell < TIME_MS_MIN || cell > TIME_MS_MAX) {
    throw corrupt(`${place} is not a representable time`)
  }
  return fromMs(Number(cell))
}
