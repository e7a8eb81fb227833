/**
 * `verify`: what copies of the log say wrong (spec/delta-log-rules.md 8 to 12): checkpoints of every kind, the hint, checksums,
 * compactions, and, deep, data files and deletion vectors.
 */
import { describe, expect, test } from 'vitest'
import { md5 } from '../../../lib/protocol/maintenance/delta/md5.ts'
import { hintChecksum } from '../../../lib/protocol/maintenance/delta/hint.ts'
import { isJsonObject, parseJson } from '../../../lib/protocol/json.ts'
import { checkpointFile, type CheckpointRow } from '../../support/checkpoints.ts'
import {
  add,
  CHECKPOINT_VERSION,
  checksumOf,
  COMPACTION,
  entryText,
  info,
  INLINE_VECTOR,
  logName,
  reduce,
  remove,
  rowsOf,
  soundEntries,
  soundTable,
  VECTOR_FILE,
  vectorFile,
  type Action,
} from '../../support/spoilt-table.ts'
import { entryPath, lookAt, storeOf, told } from '../../support/verify.ts'

type Files = Record<string, string | Uint8Array>

/** A rule, how the sound table is spoilt, and what is found, exactly. */
type Row = readonly [name: string, expected: string, spoil: (files: Files) => void]

const CLASSIC = logName(CHECKPOINT_VERSION, 'checkpoint.parquet')
const HINT = '_delta_log/_last_checkpoint'
const CRC = logName(4, 'crc')
const UUID = '80a083e8-7026-4e79-81be-64bd76c43a11'

const ROWS_AT_CHECKPOINT: readonly CheckpointRow[] = rowsOf(
  reduce(soundEntries().slice(0, CHECKPOINT_VERSION + 1)),
)

/** The rows of the checkpoint, changed. */
function rows(edit: (rows: CheckpointRow[]) => CheckpointRow[]): Uint8Array {
  return checkpointFile(edit(structuredClone([...ROWS_AT_CHECKPOINT])))
}

const isFile = (row: CheckpointRow): boolean => row['add'] !== undefined || row['remove'] !== undefined

/** Put a V2 checkpoint in place of the classic one: its file actions in one sidecar. */
function useV2(files: Files, edit: (rows: CheckpointRow[]) => CheckpointRow[] = (all) => all): void {
  delete files[CLASSIC]
  const sidecar = checkpointFile(ROWS_AT_CHECKPOINT.filter(isFile))
  files['_delta_log/_sidecars/one.parquet'] = sidecar
  const rest: CheckpointRow[] = [
    { checkpointMetadata: { version: CHECKPOINT_VERSION } },
    { sidecar: { path: 'one.parquet', sizeInBytes: sidecar.length, modificationTime: 1 } },
    ...ROWS_AT_CHECKPOINT.filter((row) => !isFile(row)),
  ]
  files[logName(CHECKPOINT_VERSION, `checkpoint.${UUID}.parquet`)] = checkpointFile(edit(rest))
}

/** Put a checkpoint of two parts in place of the classic one. */
function useParts(files: Files): void {
  delete files[CLASSIC]
  const middle = 4
  for (const [index, part] of [
    ROWS_AT_CHECKPOINT.slice(0, middle),
    ROWS_AT_CHECKPOINT.slice(middle),
  ].entries()) {
    files[logName(3, `checkpoint.000000000${index + 1}.0000000002.parquet`)] = checkpointFile(part)
  }
  files[HINT] = JSON.stringify({ version: 3, size: ROWS_AT_CHECKPOINT.length, parts: 2 })
}

/** Change a JSON file. */
function edit(files: Files, path: string, change: (value: Action) => void): void {
  const value: Action = JSON.parse(String(files[path]))
  change(value)
  files[path] = JSON.stringify(value)
}

/** Flip a byte. */
function flip(bytes: string | Uint8Array | undefined, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes as Uint8Array)
  const index = at < 0 ? copy.length + at : at
  copy[index] = (copy[index] ?? 0) ^ 0xff
  return copy
}

/** Log cleanup: versions below the checkpoint are gone. */
function cleanUp(files: Files): void {
  for (const version of [0, 1, 2]) delete files[entryPath(version)]
  delete files[COMPACTION]
}

