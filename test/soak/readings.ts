/**
 * What others read from the tables that a soak left: DuckDB, whose own JSON and Parquet readers follow the log, and
 * delta-rs, which implements Delta Lake by itself and talks to the store by itself.
 */
import { DuckDBInstance } from '@duckdb/node-api'
import { join } from 'node:path'
import { readByDeltaRs, whyNoDeltaRs, type DeltaRsTables } from '../support/delta-rs.ts'
import { SCOPE, type Layout } from './journal.ts'

/** What one reader found, table by table, or why it found nothing. */
export interface Reading {
  readonly reader: string
  readonly tables: DeltaRsTables
  readonly error?: string
}

/** Where delta-rs finds the tables of a run. */
export interface TableAddresses {
  address(table_id: string): string
  readonly storage_options: Readonly<Record<string, string>>
}

/** Path of a table in the bucket. */
export function tablePath(table_id: string): string {
  return `tenant=${SCOPE.tenant}/workspace=${SCOPE.workspace}/tables/${table_id}`
}

/** Let every reader that is here read all tables. */
export async function readTables(
  { folder }: Layout,
  table_ids: readonly string[],
  { address, storage_options }: TableAddresses,
): Promise<readonly Reading[]> {
  const readings = [await readingOf('DuckDB', async () => readByDuckDb(folder, table_ids))]
  if (whyNoDeltaRs() !== null) return readings
  const tables = Object.fromEntries(table_ids.map((table_id) => [table_id, address(table_id)]))
  return [
    ...readings,
    await readingOf('delta-rs', async () => readByDeltaRs({ tables, storage_options, column: 'row' })),
  ]
}

async function readingOf(reader: string, read: () => Promise<DeltaRsTables>): Promise<Reading> {
  try {
    return { reader, tables: await read() }
  } catch (error) {
    return { reader, tables: {}, error: error instanceof Error ? error.message : String(error) }
  }
}

/** The log has only `add`: what the newest version holds is what all of them added. */
async function readByDuckDb(folder: string, table_ids: readonly string[]): Promise<DeltaRsTables> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const tables: [string, { version: number; rows: string[] }][] = []
  for (const table_id of table_ids) {
    const root = join(folder, tablePath(table_id))
    const log = await connection.runAndReadAll(
      `select parse_filename(filename, true)::integer, add.path
         from read_json('${root}/_delta_log/*.json', filename = true, format = 'newline_delimited',
                        columns = { add: 'struct(path varchar)' })`,
    )
    const entries = log.getRows().map(([version, path]) => ({ version: Number(version), path }))
    const paths = entries.flatMap(({ path }) => (path === null ? [] : [`'${root}/${String(path)}'`]))
    const rows = await connection.runAndReadAll(
      `select "row" from read_parquet([${paths.join()}], hive_partitioning = false)`,
    )
    const version = Math.max(...entries.map((entry) => entry.version))
    tables.push([table_id, { version, rows: rows.getRows().map(([row]) => String(row)) }])
  }
  connection.closeSync()
  return Object.fromEntries(tables)
}
