/**
 * Columns of a Parquet file as arrays, read at once from memory (spec/parquet-interop.md 5). Bytes were compared with
 * their hash before; what a file promises is bounded all the same before anything is allocated for it (S20).
 *
 * The decoder's own entry reads from a file that answers later. These are the functions below it, which do not wait,
 * so that a protocol generator can decode; the package is pinned to the exact version.
 */
import { parquetMetadata, parquetSchema } from 'hyparquet'
import type { ColumnChunk, FileMetaData, SchemaElement } from 'hyparquet'
import { parquetHeader, readColumn } from 'hyparquet/src/column.js'
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js'
import { getTreePath } from 'hyparquet/src/schema.js'
import type { StoredType } from '../tables/columns.ts'

/** A file that breaks a rule; the caller knows which object it is. */
export class ParquetError extends Error {}

/** A file whose footer has been read and found plausible. */
export interface ParquetFile {
  readonly bytes: Uint8Array
  readonly metadata: FileMetaData
  /** Plain columns by name; of two with one name the first. */
  readonly columns: ReadonlyMap<string, SchemaElement>
  readonly row_count: number
}

/** Rows of one row group: how many, and the cells of some of its columns. */
export interface RowGroupCells {
  readonly row_count: number
  /** `null` for NULL; strings, numbers, bigints or booleans otherwise. */
  readonly cells: ReadonlyMap<string, ArrayLike<unknown>>
}

const ROWS_MAX = 10_000_000
const COLUMNS_MAX = 256
const ROW_GROUPS_MAX = 10_000
const PAGE_BYTES_MAX = 256 * 1024 * 1024
/** No Snappy element stands for more than 64 bytes, and none is shorter than 2. */
const SNAPPY_RATIO_MAX = 64

/** Read the footer. Throws ParquetError for one that does not parse or promises what a table cannot hold. */
export function openParquet(bytes: Uint8Array): ParquetFile {
  const metadata = readFooter(bytes)
  const { num_rows, row_groups, schema } = metadata
  if (schema.length > COLUMNS_MAX + 1) throw new ParquetError(`expected at most ${COLUMNS_MAX} columns`)
  if (row_groups.length > ROW_GROUPS_MAX)
    throw new ParquetError(`expected at most ${ROW_GROUPS_MAX} row groups`)
  // Rows of a table differ in their keys: each takes at least a byte of the file, however well it is compressed.
  if (num_rows < 0n || num_rows > Math.min(ROWS_MAX, bytes.length)) {
    throw new ParquetError(`expected no more rows than fit into ${bytes.length} bytes`)
  }
  const in_groups = row_groups.reduce((sum, group) => sum + group.num_rows, 0n)
  if (row_groups.some((group) => group.num_rows < 0n) || in_groups !== num_rows) {
    throw new ParquetError('expected row groups to add up to the number of rows')
  }
  return { bytes, metadata, columns: plainColumns(metadata), row_count: Number(num_rows) }
}

/** Decode some columns, one row group at a time, so that only one group's cells are held. */
export function* readGroups(file: ParquetFile, names: readonly string[]): Generator<RowGroupCells> {
  for (const group of file.metadata.row_groups) {
    const row_count = Number(group.num_rows)
    const cells = new Map(
      names.map((name) => [name, readCells(file, chunkNamed(group.columns, name), row_count)] as const),
    )
    yield { row_count, cells }
  }
}

/** Which of the four types of the projection a reader of the reference sees in a column (parquet-interop.md 3). */
export function storedTypeOf({ type, logical_type, converted_type }: SchemaElement): StoredType | null {
  if (type === 'BOOLEAN') return 'Boolean'
  if (type === 'BYTE_ARRAY') {
    const annotation = logical_type?.type ?? (converted_type === 'UTF8' ? 'STRING' : converted_type)
    return annotation === 'STRING' || annotation === 'JSON' ? 'Utf8' : null
  }
  const integer = integerTypeOf(logical_type, converted_type)
  if (type === 'INT32') return integer === 'unsigned 32' ? 'UInt32' : null
  if (type === 'INT64') return integer === 'signed 64' || integer === 'plain' ? 'Int64' : null
  return null
}

function integerTypeOf(
  logical_type: SchemaElement['logical_type'],
  converted_type: SchemaElement['converted_type'],
): string {
  if (logical_type === undefined) {
    return converted_type === undefined ? 'plain' : (CONVERTED[converted_type] ?? converted_type)
  }
  if (logical_type.type !== 'INTEGER') return logical_type.type
  return `${logical_type.isSigned ? 'signed' : 'unsigned'} ${logical_type.bitWidth}`
}

