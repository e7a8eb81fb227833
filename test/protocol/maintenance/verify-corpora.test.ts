/**
 * `verify` on tables of others: nothing is found on what delta-rs, Arco and Spark write, and the tables of
 * spec/delta-log-rules.md 16 that must be flagged are, each rebuilt here from its description.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkpointFile } from '../../support/checkpoints.ts'
import { deltaWorkspace, deltaWorkspaces } from '../../support/delta-workspace.ts'
import { whyNoDeltaRs, writeByDeltaRs } from '../../support/delta-rs.ts'
import { testClock, testService } from '../../support/service.ts'
import {
  add,
  column,
  entryFiles,
  entryText,
  remove,
  rowsOf,
  reduce,
  schemaOf,
  type Action,
} from '../../support/spoilt-table.ts'
import { entryPath, filesIn, lookAt, storeOf, told, type TableFiles } from '../../support/verify.ts'
import { memoryWorkspace } from '../../support/workspace.ts'

const skipped = whyNoDeltaRs()

describe.skipIf(skipped !== null)(
  `tables that delta-rs wrote${skipped === null ? '' : ` (${skipped})`}`,
  () => {
    let folder: string
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tidemark-delta-rs-'))
      await writeByDeltaRs(folder)
    }, 60_000)
    afterAll(() => rmSync(folder, { recursive: true }))

    test.each([
      ['appends', { first: 0, latest: 3, checkpoints: 0 }],
      ['partitioned', { first: 0, latest: 5, checkpoints: 1 }],
      ['rewritten', { first: 0, latest: 4, checkpoints: 1 }],
      ['transactions', { first: 0, latest: 4, checkpoints: 1 }],
      ['cleaned', { first: 3, latest: 4, checkpoints: 1 }],
    ])('%s: nothing is found, files included', async (name, { first, latest, checkpoints }) => {
      const files = filesIn(join(folder, name))
      const { findings, pages } = await lookAt(storeOf(files), { deep: true, now_ms: 4e12 })
      expect(findings).toEqual([])
      expect(pages[0]?.log).toMatchObject({ first_version: first, latest_version: latest, checkpoints })
    })
  },
)

describe('workspaces that Arco wrote', () => {
  /** What the workspace was made to show; before its TTL is over. */
  const PLANTED: Readonly<Record<string, string>> = {
    'delta-catalog-http': 'TM-203 info',
    'delta-committed': '',
    'delta-ghost-reservation': 'TM-205 warn',
    'delta-legacy-reservation': 'TM-201 info',
    'delta-state-lost': 'TM-103 warn',
    'delta-w1': 'TM-201 info',
    'delta-w1-first-commit': 'TM-201 info',
    'delta-w1-foreign-log': 'TM-204 warn',
    'delta-w1-restaged': 'TM-206 warn',
    'delta-w2': 'TM-202 info',
    'delta-w2-staged-deleted': 'TM-208 warn',
    'delta-w3': 'TM-203 info',
  }

  test('every workspace has its row', () => {
    expect(deltaWorkspaces().map(({ name }) => name)).toEqual(Object.keys(PLANTED))
  })

  test.each(Object.entries(PLANTED))('%s: %s and nothing else', async (name, expected) => {
    const workspace = deltaWorkspace(name)
    const { scope, expect: said } = workspace
    const now_ms = (said.state?.inflight?.expires_at_ms ?? 1_788_892_739_727) - 280_000
    const options = { scope, table_id: said.table_id, resolver: { mode: 'auto' }, now_ms } as const
    const store = memoryWorkspace(workspace)
    expect(told((await lookAt(store, options)).findings).join(', ')).toBe(expected)
  })

  test.each(Object.keys(PLANTED).filter((name) => name !== 'delta-state-lost'))(
    '%s: nothing is left after recover',
    async (name) => {
      const workspace = deltaWorkspace(name)
      const { scope, expect: said } = workspace
      const now_ms = (said.state?.inflight?.expires_at_ms ?? 1_788_892_739_727) + 1
      const store = memoryWorkspace(workspace)
      const service = testService(store, { scope, clock: testClock(now_ms), resolver: { mode: 'auto' } })
      expect((await service.recover(said.table_id)).status).toBe(200)
      const options = { scope, table_id: said.table_id, resolver: { mode: 'auto' }, now_ms } as const
      // What is registered in the catalog and has no version is a fact, not a fault.
      expect(told((await lookAt(store, options)).findings).filter((each) => each !== 'TM-301 info')).toEqual(
        [],
      )
    },
  )
})

