/**
 * Columns of a Parquet file as arrays, read at once from memory (spec/parquet-interop.md 5), so that a protocol generator
 * can decode. Bytes were compared with their hash before; what a file promises is bounded all the same before anything is
 * allocated for it (S20). The footer is read by the library, which is pinned to its exact version.
 */
import { parquetMetadata, parquetSchema } from 'hyparquet'
import type { ColumnChunk, FileMetaData, SchemaElement } from 'hyparquet'
import type { StoredType } from '../tables/columns.ts'
import { ParquetError } from './parquet-error.ts'
import { readChunk, type ReadCell } from './parquet-pages.ts'
import { checkThriftStruct } from './thrift-bounds.ts'

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
  readonly cells: ReadonlyMap<string, readonly ReadCell[]>
}

const ROWS_MAX = 10_000_000
const COLUMNS_MAX = 256
const ROW_GROUPS_MAX = 10_000

/** Read the footer. Throws ParquetError for one that does not parse or promises what a table cannot hold. */
export function openParquet(bytes: Uint8Array): ParquetFile {
  return decoding('the Parquet footer does not parse', () => {
    checkThriftStruct(bytes, footerStart(bytes), bytes.length - 8)
    const metadata = parquetMetadata(bytes, { geoparquet: false })
    const { num_rows, row_groups, schema } = metadata
    if (schema.length > COLUMNS_MAX + 1) throw new ParquetError(`expected at most ${COLUMNS_MAX} columns`)
    if (row_groups.length > ROW_GROUPS_MAX) {
      throw new ParquetError(`expected at most ${ROW_GROUPS_MAX} row groups`)
    }
    // Rows of a table differ in their keys: each takes at least a byte of the file, however well it is compressed.
    if (!(num_rows >= 0n && num_rows <= Math.min(ROWS_MAX, bytes.length))) {
      throw new ParquetError(`expected no more rows than fit into ${bytes.length} bytes`)
    }
    const in_groups = row_groups.reduce((sum, group) => sum + group.num_rows, 0n)
    if (row_groups.some((group) => group.num_rows < 0n) || in_groups !== num_rows) {
      throw new ParquetError('expected row groups to add up to the number of rows')
    }
    return { bytes, metadata, columns: plainColumns(metadata), row_count: Number(num_rows) }
  })
}

/** Where the footer begins: its size and the magic are the last eight bytes. */
function footerStart(bytes: Uint8Array): number {
  if (bytes.length < 12) throw new ParquetError('the file is too short')
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(
    bytes.length - 8,
    true,
  )
  if (size > bytes.length - 12) throw new ParquetError('the footer is larger than the file')
  return bytes.length - 8 - size
}

/** What the library throws at broken bytes is of any kind; a broken file is none of a program. */
function decoding<T>(otherwise: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw error instanceof ParquetError ? error : new ParquetError(otherwise)
  }
}

/** Decode some columns, one row group at a time, so that only one group's cells are held. */
export function* readGroups(file: ParquetFile, names: readonly string[]): Generator<RowGroupCells> {
  for (const group of file.metadata.row_groups) {
    const row_count = Number(group.num_rows)
    const cells = new Map<string, ReadCell[]>()
    for (const name of names) {
      const element = file.columns.get(name)
      if (element === undefined) throw new ParquetError(`column ${name} is missing`)
      const read = (): ReadCell[] => readCells(file, chunkNamed(group.columns, name), element, row_count)
      cells.set(name, decoding(`column ${name} does not decode`, read))
    }
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

function plainColumns(metadata: FileMetaData): ReadonlyMap<string, SchemaElement> {
  const found = new Map<string, SchemaElement>()
  for (const { element, children } of parquetSchema(metadata).children) {
    if (children.length === 0 && element.repetition_type !== 'REPEATED' && !found.has(element.name)) {
      found.set(element.name, element)
    }
  }
  return found
}

function chunkNamed(chunks: readonly ColumnChunk[], name: string): ColumnChunk {
  const chunk = chunks.find(({ meta_data }) => meta_data?.path_in_schema[0] === name)
  if (chunk === undefined) throw new ParquetError(`column ${name} is missing from a row group`)
  return chunk
}

function readCells(
  file: ParquetFile,
  chunk: ColumnChunk,
  element: SchemaElement,
  row_count: number,
): ReadCell[] {
  const meta = chunk.meta_data
  if (meta === undefined || chunk.file_path !== undefined)
    throw new ParquetError('a column chunk has no place')
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset)
  const length = Number(meta.total_compressed_size)
  if (!(start >= 4 && length >= 0 && start + length <= file.bytes.length - 8)) {
    throw new ParquetError('a column chunk lies outside of the file')
  }
  const bytes = file.bytes.subarray(start, start + length)
  return readChunk({ bytes, element, codec: meta.codec, row_count })
}
