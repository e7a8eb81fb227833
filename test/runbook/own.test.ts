/** docs/runbook.md: its commands pasted into bash against a table that a kill left stuck, and what it says of each line. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GATES } from '../../lib/gates/run-gates.ts'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { fromMs } from '../../lib/protocol/orchestration/events/instant.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import { REPOSITORY } from '../house/tools.ts'
import { crashTable, SCOPE, type CrashedTable } from '../support/crashed-table.ts'
import { PRIVATE, SERVICE_TOKEN, userOf } from '../support/deployment.ts'
import { createText } from '../support/objects.ts'
import { eventAt } from '../support/projection-events.ts'
import { NODE_ENTRY, startServer, type ServerProcess } from '../support/server-process.ts'
import { runBlocks, type BlockResult } from '../support/shell.ts'
import { alone } from './alone.ts'
import { fillIn, OWN_RUNBOOK, runbookSteps } from './document.ts'

const TEXT = readFileSync(OWN_RUNBOOK, 'utf8')
const STEPS = runbookSteps(OWN_RUNBOOK)

test('it has the three sections of the runbook that it replaces', () => {
  expect(STEPS.map(({ heading }) => heading)).toEqual([
    'What you need',
    '1.1 Look at the table',
    '1.2 Send the original request again',
    '1.3 Without the original request: recover',
    '1.4 See that it is finished',
    '2.1 Put the list into the bucket',
    '2.2 Rebuild',
    '2.3 See what readers see',
    '3) Does this deployment keep its promises?',
  ])
})

test('every expected line says what to do when it is not so', () => {
  const lists = TEXT.split(/^Expected:\n/m).slice(1)
  expect(lists).toHaveLength(STEPS.length)
  for (const list of lists) {
    const lines =
      list
        .split(/\n\n|\n#/, 1)[0]
        ?.split(/^- /m)
        .slice(1) ?? []
    expect(lines).not.toEqual([])
    for (const line of lines) expect(line).toMatch(/^ {2}- If /m)
  }
})

test('section 3 has a row for every gate, with its promise', () => {
  const rows = Array.from(TEXT.matchAll(/^\| `([a-z0-9-]+)` \| (.+?) \| (.+?) \|$/gm), ([, id, promise]) => ({
    id,
    promise,
  }))
  const gates = GATES.map(({ id, promise }) => ({ id, promise }))
  expect(rows.slice(2, -1)).toEqual(gates)
  expect(rows.map(({ id }) => id)).toEqual(
    expect.arrayContaining(['service-ready', 'service-closed', 'clean-up']),
  )
})

describe('pasted into bash, after a crash in W1', () => {
  let folder: string
  let server: ServerProcess
  let table: CrashedTable
  let results: readonly BlockResult[]
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-own-runbook-'))
    await appendEvents(folder)
    table = await crashTable(folder, 'W1')
    // Where credentials are asked for: the commands have to show the right one to each route.
    server = await startServer(NODE_ENTRY, { ...PRIVATE, ARCO_STORAGE_BUCKET: `file:${folder}` })
    const values = {
      '<tenant>': SCOPE.tenant,
      '<workspace>': SCOPE.workspace,
      '<bucket>': 'lakehouse',
      // Nothing on a loopback address has TLS.
      'https://<tidemark>': server.base,
      '<user-token>': await userOf(SCOPE.tenant),
      '<internal-token>': SERVICE_TOKEN,
      '<table-id>': table.table_id,
      '<read-version>': '-1',
      '<staged-path>': table.staged_path,
      '<staged-version>': table.staged_version,
      '<idempotency-key>': table.key,
    }
    const filled = STEPS.map(({ code }) => fillIn(code, values))
    const env = { GCLOUD_STAND_IN_FOLDER: folder }
    const ran = await alone('/tmp/tidemark-rebuild.json', async () =>
      runBlocks(filled, { cwd: REPOSITORY, env }),
    )
    results = ran.blocks
  }, 60_000)
  afterAll(async () => {
    await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  const jsonOf = (step: number): unknown => JSON.parse(results[step]?.stdout ?? 'null')

  test('every block ends with exit code 0', () => {
    expect(results.map(({ code }) => code)).toEqual(STEPS.map(() => 0))
  })

  test('the service is ready', () => {
    expect(jsonOf(0)).toEqual({ ready: true })
  })

  test('1.1 shows the stuck commit and its window', () => {
    const inflight = {
      commit_id: table.key,
      staged_path: table.staged_path,
      expires_at_ms: expect.any(Number),
    }
    expect(jsonOf(1)).toMatchObject({ latest_version: -1, crash_window: 'W1', inflight })
  })

  test('1.2 to 1.4: committed, nothing left to recover, nothing in flight', () => {
    expect(jsonOf(2)).toMatchObject({ version: 0, delta_log_path: expect.stringContaining('/_delta_log/') })
    expect(jsonOf(3)).toMatchObject({ action: 'none', inflight: null })
    expect(jsonOf(4)).toEqual({ latest_version: 0, inflight: null })
  })

  test('2.2 and 2.3: both events are folded, and readers see them', () => {
    expect(jsonOf(6)).toMatchObject({
      visibility_status: 'visible',
      events_processed: 2,
      remaining: 0,
      accounting: { below_floor: 0 },
    })
    expect(jsonOf(7)).toMatchObject({ watermark: LISTED.at(-1)?.id, damage: null, remaining: 0 })
  })

  test('3: the gates hold, and leave nothing beside the workspace', () => {
    expect(results.at(-1)?.stdout).toMatch(/\nAll \d+ gates hold\.\n/)
  })
})

/** The events that section 2 lists. */
const LISTED = Array.from(
  TEXT.matchAll(/"ledger\/orchestration\/([\d-]+)\/(\w+)\.json"/g),
  ([, date = '', id = '']) => ({ date, id }),
)

/** Put them where it says they are, as if somebody had appended them. */
async function appendEvents(folder: string): Promise<void> {
  const scoped = scopedStore(fsStore(folder), SCOPE)
  for (const [number, { date, id }] of LISTED.entries()) {
    const event = eventAt(number, {
      event_id: id,
      timestamp: fromMs(Date.parse(`${date}T09:00:0${number}Z`)),
      tenant_id: SCOPE.tenant,
      workspace_id: SCOPE.workspace,
    })
    await createText(scoped, eventPath(event), encodeEvent(event))
  }
}
