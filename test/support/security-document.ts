/**
 * docs/security.md: every threat with the tests that prove what it asks for. A test proves a row by citing its id in its name,
 * in the name of its group, or in the sentence at the top of its file; nothing else connects the two.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { THREATS } from './threats.ts'

/** Something in the tests that cites rows. */
export interface Citation {
  /** Of the test, of its group, or the first sentence of the file. */
  readonly name: string
  /** Relative to the repository. */
  readonly file: string
  /** Cites its rows for all tests of the file. */
  readonly is_file: boolean
}

/** Citations by row; a row that no test cites has none. */
export type Proofs = ReadonlyMap<string, readonly Citation[]>

/** Read every test below `root`/test. */
export function readProofs(root: string): Proofs {
  const proofs = new Map<string, Citation[]>(Object.keys(THREATS).map((id) => [id, []]))
  for (const file of testFiles(root)) {
    for (const citation of citationsIn(file, readFileSync(join(root, file), 'utf8'))) {
      for (const id of idsIn(citation.name)) proofs.get(id)?.push(citation)
    }
  }
  return proofs
}

/** Files with tests, and those with tables of tests. */
function testFiles(root: string): readonly string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((name) => `test/${name.replaceAll('\\', '/')}`)
    .filter((name) => (name.endsWith('.test.ts') && name !== ITS_OWN_TEST) || name === LINT_CASES)
    .toSorted()
}

/** The table behind test/house/lint.test.ts. */
const LINT_CASES = 'test/house/lint-cases.ts'

/** Its names are examples. */
const ITS_OWN_TEST = 'test/house/security-document.test.ts'

/** The argument of `test(`, `describe(` and of what `.each(…)` returns, and names of rows in tables of tests. */
const NAMES =
  /(?:\b(?:test|describe)(?:\.\w+)*\(|\)\(|\b(?:promise|name):)\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`([^`]*)`)/g

/** What of one file may cite a row; names of test that cite none are left out. */
export function citationsIn(file: string, text: string): readonly Citation[] {
  const names = Array.from(text.matchAll(NAMES), ([, single, double, template]) =>
    (single ?? double ?? template ?? '').replaceAll(/\\(.)/g, '$1'),
  )
  const head = /^\/\*\*\s*([\s\S]*?)\*\//.exec(text)?.[1] ?? ''
  const sentence = head
    .replace(/^\*\s*/, '')
    .replaceAll(/\s*\n \*\s?/g, ' ')
    .trim()
  const citations = names.map((name): Citation => ({ name, file, is_file: false }))
  return [{ name: sentence, file, is_file: true } satisfies Citation, ...citations].filter(
    ({ name }) => idsIn(name).length > 0,
  )
}

/** `S7` in `%s, S7`, `S2` and `S4` in `… (S2, S4)`, `S16` in `S16 a member`; S3 is also a store, and is cited with punctuation. */
const ID = /(?<=^|[\s(])S([1-9]|[1-3]\d|40)(?=[,;:.)\s]|$)/g

/** The rows that a name cites. */
export function idsIn(name: string): readonly string[] {
  const ids = Array.from(name.matchAll(ID), ({ 0: id, index }) => {
    const next = name[index + id.length] ?? ''
    return id === 'S3' && (/\s/.test(next) || /\bby $|\bover $/.test(name.slice(0, index))) ? '' : id
  })
  return [...new Set(ids)].filter((id) => id !== '')
}

/** The text of docs/security.md. */
export function securityDocument(proofs: Proofs): string {
  const sections = Object.entries(THREATS).map(
    ([id, { threat, requirement }]) =>
      `## ${id}: ${threat}\n\n${requirement}\n\n${listOf(proofs.get(id) ?? [])}`,
  )
  return `${INTRODUCTION}\n${sections.join('\n')}`
}

const INTRODUCTION = `# Threats, and the tests that prove what stands against them

Written by \`npm run docs:security\` from the names of the tests; do not edit. Each heading is a threat of the specification
(S1–S40), below it what has to hold, and the tests that fail when it does not. [SECURITY.md](../SECURITY.md) says how to report
a vulnerability and what a deployment has to do itself.
`

function listOf(citations: readonly Citation[]): string {
  const files = Map.groupBy(citations, ({ file }) => file)
  const items = Array.from(files, ([file, those]) => {
    const about = those.find(({ is_file }) => is_file)
    const names = new Set(those.filter(({ is_file }) => !is_file).map(({ name }) => name))
    const lines = Array.from(names, (name) => `  - ${escaped(name)}\n`)
    return `- [${file}](../${file})${about === undefined ? '' : `: ${escaped(about.name)}`}\n${lines.join('')}`
  })
  return items.length === 0 ? '**no test**\n' : items.join('')
}

/** Names are text, not Markdown. */
function escaped(name: string): string {
  return name.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_<>[\]|$]/g, (mark) => `\\${mark}`)
}
