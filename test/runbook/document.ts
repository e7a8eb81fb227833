/** Both runbooks as data: their commands and what they say to expect of them. That of the reference lies beside the repository. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../house/tools.ts'

/** One heading of the runbook with the commands below it. */
export interface RunbookStep {
  /** `1.2 Replay the original commit request (…)` */
  readonly heading: string
  /** The text of its bash block, to the byte. */
  readonly code: string
  /** The lines of its "Expected" list, without their dashes. */
  readonly expected: readonly string[]
}

/** Where the reference's runbook is, here and in CI. */
export const RUNBOOK = join(REPOSITORY, '../shared/runbook.md')

/** Tidemark's own. */
export const OWN_RUNBOOK = join(REPOSITORY, 'docs/runbook.md')

/** Every heading of a runbook that has commands, in order. */
export function runbookSteps(file: string = RUNBOOK): readonly RunbookStep[] {
  const chapters = readFileSync(file, 'utf8').split(/^#{2,3} /m)
  return chapters.flatMap((chapter) => {
    const code = /^```bash\n([\s\S]*?)^```$/m.exec(chapter)?.[1]
    if (code === undefined) return []
    const after = chapter.slice(chapter.indexOf(code) + code.length)
    const list = /^Expected:\n((?:\s*- .*\n?)+)/m.exec(after)?.[1] ?? ''
    return [
      {
        heading: chapter.split('\n', 1)[0] ?? '',
        code,
        expected: Array.from(list.matchAll(/^\s*- (.*)$/gm), ([, line = '']) => line),
      },
    ]
  })
}

/** What an operator fills in, by the placeholder of the runbook. */
export type Placeholders = Readonly<Record<string, string>>

/** The commands with every placeholder filled in; a placeholder that nobody knows is an error. */
export function fillIn(code: string, placeholders: Placeholders): string {
  let filled = code
  for (const [placeholder, value] of Object.entries(placeholders)) {
    filled = filled.replaceAll(placeholder, value)
  }
  // A here-document opens with `<<JSON`, which is no placeholder.
  const unknown = /<[a-z][a-z0-9-]*>/.exec(filled)?.[0]
  if (unknown !== undefined)
    throw new Error(`the runbook has a placeholder that no value is known for: ${unknown}`)
  return filled
}
