/** A commit as an engine makes it: a small Parquet file that really is there, and the actions that add it to the table. */
import { parquetWriteBuffer } from 'hyparquet-writer'

/** A payload and the file that it is about. */
export interface DeltaCommit {
  readonly payload: string
  readonly file: { readonly path: string; readonly bytes: Uint8Array }
}

/** The only column of every table: each row of a run is another text. */
const SCHEMA = {
  type: 'struct',
  fields: [{ name: 'row', type: 'string', nullable: true, metadata: {} }],
}

/** Make one. `name` must be nobody else's; the first commit of a table says what the table is. */
export function deltaCommit(on: {
  readonly table_id: string
  readonly name: string
  readonly is_first: boolean
  readonly rows: number
}): DeltaCommit {
  const path = `part-${on.name}.parquet`
  const data = Array.from({ length: on.rows }, (_, at) => rowText(path, at))
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'row', data, type: 'STRING' }] }))
  const add = {
    path,
    partitionValues: {},
    size: bytes.length,
    modificationTime: 1,
    dataChange: true,
    stats: JSON.stringify({ numRecords: on.rows }),
  }
  const table = [
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    {
      metaData: {
        id: on.table_id,
        format: { provider: 'parquet', options: {} },
        schemaString: JSON.stringify(SCHEMA),
        partitionColumns: [],
        configuration: {},
        createdTime: 1,
      },
    },
  ]
  const actions = [
    { commitInfo: { timestamp: 1, operation: 'WRITE', txnId: on.name } },
    ...(on.is_first ? table : []),
    { add },
  ]
  return { payload: actions.map((each) => `${JSON.stringify(each)}\n`).join(''), file: { path, bytes } }
}

/** The rows that a payload adds, as a reader of the table finds them in its only column. */
export function rowsAdded(payload: string): string[] {
  return payload
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const { add } = JSON.parse(line)
      if (add === undefined) return []
      const { numRecords } = JSON.parse(add.stats)
      return Array.from({ length: numRecords }, (_, at) => rowText(add.path, at))
    })
}

function rowText(path: string, at: number): string {
  return `${path}#${at}`
}
