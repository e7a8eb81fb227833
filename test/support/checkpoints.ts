/** Checkpoints of Delta tables as files, for tests that spoil them: the columns of spec/delta-log-rules.md 8. */
import { parquetWriteBuffer } from 'hyparquet-writer'
import type { SchemaElement } from 'hyparquet'

/** One row: an action by its name. Integers are 64-bit columns, so they may be numbers or bigint. */
// oxlint-disable-next-line typescript/no-explicit-any -- actions of any shape; that is what tests spoil
export type CheckpointRow = Readonly<Record<string, any>>

const text = (name: string): SchemaElement[] => [
  { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
]
const int64 = (name: string): SchemaElement[] => [{ name, type: 'INT64', repetition_type: 'OPTIONAL' }]
const int32 = (name: string): SchemaElement[] => [{ name, type: 'INT32', repetition_type: 'OPTIONAL' }]
const bool = (name: string): SchemaElement[] => [{ name, type: 'BOOLEAN', repetition_type: 'OPTIONAL' }]

function struct(name: string, ...fields: SchemaElement[][]): SchemaElement[] {
  return [{ name, repetition_type: 'OPTIONAL', num_children: fields.length }, ...fields.flat()]
}

function map(name: string): SchemaElement[] {
  return [
    { name, repetition_type: 'OPTIONAL', converted_type: 'MAP', num_children: 1 },
    { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
    { name: 'key', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    { name: 'value', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  ]
}

function list(name: string): SchemaElement[] {
  return [
    { name, repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  ]
}

const vector = (): SchemaElement[] =>
  struct(
    'deletionVector',
    text('storageType'),
    text('pathOrInlineDv'),
    int32('offset'),
    int32('sizeInBytes'),
    int64('cardinality'),
  )

const COLUMNS: Readonly<Record<string, SchemaElement[]>> = {
  add: struct(
    'add',
    text('path'),
    map('partitionValues'),
    int64('size'),
    int64('modificationTime'),
    bool('dataChange'),
    text('stats'),
    vector(),
  ),
  remove: struct(
    'remove',
    text('path'),
    int64('deletionTimestamp'),
    bool('dataChange'),
    int64('size'),
    text('stats'),
    vector(),
  ),
  metaData: struct(
    'metaData',
    text('id'),
    struct('format', text('provider'), map('options')),
    text('schemaString'),
    list('partitionColumns'),
    map('configuration'),
    int64('createdTime'),
  ),
  protocol: struct(
    'protocol',
    int32('minReaderVersion'),
    int32('minWriterVersion'),
    list('readerFeatures'),
    list('writerFeatures'),
  ),
  txn: struct('txn', text('appId'), int64('version')),
  domainMetadata: struct('domainMetadata', text('domain'), text('configuration'), bool('removed')),
  checkpointMetadata: struct('checkpointMetadata', int64('version')),
  sidecar: struct('sidecar', text('path'), int64('sizeInBytes'), int64('modificationTime')),
  commitInfo: struct('commitInfo', text('operation')),
}

/** The bytes of a checkpoint file with these rows; a column for every action that occurs. */
export function checkpointFile(
  rows: readonly CheckpointRow[],
  codec: 'SNAPPY' | 'UNCOMPRESSED' = 'SNAPPY',
): Uint8Array {
  const names = Object.keys(COLUMNS).filter((name) => rows.some((row) => row[name] !== undefined))
  const elements = names.map((name) => {
    const schema = COLUMNS[name]
    if (schema === undefined) throw new Error(`no column ${name}`)
    return { name, schema }
  })
  const buffer = parquetWriteBuffer({
    codec,
    schema: [{ name: 'root', num_children: names.length }, ...elements.flatMap(({ schema }) => schema)],
    columnData: elements.map(({ name, schema }) => ({
      name,
      data: rows.map((row) => (row[name] === undefined ? null : wide(row[name], schema))),
    })),
  })
  return new Uint8Array(buffer)
}

/** 64-bit columns take bigint only. */
function wide(value: unknown, schema: readonly SchemaElement[]): unknown {
  const is_wide = new Set(schema.filter(({ type }) => type === 'INT64').map(({ name }) => name))
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      typeof member === 'number' && is_wide.has(name) ? BigInt(member) : wide(member, schema),
    ]),
  )
}
