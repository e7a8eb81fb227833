/**
 * The one strict JSON reader for control bodies and stored objects (spec/coordinator.md 3, spec/storage.md I-4, I-5,
 * spec/correctness.md S14–S17), and the writer that goes with it. `JSON.parse` cannot be used for these: it keeps the
 * last of two equal members, rounds integers, and cannot tell `1.0` from `1`.
 */

/** A JSON value whose numbers have lost nothing: a `number` is a safe integer, any other literal keeps its digits. */
export type JsonValue = null | boolean | number | string | NumberLiteral | JsonValue[] | JsonObject

/** A JSON object. Objects that `parseJson` makes inherit nothing, so every name, `__proto__` too, is a mere member. */
export interface JsonObject {
  [name: string]: JsonValue
}

/** Why a text is not acceptable JSON; stable names for tests and logs. */
export type JsonErrorCode =
  | 'not_utf8'
  | 'bom'
  | 'syntax'
  | 'trailing'
  | 'duplicate_member'
  | 'forbidden_member'
  | 'too_deep'
  | 'too_wide'
  | 'too_long'
  | 'lone_surrogate'

/**
 * The only error that reading throws. The message says what was expected and what was seen, and never echoes more
 * than the beginning of a member name. `offset` counts bytes for `not_utf8` and `bom`, UTF-16 units otherwise.
 */
export class JsonError extends Error {
  readonly code: JsonErrorCode
  readonly offset: number

  constructor(code: JsonErrorCode, offset: number, message: string) {
    super(message)
    this.name = 'JsonError'
    this.code = code
    this.offset = offset
  }
}

/** A number that is not a safe integer in plain digits (`1.0`, `1e3`, `-0`, `9007199254740993`), as it was written. */
export class NumberLiteral {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Bounds and choices of one reading; the defaults are those of control bodies and stored objects. */
export interface JsonLimits {
  /** Containers inside one another; 64 unless told (spec/http-api.md 11). At most 1000, because reading recurses. */
  readonly depth_max?: number
  /** Members of one object; 10 000 unless told. */
  readonly members_max?: number
  /** UTF-16 units of one member name; 4096 unless told. */
  readonly name_chars_max?: number
  /** Refuse `__proto__`, `constructor` and `prototype` as member names (S15); true unless told. */
  readonly forbid_proto?: boolean
  /** Characters of one number; 1000 unless told. */
  readonly number_chars_max?: number
  /** Refuse strings and names that cannot be written as UTF-8; false unless told, see `hasLoneSurrogate`. */
  readonly forbid_lone_surrogates?: boolean
  /**
   * Called for a repeated member, of which the last is kept; without it a repeated member is an error (S16). `object`
   * still holds the value that is about to be replaced.
   */
  readonly onDuplicate?: (name: string, offset: number, object: JsonObject) => void
}

const DEPTH_LIMIT = 1000

/** More digits than any number that means something; the same bound that Jackson sets. */
const NUMBER_CHARS_MAX = 1000

/** No integer of at most this many digits is unsafe. */
const SAFE_DIGITS = 15

const FORBIDDEN_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const PERIOD = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const UPPER_E = 0x45
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const LOWER_E = 0x65
const LOWER_U = 0x75
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const SIMPLE_ESCAPES: ReadonlySet<number> = new Set(Array.from('"\\/bfnrt', (escape) => escape.charCodeAt(0)))

/** Makes objects that inherit nothing, several times faster in V8 than `Object.create(null)`, which makes hash tables. */
const BareObject = function () {} as unknown as new () => JsonObject
BareObject.prototype = Object.freeze(Object.create(null) as object)

/**
 * Read one JSON text. Bytes must be UTF-8 without a byte order mark. Takes time linear in the input, and throws
 * nothing but `JsonError`. Lone surrogate escapes (`\ud800`) stay in the string; see `hasLoneSurrogate`.
 */
export function parseJson(input: Uint8Array | string, limits: JsonLimits = {}): JsonValue {
  return new Reader(typeof input === 'string' ? input : decodeUtf8(input), limits).document()
}

/** Whether a string cannot be written as UTF-8. */
export function hasLoneSurrogate(text: string): boolean {
  return !text.isWellFormed()
}

/** Whether a value of `parseJson` is an object: neither array, number literal nor null. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof NumberLiteral)
  )
}

/**
 * Whether a literal is an integer outside the safe range rather than a number of another spelling: the first is a
 * 400 in a request, `1.0`, `1e3` and `-0` are a 422 (spec/http-api.md 4.2).
 */
export function isIntegerLiteral(literal: NumberLiteral): boolean {
  return /^-?(?:0|[1-9][0-9]*)$/.test(literal.text) && literal.text !== '-0'
}

/**
 * Write compact JSON, members in their order, number literals digit for digit (J-1). A member that is `undefined` is
 * left out. Takes `unknown` because schemas infer unknown members as such; throws TypeError for a number that is not
 * a safe integer, and for anything that JSON cannot say.
 */
export function stringifyJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return stringifyInteger(value)
  if (value instanceof NumberLiteral) return stringifyLiteral(value)
  if (Array.isArray(value)) return `[${value.map((item: unknown) => stringifyJson(item)).join(',')}]`
  if (!isPlainObject(value)) throw new TypeError(`expected a JSON value, saw ${typeName(value)}`)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${stringifyJson(member)}`).join(',')}}`
}

