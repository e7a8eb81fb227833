/**
 * The pages of one column chunk as an array of cells. Ours rather than the library's, because its decoder writes as many
 * values as a run claims, and a claim of 2³¹ in a broken file fills the memory (S20, parquet-interop.md 7). Reads what the
 * reference and Tidemark write: plain and dictionary pages of either version, Snappy or not.
 */
import type { ColumnMetaData, SchemaElement } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { snappyUncompress } from 'hyparquet/src/snappy.js'
import { ParquetError } from './parquet-error.ts'
import { checkThriftStruct } from './thrift-bounds.ts'

/** A cell: text, number, 64-bit integer, truth, or `null` for NULL. */
export type ReadCell = string | number | bigint | boolean | null

/** One column chunk. */
export interface Chunk {
  /** Its bytes, pages one after another. */
  readonly bytes: Uint8Array
  readonly element: SchemaElement
  readonly codec: ColumnMetaData['codec']
  readonly row_count: number
}

const PAGE_BYTES_MAX = 256 * 1024 * 1024
/** No Snappy element stands for more than 64 bytes, and none is shorter than 2. */
const SNAPPY_RATIO_MAX = 64

/** Decode a chunk. Throws ParquetError, or RangeError for reads beyond its end, for one that is not what it says. */
export function readChunk(chunk: Chunk): ReadCell[] {
  const view = new DataView(chunk.bytes.buffer, chunk.bytes.byteOffset, chunk.bytes.byteLength)
  const reader = { view, offset: 0 }
  const cells: ReadCell[] = []
  let dictionary: readonly ReadCell[] | null = null
  while (cells.length < chunk.row_count) {
    if (reader.offset >= view.byteLength) throw new ParquetError('a column has fewer cells than rows')
    checkThriftStruct(chunk.bytes, reader.offset)
    const header = parquetHeader(reader)
    const page = pageOf(chunk, reader.offset, header)
    reader.offset += header.compressed_page_size
    if (header.type === 'DICTIONARY_PAGE') {
      const values = uncompressed(chunk, page, header.uncompressed_page_size)
      const count = bounded(header.dictionary_page_header?.num_values, values.length)
      dictionary = readPlain(chunk.element, sourceOf(values), count)
    } else {
      readDataPage(chunk, header, page, dictionary, cells)
    }
  }
  return cells
}

type PageHeader = ReturnType<typeof parquetHeader>

/** The bytes of a page as they lie there, after its promises were checked against the chunk. */
function pageOf({ bytes }: Chunk, offset: number, header: PageHeader): Uint8Array {
  const { compressed_page_size, uncompressed_page_size } = header
  const size_max = Math.min(PAGE_BYTES_MAX, 64 + compressed_page_size * SNAPPY_RATIO_MAX)
  if (
    !(compressed_page_size >= 0 && offset + compressed_page_size <= bytes.length) ||
    !(uncompressed_page_size >= 0 && uncompressed_page_size <= size_max)
  ) {
    throw new ParquetError('a page promises more than its column may hold')
  }
  return bytes.subarray(offset, offset + compressed_page_size)
}

function readDataPage(
  chunk: Chunk,
  header: PageHeader,
  page: Uint8Array,
  dictionary: readonly ReadCell[] | null,
  cells: ReadCell[],
): void {
  const left = chunk.row_count - cells.length
  const nullable = chunk.element.repetition_type === 'OPTIONAL'
  const { data_page_header: v1, data_page_header_v2: v2 } = header
  if (v1 !== undefined) {
    const source = sourceOf(uncompressed(chunk, page, header.uncompressed_page_size))
    const count = bounded(v1.num_values, left)
    const levels = nullable ? readLevels(source, takeU32(source), count) : null
    appendValues(chunk.element, v1.encoding, source, count, levels, dictionary, cells)
  } else if (v2 !== undefined) {
    const count = bounded(v2.num_values, left)
    const levels_bytes = bounded(v2.definition_levels_byte_length, page.length)
    if (v2.repetition_levels_byte_length !== 0) throw new ParquetError('a flat column has repetition levels')
    const levels = nullable ? readLevels(sourceOf(page), levels_bytes, count) : null
    const rest = page.subarray(levels_bytes)
    const size = header.uncompressed_page_size - levels_bytes
    const values = v2.is_compressed === false ? rest : uncompressed(chunk, rest, size)
    appendValues(chunk.element, v2.encoding, sourceOf(values), count, levels, dictionary, cells)
  } else {
    throw new ParquetError(`a page of type ${header.type}`)
  }
}

/** A count that a header names; no more than `max`, which is what there is room for. */
function bounded(count: number | undefined, max: number): number {
  if (count === undefined || !(count >= 0 && count <= max)) {
    throw new ParquetError('a page promises more than its column may hold')
  }
  return count
}

function uncompressed({ codec }: Chunk, page: Uint8Array, size: number): Uint8Array {
  if (codec === 'UNCOMPRESSED') return page
  if (codec !== 'SNAPPY') throw new ParquetError(`codec ${codec} is not read here`)
  const bytes = new Uint8Array(bounded(size, PAGE_BYTES_MAX))
  if (size > 0) snappyUncompress(page, bytes)
  return bytes
}

