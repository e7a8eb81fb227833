/** RFC 8785 text, the form that request hashes are taken of (spec/coordinator.md 4.1). */
import canonicalize from 'canonicalize'

/**
 * What may be canonicalised. Numbers are doubles by definition of RFC 8785, so that whoever hashes an integer checks
 * first that it is safe (J-4); a `NumberLiteral` does not fit this type on purpose.
 */
export type CanonicalValue =
  | null
  | boolean
  | number
  | string
  | readonly CanonicalValue[]
  | { readonly [name: string]: CanonicalValue }

/** Canonical text of a value: members sorted, no whitespace. Throws on a lone surrogate, NaN or an infinity. */
export function canonicalJson(value: CanonicalValue): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('expected a JSON value to canonicalise, saw none')
  return text
}
