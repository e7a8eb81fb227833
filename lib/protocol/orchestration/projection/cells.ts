/** From a value in memory to a cell of a file, and back (spec/projections.md 5–8). Both directions refuse what does not fit. */
import { JsonError, parseJson, stringifyJson } from '../../json.ts'
import { compareBytes } from '../byte-order.ts'
import { fromMs, type Instant } from '../events/instant.ts'
import { Mismatch, NOTHING_REPEATED } from '../events/schema.ts'
import type { Column } from '../tables/columns.ts'
import { ParquetError } from './parquet-error.ts'

/** What a file holds: one of the four types, or NULL. */
export type Cell = string | number | bigint | boolean | null

/** Makes the cells of one column. Throws RangeError for a value that the column cannot hold (interop G4, G5, G8). */
export function cellWriter(place: string, column: Column<unknown>): (value: unknown) => Cell {
  const write = valueWriter(column)
  return (value) => {
    const cell = value === null || value === undefined ? null : write(value)
    if (cell === undefined || (cell === null && !column.nullable)) {
      throw new RangeError(`${place} cannot hold this value`)
    }
    return cell
  }
}

/** undefined: the column cannot hold it. */
function valueWriter({ stored, meaning }: Column<unknown>): (value: unknown) => Cell | undefined {
  switch (meaning.kind) {
    case 'time':
      return (value) => (typeof value === 'bigint' ? floored(value) : undefined)
    case 'json':
      return (value) =>
        meaning.empty_is_null && isEmpty(value) ? null : stringifyJson(meaning.codec.encode(sortedMap(value)))
    case 'enum': {
      const known = new Set<unknown>(meaning.values)
      return (value) => (known.has(value) ? (value as string) : undefined)
    }
    case 'text':
    case 'u32':
    case 'i64':
    case 'bool':
      break
  }
  switch (stored) {
    case 'Utf8':
      return (value) => (typeof value === 'string' ? value : undefined)
    case 'Boolean':
      return (value) => (typeof value === 'boolean' ? value : undefined)
    case 'UInt32':
      return (value) => (isU32(value) ? value : undefined)
    case 'Int64':
      return (value) => (typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? value : undefined)
  }
}

const NS_PER_MS = 1_000_000n

/** Whole milliseconds, rounded towards the past. */
function floored(instant: Instant): bigint {
  const truncated = instant / NS_PER_MS
  return instant < 0n && truncated * NS_PER_MS !== instant ? truncated - 1n : truncated
}

function isU32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
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

/** Reads the cells of one column that the file has. Throws ParquetError for one that cannot be. */
export function cellReader(place: string, column: Column<unknown>): (cell: unknown) => unknown {
  const read = valueReader(place, column)
  const { nullable, mandatory, missing, meaning } = column
  const is_missing = !mandatory || (meaning.kind === 'json' && meaning.empty_is_null)
  return (cell) => {
    if (cell !== null && cell !== undefined) return read(cell)
    if (is_missing) return missing
    if (nullable) return null
    throw new ParquetError(`${place} is NULL`)
  }
}

function valueReader(place: string, { meaning }: Column<unknown>): (cell: unknown) => unknown {
  switch (meaning.kind) {
    case 'time':
      return (cell) => timeOf(place, cell)
    case 'enum': {
      const values = new Map(meaning.values.map((value) => [value, value]))
      for (const [alias, value] of ENUM_ALIASES.get(place) ?? []) values.set(alias, value)
      return (cell) => values.get(cell as string) ?? unknownValue(place)
    }
    case 'json':
      return (cell) => {
        try {
          return meaning.codec.decode(parseJson(cell as string, JSON_LIMITS), NOTHING_REPEATED)
        } catch (error) {
          if (!(error instanceof Mismatch || error instanceof JsonError)) throw error
          throw new ParquetError(`${place} does not hold the JSON that it should`)
        }
      }
    case 'text':
    case 'u32':
    case 'i64':
    case 'bool':
      return (cell) => cell
  }
}

/** Labels are names that users chose, `__proto__` too (fold.md 11), and there may be many of them. */
const JSON_LIMITS = {
  forbid_proto: false,
  depth_max: 127,
  members_max: Number.POSITIVE_INFINITY,
  name_chars_max: Number.POSITIVE_INFINITY,
  number_chars_max: Number.POSITIVE_INFINITY,
}

function unknownValue(place: string): never {
  throw new ParquetError(`${place} has an unknown value`)
}

/** Values that old writers used for ones of today (spec/projections.md 7). */
const ENUM_ALIASES: ReadonlyMap<string, readonly (readonly [string, string])[]> = new Map([
  [
    'dispatch_outbox.status',
    [
      ['ACKED', 'CREATED'],
      ['FAILED', 'CREATED'],
    ],
  ],
])

/** Epoch ms of the years ±262 000, which is what the reference can represent; anything else is a broken file (PJ-4). */
const TIME_MS_MAX = 8_210_266_876_799_999n
const TIME_MS_MIN = -8_334_601_228_800_000n

function timeOf(place: string, cell: unknown): Instant {
  if (typeof cell !== 'bigint' || cell < TIME_MS_MIN || cell > TIME_MS_MAX) {
    throw new ParquetError(`${place} is not a representable time`)
  }
  return fromMs(Number(cell))
}
