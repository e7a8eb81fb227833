/** `npm run verify`: what an operator sees, word for word, what a program gets, and the exit codes that a script sees. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { REPOSITORY } from '../house/tools.ts'
import { TABLE_ID } from '../support/commit-world.ts'
import { runCommand, type Ended } from '../support/process.ts'
import { soundTable } from '../support/spoilt-table.ts'
import { entryPath, TABLE_PREFIX, type TableFiles } from '../support/verify.ts'

const SCOPE = ['--tenant', 'acme', '--workspace', 'analytics', '--table', TABLE_ID]

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-verify-'))
  bucket('clean', soundTable())
  bucket('spoilt', { ...soundTable(), [entryPath(4)]: 'spoilt', '_delta_log/_last_checkpoint': '' })
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A folder store that holds one table. */
function bucket(name: string, files: TableFiles): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, name, TABLE_PREFIX, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}

async function verify(args: readonly string[]): Promise<Ended> {
  return runCommand({
    command: process.execPath,
    args: ['cli/verify.ts', ...args],
    cwd: REPOSITORY,
    env: { HOME: '/nonexistent' },
  })
}

const written = ({ code, stdout, stderr }: Ended): string =>
  `${stdout}${stderr === '' ? '' : `--- stderr\n${stderr}`}--- exit code ${code}\n`.replaceAll(
    folder,
    'FOLDER',
  )

describe.concurrent('npm run verify', () => {
  test('a clean table: one line, exit 0', async ({ expect: see }) => {
    const ended = await verify(['--bucket', `file:${join(folder, 'clean')}`, ...SCOPE, '--deep'])
    await see(written(ended)).toMatchFileSnapshot('golden/verify-clean.txt')
  })

  test('a spoilt table: the first line names the most severe finding, exit 1', async ({ expect: see }) => {
    const ended = await verify(['--bucket', `file:${join(folder, 'spoilt')}`, ...SCOPE])
    see(ended.stdout.split('\n')[0]).toMatch(/^error DL-205 {2}version 4, /)
    await see(written(ended)).toMatchFileSnapshot('golden/verify-spoilt.txt')
  })

  test('--json says the same to a program', async ({ expect: see }) => {
    const ended = await verify(['--bucket', `file:${join(folder, 'spoilt')}`, ...SCOPE, '--json'])
    see([ended.code, ended.stderr]).toEqual([1, ''])
    await see(`${JSON.stringify(JSON.parse(ended.stdout), null, 2)}\n`).toMatchFileSnapshot(
      'golden/verify.json',
    )
  })

  test('a table id that is none: could not look, exit 2', async ({ expect: see }) => {
    const ended = await verify(['--bucket', 'memory:', ...SCOPE.slice(0, -1), 'orders'])
    see(written(ended)).toBe('--- stderr\nverify: --table: expected a UUID\n--- exit code 2\n')
  })

  test('a folder that is not there: could not look, exit 2, and it is not made', async ({ expect: see }) => {
    const missing = join(folder, 'missing')
    const ended = await verify(['--bucket', `file:${missing}`, ...SCOPE])
    see(written(ended)).toBe('--- stderr\nverify: there is no folder FOLDER/missing\n--- exit code 2\n')
    see(existsSync(missing)).toBe(false)
  })
})