const INFO = {
  commitInfo: {
    timestamp: 1,
    operation: 'WRITE',
    operationMetrics: { numFiles: '2' },
    engineInfo: 'Apache-Spark/3.5.0 Delta-Lake/3.0.0',
  },
}
const PROTOCOL = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }
const METADATA = {
  metaData: {
    id: 'testId',
    format: { provider: 'parquet', options: {} },
    schemaString: schemaOf(column('id', 'integer'), column('p')),
    partitionColumns: ['p'],
    configuration: {},
    createdTime: 1,
  },
}
const ICT = { 'delta.enableChangeDataFeed': 'true', 'delta.enableInCommitTimestamps': 'true' }
const ICT_PROTOCOL = {
  protocol: {
    minReaderVersion: 1,
    minWriterVersion: 7,
    writerFeatures: ['inCommitTimestamp', 'changeDataFeed', 'invariants', 'appendOnly'],
  },
}

/** Entries in their order; a number for a version that is left out. */
function log(...entries: readonly (readonly Action[])[]): Record<string, string> {
  return entryFiles(entries.map((actions) => [...actions]))
}

function ict(timestamp: number): Action {
  return {
    commitInfo: { inCommitTimestamp: timestamp, timestamp, operation: 'WRITE', txnId: `t${timestamp}` },
  }
}

describe('tables as Spark writes them: nothing is found', () => {
  const MAPPED = { 'delta.columnMapping.id': 1, 'delta.columnMapping.physicalName': 'col-7f' }
  test.each<[string, TableFiles]>([
    [
      'metaData before protocol, a MERGE that removes with extended metadata and adds without removing paths twice',
      log(
        [INFO, METADATA, PROTOCOL, add('part-0.c000.snappy.parquet'), add('part-1.c000.snappy.parquet')],
        [
          INFO,
          remove('part-1.c000.snappy.parquet', {
            extendedFileMetadata: true,
            partitionValues: { p: '1' },
            size: 100,
            stats: '{"numRecords":50}',
          }),
          add('part-2.c000.snappy.parquet'),
        ],
      ),
    ],
    [
      'partition directories that are encoded twice, NULL as null and as ""',
      log([
        INFO,
        PROTOCOL,
        METADATA,
        add('p=a%253Ab/x.parquet', { partitionValues: { p: 'a:b' } }),
        add('p=__HIVE_DEFAULT_PARTITION__/y.parquet', { partitionValues: { p: null } }),
        add('p=__HIVE_DEFAULT_PARTITION__/z.parquet', { partitionValues: { p: '' } }),
      ]),
    ],
    [
      'in-commit timestamps since version 0, change data, a checksum with Spark’s histogram',
      {
        ...log(
          [ict(1000), { metaData: { ...METADATA.metaData, configuration: ICT } }, ICT_PROTOCOL],
          [
            ict(2000),
            add('p=1/a.parquet'),
            {
              cdc: {
                path: '_change_data/c.parquet',
                partitionValues: { p: '1' },
                size: 5,
                dataChange: false,
              },
            },
          ],
        ),
        '_delta_log/00000000000000000001.crc': JSON.stringify({
          txnId: 't2000',
          tableSizeBytes: 100,
          numFiles: 1,
          numDeletedRecordsOpt: 0,
          numDeletionVectorsOpt: 0,
          numMetadata: 1,
          numProtocol: 1,
          inCommitTimestampOpt: 2000,
          setTransactions: [],
          domainMetadata: [],
          metadata: { ...METADATA.metaData, configuration: ICT },
          protocol: ICT_PROTOCOL.protocol,
          histogramOpt: { sortedBinBoundaries: [0, 8192], fileCounts: [1, 0], totalBytes: [100, 0] },
          allFiles: [add('p=1/a.parquet')['add']],
        }),
        '_delta_log/.00000000000000000001.crc.crc': 'crc',
        '_delta_log/.s3-optimization-0': '',
      },
    ],
    [
      'mapped columns: partition values under physical names',
      log([
        INFO,
        { protocol: { minReaderVersion: 2, minWriterVersion: 5 } },
        {
          metaData: {
            ...METADATA.metaData,
            schemaString: schemaOf({ ...column('p'), metadata: MAPPED }),
            configuration: { 'delta.columnMapping.mode': 'name' },
          },
        },
        add('a.parquet', { partitionValues: { 'col-7f': '1' } }),
      ]),
    ],
    [
      'a feature that was dropped, by preview names and aliases',
      log([
        INFO,
        {
          protocol: {
            minReaderVersion: 3,
            minWriterVersion: 7,
            readerFeatures: ['typeWidening-preview', 'variantType-preview'],
            writerFeatures: [
              'typeWidening-preview',
              'variantType-preview',
              'collations-preview',
              'checkpointProtection',
            ],
          },
        },
        METADATA,
      ]),
    ],
  ])('%s', async (_name, files) => {
    expect((await lookAt(storeOf(files))).findings).toEqual([])
  })
})

