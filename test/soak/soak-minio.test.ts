/** Fifteen seconds of `npm run soak -- --store minio`: servers are killed at random, and so is the store below them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { whyNoDeltaRs } from '../support/delta-rs.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { reportText } from './report.ts'
import { runSoak, type SoakReport } from './run.ts'

const SECONDS = 15
const SEED = Date.now() % 1_000_000
const without = whyNot('minio')
const without_delta_rs = whyNoDeltaRs()

describe.skipIf(without !== null)(
  `three servers over MinIO, ${SECONDS} s of kills, seed ${SEED} ${without ?? ''}`,
  () => {
    let root: string
    let report: SoakReport
    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'tidemark-soak-'))
      report = await runSoak({ root, seconds: SECONDS, seed: SEED, store: 'minio' })
    }, 180_000)
    afterAll(() => {
      // A violated run is evidence.
      if (report?.violations.length === 0) rmSync(root, { recursive: true, force: true })
    })

    test('C1 to C20: the checker, which reads the bucket by itself, finds no violation', () => {
      expect(report.violations, `${reportText(report)}evidence in ${root}`).toEqual([])
    })

    test('was worth it: servers and MinIO were killed, commits and replays were acknowledged', () => {
      const { kills, store_kills, commits, replays, tables } = report.counts
      // Besides all three at once at the end.
      expect(kills).toBeGreaterThan(4)
      expect(store_kills).toBeGreaterThan(1)
      expect(commits).toBeGreaterThan(tables)
      expect(replays).toBeGreaterThan(1)
    })

    test('DuckDB reads from the tables exactly the rows of the acknowledged commits', () => {
      expect(report.violations.filter(({ rule }) => rule === 'readers')).toEqual([])
      expect(report.counts.rows_read['DuckDB']).toBeGreaterThanOrEqual(report.counts.commits)
    })

    test.skipIf(without_delta_rs !== null)(
      `delta-rs does the same, over its own S3 client ${without_delta_rs ?? ''}`,
      () => {
        const { rows_read } = report.counts
        expect(rows_read['delta-rs']).toBe(rows_read['DuckDB'])
      },
    )
  },
)
