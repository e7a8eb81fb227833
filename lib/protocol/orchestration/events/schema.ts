/**
 * A small vocabulary for what an event holds (spec/events.md 0, 2). One description of a payload reads it, writes it
 * back and gives its TypeScript type, so that no kind is spelled twice. It is not zod because a rebuild decodes
 * millions of events, integers reach 64 bits, and unknown members are ignored while repeated ones are an error only
 * where they are declared (2.6).
 */
import { isIntegerLiteral, isJsonObject, NumberLiteral } from '../../json.ts'
import type { JsonObject, JsonValue } from '../../json.ts'
import { formatInstant, parseInstant } from './instant.ts'
import type { Instant } from './instant.ts'

/** Reads and writes the values of one type. */
export interface Codec<T> {
  /** What must be there, as an error says it. */
  readonly expected: string
  /** Throws `Mismatch`. */
  decode(value: JsonValue, repeated: RepeatedMembers): T
  encode(value: T): JsonValue
}

/** A codec, and what it means that the member is absent. */
export interface Member<T> {
  readonly codec: Codec<T>
  /** `null` alone is not enough for an optional member: JSON `null` means absent there, and is an error elsewhere. */
  readonly presence: 'required' | 'optional' | 'defaulted'
  /** The value of an absent member; null when it is required. */
  readonly absent: T | null
  /** Whether a writer leaves the member out. */
  isOmitted(value: T): boolean
}

/** Declared members by name; a bare codec is a required member. */
export interface Members {
  readonly [name: string]: Member<unknown> | Codec<unknown>
}

/** The decoded form of declared members. Absent optional members are `null`. */
export type Decoded<M extends Members> = {
  readonly [K in keyof M]: M[K] extends Member<infer T> ? T : M[K] extends Codec<infer T> ? T : never
}

/** The decoded form of a union: the tag, and the members of its variant. */
export type DecodedUnion<Tag extends string, V extends Readonly<Record<string, Members>>> = {
  [K in keyof V]: { readonly [T in Tag]: K } & Decoded<V[K]>
}[keyof V]

/** What the JSON reader dropped: for each object that repeated a member, the earlier values. */
export type RepeatedMembers = ReadonlyMap<JsonObject, readonly RepeatedMember[]>

/** One member that came again, and the value that the later one replaced. */
export interface RepeatedMember {
  readonly name: string
  readonly offset: number
  readonly value: JsonValue
}

/** A value that is not what was expected; `path` leads to it from the root. */
export class Mismatch extends Error {
  readonly expected: string
  readonly saw: string
  readonly path: (string | number)[]
  /** Where a repeated member is, which no path can tell. */
  readonly offset: number | null

  constructor(expected: string, saw: string, offset: number | null = null) {
    super(`expected ${expected}, saw ${saw}`)
    this.name = 'Mismatch'
    this.expected = expected
    this.saw = saw
    this.path = []
    this.offset = offset
  }
}

/** Nothing was repeated. */
export const NOTHING_REPEATED: RepeatedMembers = new Map()

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const U64_MAX = 2n ** 64n - 1n

/** Characters of the longest integer: 19 digits and a sign, or the 20 digits of `U64_MAX`. */
const INTEGER_CHARS_MAX = 20

/** Any string, the empty one too. */
export const text: Codec<string> = {
  expected: 'a string',
  decode(value) {
    if (typeof value !== 'string') throw mismatch(text, value)
    return value
  },
  encode: (value) => value,
}

/** `true` or `false`. */
export const bool: Codec<boolean> = {
  expected: 'true or false',
  decode(value) {
    if (typeof value !== 'boolean') throw mismatch(bool, value)
    return value
  },
  encode: (value) => value,
}

/** A moment, nanoseconds kept. */
export const timestamp: Codec<Instant> = {
  expected: 'a timestamp with an offset, such as "2026-01-02T03:04:05.678Z"',
  decode(value) {
    const instant = typeof value === 'string' ? parseInstant(value) : null
    if (instant === null) throw mismatch(timestamp, value)
    return instant
  },
  encode: formatInstant,
}

/** An integer of at most eight bits. */
export const u8: Codec<number> = smallInteger('an integer from 0 to 255', 0xff)
/** An integer of at most 32 bits. */
export const u32: Codec<number> = smallInteger('an integer from 0 to 4294967295', 0xffff_ffff)
/** An unsigned integer of at most 64 bits, every digit kept. */
export const u64: Codec<bigint> = bigInteger('an integer from 0 to 18446744073709551615', 0n, U64_MAX)
/** A signed integer of 64 bits, every digit kept. */
export const i64: Codec<bigint> = bigInteger(
  'an integer from -9223372036854775808 to 9223372036854775807',
  I64_MIN,
  I64_MAX,
)

