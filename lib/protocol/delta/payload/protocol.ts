/** Rules over one `protocol` action (spec/delta-log-rules.md 3.2). */
import type { Fields } from './fields.ts'
import { quoted } from './findings.ts'

/** Table features that readers must know as well as writers (DL-325). */
const READER_WRITER_FEATURES: ReadonlySet<string> = new Set([
  'columnMapping',
  'deletionVectors',
  'timestampNtz',
  'v2Checkpoint',
  'catalogManaged',
  'vacuumProtocolCheck',
  'typeWidening',
  'variantType',
  'variantShredding',
  'geospatial',
])

/** Older names that tables still carry. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['catalogOwned', 'catalogManaged'],
  ['catalogOwned-preview', 'catalogManaged'],
  ['inCommitTimestamp-preview', 'inCommitTimestamp'],
])

/** What a `protocol` action demands of readers and writers. */
export interface TableProtocol {
  readonly reader: number
  readonly writer: number
  readonly readerFeatures: readonly string[]
  readonly writerFeatures: readonly string[]
}

/** Check `protocol`; the fields report under DL-321. Undefined when its versions are missing or unsupported. */
export function checkProtocol(fields: Fields): TableProtocol | undefined {
  const reader = checkVersion(fields, 'minReaderVersion', 3)
  const writer = checkVersion(fields, 'minWriterVersion', 7)
  const readerFeatures = fields.strings('readerFeatures', 'optional')
  const writerFeatures = fields.strings('writerFeatures', 'optional')
  if (reader === undefined || writer === undefined) return undefined
  checkPresence(fields, 'readerFeatures', { is_present: readerFeatures !== undefined, is_due: reader === 3 })
  checkPresence(fields, 'writerFeatures', { is_present: writerFeatures !== undefined, is_due: writer === 7 })
  if (reader === 3 && writer !== 7) {
    fields.error(`expected minWriterVersion 7 with minReaderVersion 3, saw ${writer}`, 'DL-323')
  }
  const protocol = {
    reader,
    writer,
    readerFeatures: readerFeatures ?? [],
    writerFeatures: writerFeatures ?? [],
  }
  checkFeatures(fields, protocol)
  return protocol
}

/** Whether a protocol lists a feature for writers, under today's name or an older one. */
export function isWriterFeature(protocol: TableProtocol, feature: string): boolean {
  return protocol.writer === 7 && lists(protocol.writerFeatures, feature)
}

/** Whether a protocol lists a feature for readers and for writers. */
export function isReaderWriterFeature(protocol: TableProtocol, feature: string): boolean {
  return (
    protocol.reader === 3 && lists(protocol.readerFeatures, feature) && isWriterFeature(protocol, feature)
  )
}

function checkVersion(fields: Fields, name: string, max: number): number | undefined {
  const version = fields.int32(name, 'required')
  if (version === undefined) return undefined
  if (version >= 1n && version <= BigInt(max)) return Number(version)
  fields.error(`unsupported protocol: expected ${name} in 1..${max}, saw ${version}`)
  return undefined
}

function checkPresence(
  fields: Fields,
  name: string,
  { is_present, is_due }: { is_present: boolean; is_due: boolean },
): void {
  if (is_present === is_due) return
  const version = name === 'readerFeatures' ? 'minReaderVersion 3' : 'minWriterVersion 7'
  fields.error(
    `expected ${name} exactly with ${version}, saw ${is_present ? 'it without' : 'none'}`,
    'DL-322',
  )
}

function checkFeatures(fields: Fields, { reader, readerFeatures, writerFeatures }: TableProtocol): void {
  const forReaders = new Set(readerFeatures)
  const forWriters = new Set(writerFeatures)
  for (const feature of forReaders) {
    if (!forWriters.has(feature))
      fields.error(`expected reader feature ${quoted(feature)} in writerFeatures`, 'DL-324')
  }
  // With an older reader version the rule is for `verify`: such tables exist.
  if (reader !== 3) return
  for (const feature of forWriters) {
    if (!READER_WRITER_FEATURES.has(feature) || forReaders.has(feature)) continue
    fields.error(`expected feature ${quoted(feature)} in readerFeatures as well`, 'DL-325')
  }
}

function lists(features: readonly string[], feature: string): boolean {
  return features.some((name) => (ALIASES.get(name) ?? name) === feature)
}
