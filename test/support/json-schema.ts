/**
 * JSON Schema 2020-12, as far as our OpenAPI document uses it. Written apart from what writes the schemas, so that the one
 * checks the other; a keyword that is not known here is an error, never ignored.
 */
import type { JsonSchema } from '../../functions/openapi.ts'

/** Schemas by their name below `#/components/schemas/`. */
export type SchemaSet = Readonly<Record<string, JsonSchema>>

/** What is wrong with a value, as `path: problem`; empty when nothing is. */
export function findings(
  value: unknown,
  schema: JsonSchema | boolean,
  named: SchemaSet,
  at = '$',
): readonly string[] {
  if (typeof schema === 'boolean') return schema ? [] : [`${at}: not allowed`]
  return Object.entries(schema).flatMap(([keyword, rule]) => {
    const check = KEYWORDS[keyword]
    if (check === undefined) throw new Error(`${at}: the schema has an unknown keyword ${keyword}`)
    return check({ value, rule, schema, named, at })
  })
}

interface Check {
  readonly value: unknown
  /** The value of the keyword. */
  readonly rule: unknown
  /** The schema that it stands in. */
  readonly schema: JsonSchema
  readonly named: SchemaSet
  readonly at: string
}

type Keyword = (check: Check) => readonly string[]

const nothing: Keyword = () => []

/** A rule about numbers or strings says nothing about other values. */
function bound<T>(type: (value: unknown) => value is T, holds: (value: T, rule: number) => boolean): Keyword {
  return ({ value, rule, at }) =>
    !type(value) || holds(value, Number(rule))
      ? []
      : [`${at}: ${JSON.stringify(value)} is out of bounds ${String(rule)}`]
}

const isString = (value: unknown): value is string => typeof value === 'string'
const isArray = (value: unknown): value is readonly unknown[] => Array.isArray(value)
const isNumber = (value: unknown): value is number => typeof value === 'number'
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  description: nothing,
  examples: nothing,
  format: ({ rule, at }) => (rule === 'uuid' ? [] : [`${at}: unknown format ${String(rule)}`]),
  $ref({ value, rule, named, at }) {
    const target = named[String(rule).replace('#/components/schemas/', '')]
    if (target === undefined) throw new Error(`${at}: ${String(rule)} leads nowhere`)
    return findings(value, target, named, at)
  },
  type({ value, rule, at }) {
    const types = [rule].flat()
    return types.some((type) => isOfType(value, type)) ? [] : [`${at}: expected ${types.join(' or ')}`]
  },
  const: ({ value, rule, at }) => (value === rule ? [] : [`${at}: expected ${JSON.stringify(rule)}`]),
  enum: ({ value, rule, at }) =>
    [rule].flat().includes(value)
      ? []
      : [`${at}: ${JSON.stringify(value)} is none of ${JSON.stringify(rule)}`],
  minimum: bound(isNumber, (value, rule) => value >= rule),
  maximum: bound(isNumber, (value, rule) => value <= rule),
  maxItems: bound(isArray, (value, rule) => value.length <= rule),
  minLength: bound(isString, (value, rule) => Array.from(value).length >= rule),
  maxLength: bound(isString, (value, rule) => Array.from(value).length <= rule),
  pattern: ({ value, rule, at }) =>
    !isString(value) || new RegExp(String(rule), 'u').test(value)
      ? []
      : [`${at}: does not match ${String(rule)}`],
  required: ({ value, rule, at }) =>
    isObject(value)
      ? [rule]
          .flat()
          .filter((name) => !Object.hasOwn(value, String(name)))
          .map((name) => `${at}: ${String(name)} is missing`)
      : [],
  properties({ value, rule, named, at }) {
    if (!isObject(value)) return []
    return Object.entries(rule as SchemaSet).flatMap(([name, schema]) =>
      Object.hasOwn(value, name) ? findings(value[name], schema, named, `${at}.${name}`) : [],
    )
  },
  additionalProperties({ value, rule, schema, named, at }) {
    if (!isObject(value)) return []
    const known = Object.keys(schema.properties ?? {})
    return Object.keys(value)
      .filter((name) => !known.includes(name))
      .flatMap((name) => findings(value[name], rule as JsonSchema | boolean, named, `${at}.${name}`))
  },
  items: ({ value, rule, named, at }) =>
    Array.isArray(value)
      ? value.flatMap((item, index) => findings(item, rule as JsonSchema, named, `${at}[${index}]`))
      : [],
  allOf: ({ value, rule, named, at }) =>
    (rule as readonly JsonSchema[]).flatMap((each) => findings(value, each, named, at)),
  anyOf({ value, rule, named, at }) {
    const tried = (rule as readonly JsonSchema[]).map((each) => findings(value, each, named, at))
    return tried.some((found) => found.length === 0) ? [] : tried.flat()
  },
}

function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isObject(value)
    default:
      return typeof value === type
  }
}
