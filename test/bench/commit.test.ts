/** `npm run bench` runs, and says what a reader needs. Its times are never asserted. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { REPOSITORY } from '../house/tools.ts'
import { runCommand, type Ended } from '../support/process.ts'

async function bench(...args: readonly string[]): Promise<Ended> {
  return runCommand({ command: process.execPath, args: ['bench/commit.ts', ...args], cwd: REPOSITORY })
}

test('each store is measured with 1 writer, 16 on one table and 16 on 16; a commit takes 5 rounds', async () => {
  const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const { code, stdout } = await bench('--seconds', '0.02', '--folder', folder, '--json')
  const report = JSON.parse(stdout)
  expect(code).toBe(0)
  expect(report.rounds).toBe(5)
  const lines: { store: string; writers: number; tables: number; requests_per_commit: number }[] =
    report.lines
  expect(lines.map(({ store, writers, tables }) => [store, writers, tables])).toEqual(
    ['memory', 'folder'].flatMap((store) => [
      [store, 1, 1],
      [store, 16, 1],
      [store, 16, 16],
    ]),
  )
  for (const { requests_per_commit } of lines) expect(requests_per_commit).toBeGreaterThanOrEqual(1)
})

test('an argument that it does not know: usage on stderr, exit code 2, nothing on stdout', async () => {
  const { code, stdout, stderr } = await bench('--fast')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('npm run bench -- [--seconds N]')
})
