/** `verify`: every rule over entries, each with a table that breaks it and nothing else (spec/delta-log-rules.md 2 to 7). */
import { describe, expect, test } from 'vitest'
import { TABLE_ID } from '../../support/commit-world.ts'
import { START_MS } from '../../support/service.ts'
import {
  add,
  column,
  entryFiles,
  entryText,
  FILE_VECTOR,
  info,
  remove,
  schemaOf,
  soundEntries,
  type Action,
  type Entries,
} from '../../support/spoilt-table.ts'
import { entryPath, lookAt, storeOf, told, type TableFiles } from '../../support/verify.ts'

/** What is found, exactly: `DL-nnn severity`, several separated by commas, nothing for a sound table. */
type Expected = string

/** A rule, how the sound table is spoilt, and what is found. */
type Row = readonly [name: string, expected: Expected, spoil: (entries: Entries) => void | TableFiles]

async function found(files: TableFiles): Promise<string> {
  return told((await lookAt(storeOf(files))).findings).join(', ')
}

/** The action of a kind in an entry. */
function action(entries: Entries, version: number, kind: string): Action {
  const line = entries[version]?.find((each) => each[kind] !== undefined)
  if (line === undefined) throw new Error(`no ${kind} in ${version}`)
  return line[kind]
}

/** Entries as files, one of them as the text says. */
function withText(
  entries: Entries,
  version: number,
  edit: (text: string) => string | Uint8Array,
): TableFiles {
  return { ...entryFiles(entries), [entryPath(version)]: edit(entryText(entries[version] ?? [])) }
}

/** The table without timestamps and features, as writers of old made it. */
function legacy(entries: Entries): void {
  entries[0]?.splice(
    0,
    3,
    info(0),
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    {
      metaData: { ...action(entries, 0, 'metaData'), configuration: {} },
    },
  )
  entries.splice(1, 4, [info(1), add('p=1/a.parquet')], [info(2), add('p=1/b.parquet')])
}

/** The table as a catalog manages it. */
function managed(entries: Entries): void {
  const protocol = action(entries, 0, 'protocol')
  protocol['readerFeatures'].push('catalogManaged')
  protocol['writerFeatures'].push('catalogManaged')
}

