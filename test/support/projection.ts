/** Projections as JSON, the way in which the golden vectors show them: two states are equal when these are. */
import { compareBytes } from '../../lib/protocol/orchestration/byte-order.ts'
import { canonicalText } from '../../lib/protocol/orchestration/events/encode.ts'
import { formatInstant } from '../../lib/protocol/orchestration/events/instant.ts'
import type { FoldState } from '../../lib/protocol/orchestration/fold/state.ts'
import { allRows } from '../../lib/protocol/orchestration/fold/layers.ts'
import { TABLE_NAMES, TABLES } from '../../lib/protocol/orchestration/tables/all.ts'
import type { Column, Table } from '../../lib/protocol/orchestration/tables/columns.ts'
import { NumberLiteral } from '../../lib/protocol/json.ts'
import type { JsonValue } from '../../lib/protocol/json.ts'
import type { Model } from './model/tables.ts'

/** One table: `[key, row]`, the key as text. */
export type TableDump = [string, { [column: string]: JsonValue }][]

/** Every table by name. */
export type Dump = { [table: string]: TableDump }

/** Columns whose values events, and dumps, spell in lower case. */
const LOWER_CASE = new Set(['output_visibility_state', 'last_attempt_outcome'])

/** Columns that a dump leaves out when they are empty. */
const OMITTED_WHEN_EMPTY = new Set(['labels', 'partition_values', 'run_requests'])

/** The whole state as JSON. */
export function dumpState(state: FoldState): Dump {
  return Object.fromEntries(TABLE_NAMES.map((name) => [name, dumpTable(name, allRows(state, name))]))
}

/** One text for equal states: every digit of every cell, rows in the order of their key's text. */
export function textOfDump(dump: { readonly [table: string]: JsonValue }): string {
  const sorted = Object.entries(dump).map(([name, rows]): [string, JsonValue] => [
    name,
    (rows as TableDump).toSorted(([a], [b]) => compareBytes(a, b)),
  ])
  return canonicalText(Object.fromEntries(sorted))
}

/** The state as one text, to compare it with another. */
export function textOfState(state: FoldState): string {
  return textOfDump(dumpState(state))
}

/** A state of the slow fold as one text. */
export function textOfModel(model: Model): string {
  return textOfDump(
    Object.fromEntries(
      TABLE_NAMES.map((name) => [name, dumpTable(name, [...(model.tables[name]?.values() ?? [])])]),
    ),
  )
}

/** Some rows of one table as JSON. */
export function dumpTable(name: keyof typeof TABLES, rows: readonly object[]): TableDump {
  const table = TABLES[name] as unknown as Table<object>
  return rows.map((row) => {
    const key = table.key(row)
    return [key.length === 1 ? String(key[0]) : JSON.stringify(key), dumpRow(table, row)]
  })
}

function dumpRow(table: Table<object>, row: object): { [column: string]: JsonValue } {
  const cells: { [column: string]: JsonValue } = {}
  for (const [name, column] of Object.entries(table.columns)) {
    const value = (row as Record<string, unknown>)[name]
    if (value === null || (OMITTED_WHEN_EMPTY.has(name) && isEmpty(value))) continue
    cells[name] = dumpCell(name, column, value)
  }
  return cells
}

function dumpCell(name: string, { meaning }: Column<unknown>, value: unknown): JsonValue {
  switch (meaning.kind) {
    case 'time':
      return formatInstant(value as bigint)
    case 'i64':
      return Number.isSafeInteger(Number(value)) ? Number(value) : new NumberLiteral(String(value))
    case 'json':
      return meaning.codec.encode(value)
    case 'text':
    case 'u32':
    case 'bool':
      return value as JsonValue
    case 'enum':
      return LOWER_CASE.has(name) ? String(value).toLowerCase() : String(value)
  }
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : value instanceof Map && value.size === 0
}
