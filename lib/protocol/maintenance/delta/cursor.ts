/** Where a look at a table goes on: opaque to callers, checked when it comes back. */

/** Parts of `verify`, in their order. */
export const PARTS = ['state', 'log', 'markers', 'staged', 'files'] as const
/** One of them. */
export type Part = (typeof PARTS)[number]

/** A part, and how far it got: a version for the log, a key or a path for the others; empty at its beginning. */
export interface Cursor {
  readonly part: Part
  readonly after: string
}

/** Where every look begins. */
export const BEGINNING: Cursor = { part: 'state', after: '' }

/** Bounds of the `limit` of a page. */
export const VERIFY_LIMIT_DEFAULT = 1000
export const VERIFY_LIMIT_MAX = 10_000

/** The text that callers get: base64url of `part:after`. */
export function encodeCursor({ part, after }: Cursor): string {
  const bytes = new TextEncoder().encode(`${part}:${after}`)
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Longest cursor: a key has 1024 bytes. */
const CHARS_MAX = 4096

/** The cursor in a text, or null for one that we never gave. */
export function decodeCursor(text: string): Cursor | null {
  if (text.length > CHARS_MAX || !/^[A-Za-z0-9_-]+$/.test(text)) return null
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    const plain = new TextDecoder('utf-8', { fatal: true }).decode(
      Uint8Array.from(binary, (char) => char.charCodeAt(0)),
    )
    const colon = plain.indexOf(':')
    const part = PARTS.find((each) => each === plain.slice(0, colon))
    const after = plain.slice(colon + 1)
    if (part === undefined || colon < 0) return null
    return part === 'log' && !isVersion(after) ? null : { part, after }
  } catch {
    return null
  }
}

function isVersion(text: string): boolean {
  return text === '' || (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)))
}
