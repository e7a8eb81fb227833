/** Deletion vector descriptors (spec/delta-log-rules.md 12, DL-1201). */
import type { Fields } from './fields.ts'

/** What the rules over file actions need of a descriptor. */
export interface DeletionVector {
  /** Tells the vectors of one file apart (spec/delta-log-rules.md 3.9). */
  readonly id: string
  readonly cardinality: bigint | undefined
}

/** Z85 of a UUID. */
const UUID_CHARS = 20

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** Check a descriptor; the fields report under DL-1201. Undefined when nothing can be told from it. */
export function checkDeletionVector(fields: Fields): DeletionVector | undefined {
  const storageType = fields.string('storageType', 'required')
  const pathOrInlineDv = fields.string('pathOrInlineDv', 'required')
  const offset = nonNegative(fields, 'offset', fields.int32('offset', 'optional'))
  const sizeInBytes = nonNegative(fields, 'sizeInBytes', fields.int32('sizeInBytes', 'required'))
  const cardinality = nonNegative(fields, 'cardinality', fields.int64('cardinality', 'required'))
  if (storageType === undefined || pathOrInlineDv === undefined) return undefined
  const problem = storageProblem(storageType, { pathOrInlineDv, offset, sizeInBytes })
  if (problem !== undefined) fields.error(`${fields.name}: ${problem}`)
  const suffix = offset === undefined ? '' : `@${offset}`
  return { id: `${storageType}${pathOrInlineDv}${suffix}`, cardinality }
}

interface Storage {
  readonly pathOrInlineDv: string
  readonly offset: bigint | undefined
  readonly sizeInBytes: bigint | undefined
}

function storageProblem(storageType: string, storage: Storage): string | undefined {
  if (storageType === 'p') return undefined
  if (storageType === 'u') return uuidProblem(storage.pathOrInlineDv)
  if (storageType === 'i') return inlineProblem(storage)
  return 'expected storageType "u", "i" or "p"'
}

function uuidProblem(pathOrInlineDv: string): string | undefined {
  const tail = pathOrInlineDv.slice(-UUID_CHARS)
  if (tail.length === UUID_CHARS && isZ85(tail)) return undefined
  return `expected pathOrInlineDv to end with ${UUID_CHARS} characters of Z85`
}

function inlineProblem({ pathOrInlineDv, offset, sizeInBytes }: Storage): string | undefined {
  if (offset !== undefined) return 'expected no offset for an inline vector'
  if (!isZ85(pathOrInlineDv)) return 'expected pathOrInlineDv to be Z85'
  // Four bytes become five characters; the encoder pads, and sizeInBytes says what is padding.
  const chars = sizeInBytes === undefined ? undefined : ((sizeInBytes + 3n) / 4n) * 5n
  if (chars === undefined || chars === BigInt(pathOrInlineDv.length)) return undefined
  return `expected ${chars} characters of Z85 for ${sizeInBytes} bytes, saw ${pathOrInlineDv.length}`
}

function nonNegative(fields: Fields, name: string, value: bigint | undefined): bigint | undefined {
  if (value !== undefined && value < 0n)
    fields.error(`expected ${fields.name}.${name} to be at least 0, saw ${value}`)
  return value
}

/** Whole groups of five characters, each of which fits into 32 bits. */
function isZ85(text: string): boolean {
  if (text.length % 5 !== 0) return false
  for (let start = 0; start < text.length; start += 5) {
    if (!isZ85Group(text.slice(start, start + 5))) return false
  }
  return true
}

function isZ85Group(group: string): boolean {
  const digits = Array.from(group, (char) => Z85.indexOf(char))
  return !digits.includes(-1) && digits.reduce((value, digit) => value * 85 + digit, 0) < 2 ** 32
}
