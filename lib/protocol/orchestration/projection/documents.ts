/**
 * Reading and writing the JSON documents of the projection (spec/manifests.md 2): strict JSON, a zod schema beside each
 * document, unknown members dropped; written with two spaces, members in their order, no newline at the end.
 */
import type * as z from 'zod'
import type { StoredObject } from '../../../store/types.ts'
import { all, type GetOp, type Protocol, type ReadAnswer } from '../../effects.ts'
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

/** Read a document, or null when there is none. */
export function* readDocument<T>(kind: DocumentKind<T>, path: string): Protocol<SeenDocument<T> | null> {
  const [answer] = yield* all([documentOp(kind, path)])
  return yield* toDocument(kind, path, answer)
}

/** The read of a document, to be issued with others. */
export function documentOp(kind: DocumentKind<unknown>, path: string): GetOp {
  return { kind: 'get', path, bytes_max: kind.bytes_max }
}

/** The document in an answer. One that does not parse is read once more before it counts (spec/storage.md 8). */
export function* toDocument<T>(
  kind: DocumentKind<T>,
  path: string,
  answer: ReadAnswer,
): Protocol<SeenDocument<T> | null> {
  try {
    return seenDocument(kind, path, answer)
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
  }
  const [again] = yield* all([documentOp(kind, path)])
  return seenDocument(kind, path, again)
}

function seenDocument<T>(kind: DocumentKind<T>, path: string, answer: ReadAnswer): SeenDocument<T> | null {
  const stored = boundedAnswer(kind.object_class, path, answer)
  return stored === null ? null : { value: parseDocument(kind, path, stored.bytes), stored }
}

/** An object that must exist because another one names it. */
export function* readNamed<T>(kind: DocumentKind<T>, path: string): Protocol<SeenDocument<T>> {
  const seen = yield* readDocument(kind, path)
  if (seen === null) throw corrupt(kind.object_class, path, 'does not exist')
  return seen
}

/** What a read came to; an object larger than its class allows is as corrupt as one that does not parse. */
export function boundedAnswer(
  object_class: ObjectClass,
  path: string,
  answer: ReadAnswer,
): StoredObject | null {
  if (answer.outcome === 'not_found') return null
  if (answer.outcome === 'ok') return answer
  const { code } = answer.error
  throw code === 'too_large' || code === 'corrupt' ? corrupt(object_class, path, code) : answer.error
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