describe('spec/delta-log-rules.md 16: what must be flagged', () => {
  const SOUND = [
    [INFO, PROTOCOL, METADATA],
    [INFO, add('a.parquet')],
  ]
  const at_checkpoint = (without: string): TableFiles => ({
    '_delta_log/00000000000000000001.checkpoint.parquet': checkpointFile(
      rowsOf(reduce(SOUND)).filter((row) => row[without] === undefined),
    ),
    [entryPath(2)]: entryText([INFO]),
  })

  test.each<[fixture: string, expected: string, TableFiles]>([
    ['deltalog-state-reconstruction-without-protocol', 'DL-350 error', log([INFO, METADATA])],
    ['deltalog-state-reconstruction-without-metadata', 'DL-350 error', log([INFO, PROTOCOL])],
    [
      'deltalog-state-reconstruction-from-checkpoint-missing-protocol',
      'DL-808 error',
      at_checkpoint('protocol'),
    ],
    [
      'deltalog-state-reconstruction-from-checkpoint-missing-metadata',
      'DL-808 error',
      at_checkpoint('metaData'),
    ],
    [
      'versions-not-contiguous',
      'DL-501 error',
      { [entryPath(0)]: entryText([INFO, PROTOCOL, METADATA]), [entryPath(2)]: entryText([INFO]) },
    ],
    [
      'deltalog-invalid-protocol-version',
      'DL-321 error',
      log([INFO, METADATA, { protocol: { minReaderVersion: 99, minWriterVersion: 2 } }]),
    ],
    ['no-delta-log-folder', 'TM-301 warn', { 'part-0.parquet': 'x' }],
    [
      'data-reader-absolute-paths-escaped-chars',
      'DL-350 error',
      log([INFO, PROTOCOL, add('file:/tmp/bar%252Bfoo')]),
    ],
    [
      'corrupted-last-checkpoint-kernel',
      'DL-901 warn',
      { ...log(...SOUND), '_delta_log/_last_checkpoint': '' },
    ],
    [
      'crc-malformed',
      'DL-1001 warn',
      { ...log(...SOUND), '_delta_log/00000000000000000000.crc': 'this is not JSON' },
    ],
    [
      'crc-full',
      'DL-1002 error',
      {
        ...log(...SOUND),
        '_delta_log/00000000000000000000.crc': JSON.stringify({
          tableSizeBytes: 5259,
          numFiles: 10,
          numMetadata: 1,
          numProtocol: 1,
          metadata: METADATA.metaData,
          protocol: PROTOCOL.protocol,
        }),
      },
    ],
    [
      'cdc_ict_table',
      'DL-604 error',
      log(
        [ict(3000), { metaData: { ...METADATA.metaData, configuration: ICT } }, ICT_PROTOCOL],
        [ict(2000), add('p=1/a.parquet')],
      ),
    ],
    [
      'simple_table_features',
      'DL-321 error',
      log([
        INFO,
        METADATA,
        {
          protocol: {
            minReaderVersion: 5,
            minWriterVersion: 7,
            readerFeatures: ['columnMapping'],
            writerFeatures: ['columnMapping', 'rowTracking'],
          },
        },
        add('a.parquet'),
      ]),
    ],
    [
      'simple_table_features',
      'DL-342 warn',
      log([
        INFO,
        METADATA,
        {
          protocol: {
            minReaderVersion: 5,
            minWriterVersion: 7,
            readerFeatures: ['columnMapping'],
            writerFeatures: ['columnMapping', 'rowTracking'],
          },
        },
        add('a.parquet'),
      ]),
    ],
    [
      'basic_catalog_managed',
      'DL-603 error',
      log(
        [
          ict(1000),
          { metaData: { ...METADATA.metaData, configuration: ICT } },
          {
            protocol: {
              minReaderVersion: 3,
              minWriterVersion: 7,
              readerFeatures: ['catalogManaged'],
              writerFeatures: ['catalogManaged', 'inCommitTimestamp'],
            },
          },
        ],
        [{ commitInfo: { operation: 'WRITE', txnId: 'x' } }],
      ),
    ],
    [
      'null_constraints_lists',
      'DL-205 error',
      {
        [entryPath(0)]: [INFO, PROTOCOL, METADATA]
          .map((action) => JSON.stringify(action, null, 2))
          .join('\n'),
      },
    ],
  ])('%s: %s', async (_fixture, expected, files) => {
    expect(told((await lookAt(storeOf(files))).findings)).toContain(expected)
  })
})
