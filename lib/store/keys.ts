/**
 * Which keys and list prefixes a store accepts (spec/storage.md 4). Checked on every operation before any I/O, by
 * the scoped views and again by each driver. Pure.
 *
 * Characters that the reference percent-encodes (P-11) are refused, non-ASCII included, so a valid key has the same
 * spelling on every store and is as many bytes long as it has characters.
 */
import { StoreError } from './types.ts'
import type { ListRequest } from './types.ts'

/** Longest full key in UTF-8 bytes, scope prefix included (P-10). */
export const KEY_BYTES_MAX = 1024

/** Largest page a list request may ask for: what every provider answers in one call. */
export const LIST_LIMIT_MAX = 1000

/**
 * Says what is wrong with the key of an object, or nothing if it is valid. `prefix` is what will be put in front of
 * `path` and counts towards its length only.
 */
export function keyProblem(path: string, prefix = ''): string | undefined {
  if (PLAIN_KEY.test(path)) return lengthProblem(prefix + path)
  if (path === '') return 'P-8: the key of an object must not be empty'
  return characterProblem(path) ?? segmentProblem(path) ?? lengthProblem(prefix + path)
}

/** Throws StoreError `invalid_key` unless `path` may be the key of an object. */
export function checkKey(path: string, prefix = ''): void {
  refuse(path, keyProblem(path, prefix))
}

/** Says what is wrong with a list prefix, or nothing: as for a key, but it may be empty or end with `/` (P-13). */
export function listPrefixProblem(path: string, prefix = ''): string | undefined {
  if (path === '') return undefined
  return path === '/' ? keyProblem(path) : keyProblem(path.endsWith('/') ? path.slice(0, -1) : path, prefix)
}

/** Throws StoreError `invalid_key` unless `path` may be a list prefix. */
export function checkListPrefix(path: string, prefix = ''): void {
  refuse(path, listPrefixProblem(path, prefix))
}

/** Throws unless a driver can serve the page: a valid prefix and a limit of 1 to `LIST_LIMIT_MAX`. */
export function checkListRequest(request: ListRequest): void {
  checkListPrefix(request.prefix)
  if (!Number.isInteger(request.limit) || request.limit < 1 || request.limit > LIST_LIMIT_MAX) {
    throw new RangeError(`a page has 1 to ${LIST_LIMIT_MAX} objects, not ${request.limit}`)
  }
}

/** Whether a listing under `prefix` contains `key`: `a/b` contains `a/b` and `a/b/…`, not `a/bc` (ST-31). */
export function isUnderPrefix(key: string, prefix: string): boolean {
  if (prefix === '' || prefix.endsWith('/')) return key.startsWith(prefix)
  return key === prefix || key.startsWith(`${prefix}/`)
}

/** Orders keys by their UTF-8 bytes, as every provider lists them; UTF-16 order differs above U+FFFF. */
export function compareKeys(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = codePointRank(a.charCodeAt(i)) - codePointRank(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function refuse(path: string, problem: string | undefined): void {
  if (problem !== undefined) throw new StoreError('invalid_key', path, `invalid key, rule ${problem}`)
}

/** Nearly all keys: segments of letters, digits and a few signs that do not begin with a dot. They break no rule. */
const PLAIN_KEY = /^[\w=-][\w=.-]*(?:\/[\w=-][\w=.-]*)*$/

function characterProblem(path: string): string | undefined {
  if (path.startsWith('/') || path.startsWith('\\')) return 'P-1: a key must not start with a slash'
  if (path.includes('\\')) return 'P-2: a key must not contain a backslash'
  if (path.includes('%')) return 'P-3: a key must not contain a percent sign'
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === 0x00 || code === 0x0a || code === 0x0d) return 'P-4: a key must not contain NUL, LF or CR'
    if (code < 0x20 || code === 0x7f) return 'P-5: a key must not contain control characters'
    if (code >= 0xd800 && code <= 0xdfff && !path.isWellFormed())
      return 'P-9: a key must be well-formed Unicode'
    if (code > 0x7f) return 'P-11: a key must be ASCII'
    if (ENCODED_BY_THE_REFERENCE.has(path.charAt(i))) return `P-11: a key must not contain ${path.charAt(i)}`
  }
  return undefined
}

const ENCODED_BY_THE_REFERENCE: ReadonlySet<string> = new Set('{}^`]["<>~#|*?')

function segmentProblem(path: string): string | undefined {
  for (const segment of path.split('/')) {
    if (segment === '.' || segment === '..') return 'P-6: a key must not contain . or .. as a segment'
    if (segment === '') return 'P-7: a key must not contain an empty segment or end with a slash'
  }
  return undefined
}

/** Everything that gets here is ASCII, so characters are bytes. */
function lengthProblem(key: string): string | undefined {
  if (key.length <= KEY_BYTES_MAX) return undefined
  return `P-10: a key has at most ${KEY_BYTES_MAX} bytes with its scope, this one has ${key.length}`
}

/** Moves surrogates above the rest of the basic plane, where the code points that they spell belong. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** A path or a URL without the slashes at its end. A pattern that is bound to the end begins again at every slash (S18). */
export function withoutTrailingSlashes(text: string): string {
  let end = text.length
  while (text[end - 1] === '/') end -= 1
  return text.slice(0, end)
}
