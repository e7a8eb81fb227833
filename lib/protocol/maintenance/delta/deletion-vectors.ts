/** Deletion vectors as bytes (spec/delta-log-rules.md 12): where they lie, their checksum, the rows that they delete. */
import { decodeZ85 } from './z85.ts'
import type { Vector } from './snapshot.ts'

/** What is wrong with a vector. */
export interface VectorProblem {
  readonly rule: 'DL-1202' | 'DL-1203'
  readonly why: string
}

/** Z85 of a UUID. */
const UUID_CHARS = 20

/**
 * The path of a vector's file: relative for `u`, as stored for `p`, in the encoding of `add.path`. Null for an inline one,
 * and for one that names none (DL-1201).
 */
export function vectorPath({ storage, text }: Vector): string | null {
  if (storage === 'p') return text
  if (storage !== 'u') return null
  const id = decodeZ85(text.slice(-UUID_CHARS))
  if (id === null) return null
  const hex = Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    '-',
  )
  const prefix = text.slice(0, -UUID_CHARS)
  return `${prefix === '' ? '' : `${prefix}/`}deletion_vector_${uuid}.bin`
}

/** Check a vector in its file. `records`: rows of the data file, where known. */
export function checkVectorFile(
  file: Uint8Array,
  vector: Vector,
  records: bigint | null,
): VectorProblem | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file[0] !== 1) return wrong('expected version 1 in the first byte')
  // Absent and 0 are two spellings of the beginning; the version byte comes before it.
  const at = Math.max(1, vector.offset)
  if (at + 4 + vector.size + 4 > file.length) {
    return wrong(`expected ${vector.size} bytes at offset ${at}, saw a file of ${file.length}`)
  }
  const size = view.getInt32(at)
  if (size !== vector.size) return wrong(`expected ${vector.size} bytes, saw a vector of ${size}`)
  const bytes = file.subarray(at + 4, at + 4 + size)
  if (view.getUint32(at + 4 + size) !== crc32(bytes)) return wrong('expected another CRC-32')
  return bitmapProblem(bytes, vector, records)
}

/** Check an inline vector. */
export function inlineVectorProblem(vector: Vector, records: bigint | null): VectorProblem | null {
  const bytes = vector.storage === 'i' ? decodeZ85(vector.text) : null
  return bytes === null ? null : bitmapProblem(bytes.subarray(0, vector.size), vector, records)
}

const MAGIC = 1_681_511_377

function bitmapProblem(bytes: Uint8Array, vector: Vector, records: bigint | null): VectorProblem | null {
  try {
    const reader = new BitmapReader(bytes)
    if (reader.int32() !== MAGIC) return wrong('expected the magic number of a portable bitmap')
    const { cardinality, max } = reader.bitmaps()
    if (cardinality !== vector.cardinality) {
      return { rule: 'DL-1203', why: `expected ${vector.cardinality} deleted rows, saw ${cardinality}` }
    }
    if (records !== null && max >= records) {
      return { rule: 'DL-1203', why: `expected rows below ${records}, saw row ${max} deleted` }
    }
    return null
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return wrong('expected a bitmap that decodes')
  }
}

function wrong(why: string): VectorProblem {
  return { rule: 'DL-1202', why }
}

const NO_RUNS = 12_346
const WITH_RUNS = 12_347
/** Containers of fewer than this have no offset table when runs are possible. */
const OFFSETS_FROM = 4
/** More values than this are stored as bits. */
const ARRAY_MAX = 4096
const BITS_BYTES = 8192

/** Reads 64-bit Roaring bitmaps in their portable form; a RangeError for one that ends early. */
class BitmapReader {
  private readonly view: DataView
  private at = 0

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  int32(): number {
    return this.view.getInt32(this.step(4), true)
  }

  /** How many values there are, and the largest; -1 for none. */
  bitmaps(): { readonly cardinality: bigint; readonly max: bigint } {
    const buckets = this.view.getBigUint64(this.step(8), true)
    let cardinality = 0n
    let max = -1n
    for (let bucket = 0n; bucket < buckets; bucket += 1n) {
      const high = BigInt(this.view.getUint32(this.step(4), true))
      const found = this.bitmap()
      cardinality += BigInt(found.cardinality)
      if (found.max >= 0) max = (high << 32n) | BigInt(found.max)
    }
    return { cardinality, max }
  }

  private bitmap(): { readonly cardinality: number; readonly max: number } {
    const cookie = this.view.getUint32(this.step(4), true)
    const has_runs = (cookie & 0xffff) === WITH_RUNS
    if (!has_runs && cookie !== NO_RUNS) throw new RangeError('no Roaring bitmap')
    const count = has_runs ? (cookie >>> 16) + 1 : this.view.getUint32(this.step(4), true)
    const runs = has_runs ? this.step(Math.ceil(count / 8)) : null
    const keys = this.step(count * 4)
    if (!has_runs || count >= OFFSETS_FROM) this.step(count * 4)
    let cardinality = 0
    let max = -1
    for (let index = 0; index < count; index += 1) {
      const key = this.view.getUint16(keys + index * 4, true)
      const size = this.view.getUint16(keys + index * 4 + 2, true) + 1
      const is_run = runs !== null && (this.view.getUint8(runs + (index >> 3)) & (1 << (index & 7))) !== 0
      const found = is_run ? this.runs() : size > ARRAY_MAX ? this.bits() : this.values(size)
      cardinality += found.cardinality
      max = key * 65_536 + found.max
    }
    return { cardinality, max }
  }

  private runs(): { readonly cardinality: number; readonly max: number } {
    const count = this.view.getUint16(this.step(2), true)
    let cardinality = 0
    let max = -1
    for (let run = 0; run < count; run += 1) {
      const start = this.view.getUint16(this.step(2), true)
      const length = this.view.getUint16(this.step(2), true)
      cardinality += length + 1
      max = start + length
    }
    return { cardinality, max }
  }

  private bits(): { readonly cardinality: number; readonly max: number } {
    const start = this.step(BITS_BYTES)
    let cardinality = 0
    let max = -1
    for (let byte = 0; byte < BITS_BYTES; byte += 1) {
      for (let bits = this.view.getUint8(start + byte), bit = 0; bits !== 0; bits >>>= 1, bit += 1) {
        if ((bits & 1) === 0) continue
        cardinality += 1
        max = byte * 8 + bit
      }
    }
    return { cardinality, max }
  }

  private values(size: number): { readonly cardinality: number; readonly max: number } {
    const start = this.step(size * 2)
    return { cardinality: size, max: this.view.getUint16(start + (size - 1) * 2, true) }
  }

  /** Steps over bytes; returns where they start. */
  private step(bytes: number): number {
    const start = this.at
    if (start + bytes > this.view.byteLength) throw new RangeError('the bitmap ends early')
    this.at += bytes
    return start
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** CRC-32 (IEEE 802.3). */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
