/**
 * How a table is described: its columns with their type in memory and in a file, its key, and which of two versions
 * of a row wins. The fold, the Parquet files and the documents all work from these descriptions
 * (spec/fold.md 1 and 6, spec/projections.md 2 and 3).
 */
import type { Codec } from '../events/schema.ts'
import type { Instant } from '../events/instant.ts'
import { compareBytes } from '../byte-order.ts'

/** The four types that a file knows (spec/projections.md 2). */
export type StoredType = 'Utf8' | 'UInt32' | 'Int64' | 'Boolean'

/** What a cell means, and so how a value becomes one. */
export type Meaning =
  | { readonly kind: 'text' | 'u32' | 'i64' | 'bool' }
  /** An instant, stored as epoch ms rounded towards the past. */
  | { readonly kind: 'time' }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  /** JSON text; `empty_is_null` says that an empty list or map is stored as NULL. */
  | { readonly kind: 'json'; readonly codec: Codec<unknown>; readonly empty_is_null: boolean }

/** One column. `T` is the type of its values in memory, with `null` where they may be absent. */
export interface Column<T> {
  readonly stored: StoredType
  /** Parquet repetition OPTIONAL rather than REQUIRED. */
  readonly nullable: boolean
  /** A file without the column is refused; otherwise every row of it has `missing`. */
  readonly mandatory: boolean
  readonly missing: T | null
  readonly meaning: Meaning
}

/** Columns by name, in their order in the file. */
export interface Columns {
  readonly [name: string]: Column<unknown>
}

/** A row of a table with these columns. Rows are values: a change makes a new one. */
export type Row<C extends Columns> = {
  readonly [K in keyof C]: C[K] extends Column<infer T> ? T : never
}

/** One table of the projection. */
export interface Table<R> {
  readonly name: string
  readonly columns: Columns
  /** Parts of the primary key, in the order in which rows are sorted and deletions are written. */
  key(row: R): readonly string[]
  /** Whether `incoming`, of a later layer, takes the place of `existing` (spec/fold.md 6). */
  replaces(incoming: R, existing: R): boolean
}

/** The row type of a table. */
export type RowOf<T> = T extends Table<infer R> ? R : never

/** A string. */
export const text: Column<string> = column('Utf8', { kind: 'text' })
/** An unsigned integer of 32 bits. */
export const u32: Column<number> = column('UInt32', { kind: 'u32' })
/** A signed integer of 64 bits that is not a time. */
export const i64: Column<bigint> = column('Int64', { kind: 'i64' })
/** True or false. */
export const bool: Column<boolean> = column('Boolean', { kind: 'bool' })
/** A moment. */
export const time: Column<Instant> = column('Int64', { kind: 'time' })

/** One of a closed list. */
export function oneOf<const T extends string>(values: readonly T[]): Column<T> {
  return column('Utf8', { kind: 'enum', values })
}

/** JSON text that is always there, also for an empty list. */
export function json<T>(codec: Codec<T>): Column<T> {
  return column('Utf8', { kind: 'json', codec, empty_is_null: false })
}

/** JSON text that is NULL, or not in the file at all, for an empty list or map. */
export function jsonUnlessEmpty<T>(codec: Codec<T>, empty: T): Column<T> {
  return {
    stored: 'Utf8',
    nullable: true,
    mandatory: false,
    missing: empty,
    meaning: { kind: 'json', codec, empty_is_null: true },
  }
}

/** A column whose values may be absent. */
export function nullable<T>(of: Column<T>): Column<T | null> {
  return { ...of, nullable: true }
}

/** A column that came later, or that old files lack for another reason: a file without it reads as `missing`. */
export function addedLater<T>(of: Column<T>, missing: T): Column<T> {
  return { ...of, mandatory: false, missing }
}

/** A string that may be absent, in a column that may be missing: the most frequent case. */
export const maybeText: Column<string | null> = addedLater(nullable(text), null)
/** A moment that may be absent, in a column that may be missing. */
export const maybeTime: Column<Instant | null> = addedLater(nullable(time), null)

/** Describe a table whose key are columns of it. */
export function table<const C extends Columns>(given: {
  name: string
  columns: C
  key: readonly (keyof C & string)[]
  replaces: (incoming: Row<C>, existing: Row<C>) => boolean
}): Table<Row<C>> {
  const { name, columns, key, replaces } = given
  return { name, columns, key: (row) => key.map((part) => String(row[part])), replaces }
}

/** The rule of most tables: the later version wins, and of equal versions the later layer. */
export function isNotOlder(incoming: Versioned, existing: Versioned): boolean {
  return compareBytes(incoming.row_version, existing.row_version) >= 0
}

/** Strictly later: of equal versions the earlier layer wins. */
export function isNewer(incoming: Versioned, existing: Versioned): boolean {
  return compareBytes(incoming.row_version, existing.row_version) > 0
}

interface Versioned {
  readonly row_version: string
}

function column<T>(stored: StoredType, meaning: Meaning): Column<T> {
  return { stored, nullable: false, mandatory: true, missing: null, meaning }
}
