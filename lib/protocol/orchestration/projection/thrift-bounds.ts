/**
 * A look at Thrift compact structures before the library decodes them (S20): it makes room for as many elements as a list
 * claims, and a footer of a few bytes can claim lists within lists that fill any memory. Here nothing is allocated: every
 * list has to fit into the bytes that are left, and nothing may be nested or spelled out for ever.
 */
import { ParquetError } from './parquet-error.ts'

/** Parquet nests no deeper than a column's statistics in a row group of the footer. */
const DEPTH_MAX = 12
/** Bytes of a varint of 64 bits. */
const VARINT_BYTES_MAX = 10

/** Bytes that are walked over. */
interface Walk {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
}

/** Throws ParquetError unless a struct that begins at `start` ends before `end` with no more in it than it has bytes for. */
export function checkThriftStruct(bytes: Uint8Array, start: number, end: number = bytes.length): void {
  walkStruct({ bytes, end, at: start }, 0)
}

function walkStruct(walk: Walk, depth: number): void {
  if (depth > DEPTH_MAX) throw new ParquetError('a Thrift structure is nested too deep')
  for (;;) {
    const header = takeByte(walk)
    const type = header & 0x0f
    if (type === 0) return
    // A field without a difference to the one before has its number behind.
    if (header >> 4 === 0) takeVarint(walk)
    walkValue(walk, type, depth)
  }
}

function walkValue(walk: Walk, type: number, depth: number): void {
  switch (type) {
    case 1: // true, in the header of its field
    case 2: // false
      return
    case 3: // byte
      return skip(walk, 1)
    case 4: // 16, 32 and 64 bits
    case 5:
    case 6:
      takeVarint(walk)
      return
    case 7: // double
      return skip(walk, 8)
    case 8: // binary
      return skip(walk, takeVarint(walk))
    case 9: // list
      return walkList(walk, depth + 1)
    case 12: // struct
      return walkStruct(walk, depth + 1)
    default:
      throw new ParquetError(`a Thrift value of type ${type}`)
  }
}

function walkList(walk: Walk, depth: number): void {
  if (depth > DEPTH_MAX) throw new ParquetError('a Thrift structure is nested too deep')
  const header = takeByte(walk)
  const type = header & 0x0f
  const count = header >> 4 === 15 ? takeVarint(walk) : header >> 4
  // Every element takes a byte at least.
  if (count > walk.end - walk.at) throw new ParquetError('a Thrift list claims more than there is')
  for (let index = 0; index < count; index++) {
    // In a list truths are bytes.
    walkValue(walk, type === 1 || type === 2 ? 3 : type, depth)
  }
}

function takeByte(walk: Walk): number {
  if (walk.at >= walk.end) throw new ParquetError('a Thrift structure does not end')
  return walk.bytes[walk.at++] ?? 0
}

function takeVarint(walk: Walk): number {
  let value = 0
  for (let index = 0; index < VARINT_BYTES_MAX; index++) {
    const byte = takeByte(walk)
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return value
  }
  throw new ParquetError('a varint does not end')
}

function skip(walk: Walk, count: number): void {
  if (count > walk.end - walk.at) throw new ParquetError('a Thrift value claims more than there is')
  walk.at += count
}
