/** Ten seconds of `npm run soak`: nothing acknowledged is lost or doubled while servers are killed. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { REPOSITORY } from '../house/tools.ts'
import { runCommand, type Ended } from '../support/process.ts'
import { reportText } from './report.ts'
import { runSoak, type SoakReport } from './run.ts'

const SECONDS = 10
const SEED = Date.now() % 1_000_000

describe(`three servers, eight clients, ${SECONDS} s of kills, seed ${SEED}`, () => {
  let root: string
  let report: SoakReport
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'tidemark-soak-'))
    report = await runSoak({ root, seconds: SECONDS, seed: SEED })
  }, 120_000)
  afterAll(() => {
    // A violated run is evidence.
    if (report?.violations.length === 0) rmSync(root, { recursive: true, force: true })
  })

  test('C1 to C20: the checker finds no violation', () => {
    expect(report.violations, `${reportText(report)}evidence in ${root}`).toEqual([])
  })

  test('was worth it: servers were killed, commits and replays were acknowledged', () => {
    const { kills, commits, replays, tables, rows_read } = report.counts
    // Besides all three at once at the end.
    expect(kills).toBeGreaterThan(4)
    expect(commits).toBeGreaterThan(tables)
    expect(replays).toBeGreaterThan(1)
    expect(rows_read['DuckDB']).toBeGreaterThanOrEqual(commits)
  })
})

describe('npm run soak', () => {
  const soak = async (...args: string[]): Promise<Ended> =>
    runCommand({ command: process.execPath, args: ['test/soak/soak.ts', ...args], cwd: REPOSITORY })
  const BRIEF = ['--seconds', '1', '--seed', '7']

  test(
    '--json prints the report on stdout and nothing else, and exits with 0',
    { timeout: 60_000 },
    async () => {
      const { code, stdout } = await soak(...BRIEF, '--json')
      expect(JSON.parse(stdout)).toMatchObject({ seed: 7, seconds: 1, violations: [] })
      expect(code).toBe(0)
    },
  )

  test(
    'finds servers out that lose log entries (C1): exit code 1, evidence kept',
    { timeout: 60_000 },
    async () => {
      const { code, stdout, stderr } = await soak(...BRIEF, '--server', 'test/soak/careless-server.ts')
      const [, kept = ''] = /^The folder and the journals are kept in (\S+)$/m.exec(stderr) ?? []
      expect(existsSync(join(kept, 'journals'))).toBe(true)
      rmSync(kept, { recursive: true })
      expect(stdout).toMatch(
        /^VIOLATED C1: request client-\d-\d+ .* was told version \d+, which is not there$/m,
      )
      expect(stdout).toMatch(/^\d+ violations\.\n$/m)
      expect(code).toBe(1)
    },
  )

  test.for([['--store', 'tape'], ['--seconds', 'soon'], ['--seconds', '0'], ['--seed', '1.5'], ['--fast']])(
    'refuses %s %s with exit code 2 and says how it is called',
    async (args) => {
      const { code, stdout, stderr } = await soak(...args)
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain(
        'npm run soak -- [--store file|minio] [--seconds N] [--seed N] [--server FILE] [--json]',
      )
    },
  )
})