/** Bytes that are taken from front to back. */
interface Source {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
}

function sourceOf(bytes: Uint8Array): Source {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 }
}

function takeU32(source: Source): number {
  const value = source.view.getUint32(source.at, true)
  source.at += 4
  return value
}

function takeVarint(source: Source): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = source.view.getUint8(source.at++)
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value
  }
  throw new ParquetError('a varint does not end')
}

/** Definition levels: 1 where there is a value, 0 for NULL. */
function readLevels(source: Source, length: number, count: number): Uint32Array {
  const end = source.at + bounded(length, source.bytes.length - source.at)
  const levels = readHybrid(source, 1, count)
  source.at = end
  return levels
}

/** Runs of one value and of packed bits, exactly `count` values of them; a run that claims more ends the reading. */
function readHybrid(source: Source, width: number, count: number): Uint32Array {
  const values = new Uint32Array(count)
  for (let done = 0; done < count;) {
    const header = takeVarint(source)
    const claimed = header % 2 === 0 ? header / 2 : Math.floor(header / 2) * 8
    if (claimed === 0) throw new ParquetError('an empty run')
    if (header % 2 === 0) {
      if (claimed > count - done) throw new ParquetError('a run is longer than its page')
      values.fill(takeBytes(source, Math.ceil(width / 8)), done, done + claimed)
      done += claimed
    } else {
      const end = source.at + (claimed / 8) * width
      done += unpack(source, width, values.subarray(done, done + claimed))
      source.at = end
    }
  }
  return values
}

function takeBytes(source: Source, bytes: number): number {
  let value = 0
  for (let at = 0; at < bytes; at++) value += source.view.getUint8(source.at++) * 2 ** (8 * at)
  return value
}

/** Values of `width` bits, lowest bits first; the last group of eight may have more than are wanted, or end early. */
function unpack({ bytes, at }: Source, width: number, values: Uint32Array): number {
  if (Math.ceil((values.length * width) / 8) > bytes.length - at)
    throw new ParquetError('packed values end early')
  for (let index = 0; index < values.length; index++) {
    const bit = index * width
    let value = 0
    for (let taken = 0; taken < width;) {
      const offset = (bit + taken) & 7
      const part = Math.min(8 - offset, width - taken)
      const byte = bytes[at + ((bit + taken) >>> 3)] ?? 0
      value += ((byte >>> offset) & ((1 << part) - 1)) * 2 ** taken
      taken += part
    }
    values[index] = value
  }
  return values.length
}

function appendValues(
  element: SchemaElement,
  encoding: string,
  source: Source,
  count: number,
  levels: Uint32Array | null,
  dictionary: readonly ReadCell[] | null,
  cells: ReadCell[],
): void {
  const present = levels === null ? count : levels.reduce((sum, level) => sum + level, 0)
  const values = readValues(element, encoding, source, present, dictionary)
  if (levels === null) {
    for (const value of values) cells.push(value)
    return
  }
  let next = 0
  for (const level of levels) cells.push(level === 0 ? null : (values[next++] ?? null))
}

function readValues(
  element: SchemaElement,
  encoding: string,
  source: Source,
  count: number,
  dictionary: readonly ReadCell[] | null,
): readonly ReadCell[] {
  if (encoding === 'PLAIN') return readPlain(element, source, count)
  if (encoding === 'RLE' && element.type === 'BOOLEAN') {
    source.at += 4
    return Array.from(readHybrid(source, 1, count), (bit) => bit === 1)
  }
  if (encoding !== 'RLE_DICTIONARY' && encoding !== 'PLAIN_DICTIONARY') {
    throw new ParquetError(`encoding ${encoding} is not read here`)
  }
  if (count === 0) return []
  if (dictionary === null) throw new ParquetError('a page needs a dictionary and there is none')
  const indexes = readHybrid(source, bounded(source.view.getUint8(source.at++), 32), count)
  return Array.from(indexes, (index) => {
    const value = dictionary[index]
    if (value === undefined) throw new ParquetError('a value is not in the dictionary')
    return value
  })
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readPlain(element: SchemaElement, source: Source, count: number): ReadCell[] {
  const { view } = source
  const cells: ReadCell[] = []
  for (let at = 0; at < count; at++) {
    switch (element.type) {
      case 'BYTE_ARRAY': {
        const length = bounded(takeU32(source), view.byteLength - source.at)
        cells.push(UTF8.decode(source.bytes.subarray(source.at, source.at + length)))
        source.at += length
        break
      }
      case 'INT32':
        cells.push(takeU32(source))
        break
      case 'INT64':
        cells.push(view.getBigInt64(source.at, true))
        source.at += 8
        break
      case 'BOOLEAN':
        cells.push((view.getUint8(source.at + (at >>> 3)) & (1 << (at & 7))) !== 0)
        break
      case 'INT96':
      case 'FLOAT':
      case 'DOUBLE':
      case 'FIXED_LEN_BYTE_ARRAY':
      case undefined:
        throw new ParquetError('a column of a type that no table has')
    }
  }
  return cells
}