const CONVERTED: Readonly<Record<string, string>> = { UINT_32: 'unsigned 32', INT_64: 'signed 64' }

function readFooter(bytes: Uint8Array): FileMetaData {
  try {
    return parquetMetadata(bytes, { geoparquet: false })
  } catch {
    throw new ParquetError('the Parquet footer does not parse')
  }
}

function plainColumns(metadata: FileMetaData): ReadonlyMap<string, SchemaElement> {
  const found = new Map<string, SchemaElement>()
  for (const { element, children } of tree(metadata).children) {
    if (children.length === 0 && element.repetition_type !== 'REPEATED' && !found.has(element.name)) {
      found.set(element.name, element)
    }
  }
  return found
}

function tree(metadata: FileMetaData): ReturnType<typeof parquetSchema> {
  try {
    return parquetSchema(metadata)
  } catch {
    throw new ParquetError('the Parquet schema is no tree')
  }
}

function chunkNamed(chunks: readonly ColumnChunk[], name: string): ColumnChunk {
  const chunk = chunks.find(({ meta_data }) => meta_data?.path_in_schema[0] === name)
  if (chunk === undefined) throw new ParquetError(`column ${name} is missing from a row group`)
  return chunk
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const stringOf = (bytes: Uint8Array | undefined): string | undefined => bytes && UTF8.decode(bytes)

/** Text is never taken apart here: a column annotated as JSON holds text for its table, too. */
const PARSERS = { ...DEFAULT_PARSERS, stringFromBytes: stringOf, jsonFromBytes: stringOf }

function readCells(file: ParquetFile, chunk: ColumnChunk, row_count: number): ArrayLike<unknown> {
  const meta = chunk.meta_data
  if (meta === undefined || chunk.file_path !== undefined)
    throw new ParquetError('a column chunk has no place')
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset)
  const length = Number(meta.total_compressed_size)
  if (start < 4 || length < 0 || start + length > file.bytes.length - 8) {
    throw new ParquetError('a column chunk lies outside of the file')
  }
  const view = new DataView(file.bytes.buffer, file.bytes.byteOffset + start, length)
  checkPages(view, row_count)
  const schemaPath = getTreePath(tree(file.metadata), meta.path_in_schema)
  const element = schemaPath.at(-1)?.element
  if (element === undefined) throw new ParquetError('a column chunk has no column')
  const { data } = decoding(() =>
    readColumn(
      { view, offset: 0 },
      { groupStart: 0, selectStart: 0, selectEnd: row_count, groupRows: row_count },
      { pathInSchema: meta.path_in_schema, element, schemaPath, parsers: PARSERS, ...meta },
    ),
  )
  const parts: readonly ArrayLike<unknown>[] = data
  const [only] = parts
  const cells = only !== undefined && parts.length === 1 ? only : parts.flatMap((part) => Array.from(part))
  if (cells.length !== row_count) throw new ParquetError('a column has another number of cells than rows')
  return cells
}

/** Every page must fit: what it takes compressed lies in the chunk, and what it becomes is bounded. */
function checkPages(view: DataView, row_count: number): void {
  const reader = { view, offset: 0 }
  let rows = 0
  while (rows < row_count && reader.offset < view.byteLength) {
    const header = decoding(() => parquetHeader(reader))
    const { compressed_page_size, uncompressed_page_size } = header
    const values =
      header.data_page_header_v2?.num_values ??
      header.data_page_header?.num_values ??
      header.dictionary_page_header?.num_values ??
      -1
    const is_dictionary = header.type === 'DICTIONARY_PAGE'
    if (
      compressed_page_size < 0 ||
      reader.offset + compressed_page_size > view.byteLength ||
      uncompressed_page_size < 0 ||
      uncompressed_page_size > Math.min(PAGE_BYTES_MAX, 64 + compressed_page_size * SNAPPY_RATIO_MAX) ||
      values < 0 ||
      values > (is_dictionary ? uncompressed_page_size : row_count - rows)
    ) {
      throw new ParquetError('a page promises more than its column may hold')
    }
    if (!is_dictionary) rows += values
    reader.offset += compressed_page_size
  }
  if (rows < row_count) throw new ParquetError('a column has fewer cells than rows')
}

function decoding<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (error instanceof ParquetError) throw error
    throw new ParquetError('a column does not decode')
  }
}
