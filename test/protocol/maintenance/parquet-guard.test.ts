/** Checkpoints that claim more than they hold are refused before anything is allocated for them (S20, DL-809). */
import { parquetMetadata } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../../functions/environment.ts'
import { tableResolver } from '../../../lib/protocol/delta/resolve.ts'
import { lookAtParquet, readParquetActions } from '../../../lib/protocol/maintenance/delta/parquet-actions.ts'
import { runMaintenance } from '../../../lib/protocol/maintenance/run.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import { checkpointFile } from '../../support/checkpoints.ts'
import { reduce, rowsOf, soundEntries } from '../../support/spoilt-table.ts'

const FILE = checkpointFile(rowsOf(reduce(soundEntries())), 'UNCOMPRESSED')

/** A run of 2³¹ − 1 values, as its header spells it. */
const HUGE_RUN = [0xfe, 0xff, 0xff, 0xff, 0x0f]

/** The file with some bytes written over others. */
function forged(at: number, bytes: readonly number[]): Uint8Array {
  const copy = FILE.slice()
  copy.set(bytes, at)
  return copy
}

/** Where the levels of the first data page of a column begin, behind their length. */
function levelsOf(name: string): number {
  const columns = parquetMetadata(FILE.slice().buffer).row_groups.flatMap((group) => group.columns)
  const meta = columns.find(({ meta_data }) => meta_data?.path_in_schema.join('.') === name)?.meta_data
  if (meta === undefined) throw new Error(`no column ${name}`)
  const reader = { view: new DataView(FILE.buffer), offset: Number(meta.data_page_offset) }
  const header = parquetHeader(reader)
  return reader.offset + (header.data_page_header === undefined ? 0 : 4)
}

describe('a look at a checkpoint', () => {
  test('a sound file: its columns and rows', () => {
    expect(lookAtParquet(FILE)).toMatchObject({
      is: 'parquet',
      columns: ['add', 'remove', 'metaData', 'protocol', 'txn', 'domainMetadata'],
      rows: rowsOf(reduce(soundEntries())).length,
    })
  })

  test.each(['add.path', 'add.size', 'protocol.minReaderVersion', 'metaData.id'])(
    'a run of 2³¹ levels in %s is refused, not decoded',
    (name) => {
      const look = lookAtParquet(forged(levelsOf(name), HUGE_RUN))
      expect(look).toMatchObject({
        is: 'broken',
        why: expect.stringMatching(/^a run claims 2147483647 of \d+ values$/),
      })
    },
  )

  test('bytes flipped anywhere: an answer, and never an error', async () => {
    const environment = createEnvironment({
      store: memoryStore(),
      resolver: tableResolver(
        { mode: 'legacy' },
        { tenant: 'a', workspace: 'b', bucket: { scheme: 'memory', authority: '' } },
      ),
      note: () => undefined,
    })
    for (let at = 0; at < FILE.length; at += 41) {
      const copy = forged(at, [(FILE[at] ?? 0) ^ 0xff])
      const look = lookAtParquet(copy)
      if (look.is !== 'parquet') continue
      const rows = await runMaintenance(readParquetActions(copy, look.columns), {
        ...environment,
        store: memoryStore(),
      })
      expect(rows === null || rows.length === look.rows).toBe(true)
    }
  })
})
