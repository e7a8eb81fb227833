/** Paths of file actions: percent-encoded URI references, relative to the table root or absolute (DL-401…405). */
import { hasLoneSurrogate } from '../../json.ts'

/** How a path refers to its object, or the rule that it breaks. */
export type PathCheck =
  | { readonly kind: 'relative' | 'absolute' }
  | { readonly kind: 'invalid'; readonly rule: string; readonly problem: string }

/** Classify a path as it stands in the log, before any policy on absolute paths (DL-405). */
export function checkPath(path: string): PathCheck {
  if (path === '') return invalid('DL-401', 'expected a path, saw an empty string')
  if (hasForbiddenCharacter(path)) {
    return invalid('DL-401', 'expected "?", "#", spaces and control characters to be percent-encoded')
  }
  const decoded = percentDecode(path)
  if (decoded === undefined) return invalid('DL-402', 'expected percent-encoded UTF-8')
  // Decided on the encoded text: a relative name may contain an encoded colon.
  if (path.startsWith('/') || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(path)) return { kind: 'absolute' }
  return checkSegments(decoded.split('/'))
}

function checkSegments(segments: readonly string[]): PathCheck {
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return invalid('DL-403', 'expected a relative path without empty, "." and ".." segments')
  }
  if (segments[0] === '_delta_log') return invalid('DL-404', 'expected a path outside _delta_log/')
  return { kind: 'relative' }
}

function hasForbiddenCharacter(path: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return /[\u0000-\u0020\u007f-\u009f?#]/.test(path)
}

function percentDecode(path: string): string | undefined {
  if (hasLoneSurrogate(path)) return undefined
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

function invalid(rule: string, problem: string): PathCheck {
  return { kind: 'invalid', rule, problem }
}
