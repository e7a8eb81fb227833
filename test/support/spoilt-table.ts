/**
 * A sound Delta table that tests spoil in one place: entries, a checkpoint, checksums, a compaction, a hint, data files and
 * deletion vectors. What is derived from the entries is made by a reducer of its own, so that it does not repeat what is
 * under test.
 */
import { crc32 } from 'node:zlib'
import { decodeZ85 } from '../../lib/protocol/maintenance/delta/z85.ts'
import { checkpointFile, type CheckpointRow } from './checkpoints.ts'
import { entryPath, type TableFiles } from './verify.ts'

/** One action in its line: `{ add: {…} }`. */
// oxlint-disable-next-line typescript/no-explicit-any -- actions of any shape; that is what tests spoil
export type Action = Record<string, any>

/** The entries of a table, to be spoilt in place. */
export type Entries = Action[][]

/** Rows 3, 4, 7, 11, 18, 29 (spec/delta-log-rules.md 12). */
export const INLINE_VECTOR = {
  storageType: 'i',
  pathOrInlineDv: '^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L',
  sizeInBytes: 44,
  cardinality: 6,
}

/** The same rows in a file. */
export const FILE_VECTOR = {
  storageType: 'u',
  pathOrInlineDv: 'vBn[lx{q8@P<9BNH/isA',
  offset: 1,
  sizeInBytes: 44,
  cardinality: 6,
}

/** Where the file of `FILE_VECTOR` lies. */
export const VECTOR_FILE = 'deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin'

const FEATURES = ['deletionVectors', 'inCommitTimestamp', 'domainMetadata', 'v2Checkpoint', 'appendOnly']

const STATS = JSON.stringify({ numRecords: 30 })

/** A column of a schema. */
export function column(name: string, type = 'string'): Action {
  return { name, type, nullable: true, metadata: {} }
}

/** `schemaString` of some columns. */
export function schemaOf(...columns: readonly Action[]): string {
  return JSON.stringify({ type: 'struct', fields: columns })
}

/** An `add` of partition `p`. */
export function add(path: string, more: Action = {}): Action {
  return {
    add: {
      path,
      partitionValues: { p: '1' },
      size: 100,
      modificationTime: 1,
      dataChange: true,
      stats: STATS,
      ...more,
    },
  }
}

/** A `remove`. */
export function remove(path: string, more: Action = {}): Action {
  return { remove: { path, deletionTimestamp: 5, dataChange: true, ...more } }
}

/** A `commitInfo` of a version: its in-commit timestamp grows with it. */
export function info(version: number, more: Action = {}): Action {
  return {
    commitInfo: {
      inCommitTimestamp: 1000 * (version + 1),
      operation: 'WRITE',
      txnId: `t${version}`,
      ...more,
    },
  }
}

/** Five versions: two appends, a rewrite, a delete by an inline vector, an append with a vector in a file. */
export function soundEntries(): Entries {
  return [
    [
      info(0, { operation: 'CREATE TABLE' }),
      {
        protocol: {
          minReaderVersion: 3,
          minWriterVersion: 7,
          readerFeatures: ['deletionVectors', 'v2Checkpoint'],
          writerFeatures: [...FEATURES],
        },
      },
      {
        metaData: {
          id: 'b1d3c2a4-0000-4000-8000-000000000001',
          format: { provider: 'parquet', options: {} },
          schemaString: schemaOf(column('id', 'long'), column('p')),
          partitionColumns: ['p'],
          configuration: { 'delta.enableInCommitTimestamps': 'true' },
          createdTime: 1,
        },
      },
    ],
    [
      info(1),
      add('p=1/a.parquet'),
      add('p=1/b.parquet'),
      { txn: { appId: 'stream', version: 1 } },
      { domainMetadata: { domain: 'owner', configuration: '{}', removed: false } },
    ],
    [info(2), remove('p=1/a.parquet'), add('p=1/c.parquet', { size: 200 })],
    [info(3), remove('p=1/b.parquet'), add('p=1/b.parquet', { deletionVector: INLINE_VECTOR })],
    [
      info(4),
      add('p=1/d.parquet', { deletionVector: FILE_VECTOR }),
      { txn: { appId: 'stream', version: 9_007_199_254_740_991 } },
    ],
  ]
}

/** The text of an entry. */
export function entryText(actions: readonly Action[]): string {
  return actions.map((action) => `${JSON.stringify(action)}\n`).join('')
}

/** The entries as files, and nothing else. */
export function entryFiles(entries: Entries): Record<string, string> {
  return Object.fromEntries(entries.map((actions, version) => [entryPath(version), entryText(actions)]))
}

/** What is left of some entries: latest of each kind, live files, removed files. */
export interface Reduced {
  readonly protocol: Action | undefined
  readonly metaData: Action | undefined
  readonly adds: readonly Action[]
  readonly removes: readonly Action[]
  readonly txns: readonly Action[]
  readonly domains: readonly Action[]
}

