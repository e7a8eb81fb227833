import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { afterAll, describe, expect, test } from 'vitest'
import { ALLOWED, REFUSED } from './lint-cases.ts'
import { REPOSITORY, runTool } from './tools.ts'

const Report = z.object({ diagnostics: z.array(z.object({ code: z.string(), filename: z.string() })) })

/** What the cases import. */
const NEIGHBOURS = {
  'lib/store/types.ts':
    'export interface Store {\n  readonly capabilities: { readonly meta: boolean }\n}\nexport type MaintenanceStore = Store\n',
  'lib/store/memory.ts': 'export const memoryStore = 1\nexport type Driver = number\n',
  'lib/store/fs/sidecar.ts': 'export const sidecar = 1\n',
  'lib/protocol/paths.ts': 'export const path = 1\n',
  'functions/app.ts': 'export const app = 1\n',
  'functions/entry/node.ts': 'export const entry = 1\n',
}

interface Verdict {
  readonly exit_code: number | null
  /** The rules that refused each file, in the order of the cases, none twice. */
  readonly rules: readonly (readonly string[])[]
}

const rooms: string[] = []
afterAll(() => rooms.forEach((room) => rmSync(room, { recursive: true, force: true })))

/**
 * Lint all cases at once by the repository's own configuration, in a copy of its tree that holds nothing else: the
 * globs of .oxlintrc.json are relative to where it stands.
 */
async function lint(cases: readonly { path: string; code: string }[]): Promise<Verdict> {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-lint-'))
  rooms.push(root)
  const paths = cases.map(({ path }, index) => path.replace('subject', `subject-${index}`))
  const subjects = cases.map(({ code }, index) => [paths[index] ?? '', code] as const)
  for (const [name, text] of [...Object.entries(NEIGHBOURS), ...subjects]) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  for (const name of ['.oxlintrc.json', 'tsconfig.json', 'scripts/lint-rules.ts']) {
    cpSync(join(REPOSITORY, name), join(root, name))
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'))
  const { exit_code, stdout, stderr } = await runTool('oxlint', ['--format=json', ...paths], root)
  if (!stdout.startsWith('{')) throw new Error(`oxlint did not report: ${stdout}${stderr}`)
  const { diagnostics } = Report.parse(JSON.parse(stdout))
  const rulesOf = (path: string): string[] =>
    diagnostics.filter(({ filename }) => filename === path).map(({ code }) => code)
  return { exit_code, rules: paths.map((path) => [...new Set(rulesOf(path))]) }
}

describe('the linter refuses', async () => {
  const { exit_code, rules } = await lint(REFUSED)

  test('with exit code 1', () => expect(exit_code).toBe(1))

  test.for(REFUSED.map((each, index) => ({ ...each, index })))('$promise', ({ index, rule }) => {
    expect(rules[index]).toEqual([rule])
  })
})

describe('the linter allows', async () => {
  const { exit_code, rules } = await lint(ALLOWED)

  test('with exit code 0', () => expect(exit_code).toBe(0))

  test.for(ALLOWED.map((each, index) => ({ ...each, index })))('$promise', ({ index }) => {
    expect(rules[index]).toEqual([])
  })
})