function stringifyInteger(value: number): string {
  if (!Number.isSafeInteger(value)) {
    throw new TypeError(`expected a safe integer, saw ${value}; keep other numbers as NumberLiteral`)
  }
  return JSON.stringify(value)
}

function stringifyLiteral(literal: NumberLiteral): string {
  if (!/^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/.test(literal.text)) {
    throw new TypeError('expected the text of a JSON number in a NumberLiteral')
  }
  return literal.text
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function typeName(value: unknown): string {
  return typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value
}

function decodeUtf8(bytes: Uint8Array): string {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) throw byteOrderMark()
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const offset = validPrefix(bytes)
    throw new JsonError('not_utf8', offset, `expected UTF-8, saw another byte at offset ${offset}`)
  }
}

function byteOrderMark(): JsonError {
  return new JsonError('bom', 0, 'expected JSON without a byte order mark, saw one at offset 0')
}

/** The decoder does not say where it stopped: bisect on the longest prefix that begins valid UTF-8. */
function validPrefix(bytes: Uint8Array): number {
  let good = 0
  let bad = bytes.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1
    if (beginsUtf8(bytes.subarray(0, middle))) good = middle
    else bad = middle
  }
  return good
}

function beginsUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

/** Recursive descent over one text; depth is bounded, and every character is looked at a bounded number of times. */
class Reader {
  private readonly text: string
  private readonly depth_max: number
  private readonly members_max: number
  private readonly name_chars_max: number
  private readonly forbid_proto: boolean
  private readonly number_chars_max: number
  private readonly forbid_lone_surrogates: boolean
  private readonly onDuplicate: JsonLimits['onDuplicate'] | undefined
  private pos = 0

  constructor(text: string, limits: JsonLimits) {
    this.text = text
    this.depth_max = Math.min(limits.depth_max ?? 64, DEPTH_LIMIT)
    this.members_max = limits.members_max ?? 10_000
    this.name_chars_max = limits.name_chars_max ?? 4096
    this.forbid_proto = limits.forbid_proto ?? true
    this.number_chars_max = limits.number_chars_max ?? NUMBER_CHARS_MAX
    this.forbid_lone_surrogates = limits.forbid_lone_surrogates ?? false
    this.onDuplicate = limits.onDuplicate
  }

  document(): JsonValue {
    if (this.peek() === 0xfeff) throw byteOrderMark()
    this.skipSpace()
    const value = this.value(0)
    this.skipSpace()
    if (this.pos < this.text.length) throw this.expected('the end of the text', 'trailing')
    return value
  }

  /** Reads the value at the cursor, which lies inside `depth` containers. */
  private value(depth: number): JsonValue {
    const code = this.peek()
    if (code === QUOTE) return this.string()
    if (code === OPEN_BRACE) return this.object(depth + 1)
    if (code === OPEN_BRACKET) return this.array(depth + 1)
    if (code === MINUS || isDigit(code)) return this.number()
    if (this.take('true')) return true
    if (this.take('false')) return false
    if (this.take('null')) return null
    throw this.expected('a value')
  }

  private object(depth: number): JsonObject {
    this.enter(depth)
    const object = new BareObject()
    if (this.closes(CLOSE_BRACE)) return object
    for (let members = 1; ; members += 1) {
      if (members > this.members_max) {
        throw this.error('too_wide', `expected at most ${this.members_max} members in one object`)
      }
      const name = this.memberName(object)
      this.skipSpace()
      if (this.peek() !== COLON) throw this.expected('":" after a member name')
      this.pos += 1
      this.skipSpace()
      object[name] = this.value(depth)
      if (!this.continues(CLOSE_BRACE)) return object
    }
  }

  private memberName(object: JsonObject): string {
    const start = this.pos
    if (this.peek() !== QUOTE) throw this.expected('a member name')
    const name = this.string()
    if (name.length > this.name_chars_max) {
      throw this.error(
        'too_long',
        `expected a member name of at most ${this.name_chars_max} characters`,
        start,
      )
    }
    if (this.forbid_proto && FORBIDDEN_NAMES.has(name)) {
      throw this.error('forbidden_member', `expected another member name than ${brief(name)}`, start)
    }
    if (name in object) {
      if (this.onDuplicate === undefined) {
        throw this.error('duplicate_member', `expected each member once, saw ${brief(name)} again`, start)
      }
      this.onDuplicate(name, start, object)
    }
    return name
  }

