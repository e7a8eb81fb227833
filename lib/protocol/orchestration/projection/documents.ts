/**
 * Reading and writing the JSON documents of the projection (spec/manifests.md 2): strict JSON, a zod schema beside each
 * document, unknown members dropped; written with two spaces, members in their order, no newline at the end.
 */
import type * as z from 'zod'
import { StoreError, type StoredObject } from '../../../store/types.ts'
import { get, type Protocol } from '../../effects.ts'
import { parseJson, type JsonLimits, type JsonValue } from '../../json.ts'
import { StoredObjectError } from '../../stored-error.ts'

/** `object_class` of the answer 500 `object_corrupt`. */
export type ObjectClass = 'pointer' | 'manifest' | 'artifact' | 'deletions' | 'rebuild_chunk' | 'event'

/** The error for a stored object that is missing, malformed or not what its hash says. */
export function corrupt(object_class: ObjectClass, path: string, why: string): StoredObjectError {
  return new StoredObjectError('object_corrupt', path, why, object_class)
}

/** Where a document is and how it is read. */
export interface DocumentKind<T> {
  readonly object_class: ObjectClass
  readonly bytes_max: number
  readonly schema: z.ZodType<T>
}

/** A document as it was read: its value, and the generation that it was. */
export interface SeenDocument<T> {
  readonly value: T
  readonly stored: StoredObject
}

/** The stored bytes of projection documents may name anything: a label of a workspace may be `constructor`. */
const LIMITS: JsonLimits = { forbid_proto: false, members_max: 100_000 }

/** The value in some bytes. Throws StoredObjectError `object_corrupt` with the member that is wrong, never its content. */
export function parseDocument<T>(kind: DocumentKind<T>, path: string, bytes: Uint8Array): T {
  let json: JsonValue
  try {
    json = parseJson(bytes, LIMITS)
  } catch (cause) {
    throw corrupt(kind.object_class, path, cause instanceof Error ? cause.message : 'not JSON')
  }
  const parsed = kind.schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const place = issue === undefined ? '' : `${issue.path.join('.') || 'document'}: ${issue.code}`
  throw corrupt(kind.object_class, path, place)
}

/** Read a document, or null when there is none. One that does not parse is read once more before it counts (storage.md 8). */
export function* readDocument<T>(kind: DocumentKind<T>, path: string): Protocol<SeenDocument<T> | null> {
  const first = yield* getBounded(kind.object_class, path, kind.bytes_max)
  if (first === null) return null
  try {
    return { value: parseDocument(kind, path, first.bytes), stored: first }
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
  }
  const again = yield* getBounded(kind.object_class, path, kind.bytes_max)
  return again === null ? null : { value: parseDocument(kind, path, again.bytes), stored: again }
}

/** An object that must exist because another one names it. */
export function* readNamed<T>(kind: DocumentKind<T>, path: string): Protocol<SeenDocument<T>> {
  const seen = yield* readDocument(kind, path)
  if (seen === null) throw corrupt(kind.object_class, path, 'does not exist')
  return seen
}

/** Read bytes; an object larger than its class allows is as corrupt as one that does not parse. */
export function* getBounded(
  object_class: ObjectClass,
  path: string,
  bytes_max: number,
): Protocol<StoredObject | null> {
  try {
    const answer = yield* get(path, bytes_max)
    return answer.outcome === 'ok' ? answer : null
  } catch (error) {
    throw asCorrupt(error, object_class, path)
  }
}

/** A read failure of a named object, in the words of that object; any other error stays what it is. */
export function asCorrupt(error: unknown, object_class: ObjectClass, path: string): unknown {
  const is_corrupt = error instanceof StoreError && (error.code === 'too_large' || error.code === 'corrupt')
  return is_corrupt ? corrupt(object_class, path, error.code) : error
}

/** What documents are made of: maps keep the order of their entries whatever the names. */
export type Printable =
  | string
  | number
  | readonly Printable[]
  | ReadonlyMap<string, Printable | undefined>
  | { readonly [name: string]: Printable | undefined }

/** The bytes of a document. Members that are undefined are left out. */
export function prettyBytes(document: Printable): Uint8Array {
  return new TextEncoder().encode(pretty(document, '\n'))
}

function pretty(value: Printable, newline: string): string {
  if (typeof value === 'string' || typeof value === 'number') return JSON.stringify(value)
  const inner = `${newline}  `
  if (isList(value)) {
    return value.length === 0
      ? '[]'
      : `[${inner}${value.map((item) => pretty(item, inner)).join(`,${inner}`)}${newline}]`
  }
  const members = [
    ...(value instanceof Map ? (value as ReadonlyMap<string, Printable>) : Object.entries(value)),
  ]
    .filter((entry): entry is [string, Printable] => entry[1] !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}: ${pretty(member, inner)}`)
  return members.length === 0 ? '{}' : `{${inner}${members.join(`,${inner}`)}${newline}}`
}

function isList(value: Printable): value is readonly Printable[] {
  return Array.isArray(value)
}
