/** `Authorization: Bearer …`, the only place where a credential may be (S26: no cookies). */

/** What the header holds; the scheme matches in any case. */
export type Bearer =
  | { readonly found: 'token'; readonly token: string }
  | { readonly found: 'none' }
  | { readonly found: 'malformed' }

/** Longest token looked at: leaves the other headers some of the 16 KiB that all of them have. */
const TOKEN_CHARS_MAX = 12 * 1024

/** Read the bearer token of a request. */
export function bearerOf(headers: Headers): Bearer {
  const header = headers.get('authorization')
  // Another scheme is no bearer token either.
  if (header === null || !/^bearer(?: |$)/i.test(header)) return { found: 'none' }
  const token = /^bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(header)?.[1]
  return token === undefined || token.length > TOKEN_CHARS_MAX
    ? { found: 'malformed' }
    : { found: 'token', token }
}
