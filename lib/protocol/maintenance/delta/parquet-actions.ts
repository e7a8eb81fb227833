/** Rows of a checkpoint file in Parquet as the JSON values that a commit would hold (spec/delta-log-rules.md 8). */
import { parquetMetadata, parquetSchema } from 'hyparquet'
import { StoreError } from '../../../store/types.ts'
import { isJsonObject, NumberLiteral, type JsonObject, type JsonValue } from '../../json.ts'
import { parquetRows } from '../../effects.ts'
import type { Maintenance } from '../effects.ts'
import { ForgedParquet, UnreadEncoding, walkPages } from './parquet-guard.ts'

/** Top-level columns that are actions of a checkpoint, and those that must not be there. */
const ACTION_COLUMNS = [
  'add',
  'remove',
  'metaData',
  'protocol',
  'txn',
  'domainMetadata',
  'checkpointMetadata',
  'sidecar',
  'commitInfo',
  'cdc',
] as const

/** What the footer of a checkpoint says, or what is wrong with it (DL-809). */
export type ParquetLook =
  | { readonly is: 'parquet'; readonly columns: readonly string[]; readonly rows: number }
  | { readonly is: 'broken'; readonly why: string }
  /** A codec that is not read here. */
  | { readonly is: 'unreadable'; readonly why: string }

const CODECS: ReadonlySet<string> = new Set(['UNCOMPRESSED', 'SNAPPY'])

/** More actions than any checkpoint file holds; and each takes at least a byte of it, however well it is compressed. */
const ROWS_MAX = 10_000_000

/** Look at magic numbers and footer (DL-809). */
export function lookAtParquet(bytes: Uint8Array): ParquetLook {
  const footer_bytes = footerLength(bytes)
  if (footer_bytes === null) return { is: 'broken', why: 'expected PAR1 at both ends and a footer that fits' }
  try {
    const metadata = parquetMetadata(bytes.slice().buffer, { geoparquet: false })
    const chunks = metadata.row_groups.flatMap(({ columns }) => columns)
    const codec = chunks.map(({ meta_data }) => meta_data?.codec ?? 'none').find((each) => !CODECS.has(each))
    if (codec !== undefined) return { is: 'unreadable', why: `codec ${codec} is not read here` }
    const in_groups = metadata.row_groups.reduce((sum, { num_rows }) => sum + num_rows, 0n)
    const rows_max = BigInt(Math.min(ROWS_MAX, bytes.length))
    if (metadata.num_rows < 0n || metadata.num_rows > rows_max || in_groups !== metadata.num_rows) {
      return { is: 'broken', why: 'expected row groups to add up to the number of rows' }
    }
    const names = new Set(parquetSchema(metadata).children.map(({ element }) => element.name))
    const found = ACTION_COLUMNS.filter((name) => names.has(name))
    walkPages(bytes, metadata, found)
    return { is: 'parquet', rows: Number(metadata.num_rows), columns: found }
  } catch (error) {
    if (error instanceof UnreadEncoding) return { is: 'unreadable', why: error.message }
    return {
      is: 'broken',
      why: error instanceof ForgedParquet ? error.message : 'expected a footer and pages that parse',
    }
  }
}

function footerLength(bytes: Uint8Array): number | null {
  const magic = (at: number): boolean => String.fromCharCode(...bytes.subarray(at, at + 4)) === 'PAR1'
  if (bytes.length < 12 || !magic(0) || !magic(bytes.length - 4)) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint32(bytes.length - 8, true)
  return length > 0 && length <= bytes.length - 12 ? length : null
}

/** The actions of each row; null when the pages do not decode. */
export function* readParquetActions(
  bytes: Uint8Array,
  columns: readonly string[],
): Maintenance<readonly JsonObject[] | null> {
  try {
    const rows = yield* parquetRows(bytes, columns, 'nested')
    return rows.map((row) => {
      const value = jsonOf(row)
      return isJsonObject(value) ? value : {}
    })
  } catch (error) {
    if (error instanceof StoreError && error.code === 'corrupt') return null
    throw error
  }
}

/** Parsed statistics and partition values repeat what their texts say, in other types. */
const LEFT_OUT: ReadonlySet<string> = new Set(['stats_parsed', 'partitionValues_parsed'])

/** A decoded value as JSON; 64-bit integers keep their digits (DL-211), what JSON cannot say is null. */
function jsonOf(value: unknown): JsonValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return integerOf(value)
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new NumberLiteral(String(value))
  if (Array.isArray(value)) return value.map(jsonOf)
  if (value instanceof Date || ArrayBuffer.isView(value) || typeof value !== 'object') return null
  const object = Object.create(null) as JsonObject
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined && !LEFT_OUT.has(name)) object[name] = jsonOf(member)
  }
  return object
}

function integerOf(value: bigint): JsonValue {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : new NumberLiteral(String(value))
}
