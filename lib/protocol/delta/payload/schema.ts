/** Table schemas as JSON text in `metaData.schemaString` (DL-312, 314, 318, 319). */
import { JsonError, isJsonObject, parseJson } from '../../json.ts'
import type { JsonObject, JsonValue } from '../../json.ts'
import type { Fields } from './fields.ts'
import { toBigInt } from './fields.ts'
import { quoted } from './findings.ts'
import { CLIENT_LIMITS } from './limits.ts'

const FIELD_MEMBERS = ['type', 'nullable', 'metadata']

/** Top-level fields of a schema, or undefined after a DL-312 finding. */
export function readSchema(fields: Fields, schemaString: string): JsonObject[] | undefined {
  const schema = parseSchema(fields, schemaString)
  if (schema === undefined) return undefined
  const columns = fieldsOf(schema)
  if (columns === undefined) {
    fields.error(
      'expected schemaString to hold {"type":"struct","fields":[…]} with an object a field',
      'DL-312',
    )
    return undefined
  }
  for (const column of columns) checkField(fields, column)
  if (columns.length === 0) fields.warn('DL-319', 'the schema has no fields, which Spark refuses to read')
  return columns
}

/** Every struct of a schema: the columns themselves, and structs nested in fields, arrays and maps. */
export function* structsOf(columns: JsonObject[]): Generator<readonly JsonObject[]> {
  const pending: JsonObject[][] = [columns]
  for (let struct = pending.pop(); struct !== undefined; struct = pending.pop()) {
    yield struct
    for (const field of struct) collectStructs(field['type'], pending)
  }
}

/** Names of the fields of one struct that differ in nothing but case (DL-314). */
export function repeatedName(struct: readonly JsonObject[]): string | undefined {
  const seen = new Set<string>()
  for (const { name } of struct) {
    if (typeof name !== 'string') continue
    if (seen.has(name.toLowerCase())) return name
    seen.add(name.toLowerCase())
  }
  return undefined
}

/** A field of one struct without an id or a physical name of its own (DL-318), by name. */
export function unmappedName(struct: readonly JsonObject[]): string | undefined {
  const seen = new Set<string>()
  for (const { name, metadata } of struct) {
    const mapping = isJsonObject(metadata) ? metadata : undefined
    const physicalName = mapping?.['delta.columnMapping.physicalName']
    const has_id = toBigInt(mapping?.['delta.columnMapping.id']) !== undefined
    if (!has_id || typeof physicalName !== 'string' || seen.has(physicalName)) return fieldName(name)
    seen.add(physicalName)
  }
  return undefined
}

function fieldName(name: JsonValue | undefined): string {
  return typeof name === 'string' ? name : '(unnamed)'
}

function parseSchema(fields: Fields, schemaString: string): JsonValue | undefined {
  try {
    return parseJson(schemaString, CLIENT_LIMITS)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    fields.error(`schemaString: ${error.message}`, 'DL-312')
    return undefined
  }
}

function fieldsOf(type: JsonValue | undefined): JsonObject[] | undefined {
  if (!isJsonObject(type) || type['type'] !== 'struct' || !Array.isArray(type['fields'])) return undefined
  const fields = type['fields'].filter(isJsonObject)
  return fields.length === type['fields'].length ? fields : undefined
}

function checkField(fields: Fields, column: JsonObject): void {
  const { name } = column
  if (typeof name !== 'string') return fields.error('expected every schema field to have a name', 'DL-312')
  const missing = FIELD_MEMBERS.filter((member) => column[member] === undefined)
  if (missing.length > 0) {
    fields.error(`expected schema field ${quoted(name)} to have ${missing.join(', ')}`, 'DL-312')
  }
}

/** Depth is bounded by the JSON reader, so that recursion is. */
function collectStructs(type: JsonValue | undefined, found: JsonObject[][]): void {
  if (!isJsonObject(type)) return
  const struct = fieldsOf(type)
  if (struct !== undefined) found.push(struct)
  for (const member of ['elementType', 'keyType', 'valueType']) collectStructs(type[member], found)
}
