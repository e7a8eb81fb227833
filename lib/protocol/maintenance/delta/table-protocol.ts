/** Protocol and metadata of a table at one version, read leniently: what is wrong with them is reported elsewhere. */
import { isReaderWriterFeature, isWriterFeature, type TableProtocol } from '../../delta/payload/protocol.ts'
import {
  isJsonObject,
  JsonError,
  NumberLiteral,
  parseJson,
  type JsonObject,
  type JsonValue,
} from '../../json.ts'
import { CLIENT_LIMITS } from '../../delta/payload/limits.ts'

/** What a `protocol` action demands, with 0 for versions that are missing. */
export function protocolOf(action: JsonObject): TableProtocol {
  return {
    reader: numberOf(action['minReaderVersion']),
    writer: numberOf(action['minWriterVersion']),
    readerFeatures: stringsOf(action['readerFeatures']),
    writerFeatures: stringsOf(action['writerFeatures']),
  }
}

/** Features that a legacy writer version implies (spec/delta-log-rules.md 3.2). */
const IMPLIED: Readonly<Record<string, number>> = {
  appendOnly: 2,
  invariants: 2,
  checkConstraints: 3,
  changeDataFeed: 4,
  generatedColumns: 4,
  columnMapping: 5,
  identityColumns: 6,
}

/** Whether writers must heed a feature, listed or implied. */
export function supports(protocol: TableProtocol | null, feature: string): boolean {
  if (protocol === null) return false
  const implied = IMPLIED[feature]
  if (protocol.writer < 7) return implied !== undefined && protocol.writer >= implied
  return isWriterFeature(protocol, feature)
}

/** Catalog-managed: reader 3, writer 7, the feature in both lists. */
export function isCatalogManaged(protocol: TableProtocol | null): boolean {
  return protocol !== null && isReaderWriterFeature(protocol, 'catalogManaged')
}

/** Feature names that have a meaning somewhere (spec/delta-log-rules.md 3.2), previews without their suffix. */
const KNOWN_FEATURES: ReadonlySet<string> = new Set([
  'appendOnly',
  'invariants',
  'checkConstraints',
  'generatedColumns',
  'allowColumnDefaults',
  'changeDataFeed',
  'identityColumns',
  'rowTracking',
  'domainMetadata',
  'icebergCompatV1',
  'icebergCompatV2',
  'icebergCompatV3',
  'clustering',
  'inCommitTimestamp',
  'checkpointProtection',
  'materializePartitionColumns',
  'redirectWriterOnly',
  'redirectReaderWriter',
  'coordinatedCommits',
  'columnMapping',
  'deletionVectors',
  'timestampNtz',
  'timestampWithoutTimezone',
  'v2Checkpoint',
  'vacuumProtocolCheck',
  'catalogManaged',
  'catalogOwned',
  'typeWidening',
  'variantType',
  'variantShredding',
  'geospatial',
  'adaptiveMetadata',
  'collations',
])

/** Features of a protocol that nobody here has heard of (DL-327). */
export function unknownFeatures({ readerFeatures, writerFeatures }: TableProtocol): string[] {
  const all = new Set([...readerFeatures, ...writerFeatures])
  return [...all].filter((feature) => !KNOWN_FEATURES.has(feature.replace(/-(preview|dev)$/, '')))
}

/** What the rules need of a `metaData` action. */
export interface TableMetadata {
  readonly action: JsonObject
  readonly id: string | null
  readonly configuration: JsonObject
  /** Keys that `partitionValues` must have: physical names where columns are mapped. */
  readonly partition_keys: ReadonlySet<string>
}

/** Read a `metaData` action. */
export function metadataOf(action: JsonObject): TableMetadata {
  const configuration = isJsonObject(action['configuration']) ? action['configuration'] : {}
  const mode = configuration['delta.columnMapping.mode']
  const columns = stringsOf(action['partitionColumns'])
  const is_mapped = mode === 'name' || mode === 'id'
  const physical = is_mapped ? physicalNames(action['schemaString']) : new Map<string, string>()
  return {
    action,
    id: typeof action['id'] === 'string' ? action['id'] : null,
    configuration,
    partition_keys: new Set(columns.map((column) => physical.get(column.toLowerCase()) ?? column)),
  }
}

function physicalNames(schemaString: JsonValue | undefined): Map<string, string> {
  const schema = typeof schemaString === 'string' ? parsed(schemaString) : null
  const fields = isJsonObject(schema) && Array.isArray(schema['fields']) ? schema['fields'] : []
  const names = new Map<string, string>()
  for (const field of fields) {
    if (!isJsonObject(field) || typeof field['name'] !== 'string' || !isJsonObject(field['metadata']))
      continue
    const physical = field['metadata']['delta.columnMapping.physicalName']
    if (typeof physical === 'string') names.set(field['name'].toLowerCase(), physical)
  }
  return names
}

/** The JSON value in a text, or null when there is none. */
export function parsed(text: string): JsonValue {
  try {
    return parseJson(text, CLIENT_LIMITS)
  } catch (error) {
    if (error instanceof JsonError) return null
    throw error
  }
}

/** Whether two protocols say the same; the order of features does not matter. */
export function sameProtocol(one: JsonObject, other: JsonObject): boolean {
  const [a, b] = [protocolOf(one), protocolOf(other)]
  return (
    a.reader === b.reader &&
    a.writer === b.writer &&
    sameSet(a.readerFeatures, b.readerFeatures) &&
    sameSet(a.writerFeatures, b.writerFeatures)
  )
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  const [a, b] = [new Set(one), new Set(other)]
  return a.size === b.size && [...a].every((item) => b.has(item))
}

/** Members of `metaData` that a copy of it has to repeat. */
const METADATA_MEMBERS = ['id', 'name', 'description', 'partitionColumns', 'createdTime'] as const

/** Whether two `metaData` actions say the same; a member that is null or empty counts as absent. */
export function sameMetadata(one: JsonObject, other: JsonObject): boolean {
  return (
    METADATA_MEMBERS.every((name) => sameJson(one[name] ?? null, other[name] ?? null)) &&
    sameJson(schemaOf(one), schemaOf(other)) &&
    sameJson(one['configuration'] ?? {}, other['configuration'] ?? {}) &&
    sameJson(providerOf(one), providerOf(other))
  )
}

function schemaOf({ schemaString }: JsonObject): JsonValue {
  return typeof schemaString === 'string' ? (parsed(schemaString) ?? schemaString) : null
}

function providerOf({ format }: JsonObject): JsonValue {
  return isJsonObject(format) ? (format['provider'] ?? null) : null
}

/** Whether two JSON values are equal; the order of members does not matter. */
export function sameJson(one: JsonValue, other: JsonValue): boolean {
  if (one === other) return true
  if (one instanceof NumberLiteral || other instanceof NumberLiteral) {
    return one instanceof NumberLiteral && other instanceof NumberLiteral && one.text === other.text
  }
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false
    return one.every((item, index) => sameJson(item, other[index] ?? null))
  }
  if (!isJsonObject(one) || !isJsonObject(other)) return false
  const names = Object.keys(one)
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && sameJson(one[name] ?? null, other[name] ?? null))
  )
}

function numberOf(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0
}

/** The strings of a list; nothing for anything else. */
export function stringsOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
