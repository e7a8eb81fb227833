/** Rows of a foreign Parquet file of plain columns, within the bounds of S20: Arco's catalog is one. */
import { openParquet, readGroups } from './parquet-reader.ts'

/** The named columns of every row; a column that the file has not is null. Throws ParquetError. */
export function flatRows(
  bytes: Uint8Array,
  columns: readonly string[],
): readonly Readonly<Record<string, unknown>>[] {
  const file = openParquet(bytes)
  const present = columns.filter((name) => file.columns.has(name))
  const rows: Record<string, unknown>[] = []
  for (const { row_count, cells } of readGroups(file, present)) {
    for (let at = 0; at < row_count; at++) {
      rows.push(Object.fromEntries(columns.map((name) => [name, cells.get(name)?.[at] ?? null])))
    }
  }
  return rows
}
