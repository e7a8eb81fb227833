/** Rules over one `metaData` action (spec/delta-log-rules.md 3.1). */
import type { JsonObject } from '../../json.ts'
import type { Fields } from './fields.ts'
import { quoted } from './findings.ts'
import { readSchema, repeatedName, structsOf, unmappedName } from './schema.ts'

const MAPPING_MODES: ReadonlySet<unknown> = new Set(['none', 'name', 'id'])

/** Check `metaData`; the fields report under DL-311. Returns its configuration for the rules across actions. */
export function checkMetaData(fields: Fields): JsonObject | undefined {
  fields.string('id', 'required')
  fields.string('name', 'optional')
  fields.string('description', 'optional')
  fields.int64('createdTime', 'optional')
  checkFormat(fields)
  const schemaString = fields.string('schemaString', 'required')
  const partitionColumns = fields.strings('partitionColumns', 'required')
  const configuration = fields.map('configuration', 'required')
  const columns = schemaString === undefined ? undefined : readSchema(fields, schemaString)
  const is_mapped = checkMappingMode(fields, configuration)
  if (columns === undefined) return configuration
  checkPartitionColumns(fields, columns, partitionColumns ?? [])
  checkStructs(fields, columns, is_mapped)
  return configuration
}

function checkFormat(fields: Fields): void {
  const format = fields.nested('format', 'required')
  const provider = format?.string('provider', 'required')
  format?.map('options', 'optional')
  if (provider !== undefined && provider !== 'parquet') {
    fields.warn('DL-315', `expected format.provider "parquet", saw ${quoted(provider)}`)
  }
}

/** Returns whether fields must carry their physical names. */
function checkMappingMode(fields: Fields, configuration: JsonObject | undefined): boolean {
  const mode = configuration?.['delta.columnMapping.mode'] ?? undefined
  if (mode === undefined || mode === 'none') return false
  if (!MAPPING_MODES.has(mode)) {
    fields.error('expected delta.columnMapping.mode to be "none", "name" or "id"', 'DL-318')
    return false
  }
  return true
}

function checkPartitionColumns(
  fields: Fields,
  columns: JsonObject[],
  partitionColumns: readonly string[],
): void {
  const names = new Set(
    columns.map(({ name }) => (typeof name === 'string' ? name.toLowerCase() : undefined)),
  )
  for (const column of partitionColumns) {
    if (names.has(column.toLowerCase())) continue
    fields.error(
      `expected partition column ${quoted(column)} among the top-level fields of the schema`,
      'DL-313',
    )
  }
}

function checkStructs(fields: Fields, columns: JsonObject[], is_mapped: boolean): void {
  for (const struct of structsOf(columns)) {
    const repeated = repeatedName(struct)
    if (repeated !== undefined) {
      fields.warn('DL-314', `expected field names to differ in more than case, saw ${quoted(repeated)} again`)
    }
    const unmapped = is_mapped ? unmappedName(struct) : undefined
    if (unmapped !== undefined) {
      fields.warn(
        'DL-318',
        `expected field ${quoted(unmapped)} to have a mapping id and a unique physicalName`,
      )
    }
  }
}