  private array(depth: number): JsonValue[] {
    this.enter(depth)
    const array: JsonValue[] = []
    if (this.closes(CLOSE_BRACKET)) return array
    do {
      array.push(this.value(depth))
    } while (this.continues(CLOSE_BRACKET))
    return array
  }

  private enter(depth: number): void {
    if (depth > this.depth_max) {
      throw this.error('too_deep', `expected at most ${this.depth_max} containers inside one another`)
    }
    this.pos += 1
    this.skipSpace()
  }

  /** Steps over the closing bracket of an empty container. */
  private closes(close: number): boolean {
    if (this.peek() !== close) return false
    this.pos += 1
    return true
  }

  /** After an element: whether another one follows. */
  private continues(close: number): boolean {
    this.skipSpace()
    const code = this.peek()
    if (code !== COMMA && code !== close) throw this.expected(`"," or "${String.fromCharCode(close)}"`)
    this.pos += 1
    if (code === close) return false
    this.skipSpace()
    return true
  }

  private string(): string {
    const { text } = this
    const start = this.pos
    let has_escape = false
    let end = start + 1
    for (let code = text.charCodeAt(end); code !== QUOTE; code = text.charCodeAt(end)) {
      if (code === BACKSLASH) {
        has_escape = true
        end = this.escapeEnd(end)
      } else if (code >= 0x20) end += 1
      else {
        this.pos = end
        throw this.expected('a closing quote, or an escape for a control character')
      }
    }
    this.pos = end + 1
    // The native decoder is several times faster, and cannot fail on what was just checked.
    const value = has_escape
      ? (JSON.parse(text.slice(start, this.pos)) as string)
      : text.slice(start + 1, end)
    if (this.forbid_lone_surrogates && hasLoneSurrogate(value)) {
      throw this.error('lone_surrogate', 'expected a string that can be written as UTF-8', start)
    }
    return value
  }

  private escapeEnd(backslash: number): number {
    this.pos = backslash + 1
    const code = this.peek()
    if (code === LOWER_U) return this.unicodeEscapeEnd()
    if (!SIMPLE_ESCAPES.has(code)) throw this.expected('a JSON escape after "\\"')
    return this.pos + 1
  }

  private unicodeEscapeEnd(): number {
    this.pos += 1
    for (const end = this.pos + 4; this.pos < end; this.pos += 1) {
      if (!isHexDigit(this.peek())) throw this.expected('four hexadecimal digits after "\\u"')
    }
    return this.pos
  }

  private number(): number | NumberLiteral {
    const start = this.pos
    if (this.peek() === MINUS) this.pos += 1
    const leads_with_zero = this.peek() === ZERO
    const digits = this.skipDigits('a digit')
    if (leads_with_zero && digits > 1)
      throw this.error('syntax', 'expected a number without leading zeros', start)
    const has_fraction = this.skipFraction()
    const has_exponent = this.skipExponent()
    if (this.pos - start > this.number_chars_max) {
      throw this.error('too_long', `expected a number of at most ${this.number_chars_max} characters`, start)
    }
    const text = this.text.slice(start, this.pos)
    const value = Number(text)
    const is_safe = !has_fraction && !has_exponent && (digits <= SAFE_DIGITS || Number.isSafeInteger(value))
    return is_safe && !Object.is(value, -0) ? value : new NumberLiteral(text)
  }

  private skipFraction(): boolean {
    if (this.peek() !== PERIOD) return false
    this.pos += 1
    this.skipDigits('a digit after "."')
    return true
  }

  private skipExponent(): boolean {
    const code = this.peek()
    if (code !== UPPER_E && code !== LOWER_E) return false
    this.pos += 1
    const sign = this.peek()
    if (sign === PLUS || sign === MINUS) this.pos += 1
    this.skipDigits('a digit in the exponent')
    return true
  }

  private skipDigits(what: string): number {
    const start = this.pos
    while (isDigit(this.peek())) this.pos += 1
    if (this.pos === start) throw this.expected(what)
    return this.pos - start
  }

  private take(word: string): boolean {
    if (!this.text.startsWith(word, this.pos)) return false
    this.pos += word.length
    return true
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.peek()
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.pos += 1
    }
  }

  /** NaN at the end of the text, which is equal to no character. */
  private peek(): number {
    return this.text.charCodeAt(this.pos)
  }

  private expected(what: string, code: JsonErrorCode = 'syntax'): JsonError {
    return this.error(code, `expected ${what}, saw ${describe(this.text, this.pos)}`)
  }

  private error(code: JsonErrorCode, message: string, offset = this.pos): JsonError {
    return new JsonError(code, offset, `${message} at offset ${offset}`)
  }
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66)
}

function describe(text: string, offset: number): string {
  const code = text.codePointAt(offset)
  if (code === undefined) return 'the end of the text'
  if (code > 0x20 && code < 0x7f) return JSON.stringify(String.fromCharCode(code))
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

function brief(name: string): string {
  return JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name)
}
