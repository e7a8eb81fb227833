/** From a JSON schema of the OpenAPI document to the rows of a table that a person reads. */
import type { ApiDocument, JsonSchema } from './openapi.ts'

/** One member of an object. */
export interface Member {
  /** `inflight.version` for a member of a member, `findings[].rule` for one of an element. */
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly description: string
}

/** The members of an object and of the objects in it. */
export function membersOf(schema: JsonSchema, document: ApiDocument): readonly Member[] {
  const { properties = {}, required = [] } = resolve(schema, document)
  return Object.entries(properties).flatMap(([name, property]) => {
    if (typeof property === 'boolean') return []
    const inner = innerObject(property, document)
    return [
      {
        name,
        type: typeOf(property, document),
        required: required.includes(name),
        description: property.description ?? '',
      },
      ...(inner === null
        ? []
        : membersOf(inner.schema, document).map((member) => ({
            ...member,
            name: `${name}${inner.separator}${member.name}`,
          }))),
    ]
  })
}

/** The type of a value in words: `integer ≥ -1`, `"W0" | "W1" | null`, `array of object`. */
export function typeOf(schema: JsonSchema, document: ApiDocument): string {
  const { type, anyOf, items, minimum, ...rest } = resolve(schema, document)
  if (anyOf !== undefined) return anyOf.map((each) => typeOf(each, document)).join(' or ')
  if ('const' in rest) return JSON.stringify(rest.const)
  if (rest.enum !== undefined) return rest.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (Array.isArray(type)) return type.join(' or ')
  if (type === 'array' && isSchema(items)) return `array of ${typeOf(items, document)}`
  if (type === 'integer' && minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER) {
    return `integer ≥ ${minimum}`
  }
  return type ?? 'any'
}

/** The object that a property is, may be, or has as its elements. */
function innerObject(
  property: JsonSchema,
  document: ApiDocument,
): { readonly schema: JsonSchema; readonly separator: string } | null {
  const { anyOf = [], items } = resolve(property, document)
  if (isSchema(items) && isObject(items, document)) return { schema: items, separator: '[].' }
  const schema = [property, ...anyOf].find((each) => isObject(each, document))
  return schema === undefined ? null : { schema, separator: '.' }
}

function isSchema(items: JsonSchema['items']): items is JsonSchema {
  return typeof items === 'object' && !Array.isArray(items)
}

function isObject(schema: JsonSchema, document: ApiDocument): boolean {
  return resolve(schema, document).properties !== undefined
}

const SCHEMAS = '#/components/schemas/'

/** Follow a reference; its own description stays. */
function resolve(schema: JsonSchema, document: ApiDocument): JsonSchema {
  const { $ref } = schema
  if ($ref === undefined || !$ref.startsWith(SCHEMAS)) return schema
  return document.components.schemas[$ref.slice(SCHEMAS.length)] ?? schema
}
