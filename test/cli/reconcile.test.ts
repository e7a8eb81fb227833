/** `npm run reconcile` and `npm run verify -- --projection` over a folder: what is said, what is deleted, and the exit codes. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createEnvironment } from '../../functions/environment.ts'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { compact } from '../../lib/protocol/orchestration/projection/compact.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../../lib/protocol/orchestration/projection/settings.ts'
import { run } from '../../lib/protocol/run.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { scopedStore, scopePrefix } from '../../lib/store/scoped.ts'
import { REPOSITORY } from '../house/tools.ts'
import { eventsAt } from '../support/projection-events.ts'
import { folded } from '../support/projection-world.ts'
import { runCommand, type Ended } from '../support/process.ts'

const scope = { tenant: 'acme', workspace: 'prod' }
const SCOPE = ['--tenant', 'acme', '--workspace', 'prod']
const ORPHAN = 'state/orchestration/manifests/00000000000000000009.json'
const YOUNG = 'state/orchestration/l0/01JYOUNG000000000000000000/runs.000000000000.parquet'

const folders: string[] = []
let folder = ''
afterAll(() => folders.forEach((each) => rmSync(each, { recursive: true })))

/** A projection of one revision, an orphan of two hours, and one of now. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-reconcile-'))
  folders.push(folder)
  const store = scopedStore(fsStore(folder), scope)
  const event_paths: string[] = []
  for (const event of eventsAt(0, 3)) {
    event_paths.push(eventPath(event))
    await store.put(eventPath(event), new TextEncoder().encode(encodeEvent(event)), 'doesNotExist')
  }
  const resolver = {
    resolve: () => {
      throw new Error('no table here')
    },
    knownRoot: () => null,
  }
  const env = createEnvironment({ store, resolver, note: () => undefined })
  folded(
    await run(compact({ ...DEFAULT_PROJECTION_SETTINGS, scope }, { event_paths, fencing_token: null }), env),
  )
  plant(ORPHAN, 7_200)
  plant(YOUNG, 0)
})

function plant(path: string, age_secs: number): void {
  const file = join(folder, scopePrefix(scope), path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, 'orphan')
  const at = Date.now() / 1_000 - age_secs
  utimesSync(file, at, at)
}

const has = (path: string): boolean => existsSync(join(folder, scopePrefix(scope), path))

async function command(name: 'reconcile' | 'verify', args: readonly string[]): Promise<Ended> {
  return runCommand({
    command: process.execPath,
    args: [`cli/${name}.ts`, '--bucket', `file:${folder}`, ...SCOPE, ...args],
    cwd: REPOSITORY,
    env: { HOME: '/nonexistent' },
  })
}

describe('npm run reconcile', () => {
  test('reports, the worst first, deletes nothing, exit 1', async () => {
    const { code, stdout, stderr } = await command('reconcile', [])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(stdout.replaceAll(/written \d+ s ago/g, 'written N s ago')).toBe(
      `warn  RC-104  ${ORPHAN}: no manifest that is kept names it; 1 objects, 6 bytes, written N s ago
      means A publisher crashed or stalled between manifest and pointer. The next one skips the id; a reference process would be blocked by it.
      next  POST /internal/reconcile {"repair":true}
info  RC-103  ${dirname(YOUNG)}: no manifest that is kept names it; 1 objects, 6 bytes, written N s ago
      means What a publisher left that failed or lost a race, or still is at work. It costs storage and nothing else.
      next  Wait an hour: it may be the work of a compaction that goes on.

errors: 0, warnings: 1, facts: 1
`,
    )
    expect([has(ORPHAN), has(YOUNG)]).toEqual([true, true])
  })

  test('--repair deletes what is old by its own time and keeps what is young, exit 0', async () => {
    const { code, stdout } = await command('reconcile', ['--repair'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/deleted: 1 objects, 6 bytes; kept: 1 young, 0 in use or unsafe, 0 failed\n$/)
    expect([has(ORPHAN), has(YOUNG)]).toEqual([false, true])
  })

  test('--json says the same to a program', async () => {
    const { code, stdout } = await command('reconcile', [
      '--repair',
      '--staged-days',
      '7',
      '--rebuild-days',
      '30',
      '--json',
    ])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      conclusion: 'clean',
      report: { orphan_manifest_snapshots: [ORPHAN] },
      repair_result: { deleted_objects: 1, deferred_paths: 1 },
      cleaned: { staged: { deleted_objects: 0 }, rebuilds: { deleted_objects: 0 } },
      findings: [{ rule: 'RC-103', severity: 'info' }],
    })
  })

  test('cannot look, exit 2', async () => {
    const [age, missing] = await Promise.all([
      command('reconcile', ['--staged-days', '7']),
      command('reconcile', ['--bucket', 'file:/nonexistent/folder']),
    ])
    expect(age).toMatchObject({ code: 2, stdout: '', stderr: 'reconcile: --staged-days: needs --repair\n' })
    const why = 'reconcile: there is no folder /nonexistent/folder\n'
    expect(missing).toMatchObject({ code: 2, stdout: '', stderr: why })
  })
})

describe('npm run verify -- --projection', () => {
  test('without orphans it is clean, exit 0', async () => {
    for (const path of [ORPHAN, dirname(YOUNG)]) {
      rmSync(join(folder, scopePrefix(scope), path), { recursive: true })
    }
    const { code, stdout } = await command('verify', ['--projection'])
    expect({ code, stdout: stdout.replace(/\d+/, 'N') }).toEqual({
      code: 0,
      stdout: 'clean: the projection, N objects looked at.\n',
    })
  })

  test('names damage first', async () => {
    writeFileSync(join(folder, scopePrefix(scope), 'state/orchestration/manifest.pointer.json'), '{')
    const { code, stdout } = await command('verify', ['--projection', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      conclusion: 'findings',
      findings: [{ rule: 'PJ-101' }, { rule: 'RC-201' }],
    })
  })

  test('needs to be told at what to look, exit 2', async () => {
    expect(await command('verify', [])).toMatchObject({
      code: 2,
      stderr: 'verify: expected either --table or --projection\n',
    })
  })
})
