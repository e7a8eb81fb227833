/** Paths that try to leave the place where they start (spec/correctness.md S2): every piece in every place. */

/** What no key may have in it (spec/storage.md 4), by the trick that it is. */
const PIECES: Readonly<Record<string, string>> = {
  'parent segment': '..',
  'dot segment': '.',
  'empty segment': '',
  'encoded dots': '%2e%2e',
  'encoded dots in upper case': '%2E%2E',
  'one dot encoded': '.%2e',
  'double encoded dots': '%252e%252e',
  'dots encoded three times': '%25252e%25252e',
  'encoded slash': '..%2f..',
  'double encoded slash': '..%252f..',
  'encoded backslash': '..%5c..',
  'overlong dot, two bytes': '%c0%ae%c0%ae',
  'overlong dot, three bytes': '%e0%80%ae%e0%80%ae',
  'overlong slash': '..%c0%af..',
  'IIS escape': '%u002e%u002e',
  'bare percent': '%',
  backslash: '\\',
  'parent with backslashes': '..\\..',
  'full-width dots': '\uff0e\uff0e',
  'full-width slash': '..\uff0f..',
  'division slash': '..\u2215..',
  'one-dot leaders': '\u2024\u2024',
  'two-dot leader': '\u2025',
  'right-to-left override': '\u202e..',
  'zero-width joiner': '.\u200d.',
  'not NFC': 'e\u0301',
  'NFC and not ASCII': '\u00e9',
  'lone surrogate': '\ud800',
  NUL: '\0',
  'line feed': 'a\nb',
  'carriage return': 'a\r\nb',
  tab: 'a\tb',
  DEL: 'a\x7fb',
  'C0 control': 'a\x01b',
  'another tenant, encoded': 'tenant%3Drival',
  fragment: 'a#b',
  query: 'a?b',
  wildcard: '*',
  braces: '{a}',
}

/** Where it stands in `folder/name.json`. */
const PLACES: Readonly<Record<string, (folder: string, name: string, piece: string) => string>> = {
  'in front': (folder, name, piece) => `${piece}/${folder}/${name}.json`,
  'in the folder': (folder, name, piece) => `${folder}/${piece}/${name}.json`,
  'twice in the folder': (folder, name, piece) => `${folder}/${piece}/${piece}/${name}.json`,
  'before another tenant': (folder, name, piece) =>
    `${folder}/${piece}/tenant=rival/workspace=analytics/${name}.json`,
  'as the name': (folder, _name, piece) => `${folder}/${piece}/.json`,
  'behind the suffix': (folder, name, piece) => `${folder}/${name}.json/${piece}`,
}

/** One path and what it tries. */
export interface HostilePath {
  readonly trick: string
  readonly path: string
}

/** All of them, grown from an honest `folder/name.json`. */
export function hostilePaths(folder: string, name: string): readonly HostilePath[] {
  return Object.entries(PLACES).flatMap(([place, build]) =>
    Object.entries(PIECES).map(([piece, text]) => ({
      trick: `${piece}, ${place}`,
      path: build(folder, name, text),
    })),
  )
}
