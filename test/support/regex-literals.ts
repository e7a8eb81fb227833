/** Every regular expression that the product's own code is made of, and strings that make a bad one slow. */
import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAst } from 'vitest/node'
import { REPOSITORY } from '../house/tools.ts'

/** One expression, and where it stands. */
export interface FoundRegex {
  /** `file:offset` */
  readonly at: string
  readonly regex: RegExp
}

/** The literals of some folders, and the places where an expression is built when the code runs. */
export async function regexesOf(
  folders: readonly string[],
): Promise<{ readonly literals: readonly FoundRegex[]; readonly built_in: ReadonlySet<string> }> {
  const literals: FoundRegex[] = []
  const built_in = new Set<string>()
  for await (const file of glob(
    folders.map((folder) => `${folder}/**/*.ts`),
    { cwd: REPOSITORY },
  )) {
    const text = readFileSync(join(REPOSITORY, file), 'utf8')
    visit(parseAst(text, { lang: 'ts' }), (node) => {
      const { type, regex, start, callee } = node as Node
      if (type === 'Literal' && regex !== undefined) {
        literals.push({ at: `${file}:${start}`, regex: new RegExp(regex.pattern, regex.flags) })
      }
      const is_call = type === 'NewExpression' || type === 'CallExpression'
      if (is_call && (callee as Node | undefined)?.name === 'RegExp') built_in.add(file)
    })
  }
  return { literals, built_in }
}

interface Node {
  readonly type?: string
  readonly name?: string
  readonly start?: number
  readonly regex?: { readonly pattern: string; readonly flags: string }
  readonly callee?: unknown
}

function visit(node: unknown, see: (node: object) => void): void {
  if (typeof node !== 'object' || node === null) return
  see(node)
  for (const part of Object.values(node)) {
    if (Array.isArray(part)) for (const each of part) visit(each, see)
    else visit(part, see)
  }
}

/** What is repeated: every printable character, line ends, some others, and what the expression itself spells out. */
const UNITS = [
  ...Array.from({ length: 95 }, (_, each) => String.fromCharCode(32 + each)),
  '\n',
  '\t',
  '\0',
  '\u00e9',
  '\u{1f30a}',
]

/** Makes a text of about `chars` characters. */
export type HostileText = (chars: number) => string

/** Something that the expression looks for, repeated, in front of an end that it does not. */
export function hostileTexts(regex: RegExp): HostileText[] {
  const spelled = regex.source.match(/[A-Za-z0-9 =_%/<>-]{2,}/g) ?? []
  const pairs = UNITS.flatMap((unit) => [`${unit}a`, `${unit}0`])
  return ['', ...spelled.slice(0, 2)].flatMap((start) =>
    [...UNITS, ...spelled, ...pairs].map(
      (unit): HostileText =>
        (chars) =>
          `${start}${unit.repeat(Math.ceil(chars / unit.length))}\u0001`,
    ),
  )
}
