/**
 * Version tokens: how they are spelled and when two of them name the same generation (spec/storage.md 5). Pure.
 */
import type { Token } from './types.ts'

/** What a store knows about one generation. At least one of them is not null. */
export interface TokenParts {
  /** ETag as the store spells it, quotes included. */
  readonly e_tag: string | null
  /** Version id (S3), version (R2) or generation (GCS). */
  readonly version: string | null
}

/**
 * `plain` emits a lone ETag or generation as it is; `reference` always emits the JSON text of the reference system,
 * which compares tokens as strings and would take a plain one for a mismatch (spec/storage.md 5.3).
 */
export type TokenFormat = 'plain' | 'reference'

/** Longest token accepted (V-1). */
export const TOKEN_CHARS_MAX = 1024

/**
 * Spells a token. Under `plain` a driver passes only the part that its compare-and-swap sends (GCS: the generation)
 * and gets it back raw; with both parts known the text is the composite JSON in either format.
 */
export function formatToken(parts: TokenParts, format: TokenFormat): Token {
  const { e_tag, version } = parts
  if (e_tag === null && version === null) throw new TypeError('a token needs an ETag or a version')
  if (format === 'plain' && version === null && e_tag !== null) return e_tag
  if (format === 'plain' && e_tag === null && version !== null) return version
  return JSON.stringify({ e_tag, version })
}

/**
 * Takes a token apart, whoever wrote it. A raw token is an ETag; one that reads as an int64 is a generation as well, so
 * that plain and reference tokens of one GCS object compare equal. An MD5 of decimal digits only is longer than that.
 */
export function parseToken(token: Token): TokenParts {
  return structuredParts(token) ?? { e_tag: token, version: /^[0-9]{1,19}$/.test(token) ? token : null }
}

/**
 * Whether two tokens name the same generation: by version if both have one, else by ETag without its quotes and
 * weakness. Empty or oversized tokens name nothing, not even themselves (V-1, V-6).
 */
export function sameVersion(a: Token, b: Token): boolean {
  if (!isUsable(a) || !isUsable(b)) return false
  const left = parseToken(a)
  const right = parseToken(b)
  if (left.version !== null && right.version !== null) return left.version === right.version
  if (left.e_tag === null || right.e_tag === null) return false
  const tag = bareTag(left.e_tag)
  return tag !== '' && tag === bareTag(right.e_tag)
}

/** The opaque part of an ETag: without `W/` and without one pair of double quotes. */
export function bareTag(e_tag: string): string {
  const strong = e_tag.startsWith('W/') ? e_tag.slice(2) : e_tag
  return /^".*"$/s.test(strong) && strong.length >= 2 ? strong.slice(1, -1) : strong
}

function isUsable(token: Token): boolean {
  return token.length > 0 && token.length <= TOKEN_CHARS_MAX
}

function structuredParts(token: Token): TokenParts | undefined {
  if (!token.startsWith('{')) return undefined
  let value: unknown
  try {
    value = JSON.parse(token)
  } catch {
    // Not JSON: a raw token that happens to start with a brace.
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('e_tag' in value || 'version' in value))
    return undefined
  const e_tag = 'e_tag' in value ? value.e_tag : null
  const version = 'version' in value ? value.version : null
  if (!isStringOrNull(e_tag) || !isStringOrNull(version)) return undefined
  return { e_tag, version }
}

function isStringOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
