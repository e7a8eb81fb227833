/**
 * From the bytes of a ledger object to an event (spec/events.md 2). The text is read by the platform's JSON parser
 * when that provably loses nothing, and by our own reader otherwise: the first is several times faster, and a rebuild
 * decodes every event of a workspace.
 */
import { JsonError, parseJson } from '../../json.ts'
import type { JsonLimits, JsonObject, JsonValue } from '../../json.ts'
import { offsetOfValue } from '../../json-offset.ts'
import { ledgerEvent } from './kinds.ts'
import type { LedgerEvent } from './kinds.ts'
import { Mismatch, NOTHING_REPEATED } from './schema.ts'
import type { RepeatedMember } from './schema.ts'

/** Containers inside one another (spec/events.md 2.1). */
const DEPTH_MAX = 127

/** Stored events have no other bound than the size of their object, and `__proto__` is a name like others in them. */
const LIMITS: JsonLimits = {
  depth_max: DEPTH_MAX,
  members_max: Number.POSITIVE_INFINITY,
  name_chars_max: Number.POSITIVE_INFINITY,
  number_chars_max: Number.POSITIVE_INFINITY,
  forbid_proto: false,
  forbid_lone_surrogates: true,
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * An object of the ledger that is no event: one of these aborts a rebuild (correctness.md Q11, 422 `event_invalid`).
 * `detail` names the place and what was expected there; of the content it shows a few characters at most.
 */
export class EventError extends Error {
  readonly code = 'event_invalid'
  /** Key of the ledger object; empty when the event did not come from one. */
  readonly path: string
  /** Which member, such as `data.tasks[3].key`; empty for the text as a whole. */
  readonly member: string
  /** In bytes of the object. */
  readonly offset: number
  readonly detail: string

  constructor(place: { path: string; member: string; offset: number }, detail: string) {
    super(`event ${place.path === '' ? '' : `${place.path} `}is invalid: ${detail}`)
    this.name = 'EventError'
    this.path = place.path
    this.member = place.member
    this.offset = place.offset
    this.detail = detail
  }
}

/** Read one event. Throws nothing but `EventError`, in time linear in the input. `path` is only for the error. */
export function decodeEvent(input: Uint8Array | string, path = ''): LedgerEvent {
  return decodePlain(input) ?? decodeStrictly(input, path)
}

/**
 * The fast reading, or null where it proves nothing. `JSON.parse` keeps the last of two equal members, rounds numbers
 * and forgets how they were spelled; but a text that `JSON.stringify` writes back unchanged had none of that. Writers
 * write such texts (4.5): no blanks, minimal escapes.
 */
function decodePlain(input: Uint8Array | string): LedgerEvent | null {
  try {
    const text = typeof input === 'string' ? input : UTF8.decode(input)
    const tree = JSON.parse(text) as JsonValue
    // A lone surrogate escape would be written back as it came.
    if (text.includes('\\ud') || (hasManyContainers(text) && isDeeperThan(DEPTH_MAX, tree))) return null
    const event = ledgerEvent.decode(tree, NOTHING_REPEATED)
    return JSON.stringify(tree) === text ? event : null
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof Mismatch) return null
    throw error
  }
}

/** Whether there are enough of them for one to be too deep. Looking at a text is cheaper than walking its tree. */
function hasManyContainers(text: string): boolean {
  let count = 0
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      if (++count > DEPTH_MAX) return true
    }
  }
  return false
}

function isDeeperThan(levels: number, value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  if (Array.isArray(value)) return value.some((item) => isDeeperThan(levels - 1, item))
  for (const name in value) {
    if (isDeeperThan(levels - 1, (value as JsonObject)[name] ?? null)) return true
  }
  return false
}

/** The reading that decides, and says where and why an object is no event. */
function decodeStrictly(input: Uint8Array | string, path: string): LedgerEvent {
  const repeated = new Map<JsonObject, RepeatedMember[]>()
  const limits: JsonLimits = {
    ...LIMITS,
    onDuplicate(name, offset, object) {
      const members = repeated.get(object) ?? []
      members.push({ name, offset, value: object[name] ?? null })
      repeated.set(object, members)
    },
  }
  try {
    return ledgerEvent.decode(parseJson(input, limits), repeated)
  } catch (error) {
    if (error instanceof JsonError) throw jsonProblem(error, input, path)
    if (error instanceof Mismatch) throw mismatchProblem(error, input, path)
    throw error
  }
}

function jsonProblem(error: JsonError, input: Uint8Array | string, path: string): EventError {
  const counts_bytes = error.code === 'not_utf8' || error.code === 'bom'
  const offset = counts_bytes ? error.offset : byteOffset(textOf(input), error.offset)
  return new EventError({ path, member: '', offset }, error.message)
}

function mismatchProblem(error: Mismatch, input: Uint8Array | string, path: string): EventError {
  const text = textOf(input)
  const offset = byteOffset(text, error.offset ?? offsetOfValue(text, error.path))
  const member = memberName(error.path)
  const place = member === '' ? `byte ${offset}` : `${member}, byte ${offset}`
  return new EventError({ path, member, offset }, `${error.message} at ${place}`)
}

function textOf(input: Uint8Array | string): string {
  return typeof input === 'string' ? input : UTF8.decode(input)
}

function byteOffset(text: string, offset: number): number {
  return new TextEncoder().encode(text.slice(0, offset)).length
}

/** `data.tasks[3].key`; names that are no identifiers in brackets and cut short. */
function memberName(path: readonly (string | number)[]): string {
  return path
    .map((segment) => {
      if (typeof segment === 'number') return `[${segment}]`
      return /^\w{1,40}$/.test(segment) ? `.${segment}` : `[${JSON.stringify(segment.slice(0, 40))}]`
    })
    .join('')
    .replace(/^\./, '')
}