const COPIES: readonly Row[] = [
  ['a sound table', '', () => undefined],
  ['a V2 checkpoint with a sidecar', '', (f) => useV2(f)],
  [
    'a V2 checkpoint in JSON',
    '',
    (f) => {
      delete f[CLASSIC]
      f[logName(3, `checkpoint.${UUID}.json`)] = entryText([
        { checkpointMetadata: { version: 3 } },
        ...ROWS_AT_CHECKPOINT.map((row) => ({ ...row })),
      ])
    },
  ],
  [
    'a V2 checkpoint under the classic name',
    '',
    (f) => void (f[CLASSIC] = rows((all) => [{ checkpointMetadata: { version: 3 } }, ...all])),
  ],
  ['a checkpoint in parts', '', useParts],
  ['a table after cleanup: nothing below its checkpoint, DL-1111', '', cleanUp],
  [
    'expired tombstones may be missing, DL-810',
    '',
    (f) => void (f[CLASSIC] = rows((all) => all.filter((row) => row['remove'] === undefined))),
  ],

  [
    'DL-501: a hole below the checkpoint, while version 0 is there',
    'DL-501 warn, TM-901 info',
    (f) => void delete f[entryPath(1)],
  ],
  [
    'DL-709: a checkpoint that is ahead of the log',
    'DL-709 error',
    (f) => void (f[logName(9, 'checkpoint.parquet')] = f[CLASSIC] ?? ''),
  ],
  [
    'DL-801: the entry of the oldest checkpoint is gone',
    'DL-801 warn',
    (f) => {
      cleanUp(f)
      delete f[entryPath(3)]
      delete f[logName(3, 'crc')]
    },
  ],
  [
    'DL-802: a part is missing',
    'DL-802 warn, DL-902 error',
    (f) => {
      useParts(f)
      delete f[logName(3, 'checkpoint.0000000002.0000000002.parquet')]
    },
  ],
  [
    'DL-802: a part is missing, and it is the only base',
    'DL-1110 error, DL-802 error, DL-902 error',
    (f) => {
      cleanUp(f)
      useParts(f)
      delete f[logName(3, 'checkpoint.0000000002.0000000002.parquet')]
    },
  ],
  [
    'DL-803: another version inside',
    'DL-803 error',
    (f) => useV2(f, ([_first, ...rest]) => [{ checkpointMetadata: { version: 7 } }, ...rest]),
  ],
  ['DL-803: no checkpointMetadata', 'DL-803 error', (f) => useV2(f, ([_first, ...rest]) => rest)],
  [
    'DL-803: without its feature',
    'DL-803 error, DL-810 error',
    (f) =>
      useV2(f, (all) =>
        all.map((row) =>
          row['protocol'] === undefined
            ? row
            : {
                protocol: {
                  ...row['protocol'],
                  readerFeatures: ['deletionVectors'],
                  writerFeatures: ['deletionVectors', 'inCommitTimestamp', 'domainMetadata', 'appendOnly'],
                },
              },
        ),
      ),
  ],
  [
    'DL-804: files inline and in sidecars',
    'DL-804 error, DL-811 error',
    (f) => useV2(f, (all) => [...all, add('p=1/c.parquet', { size: 200 })]),
  ],
  [
    'DL-804: a txn in a sidecar',
    'DL-804 error, DL-805 error',
    (f) => {
      useV2(f)
      f['_delta_log/_sidecars/one.parquet'] = checkpointFile([
        ...ROWS_AT_CHECKPOINT.filter(isFile),
        { txn: { appId: 'x', version: 1 } },
      ])
    },
  ],
  [
    'DL-805: the sidecar is missing',
    'DL-805 error',
    (f) => {
      useV2(f)
      delete f['_delta_log/_sidecars/one.parquet']
    },
  ],
  [
    'DL-805: the sidecar has another size',
    'DL-805 error',
    (f) =>
      useV2(f, (all) =>
        all.map((row) =>
          row['sidecar'] === undefined ? row : { sidecar: { ...row['sidecar'], sizeInBytes: 5 } },
        ),
      ),
  ],
  [
    'DL-806: a sidecar in a V1 checkpoint',
    'DL-805 error, DL-806 error',
    (f) =>
      void (f[CLASSIC] = rows((all) => [
        ...all,
        { sidecar: { path: 'x.parquet', sizeInBytes: 1, modificationTime: 1 } },
      ])),
  ],
  [
    'DL-807: a commitInfo',
    'DL-807 warn',
    (f) => void (f[CLASSIC] = rows((all) => [...all, { commitInfo: { operation: 'WRITE' } }])),
  ],
  [
    'DL-807: statistics of a remove',
    'DL-807 warn',
    (f) =>
      void (f[CLASSIC] = rows((all) =>
        all.map((row) => (row['remove'] === undefined ? row : { remove: { ...row['remove'], stats: '{}' } })),
      )),
  ],
  [
    'DL-807: a removed domain',
    'DL-807 warn, DL-810 error',
    (f) =>
      void (f[CLASSIC] = rows((all) =>
        all.map((row) =>
          row['domainMetadata'] === undefined
            ? row
            : { domainMetadata: { ...row['domainMetadata'], removed: true } },
        ),
      )),
  ],
  [
    'DL-808: no protocol',
    'DL-808 error',
    (f) => void (f[CLASSIC] = rows((all) => all.filter((row) => row['protocol'] === undefined))),
  ],
  [
    'DL-808: no metaData',
    'DL-808 error',
    (f) => void (f[CLASSIC] = rows((all) => all.filter((row) => row['metaData'] === undefined))),
  ],
  [
    'DL-809: the magic number at the end is gone',
    'DL-809 error',
    (f) => void (f[CLASSIC] = (f[CLASSIC] as Uint8Array).slice(0, -1)),
  ],
  [
    'DL-809: half a file',
    'DL-809 error',
    (f) => void (f[CLASSIC] = (f[CLASSIC] as Uint8Array).slice(0, 300)),
  ],
  ['DL-809: an empty file', 'DL-809 error', (f) => void (f[CLASSIC] = '')],
  ['DL-809: a footer that does not parse', 'DL-809 error', (f) => void (f[CLASSIC] = flip(f[CLASSIC], -200))],
  [
    'DL-809: lines that are no JSON',
    'DL-809 error',
    (f) => {
      delete f[CLASSIC]
      f[logName(3, `checkpoint.${UUID}.json`)] = '{"checkpointMetadata":'
    },
  ],
  [
    'DL-810: a live file is missing',
    'DL-810 error',
    (f) => void (f[CLASSIC] = rows((all) => all.filter((row) => row['add']?.path !== 'p=1/c.parquet'))),
  ],
  [
    'DL-810: a removed file is live',
    'DL-810 error',
    (f) =>
      void (f[CLASSIC] = rows((all) => [
        ...all.filter((row) => row['remove']?.path !== 'p=1/a.parquet'),
        add('p=1/a.parquet'),
      ])),
  ],
  [
    'DL-810: another size',
    'DL-810 error',
    (f) =>
      void (f[CLASSIC] = rows((all) =>
        all.map((row) => (row['add']?.size === 200 ? { add: { ...row['add'], size: 201 } } : row)),
      )),
  ],
  [
    'DL-810: a size that differs above 2^53 only',
    'DL-810 error',
    (f) => {
      const entries = soundEntries()
      const big = entries[2]?.find((each) => each['add'] !== undefined)
      if (big !== undefined) big['add'].size = 9_007_199_254_740_992
      const made = soundTable(entries)
      Object.assign(f, made)
      f[entryPath(2)] = String(made[entryPath(2)]).replace('9007199254740992', '9007199254740993')
      delete f[logName(3, 'crc')]
      delete f[CRC]
      delete f[COMPACTION]
    },
  ],
  [
    'DL-810: another protocol',
    'DL-810 error',
    (f) =>
      void (f[CLASSIC] = rows((all) =>
        all.map((row) =>
          row['protocol'] === undefined ? row : { protocol: { ...row['protocol'], minReaderVersion: 2 } },
        ),
      )),
  ],
  [
    'DL-810: another schema',
    'DL-810 error',
    (f) =>
      void (f[CLASSIC] = rows((all) =>
        all.map((row) =>
          row['metaData'] === undefined
            ? row
            : { metaData: { ...row['metaData'], schemaString: '{"type":"struct","fields":[]}' } },
        ),
      )),
  ],
  [
    'DL-810: an older txn',
    'DL-810 error',
    (f) =>
      void (f[CLASSIC] = rows((all) =>
        all.map((row) => (row['txn'] === undefined ? row : { txn: { ...row['txn'], version: 0 } })),
      )),
  ],
  [
    'DL-810: a domain is missing',
    'DL-810 error',
    (f) => void (f[CLASSIC] = rows((all) => all.filter((row) => row['domainMetadata'] === undefined))),
  ],
  [
    'DL-810: a tombstone that the log does not have',
    'DL-810 error',
    (f) => void (f[CLASSIC] = rows((all) => [...all, remove('p=1/z.parquet')])),
  ],
  [
    'DL-811: a file twice',
    'DL-811 error',
    (f) => void (f[CLASSIC] = rows((all) => [...all, add('p=1/c.parquet', { size: 200 })])),
  ],
  [
    'DL-811: a file added and removed',
    'DL-810 error, DL-811 error',
    (f) => void (f[CLASSIC] = rows((all) => [...all, remove('p=1/c.parquet')])),
  ],

  ['DL-901: an empty hint', 'DL-901 warn', (f) => void (f[HINT] = '')],
  ['DL-901: a hint without version', 'DL-901 warn', (f) => void (f[HINT] = '{}')],
  ['DL-901: a member twice', 'DL-901 warn', (f) => void (f[HINT] = '{"version":3,"version":3,"size":9}')],
  ['DL-902: the checkpoint of the hint is gone', 'DL-902 error', (f) => void delete f[CLASSIC]],
  [
    'DL-902: the hint names a UUID that is not there',
    'DL-902 error',
    (f) =>
      edit(
        f,
        HINT,
        (hint) => void (hint['v2Checkpoint'] = { path: `00000000000000000003.checkpoint.${UUID}.parquet` }),
      ),
  ],
  [
    'DL-903: a hint ahead of the log',
    'DL-903 error',
    (f) => edit(f, HINT, (hint) => void (hint['version'] = 9)),
  ],
  [
    'DL-904: a wrong checksum',
    'DL-904 warn',
    (f) => edit(f, HINT, (hint) => void (hint['checksum'] = '0'.repeat(32))),
  ],

  ['DL-1001: a checksum that is no JSON', 'DL-1001 warn', (f) => void (f[CRC] = '{')],
  [
    'DL-1001: a required member is missing',
    'DL-1001 warn',
    (f) => edit(f, CRC, (crc) => void delete crc['numMetadata']),
  ],
  [
    'DL-1002: another number of files',
    'DL-1002 error',
    (f) => edit(f, CRC, (crc) => void (crc['numFiles'] = 7)),
  ],
  [
    'DL-1002: another sum of sizes',
    'DL-1002 error',
    (f) => edit(f, CRC, (crc) => void (crc['tableSizeBytes'] += 1)),
  ],
  [
    'DL-1003: another protocol',
    'DL-1003 error',
    (f) => edit(f, CRC, (crc) => void (crc['protocol'].minReaderVersion = 1)),
  ],
  [
    'DL-1003: another schema',
    'DL-1003 error',
    (f) => edit(f, CRC, (crc) => void (crc['metadata'].schemaString = '{"type":"struct","fields":[]}')),
  ],
  [
    'DL-1004: another timestamp',
    'DL-1004 warn',
    (f) => edit(f, CRC, (crc) => void (crc['inCommitTimestampOpt'] = 1)),
  ],
  ['DL-1005: another txnId', 'DL-1005 warn', (f) => edit(f, CRC, (crc) => void (crc['txnId'] = 'other'))],
  [
    'DL-1006: an older txn',
    'DL-1006 warn',
    (f) => edit(f, CRC, (crc) => void (crc['setTransactions'][0].version = 1)),
  ],
  [
    'DL-1006: another domain',
    'DL-1006 warn',
    (f) => edit(f, CRC, (crc) => void (crc['domainMetadata'][0].configuration = '{"a":1}')),
  ],
  ['DL-1006: a file is missing', 'DL-1006 warn', (f) => edit(f, CRC, (crc) => void crc['allFiles'].pop())],
  [
    'DL-1006: a histogram that does not add up',
    'DL-1006 warn',
    (f) => edit(f, CRC, (crc) => void (crc['fileSizeHistogram'].fileCounts[0] = 1)),
  ],
  [
    'DL-1007: another number of vectors',
    'DL-1007 warn',
    (f) => edit(f, CRC, (crc) => void (crc['numDeletionVectorsOpt'] = 0)),
  ],
  [
    'DL-1007: another number of deleted rows',
    'DL-1007 warn',
    (f) => edit(f, CRC, (crc) => void (crc['numDeletedRecordsOpt'] = 1)),
  ],

  [
    'DL-1101: a compaction without one of its files',
    'DL-1101 error',
    (f) =>
      void (f[COMPACTION] = entryText(
        rowsOf(reduce(soundEntries().slice(1, 4)))
          .filter((row) => row['add']?.path !== 'p=1/c.parquet')
          .map((row) => ({ ...row })),
      )),
  ],
  [
    'DL-1101: a compaction with a commitInfo',
    'DL-1101 error',
    (f) => void (f[COMPACTION] = `${String(f[COMPACTION])}${entryText([info(3)])}`),
  ],
  [
    'DL-1101: half a compaction',
    'DL-1101 error',
    (f) => void (f[COMPACTION] = String(f[COMPACTION]).slice(0, 100)),
  ],
  [
    'DL-1110: no checkpoint leads into the log',
    'DL-1110 error',
    (f) => {
      f[logName(1, 'checkpoint.parquet')] = f[CLASSIC] ?? ''
      delete f[CLASSIC]
      delete f[HINT]
      for (const version of [0, 1, 2]) delete f[entryPath(version)]
      delete f[COMPACTION]
      delete f[logName(3, 'crc')]
      delete f[CRC]
    },
  ],
  [
    'DL-1112: a cleanup that was interrupted',
    'DL-1112 info',
    (f) => {
      delete f[entryPath(0)]
    },
  ],

  ['DL-1120: a live file is missing', 'DL-1120 error', (f) => void delete f['p=1/c.parquet']],
  [
    'DL-1120: a live file has another size',
    'DL-1120 error',
    (f) => void (f['p=1/c.parquet'] = new Uint8Array(199)),
  ],
  ['DL-1202: the file of a vector is missing', 'DL-1202 error', (f) => void delete f[VECTOR_FILE]],
  [
    'DL-1202: another version of the format',
    'DL-1202 error',
    (f) => void (f[VECTOR_FILE] = flip(vectorFile(), 0)),
  ],
  ['DL-1202: another size', 'DL-1202 error', (f) => void (f[VECTOR_FILE] = flip(vectorFile(), 4))],
  [
    'DL-1202: a byte of the bitmap flipped',
    'DL-1202 error',
    (f) => void (f[VECTOR_FILE] = flip(vectorFile(), 30)),
  ],
  ['DL-1202: the CRC flipped', 'DL-1202 error', (f) => void (f[VECTOR_FILE] = flip(vectorFile(), -1))],
  ['DL-1202: half a file', 'DL-1202 error', (f) => void (f[VECTOR_FILE] = vectorFile().slice(0, 20))],
  ['DL-1203: more rows deleted than it says', 'DL-1203 error', (f) => wrongCardinality(f, 5, 30)],
  ['DL-1203: a row deleted that is not in the file', 'DL-1203 error', (f) => wrongCardinality(f, 6, 20)],
]

