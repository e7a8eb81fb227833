/**
 * Where a value is in a JSON text. The reader does not keep offsets, since hardly anybody asks: only who reports that
 * a value of a stored object is wrong looks for its place again.
 */

/**
 * UTF-16 offset of the value that `path` leads to, or of the container in which it ends when there is no such member.
 * The text must be one that `parseJson` accepts; of a repeated member the last one counts, as there.
 */
export function offsetOfValue(text: string, path: readonly (string | number)[]): number {
  let at = skipBlank(text, 0)
  for (const segment of path) {
    const child =
      typeof segment === 'number' ? elementOffset(text, at, segment) : memberOffset(text, at, segment)
    if (child === null) return at
    at = child
  }
  return at
}

function elementOffset(text: string, array: number, index: number): number | null {
  if (text[array] !== '[') return null
  let at = skipBlank(text, array + 1)
  for (let passed = 0; text[at] !== ']'; passed += 1) {
    if (passed === index) return at
    at = afterSeparator(text, skipValue(text, at))
  }
  return null
}

function memberOffset(text: string, object: number, name: string): number | null {
  if (text[object] !== '{') return null
  let found: number | null = null
  let at = skipBlank(text, object + 1)
  while (text[at] !== '}') {
    const name_end = skipString(text, at)
    const value = skipBlank(text, skipBlank(text, name_end) + 1)
    if (JSON.parse(text.slice(at, name_end)) === name) found = value
    at = afterSeparator(text, skipValue(text, value))
  }
  return found
}

/** Past a value, blanks and a comma, if one follows. */
function afterSeparator(text: string, from: number): number {
  const at = skipBlank(text, from)
  return text[at] === ',' ? skipBlank(text, at + 1) : at
}

/** Past the value that begins at `from`; containers by counting brackets, so that depth costs no stack. */
function skipValue(text: string, from: number): number {
  let open = 0
  let at = from
  do {
    const character = text.charAt(at)
    if (character === '"') at = skipString(text, at)
    else if ('{['.includes(character)) {
      open += 1
      at += 1
    } else if ('}]'.includes(character)) {
      open -= 1
      at += 1
    } else at = skipWord(text, at)
    if (open > 0) at = skipSeparators(text, at)
  } while (open > 0)
  return at
}

/** Past the string that begins at `from`. */
function skipString(text: string, from: number): number {
  let at = from + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Past a number, `true`, `false` or `null`. */
function skipWord(text: string, from: number): number {
  let at = from
  while (/[-+.0-9A-Za-z]/.test(text.charAt(at))) at += 1
  return at
}

function skipBlank(text: string, from: number): number {
  let at = from
  while (' \t\n\r'.includes(text.charAt(at)) && at < text.length) at += 1
  return at
}

function skipSeparators(text: string, from: number): number {
  let at = from
  while (' \t\n\r,:'.includes(text.charAt(at))) at += 1
  return at
}
