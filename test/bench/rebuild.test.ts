/** `npm run bench:rebuild`: its measurements are of what they say. Times are never asserted, only counts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeLedger } from '../../bench/long-ledger.ts'
import { runCase, type Case } from '../../bench/rebuild-process.ts'
import { REPOSITORY } from '../house/tools.ts'
import { runCommand } from '../support/process.ts'

const scratch = mkdtempSync(join(tmpdir(), 'tidemark-bench-test-'))
const ledger = join(scratch, 'ledger')
const shape = { events: 1_000, ms_per_event: 31_000 }

beforeAll(() => writeLedger(shape, ledger))
afterAll(() => rmSync(scratch, { recursive: true }))

const CASE: Omit<Case, 'mode'> = {
  shape,
  ledger,
  store: 'memory',
  tombstones: 'emit',
  latency_ms: 1,
  rounds: 1,
  warm: false,
}

/** Events that are read together. */
const TOGETHER = 256

test.each([
  ['full', 11],
  ['incremental', 10],
] as const)(
  'RB-1, %s: a rebuild waits for %i round trips, and one for 256 events',
  async (mode, rounds_besides) => {
    const figures = await runCase({ ...CASE, mode })
    expect(figures).toMatchObject({ events: 1_000, events_read: 1_000, revisions: 1 })
    expect(figures.rounds).toBe(rounds_besides + Math.ceil(shape.events / TOGETHER))
  },
)

test('without a latency rounds are not counted, and a rebuild of a folder comes to the same', async () => {
  const figures = await runCase({ ...CASE, mode: 'full', store: 'folder', latency_ms: 0 })
  expect(figures).toMatchObject({ events_read: 1_000, revisions: 1, rounds: 0 })
})

test('an argument that it does not know: usage on stderr, exit code 2, nothing on stdout', async () => {
  const { code, stdout, stderr } = await runCommand({
    command: process.execPath,
    args: ['bench/rebuild.ts', '--fast'],
    cwd: REPOSITORY,
  })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('npm run bench:rebuild -- [--events N]')
})