const ROWS: readonly Row[] = [
  ['a sound table', '', () => undefined],
  ['a sound table of an old writer', '', legacy],
  ['a sound catalog-managed table', '', managed],
  ['DL-203: a final newline is optional', '', (e) => withText(e, 4, (text) => text.trimEnd())],
  ['DL-202: CR LF is tolerated', '', (e) => withText(e, 4, (text) => text.replaceAll('\n', '\r\n'))],
  ['DL-333: one path added and removed with different vectors', '', () => undefined],
  ['DL-344: a live file added again', '', (e) => void e[4]?.push(add('p=1/c.parquet', { size: 200 }))],

  [
    'DL-101: a commit name without 20 digits',
    'DL-101 error',
    (e) => ({ ...entryFiles(e), '_delta_log/5.json': '{}' }),
  ],
  [
    'names that nobody knows are of no concern',
    '',
    (e) => ({ ...entryFiles(e), '_delta_log/.tmp/5.json': '{', '_delta_log/x.crc': '' }),
  ],

  ['DL-201: a byte order mark', 'DL-201 error', (e) => withText(e, 4, (text) => `\uFEFF${text}`)],
  [
    'DL-201: bytes that are no UTF-8',
    'DL-201 error',
    (e) =>
      withText(e, 4, (text) =>
        new TextEncoder()
          .encode(text.replace('"WRITE"', '"W?E"'))
          .map((byte) => (byte === 0x3f ? 0xff : byte)),
      ),
  ],
  [
    'DL-202: two actions without a newline',
    'DL-202 error',
    (e) => withText(e, 4, (text) => text.replace('\n', '')),
  ],
  ['DL-204: a blank line', 'DL-204 info', (e) => withText(e, 4, (text) => text.replace('\n', '\n\n'))],
  [
    'DL-205: pretty-printed JSON',
    'DL-205 error',
    (e) => withText(e, 4, () => JSON.stringify(e[4]?.[0], null, 2)),
  ],
  ['DL-205: an array', 'DL-205 error', (e) => withText(e, 4, (text) => `${text}[]\n`)],
  [
    'DL-206: two actions on a line',
    'DL-206 error',
    (e) => void e[4]?.push({ ...add('p=1/e.parquet'), txn: { appId: 'x', version: 1 } }),
  ],
  ['DL-207: an unknown action', 'DL-207 info', (e) => void e[4]?.push({ checkpoint: {} })],
  ['DL-208: an action that is null', 'DL-208 info', (e) => void e[4]?.push({ add: null })],
  [
    'DL-209: a member twice',
    'DL-209 warn',
    (e) => withText(e, 4, (text) => text.replace('"operation"', '"operation":"A","operation"')),
  ],
  ['DL-210: an empty entry', 'DL-210 error, DL-601 error', (e) => withText(e, 4, () => '')],
  [
    'DL-211: integers above 2^53 are taken as they are',
    '',
    (e) => withText(e, 4, (text) => text.replace('9007199254740991', '9223372036854775807')),
  ],

  ['DL-301: a sidecar in an entry', 'DL-301 error', (e) => void e[4]?.push({ sidecar: { path: 'x' } })],
  [
    'DL-303: an add without modificationTime',
    'DL-303 error',
    (e) => void delete action(e, 4, 'add')['modificationTime'],
  ],
  ['DL-303: a size that is a text', 'DL-303 error', (e) => void (action(e, 4, 'add')['size'] = '100')],
  [
    'DL-304: a remove without dataChange',
    'DL-304 error',
    (e) => void delete action(e, 2, 'remove')['dataChange'],
  ],
  [
    'DL-305: a cdc that changes data',
    'DL-305 error',
    (e) =>
      void e[4]?.push({ cdc: { path: 'p=1/x', partitionValues: { p: '1' }, size: 1, dataChange: true } }),
  ],
  ['DL-306: a txn without version', 'DL-306 error', (e) => void delete action(e, 4, 'txn')['version']],
  [
    'DL-307: a domainMetadata without removed',
    'DL-307 error',
    (e) => void delete action(e, 1, 'domainMetadata')['removed'],
  ],
  ['DL-308: two commitInfo', 'DL-308 error', (e) => void e[4]?.push(info(4))],
  [
    'DL-310: two metaData',
    'DL-310 error',
    (e) => void e[0]?.push({ metaData: { ...action(e, 0, 'metaData') } }),
  ],
  [
    'DL-311: metaData without configuration',
    'DL-311 warn',
    (e) => {
      legacy(e)
      delete action(e, 0, 'metaData')['configuration']
    },
  ],
  ['DL-311: metaData without id', 'DL-311 error', (e) => void delete action(e, 0, 'metaData')['id']],
  [
    'DL-312: a schema that is no JSON',
    'DL-312 error',
    (e) => void (action(e, 0, 'metaData')['schemaString'] = 'id: long'),
  ],
  [
    'DL-313: a partition column that is no column',
    'DL-313 error',
    (e) => void (action(e, 0, 'metaData')['schemaString'] = schemaOf(column('id'))),
  ],
  [
    'DL-314: names that differ in case only',
    'DL-314 warn',
    (e) => void (action(e, 0, 'metaData')['schemaString'] = schemaOf(column('p'), column('P'))),
  ],
  [
    'DL-315: a format that is not parquet',
    'DL-315 warn',
    (e) => void (action(e, 0, 'metaData')['format'].provider = 'orc'),
  ],
  [
    'DL-316: another id',
    'DL-316 warn',
    (e) => void e[4]?.push({ metaData: { ...action(e, 0, 'metaData'), id: 'other' } }),
  ],
  [
    'DL-316: another id, by RESTORE',
    '',
    (e) => {
      e[4]?.push({ metaData: { ...action(e, 0, 'metaData'), id: 'other' } })
      action(e, 4, 'commitInfo')['operation'] = 'RESTORE'
    },
  ],
  [
    'DL-316: another id where a catalog manages the table',
    'DL-316 error',
    (e) => {
      managed(e)
      e[4]?.push({ metaData: { ...action(e, 0, 'metaData'), id: 'other' } })
    },
  ],
  [
    'DL-317: the id of another table',
    'DL-317 error',
    (e) => {
      managed(e)
      action(e, 0, 'metaData')['configuration']['io.unitycatalog.tableId'] = 'other'
    },
  ],
  [
    'DL-317: its own id',
    '',
    (e) => {
      managed(e)
      action(e, 0, 'metaData')['configuration']['io.unitycatalog.tableId'] = TABLE_ID
    },
  ],
  [
    'DL-318: an unknown mapping mode',
    'DL-318 error',
    (e) => void (action(e, 0, 'metaData')['configuration']['delta.columnMapping.mode'] = 'odd'),
  ],
  [
    'DL-318: fields without mapping',
    'DL-318 warn',
    (e) => void (action(e, 0, 'metaData')['configuration']['delta.columnMapping.mode'] = 'name'),
  ],
  [
    'DL-319: a schema without fields',
    'DL-319 warn',
    (e) => {
      legacy(e)
      const metaData = action(e, 0, 'metaData')
      metaData['schemaString'] = schemaOf()
      metaData['partitionColumns'] = []
      for (const version of [1, 2]) action(e, version, 'add')['partitionValues'] = {}
    },
  ],

  [
    'DL-320: two protocols',
    'DL-320 error',
    (e) => void e[0]?.push({ protocol: { ...action(e, 0, 'protocol') } }),
  ],
  [
    'DL-321: a reader version that does not exist',
    'DL-321 error, DL-340 error',
    (e) => void (action(e, 0, 'protocol')['minReaderVersion'] = 99),
  ],
  [
    'DL-322: features without their version',
    'DL-322 error',
    (e) => {
      legacy(e)
      action(e, 0, 'protocol')['writerFeatures'] = []
    },
  ],
  [
    'DL-323: reader 3 with writer 2',
    'DL-322 error, DL-323 error',
    (e) => {
      legacy(e)
      action(e, 0, 'protocol')['minReaderVersion'] = 3
    },
  ],
  [
    'DL-324: a reader feature that is no writer feature',
    'DL-324 error',
    (e) => void action(e, 0, 'protocol')['readerFeatures'].push('timestampNtz'),
  ],
  [
    'DL-325: a feature of both for writers only',
    'DL-325 error',
    (e) => void action(e, 0, 'protocol')['writerFeatures'].push('timestampNtz'),
  ],
  [
    'DL-326: a lower protocol',
    'DL-326 warn',
    (e) => {
      legacy(e)
      e[2]?.push({ protocol: { minReaderVersion: 1, minWriterVersion: 1 } })
    },
  ],
  [
    'DL-326: a feature less',
    'DL-326 warn',
    (e) =>
      void e[4]?.push({
        protocol: {
          ...action(e, 0, 'protocol'),
          writerFeatures: ['deletionVectors', 'inCommitTimestamp', 'domainMetadata', 'v2Checkpoint'],
        },
      }),
  ],
  [
    'DL-327: a feature that nobody knows',
    'DL-327 info',
    (e) => void action(e, 0, 'protocol')['writerFeatures'].push('teleport'),
  ],

  [
    'DL-330: a path added twice',
    'DL-330 error',
    (e) => void e[4]?.push(add('p=1/e.parquet'), add('p=1/e.parquet')),
  ],
  ['DL-331: a path removed twice', 'DL-331 error', (e) => void e[2]?.push(remove('p=1/a.parquet'))],
  [
    'DL-332: one file added and removed',
    'DL-332 error, DL-345 info',
    (e) => void e[4]?.push(add('p=1/e.parquet'), remove('p=1/e.parquet')),
  ],
  [
    'DL-334: two txn of one application',
    'DL-334 error',
    (e) => void e[4]?.push({ txn: { appId: 'stream', version: 3 } }),
  ],
  ['DL-335: a negative size', 'DL-335 error', (e) => void (action(e, 4, 'add')['size'] = -1)],
  ['DL-335: a file of size 0', 'DL-335 warn', (e) => void (action(e, 4, 'add')['size'] = 0)],
  [
    'DL-336: extendedFileMetadata without size',
    'DL-336 warn',
    (e) => void (action(e, 2, 'remove')['extendedFileMetadata'] = true),
  ],
  [
    'DL-337: a partition value is missing',
    'DL-337 error',
    (e) => void (action(e, 4, 'add')['partitionValues'] = {}),
  ],
  [
    'DL-337: a partition value too many',
    'DL-337 error',
    (e) => void (action(e, 4, 'add')['partitionValues'] = { p: '1', q: '2' }),
  ],
  [
    'DL-337: names of mapped columns are physical',
    '',
    (e) => {
      legacy(e)
      Object.assign(action(e, 0, 'metaData'), {
        schemaString: schemaOf({
          ...column('p'),
          metadata: { 'delta.columnMapping.id': 1, 'delta.columnMapping.physicalName': 'col-1' },
        }),
        configuration: { 'delta.columnMapping.mode': 'name' },
      })
      for (const version of [1, 2]) action(e, version, 'add')['partitionValues'] = { 'col-1': '1' }
    },
  ],
  [
    'DL-338: statistics that are no JSON',
    'DL-338 warn',
    (e) => void (action(e, 1, 'add')['stats'] = 'thirty'),
  ],
  ['DL-339: a vector without numRecords', 'DL-339 error', (e) => void (action(e, 4, 'add')['stats'] = '{}')],
  [
    'DL-340: a vector without its feature',
    'DL-340 error',
    (e) => {
      legacy(e)
      e[2]?.push(add('p=1/e.parquet', { deletionVector: FILE_VECTOR }))
    },
  ],
  [
    'DL-341: a removal from an append-only table',
    'DL-341 error',
    (e) => {
      legacy(e)
      action(e, 0, 'metaData')['configuration'] = { 'delta.appendOnly': 'true' }
      e[2]?.push(remove('p=1/a.parquet'))
    },
  ],
  [
    'DL-342: adds without row ids',
    'DL-342 warn',
    (e) => void action(e, 0, 'protocol')['writerFeatures'].push('rowTracking'),
  ],
  [
    'DL-343: a new vector without removal of the old one',
    'DL-343 error',
    (e) => void e[4]?.push(add('p=1/b.parquet', { deletionVector: { ...FILE_VECTOR, offset: 60 } })),
  ],
  ['DL-345: a removal of what is not live', 'DL-345 info', (e) => void e[4]?.push(remove('p=1/z.parquet'))],
  ['DL-345: a removal in another spelling', 'DL-345 warn', (e) => void e[4]?.push(remove('p%3D1/c.parquet'))],
  [
    'DL-346: an add that changes no data, and no removal',
    'DL-346 info',
    (e) => void (action(e, 4, 'add')['dataChange'] = false),
  ],
  [
    'DL-350: version 0 without metaData',
    'DL-350 error',
    (e) => {
      legacy(e)
      e[0]?.splice(2, 1)
    },
  ],
  [
    'DL-350: version 0 without protocol',
    'DL-350 error',
    (e) => {
      legacy(e)
      e[0]?.splice(1, 1)
    },
  ],
  ['DL-351: version 0 removes', 'DL-345 info, DL-351 warn', (e) => void e[0]?.push(remove('p=1/z.parquet'))],
  [
    'DL-352: the beginning is gone',
    'DL-352 error',
    (e) => {
      const { [entryPath(0)]: _gone, ...files } = entryFiles(e)
      return files
    },
  ],

  ['DL-401: a raw space', 'DL-401 warn', (e) => void (action(e, 4, 'add')['path'] = 'p=1/d d.parquet')],
  [
    'DL-402: a percent sign that encodes nothing',
    'DL-402 error',
    (e) => void (action(e, 4, 'add')['path'] = 'p=1/%zz'),
  ],
  ['DL-403: a path that climbs', 'DL-403 error', (e) => void (action(e, 4, 'add')['path'] = '../d.parquet')],
  [
    'DL-404: data in the log',
    'DL-404 error',
    (e) => void (action(e, 4, 'add')['path'] = '_delta_log/d.parquet'),
  ],
  [
    'DL-405: an absolute path',
    'DL-405 warn',
    (e) => void (action(e, 4, 'add')['path'] = 's3://other/d.parquet'),
  ],
  [
    'DL-405: an absolute path where a catalog manages the table',
    'DL-405 error',
    (e) => {
      managed(e)
      action(e, 4, 'add')['path'] = 's3://other/d.parquet'
    },
  ],

  [
    'DL-501: a hole',
    'DL-501 error',
    (e) => {
      const { [entryPath(2)]: _gone, ...files } = entryFiles(e)
      return files
    },
  ],

  ['DL-601: no commitInfo', 'DL-601 error', (e) => void e[4]?.shift()],
  ['DL-602: commitInfo last', 'DL-602 error', (e) => void e[4]?.reverse()],
  [
    'DL-603: no timestamp',
    'DL-603 error',
    (e) => void delete action(e, 4, 'commitInfo')['inCommitTimestamp'],
  ],
  [
    'DL-604: a timestamp that goes back',
    'DL-604 error',
    (e) => void (action(e, 4, 'commitInfo')['inCommitTimestamp'] = 4000),
  ],
  [
    'DL-605: switched on without saying where',
    'DL-605 error',
    (e) => {
      legacy(e)
      switchOn(e, {})
    },
  ],
  [
    'DL-605: switched on as it should be',
    '',
    (e) => {
      legacy(e)
      switchOn(e, {
        'delta.inCommitTimestampEnablementVersion': '2',
        'delta.inCommitTimestampEnablementTimestamp': '3000',
      })
    },
  ],
  [
    'DL-606: one enablement property of two',
    'DL-606 error',
    (e) => void (action(e, 0, 'metaData')['configuration']['delta.inCommitTimestampEnablementVersion'] = '0'),
  ],
  [
    'DL-607: a timestamp in the future',
    'DL-607 warn',
    (e) => void (action(e, 4, 'commitInfo')['inCommitTimestamp'] = START_MS + 2 * 3_600_000),
  ],

  [
    'DL-701: a catalog-managed table without timestamps',
    'DL-701 error',
    (e) => {
      managed(e)
      delete action(e, 0, 'metaData')['configuration']['delta.enableInCommitTimestamps']
    },
  ],
  [
    'DL-702: no txnId',
    'DL-702 error',
    (e) => {
      managed(e)
      delete action(e, 4, 'commitInfo')['txnId']
    },
  ],
  [
    'DL-702: the txnId of an earlier commit',
    'DL-702 warn',
    (e) => {
      managed(e)
      action(e, 4, 'commitInfo')['txnId'] = 't1'
    },
  ],

  [
    'DL-1201: a vector of an unknown storage',
    'DL-1201 error',
    (e) => void (action(e, 4, 'add')['deletionVector'] = { ...FILE_VECTOR, storageType: 'x' }),
  ],
  [
    'DL-1201: a vector whose id is no Z85',
    'DL-1201 error',
    (e) => void (action(e, 4, 'add')['deletionVector'] = { ...FILE_VECTOR, pathOrInlineDv: '~'.repeat(20) }),
  ],
]

/** Turn in-commit timestamps on in version 2. */
function switchOn(entries: Entries, more: Action): void {
  entries[2]?.push(
    {
      protocol: {
        minReaderVersion: 1,
        minWriterVersion: 7,
        writerFeatures: ['inCommitTimestamp', 'appendOnly', 'invariants'],
      },
    },
    {
      metaData: {
        ...action(entries, 0, 'metaData'),
        configuration: { 'delta.enableInCommitTimestamps': 'true', ...more },
      },
    },
  )
}

describe('entries of a log', () => {
  test.each(ROWS)('%s → %s', async (_name, expected, spoil) => {
    const entries = soundEntries()
    const files = spoil(entries)
    expect(await found(files ?? entryFiles(entries))).toBe(expected)
  })
})