/** One of a closed list of strings; another one is an error, never a default (2.5). */
export function oneOf<const T extends string>(values: readonly T[]): Codec<T> {
  const known: ReadonlyMap<string, T> = new Map(values.map((value) => [value, value]))
  const codec: Codec<T> = {
    expected: `one of ${values.join(', ')}`,
    decode(value) {
      const found = typeof value === 'string' ? known.get(value) : undefined
      if (found === undefined) throw mismatch(codec, value)
      return found
    },
    encode: (value) => value,
  }
  return codec
}

/** An array. */
export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  const codec: Codec<readonly T[]> = {
    expected: 'an array',
    decode(value, repeated) {
      if (!Array.isArray(value)) throw mismatch(codec, value)
      return value.map((each, index) => decodeAt(item, each, repeated, index))
    },
    encode: (value) => value.map((each) => item.encode(each)),
  }
  return codec
}

/** Strings by name. The last of two equal names wins, but each must be a string (2.6). */
export const textMap: Codec<ReadonlyMap<string, string>> = {
  expected: 'an object of strings',
  decode(value, repeated) {
    if (!isJsonObject(value)) throw mismatch(textMap, value)
    for (const { name, value: earlier, offset } of repeated.get(value) ?? []) {
      if (typeof earlier !== 'string')
        throw new Mismatch(`a string for ${brief(name)}`, nameOf(earlier), offset)
    }
    const names = Object.keys(value)
    if (names.length === 0) return EMPTY_MAP
    return new Map(names.map((name) => [name, decodeAt(text, value[name] ?? null, repeated, name)]))
  },
  encode: (value) => Object.fromEntries(value),
}

/** What every empty `textMap` is, so that a million runs without labels share one. */
export const EMPTY_MAP: ReadonlyMap<string, string> = new Map()

/** Absent and JSON `null` both mean absent. */
export function optional<T>(codec: Codec<T>): Member<T | null> {
  return {
    codec: codec as Codec<T | null>,
    presence: 'optional',
    absent: null,
    isOmitted: (value) => value === null,
  }
}

/** Absent means `absent`; JSON `null` is an error. Written unless `isOmitted` says otherwise. */
export function defaulted<T>(
  codec: Codec<T>,
  absent: T,
  isOmitted: (value: T) => boolean = () => false,
): Member<T> {
  return { codec, presence: 'defaulted', absent, isOmitted }
}

/** An object with declared members; others are ignored, and gone when it is written back. */
export function record<M extends Members>(members: M): Codec<Decoded<M>> {
  const fields = fieldsOf(members)
  return {
    expected: 'an object',
    decode: (value, repeated) => decodeFields(fields, objectOf(value), repeated, {}) as Decoded<M>,
    encode: (value) => encodeFields(fields, value, {}),
  }
}

/** An object whose string member `tag` says which members it has. */
export function union<const Tag extends string, const V extends Readonly<Record<string, Members>>>(
  tag: Tag,
  variants: V,
): Codec<DecodedUnion<Tag, V>> {
  const known = variantsOf(variants)
  const tags = oneOf([...known.keys()])
  return {
    expected: `an object with "${tag}"`,
    decode(value, repeated) {
      const { object, name } = decodeTag(tag, value, repeated)
      const fields = known.get(name)
      if (fields === undefined) throw within(tag, mismatch(tags, name))
      return decodeFields(fields, object, repeated, { [tag]: name }) as DecodedUnion<Tag, V>
    },
    encode: (value) => encodeVariant(tag, known, value),
  }
}

/** A union in which an unknown tag is the variant `other`, whose content is dropped (2.6). */
export function openUnion<
  const Tag extends string,
  const V extends Readonly<Record<string, Members>>,
  const Other extends string,
>(tag: Tag, variants: V, other: Other): Codec<DecodedUnion<Tag, V & Record<Other, {}>>> {
  type Value = DecodedUnion<Tag, V & Record<Other, {}>>
  const known = variantsOf(variants)
  const unknown = Object.freeze({ [tag]: other }) as Value
  return {
    expected: `an object with "${tag}"`,
    decode(value, repeated) {
      const { object, name } = decodeTag(tag, value, repeated)
      const fields = known.get(name)
      if (fields === undefined) return unknown
      return decodeFields(fields, object, repeated, { [tag]: name }) as Value
    },
    encode: (value) => encodeVariant(tag, known, value),
  }
}

interface Field extends Member<unknown> {
  readonly name: string
}

type Values = Record<string, unknown>