/** Reduce entries. */
export function reduce(entries: readonly (readonly Action[])[]): Reduced {
  const adds = new Map<string, Action>()
  const removes = new Map<string, Action>()
  const latest = new Map<string, Action>()
  const keyOf = ({ path, deletionVector }: Action): string =>
    `${path} ${JSON.stringify(deletionVector ?? null)}`
  for (const actions of entries) {
    for (const { remove: file } of actions) {
      if (file === undefined) continue
      adds.delete(keyOf(file))
      removes.set(keyOf(file), file)
    }
    for (const { add: file, txn, domainMetadata, protocol, metaData } of actions) {
      if (file !== undefined) {
        removes.delete(keyOf(file))
        adds.set(keyOf(file), file)
      }
      if (txn !== undefined) latest.set(`txn ${txn.appId}`, txn)
      if (domainMetadata !== undefined) latest.set(`domain ${domainMetadata.domain}`, domainMetadata)
      if (protocol !== undefined) latest.set('protocol', protocol)
      if (metaData !== undefined) latest.set('metaData', metaData)
    }
  }
  const starting = (start: string): Action[] =>
    [...latest].filter(([key]) => key.startsWith(start)).map(([, action]) => action)
  return {
    protocol: latest.get('protocol'),
    metaData: latest.get('metaData'),
    adds: [...adds.values()],
    removes: [...removes.values()],
    txns: starting('txn '),
    domains: starting('domain '),
  }
}

/** Rows of a checkpoint, or lines of a compaction. */
export function rowsOf({ protocol, metaData, adds, removes, txns, domains }: Reduced): CheckpointRow[] {
  return [
    ...(protocol === undefined ? [] : [{ protocol }]),
    ...(metaData === undefined ? [] : [{ metaData }]),
    ...adds.map((file) => ({ add: file })),
    ...removes.map((file) => ({ remove: file })),
    ...txns.map((txn) => ({ txn })),
    ...domains.map((domainMetadata) => ({ domainMetadata })),
  ]
}

/** A version checksum. */
export function checksumOf(entries: Entries, version: number): Action {
  const { protocol, metaData, adds, txns, domains } = reduce(entries.slice(0, version + 1))
  const bytes = adds.reduce((sum, { size }) => sum + Number(size), 0)
  const vectors = adds.flatMap(({ deletionVector }) => (deletionVector === undefined ? [] : [deletionVector]))
  return {
    txnId: `t${version}`,
    tableSizeBytes: bytes,
    numFiles: adds.length,
    numMetadata: 1,
    numProtocol: 1,
    metadata: metaData,
    protocol,
    inCommitTimestampOpt: 1000 * (version + 1),
    setTransactions: txns,
    domainMetadata: domains,
    allFiles: adds,
    numDeletionVectorsOpt: vectors.length,
    numDeletedRecordsOpt: vectors.reduce((sum, { cardinality }) => sum + Number(cardinality), 0),
    fileSizeHistogram: {
      sortedBinBoundaries: [0, 8192],
      fileCounts: [adds.length, 0],
      totalBytes: [bytes, 0],
    },
  }
}

/** Version of the checkpoint and of the hint. */
export const CHECKPOINT_VERSION = 3

/** Name of a file of the log. */
export function logName(version: number, suffix: string): string {
  return `_delta_log/${String(version).padStart(20, '0')}.${suffix}`
}

/** The compaction of versions 1 to 3. */
export const COMPACTION = `_delta_log/${String(1).padStart(20, '0')}.${String(3).padStart(20, '0')}.compacted.json`

/** The file of a vector: version, then at offset 1 size, bytes and CRC-32. */
export function vectorFile(): Uint8Array {
  const bitmap = decodeZ85(INLINE_VECTOR.pathOrInlineDv)
  if (bitmap === null) throw new Error('no Z85')
  const file = new Uint8Array(1 + 4 + bitmap.length + 4)
  const view = new DataView(file.buffer)
  file[0] = 1
  view.setInt32(1, bitmap.length)
  file.set(bitmap, 5)
  view.setUint32(5 + bitmap.length, crc32(bitmap))
  return file
}

/** The whole sound table. */
export function soundTable(entries: Entries = soundEntries()): Record<string, string | Uint8Array> {
  const rows = rowsOf(reduce(entries.slice(0, CHECKPOINT_VERSION + 1)))
  const checkpoint = checkpointFile(rows)
  return {
    ...entryFiles(entries),
    [logName(CHECKPOINT_VERSION, 'checkpoint.parquet')]: checkpoint,
    '_delta_log/_last_checkpoint': JSON.stringify({ version: CHECKPOINT_VERSION, size: rows.length }),
    [logName(3, 'crc')]: JSON.stringify(checksumOf(entries, 3)),
    [logName(4, 'crc')]: JSON.stringify(checksumOf(entries, 4)),
    [COMPACTION]: entryText(rowsOf(reduce(entries.slice(1, 4))).map((row) => ({ ...row }))),
    'p=1/b.parquet': new Uint8Array(100),
    'p=1/c.parquet': new Uint8Array(200),
    'p=1/d.parquet': new Uint8Array(100),
    [VECTOR_FILE]: vectorFile(),
  } satisfies TableFiles
}