/** The vector of version 3 says another cardinality, or its file has fewer rows. */
function wrongCardinality(files: Files, cardinality: number, records: number): void {
  const entries = soundEntries()
  const line = entries[3]?.find((each) => each['add'] !== undefined)
  if (line === undefined) throw new Error('no add')
  line['add'].deletionVector = { ...INLINE_VECTOR, cardinality }
  line['add'].stats = JSON.stringify({ numRecords: records })
  const remade = soundTable(entries)
  for (const [path, content] of Object.entries(remade))
    if (path.startsWith('_delta_log/')) files[path] = content
}

describe('copies of a log, and what it refers to', () => {
  test.each(COPIES)('%s → %s', async (_name, expected, spoil) => {
    const files: Files = soundTable()
    spoil(files)
    // The files are those that readers see, and readers start at the checkpoint, wrong or not.
    const deep = expected === '' || /DL-1(?:12|20)/.test(expected)
    const { findings } = await lookAt(storeOf(files), { deep })
    expect(told(findings).join(', ')).toBe(expected)
  })

  test('what a listing of files costs is only paid when asked for', async () => {
    const { 'p=1/c.parquet': _gone, ...files } = soundTable()
    expect((await lookAt(storeOf(files))).findings).toEqual([])
  })
})

describe('the checksum of the hint, spec/delta-log-rules.md 9', () => {
  test('the test vector of the spec', () => {
    const text = `{"k0":"'v 0'", "checksum": "adsaskfljadfkjadfkj", "k1":{"k2": 2, "k3": ["v3", [1, 2], {"k4": "v4", "k5": ["v5", "v6", "v7"]}]}}`
    const hint = parseJson(text)
    expect(isJsonObject(hint) && hintChecksum(hint)).toBe('6a92d155a59bf2eecbd4b4ec7fd1f875')
  })

  test.each([
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
  ])('MD5 of %j, RFC 1321 A.5', (text, digest) => {
    expect(md5(new TextEncoder().encode(text))).toBe(digest)
  })
})

test('a checksum of a table is right by its own count', () => {
  expect(checksumOf(soundEntries(), 4)).toMatchObject({
    numFiles: 3,
    tableSizeBytes: 400,
    numDeletedRecordsOpt: 12,
  })
})