function fieldsOf(members: Members): readonly Field[] {
  return Object.entries(members).map(([name, member]) =>
    'codec' in member
      ? { ...member, name }
      : { name, codec: member, presence: 'required', absent: null, isOmitted: () => false },
  )
}

function variantsOf(variants: Readonly<Record<string, Members>>): ReadonlyMap<string, readonly Field[]> {
  return new Map(Object.entries(variants).map(([name, members]) => [name, fieldsOf(members)]))
}

function decodeFields(
  fields: readonly Field[],
  object: JsonObject,
  repeated: RepeatedMembers,
  into: Values,
): Values {
  checkRepeated(fields, repeated.get(object))
  for (const field of fields) {
    into[field.name] = decodeField(field, object[field.name], repeated)
  }
  return into
}

function decodeField(field: Field, value: JsonValue | undefined, repeated: RepeatedMembers): unknown {
  if (value === undefined) {
    if (field.presence !== 'required') return field.absent
    throw new Mismatch(`"${field.name}", ${field.codec.expected}`, 'no such member')
  }
  if (value === null && field.presence === 'optional') return null
  return decodeAt(field.codec, value, repeated, field.name)
}

function checkRepeated(fields: readonly Field[], repeated: readonly RepeatedMember[] | undefined): void {
  const twice = repeated?.find(({ name }) => fields.some((field) => field.name === name))
  if (twice !== undefined) throw repetition(twice)
}

function decodeTag(
  tag: string,
  value: JsonValue,
  repeated: RepeatedMembers,
): { object: JsonObject; name: string } {
  const object = objectOf(value)
  const twice = repeated.get(object)?.find(({ name }) => name === tag)
  if (twice !== undefined) throw repetition(twice)
  const name = object[tag]
  if (name === undefined) throw new Mismatch(`"${tag}", a string`, 'no such member')
  if (typeof name !== 'string') throw within(tag, mismatch(text, name))
  return { object, name }
}

function decodeAt<T>(
  codec: Codec<T>,
  value: JsonValue,
  repeated: RepeatedMembers,
  segment: string | number,
): T {
  try {
    return codec.decode(value, repeated)
  } catch (error) {
    throw error instanceof Mismatch ? within(segment, error) : error
  }
}

function encodeFields(fields: readonly Field[], value: unknown, into: JsonObject): JsonObject {
  const values = value as Values
  for (const { name, codec, isOmitted } of fields) {
    if (!isOmitted(values[name])) into[name] = codec.encode(values[name])
  }
  return into
}

function encodeVariant(
  tag: string,
  variants: ReadonlyMap<string, readonly Field[]>,
  value: unknown,
): JsonObject {
  const name = String((value as Values)[tag])
  return encodeFields(variants.get(name) ?? [], value, { [tag]: name })
}

function smallInteger(expected: string, max: number): Codec<number> {
  const codec: Codec<number> = {
    expected,
    decode(value) {
      if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value
      throw mismatch(codec, value)
    },
    encode: (value) => value,
  }
  return codec
}

function bigInteger(expected: string, min: bigint, max: bigint): Codec<bigint> {
  const codec: Codec<bigint> = {
    expected,
    decode(value) {
      const integer = integerOf(value)
      if (integer === null || integer < min || integer > max) throw mismatch(codec, value)
      return integer
    },
    encode: jsonInteger,
  }
  return codec
}

function integerOf(value: JsonValue): bigint | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : null
  // Reading a million digits takes more than linear time, and no integer of an event has so many.
  if (!(value instanceof NumberLiteral) || value.text.length > INTEGER_CHARS_MAX) return null
  return isIntegerLiteral(value) ? BigInt(value.text) : null
}

function jsonInteger(value: bigint): JsonValue {
  const rounded = Number(value)
  return Number.isSafeInteger(rounded) ? rounded : new NumberLiteral(String(value))
}

function objectOf(value: JsonValue): JsonObject {
  if (!isJsonObject(value)) throw new Mismatch('an object', nameOf(value))
  return value
}

function mismatch(codec: { readonly expected: string }, value: JsonValue): Mismatch {
  return new Mismatch(codec.expected, nameOf(value))
}

function repetition({ name, offset }: RepeatedMember): Mismatch {
  return new Mismatch(`"${name}" once`, 'it again', offset)
}

function within(segment: string | number, error: Mismatch): Mismatch {
  error.path.unshift(segment)
  return error
}

/** What a value is, without echoing more than a few characters of it. */
function nameOf(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof NumberLiteral) return `the number ${value.text.slice(0, 24)}`
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? `the string ${brief(value)}` : String(value)
}

function brief(value: string): string {
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
}
