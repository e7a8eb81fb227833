/** `npm run health`: what an operator reads, and the exit codes that a script sees. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import { REPOSITORY } from '../house/tools.ts'
import { plantStuck } from '../support/health.ts'
import { runCommand, type Ended } from '../support/process.ts'
import { readBucket } from '../support/stores.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-health-'))
  return () => rmSync(folder, { recursive: true, force: true })
})

async function health(...args: readonly string[]): Promise<Ended> {
  const scope = ['--bucket', `file:${folder}`, '--tenant', 'acme', '--workspace', 'analytics']
  return runCommand({
    command: process.execPath,
    args: ['cli/health.ts', ...scope, ...args],
    cwd: REPOSITORY,
    env: {},
  })
}

test('findings are 1 and what to do, --recover does it and is 0, clean is 0; nothing else is written', async () => {
  const store = fsStore(folder)
  const table_id = await plantStuck(store)
  const before = await readBucket(store)

  const found = await health()
  expect([found.code, found.stderr]).toEqual([1, ''])
  expect(found.stdout)
    .toBe(`warn  TM-201  version 0, delta/coordinator/${table_id}.json: W1: version 0 is reserved and not written; its TTL has passed
      means Nothing is lost. Other writers get 409 \`reserved\` until the reservation is finished or dropped.
      next  POST /api/v1/delta/tables/${table_id}/recover {}

errors: 0, warnings: 1, facts: 0
`)
  expect(await readBucket(store)).toEqual(before)

  const recovered = await health('--recover', '--json')
  expect([recovered.code, recovered.stderr]).toEqual([0, ''])
  expect(JSON.parse(recovered.stdout)).toMatchObject({
    conclusion: 'clean',
    tables: 1,
    findings: [{ rule: 'TM-201', severity: 'info' }],
    recovered: [{ table_id, action: 'rolled_forward', latest_version: 0 }],
  })
  expect(await health()).toMatchObject({
    code: 0,
    stdout: 'clean: 1 table, the projection and its lock.\n',
  })
  expect(Object.keys(await readBucket(store)).filter((key) => key.includes('/locks/'))).toEqual([])
})

test.each([
  [['--bucket', 'ftp://x'], '--bucket: expected '],
  [['--tenant', 'Acme'], '--tenant: expected only a-z, 0-9, _ and -'],
  [['--bucket', 's3://lake', '--recover'], '--recover writes, and nobody has said that s3://lake honours'],
])('%j cannot be looked at: 2', async (args, text) => {
  const { code, stdout, stderr } = await health(...args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(`health: ${text}`)
})
