/** Spellings of the ids in keys and requests: table ids, idempotency keys, ULIDs (spec/coordinator.md 6.1). */
import { validate, version } from 'uuid'

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const NOT_CROCKFORD = 32
const ULID_CHARS = 26
/** Characters of a ULID that are its time. */
const TIME_CHARS = 10

/** What a character of either case stands for, by its code. */
const CROCKFORD_VALUES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = CROCKFORD.indexOf(String.fromCharCode(code).toUpperCase())
  return value === -1 ? NOT_CROCKFORD : value
})

/** The answer to a key check; `detail` is the text of the 400. */
export type KeyCheck = { readonly ok: true } | { readonly ok: false; readonly detail: string }

/**
 * Canonical form of a table id, or null when the text is not a UUID. Takes canonical, upper-case, braced,
 * `urn:uuid:` and 32-hex spellings, and any 128 bits: the `uuid` package would refuse unassigned versions, and
 * tables with such ids exist.
 */
export function parseTableId(text: string): string | null {
  const hex = uuidDigits(text)
  if (hex === null) return null
  const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
  return groups.join('-').toLowerCase()
}

/** Whether a text is a UUID of any version in canonical form: lower case, hyphens, nothing around it. */
export function isCanonicalUuid(text: string): boolean {
  return parseTableId(text) === text
}

/** Whether an idempotency key is a canonical lower-case UUIDv7 (R21); checks in the order of spec/coordinator.md 6.1. */
export function checkIdempotencyKey(text: string): KeyCheck {
  if (text === '') return { ok: false, detail: 'Idempotency-Key is required' }
  const canonical = parseTableId(text)
  if (canonical === null) return { ok: false, detail: 'Idempotency-Key must be a valid UUID' }
  // `validate` refuses a version nibble above 8 and foreign variant bits, which `version` alone would not look at.
  if (!validate(canonical) || version(canonical) !== 7) {
    return { ok: false, detail: 'Idempotency-Key must be UUIDv7 (RFC 9562)' }
  }
  if (canonical !== text) {
    return { ok: false, detail: 'Idempotency-Key must be a canonical lowercase UUID string' }
  }
  return { ok: true }
}

/** Whether a text is a ULID as we write them: 26 upper-case Crockford characters that fit into 128 bits. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text)
}

/**
 * Epoch milliseconds in a ULID, or null when the text is not one by spec/events.md 2.4. That rule is wider than
 * `isUlid`: either case, and a first character above 7 counts modulo 8, because ids in old ledgers were read so. The
 * fold asks this of every event, which is why it is a loop and no regular expression.
 */
export function ulidTime_ms(text: string): number | null {
  if (text.length !== ULID_CHARS) return null
  let time_ms = 0
  for (let at = 0; at < ULID_CHARS; at += 1) {
    const value = CROCKFORD_VALUES[text.charCodeAt(at)]
    if (value === undefined || value === NOT_CROCKFORD) return null
    // A character stands for five bits; of the first, the two that do not fit into 128 are dropped.
    if (at < TIME_CHARS) time_ms = time_ms * 32 + (at === 0 ? value % 8 : value)
  }
  return time_ms
}

/** The 32 digits of a UUID in one of the spellings that the reference reads, else null. */
function uuidDigits(text: string): string | null {
  if (/^[0-9a-fA-F]{32}$/.test(text)) return text
  const bare = text.startsWith('urn:uuid:') ? text.slice(9) : withoutBraces(text)
  return /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(bare) ? bare.replaceAll('-', '') : null
}

function withoutBraces(text: string): string {
  return text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text
}
