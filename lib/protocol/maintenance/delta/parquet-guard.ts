/**
 * Walks the pages of a checkpoint before they are decoded. The library writes as many values as a run claims, and a claim of
 * 2³¹ in a broken or forged file fills the memory (S20, parquet-interop.md 7): a file that claims more than its pages and
 * rows can hold is not handed to it.
 */
import type { ColumnMetaData, FileMetaData } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath } from 'hyparquet/src/schema.js'
import { snappyUncompress } from 'hyparquet/src/snappy.js'

/** A file that claims what it cannot hold. The message is for a finding. */
export class ForgedParquet extends Error {}

/** An encoding that is not read here. */
export class UnreadEncoding extends Error {}

/** Values of one column: a repeated one may have several a row. */
const VALUES_MAX = 20_000_000

/** No Snappy element stands for more than 64 bytes, and none is shorter than 2. */
const SNAPPY_RATIO_MAX = 64

/** Walk the columns; throws ForgedParquet, UnreadEncoding, or RangeError for reads beyond the end. */
export function walkPages(bytes: Uint8Array, metadata: FileMetaData, columns: readonly string[]): void {
  for (const { columns: chunks } of metadata.row_groups) {
    for (const { meta_data, file_path } of chunks) {
      if (meta_data === undefined || file_path !== undefined) throw new ForgedParquet('a column has no place')
      if (columns.includes(meta_data.path_in_schema[0] ?? '')) walkChunk(bytes, metadata, meta_data)
    }
  }
}

/** What the walk over one chunk knows. */
interface Chunk {
  readonly bytes: Uint8Array
  readonly codec: ColumnMetaData['codec']
  readonly is_bool: boolean
  /** Bits of a definition and of a repetition level; 0 where there is none. */
  readonly definition_bits: number
  readonly repetition_bits: number
}

function walkChunk(file: Uint8Array, { schema }: FileMetaData, meta: ColumnMetaData): void {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset)
  const length = Number(meta.total_compressed_size)
  const values = Number(meta.num_values)
  if (!(start >= 4 && length >= 0 && start + length <= file.length - 8)) {
    throw new ForgedParquet('a column lies outside of the file')
  }
  if (!(values >= 0 && values <= VALUES_MAX))
    throw new ForgedParquet(`a column claims ${meta.num_values} values`)
  const path = getSchemaPath(schema, meta.path_in_schema)
  const chunk: Chunk = {
    bytes: file.subarray(start, start + length),
    codec: meta.codec,
    is_bool: meta.type === 'BOOLEAN',
    definition_bits: bitsOf(getMaxDefinitionLevel(path)),
    repetition_bits: bitsOf(getMaxRepetitionLevel(path)),
  }
  const reader = { view: viewOf(chunk.bytes), offset: 0 }
  for (let left = values; left > 0 && reader.offset < length;) {
    const header = parquetHeader(reader)
    const size = header.compressed_page_size
    if (!(size >= 0 && reader.offset + size <= length))
      throw new ForgedParquet('a page ends outside of its column')
    left -= walkPage(chunk, header, chunk.bytes.subarray(reader.offset, reader.offset + size), left)
    reader.offset += size
  }
}

type PageHeader = ReturnType<typeof parquetHeader>

/** Returns how many values the page holds. */
function walkPage(chunk: Chunk, header: PageHeader, page: Uint8Array, left: number): number {
  const { dictionary_page_header, data_page_header: v1, data_page_header_v2: v2 } = header
  const unpacked = (packed: Uint8Array, size: number): Uint8Array => uncompressed(chunk.codec, packed, size)
  if (dictionary_page_header !== undefined) {
    const { length } = unpacked(page, header.uncompressed_page_size)
    within(dictionary_page_header.num_values, length, 'a dictionary')
    return 0
  }
  if (v1 !== undefined) {
    const count = within(v1.num_values, left, 'a page')
    const runs = new Runs(unpacked(page, header.uncompressed_page_size))
    runs.sized(chunk.repetition_bits, count)
    runs.sized(chunk.definition_bits, count)
    walkValues(chunk, v1.encoding, runs, count)
    return count
  }
  if (v2 === undefined) throw new ForgedParquet(`a page of type ${header.type}`)
  const count = within(v2.num_values, left, 'a page')
  const repetition = within(v2.repetition_levels_byte_length, page.length, 'levels')
  const levels = repetition + within(v2.definition_levels_byte_length, page.length - repetition, 'levels')
  new Runs(page.subarray(0, repetition)).take(chunk.repetition_bits, count)
  new Runs(page.subarray(repetition, levels)).take(chunk.definition_bits, count)
  const rest = page.subarray(levels)
  const size = header.uncompressed_page_size - levels
  walkValues(chunk, v2.encoding, new Runs(v2.is_compressed === false ? rest : unpacked(rest, size)), count)
  return count
}

function walkValues({ is_bool }: Chunk, encoding: string, runs: Runs, count: number): void {
  if (encoding === 'PLAIN') return
  if (encoding === 'RLE' && is_bool) runs.sized(1, count)
  else if (encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY') runs.indexes(count)
  else throw new UnreadEncoding(`encoding ${encoding} is not read here`)
}

/** A claimed number, when there is room for it. */
function within(claimed: number | undefined, max: number, what: string): number {
  if (claimed !== undefined && claimed >= 0 && claimed <= max) return claimed
  throw new ForgedParquet(`${what} claims ${claimed ?? 'nothing'} of at most ${max}`)
}

function uncompressed(codec: ColumnMetaData['codec'], page: Uint8Array, size: number): Uint8Array {
  if (codec === 'UNCOMPRESSED') return page
  const bytes = new Uint8Array(within(size, 64 + page.length * SNAPPY_RATIO_MAX, 'a page'))
  if (size > 0) snappyUncompress(page, bytes)
  return bytes
}

function bitsOf(level: number): number {
  return level === 0 ? 0 : Math.ceil(Math.log2(level + 1))
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Runs of one value and of packed bits; none may claim more than is left of its page. */
class Runs {
  private readonly view: DataView
  private at = 0

  constructor(bytes: Uint8Array) {
    this.view = viewOf(bytes)
  }

  /** Runs with their length in front, as levels of version 1 and booleans have it. */
  sized(bits: number, count: number): void {
    if (bits === 0) return
    const length = this.view.getUint32(this.at, true)
    const end = this.at + 4 + within(length, this.view.byteLength - this.at - 4, 'levels')
    this.at += 4
    this.take(bits, count)
    this.at = end
  }

  /** Indexes into a dictionary, with their width in front; NULLs have none. */
  indexes(count: number): void {
    if (this.at >= this.view.byteLength) return
    const bits = within(this.view.getUint8(this.at), 32, 'an index')
    this.at += 1
    if (bits > 0) this.take(bits, count, true)
  }

  take(bits: number, count: number, may_end = false): void {
    if (bits === 0) return
    for (let left = count; left > 0;) {
      if (may_end && this.at >= this.view.byteLength) return
      const header = this.varint()
      const is_packed = header % 2 === 1
      const groups = Math.floor(header / 2)
      const claimed = is_packed ? groups * 8 : groups
      // The last group of eight may be filled up.
      if (claimed === 0 || claimed > left + (is_packed ? 7 : 0)) {
        throw new ForgedParquet(`a run claims ${claimed} of ${left} values`)
      }
      this.at += is_packed ? groups * bits : Math.ceil(bits / 8)
      left -= claimed
    }
  }

  private varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.view.getUint8(this.at)
      this.at += 1
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new ForgedParquet('a number does not end')
  }
}
