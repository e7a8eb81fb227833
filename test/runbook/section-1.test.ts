/** Section 1 of the runbook, pasted into bash word for word, over tables that a killed server left behind. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WINDOWS, type Window } from '../support/crash-windows.ts'
import { crashTable, SCOPE, type CrashedTable, type Seen } from '../support/crashed-table.ts'
import { NODE_ENTRY, startServer, type ServerProcess } from '../support/server-process.ts'
import { commitKeys } from '../support/service.ts'
import { runBlocks, type BlockResult, type ShellOptions } from '../support/shell.ts'
import { fillIn, runbookSteps } from './document.ts'

const BUCKET = 'lakehouse'

/** The part of the runbook that is run here. */
const STEPS = runbookSteps().filter(({ heading }) => /^(Required Environment|1\.\d)/.test(heading))

const COMMIT_ROUTE = '/api/v1/delta/tables/:table_id/commits'

/** The runbook writes its request there; two runs of the tests on one machine must not meet in it. */
const REQUEST_FILE = '/tmp/delta-commit-request.json'

/** What lies in the folder before anybody recovers (spec/coordinator.md 7.1). */
const LEFT_BEHIND: Record<Window, (table: CrashedTable) => Seen> = {
  W0: () => ({ state: null, log: null, marker: null }),
  W1: (table) => ({ state: reserved(table), log: null, marker: null }),
  W2: (table) => ({ state: reserved(table), log: table.payload, marker: null }),
  W3: (table) => ({ state: reserved(table), log: table.payload, marker: recorded(table) }),
  W4: (table) => ({ state: FINALIZED, log: table.payload, marker: recorded(table) }),
}

const FINALIZED = expect.objectContaining({ latest_version: 0, inflight: null })

function reserved({ key, staged_path, staged_version }: CrashedTable): unknown {
  const inflight = { commit_id: key, read_version: -1, version: 0, staged_path, staged_version }
  return expect.objectContaining({ latest_version: -1, inflight: expect.objectContaining(inflight) })
}

function recorded({ key }: CrashedTable): unknown {
  return expect.objectContaining({ idempotency_key: key, version: 0 })
}

test('the runbook still expects what is checked here', () => {
  expect(STEPS.map(({ heading }) => heading)).toEqual([
    'Required Environment',
    '1.1 Inspect current coordinator state',
    '1.2 Replay the original commit request (same idempotency key + request body)',
    '1.3 Verify idempotency marker + finalized coordinator state',
  ])
  expect(STEPS.map(({ expected }) => expected)).toEqual([
    [],
    [
      '`inflight` is present when recovering a stuck commit.',
      '`latest_version` may lag committed delta log version if crash occurred before finalize.',
    ],
    [
      'HTTP `200`',
      'Response includes stable `version` and `delta_log_path` (retries return identical values).',
    ],
    [
      'Idempotency marker object exists.',
      '`inflight` is `null`.',
      '`latest_version` is at least the replayed `version`.',
    ],
  ])
})

let folder: string
let server: ServerProcess
let other: ServerProcess
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-runbook-'))
  ;[server, other] = await Promise.all([serveFolder(), serveFolder()])
})
afterAll(async () => {
  await Promise.all([server.stop('SIGKILL'), other.stop('SIGKILL')])
  rmSync(folder, { recursive: true, force: true })
})

describe.for(WINDOWS)('section 1 after a crash in %s', (window) => {
  let table: CrashedTable
  let left_behind: Seen
  let first: Section
  let again: Section
  let elsewhere: Section
  let found: Seen
  let answered: readonly unknown[]
  beforeAll(async () => {
    table = await crashTable(folder, window)
    left_behind = table.look()
    first = await pasteSection(table, server)
    found = table.look()
    again = await pasteSection(table, server)
    elsewhere = await pasteSection(table, other)
    answered = [...(await server.log()), ...(await other.log())].filter(
      ({ table_id }) => table_id === table.table_id,
    )
  })

  test('7.1: the kill left exactly the objects of this window', () => {
    expect(left_behind).toEqual(LEFT_BEHIND[window](table))
  })

  test('1.1 shows the reservation of a stuck commit, and how far its version lags', () => {
    expect(jsonOf(first.inspected)).toEqual(left_behind.state)
    // W0 is no stuck commit: there is no state yet, and gcloud says so.
    expect(first.inspected.code).toBe(window === 'W0' ? 1 : 0)
  })

  test('1.2 answers HTTP 200 with the version and the path of the log entry', () => {
    const { log } = commitKeys(table.table_id, table.key, 0)
    expect(jsonOf(first.replayed)).toEqual({ version: 0, delta_log_path: log })
    const replay = expect.objectContaining({ route: COMMIT_ROUTE, status: 200, version: 0 })
    expect(answered).toEqual([replay, replay, replay])
  })

  test('1.3 finds the marker, no reservation, and at least the replayed version', () => {
    const [url, ...state] = first.verified.stdout.split('\n')
    const { marker } = commitKeys(table.table_id, table.key, 0)
    expect(first.verified.code).toBe(0)
    expect(url).toBe(`gs://${BUCKET}/tenant=${SCOPE.tenant}/workspace=${SCOPE.workspace}/${marker}`)
    expect(JSON.parse(state.join('\n'))).toEqual({ latest_version: 0, inflight: null })
  })

  test('7.2: the folder holds one commit, finished', () => {
    expect(found).toEqual(LEFT_BEHIND.W4(table))
  })

  test('C7: pasted again, against another process too, every value is identical', () => {
    expect(again.replayed).toEqual(first.replayed)
    expect(again.verified).toEqual(first.verified)
    expect(elsewhere).toEqual(again)
  })
})

test('the stand-ins for curl, jq and shasum print what the tools print (W2)', async () => {
  const table = await crashTable(folder, 'W2')
  const by_stand_ins = await pasteSection(table, server, { prefer: 'stand-ins' })
  const by_machine = await pasteSection(table, server)
  expect(jsonOf(by_stand_ins.inspected)).toEqual(LEFT_BEHIND.W2(table).state)
  expect(by_stand_ins.replayed).toEqual(by_machine.replayed)
  expect(by_stand_ins.verified).toEqual(by_machine.verified)
})

test.for([
  ['another bucket', 'gcloud storage cat gs://other/key'],
  ['a wildcard', `gcloud storage ls 'gs://${BUCKET}/*'`],
  ['another command', `gcloud storage rm gs://${BUCKET}/key`],
])('the stand-in for gcloud refuses %s loudly', async ([, command]) => {
  const env = { ARCO_STORAGE_BUCKET: BUCKET, GCLOUD_STAND_IN_FOLDER: tmpdir() }
  const { blocks, stderr } = await runBlocks([command ?? ''], { env })
  expect(blocks).toEqual([{ stdout: '', code: 64 }])
  expect(stderr).toContain('gcloud stand-in: ')
})

async function serveFolder(): Promise<ServerProcess> {
  return startServer(NODE_ENTRY, {
    ARCO_STORAGE_BUCKET: `file:${folder}`,
    ARCO_TENANT_ID: SCOPE.tenant,
    ARCO_WORKSPACE_ID: SCOPE.workspace,
  })
}

interface Section {
  readonly inspected: BlockResult
  readonly replayed: BlockResult
  readonly verified: BlockResult
}

/** Paste the commands into one shell, with an operator's values for the placeholders and nothing else changed. */
async function pasteSection(
  table: CrashedTable,
  server: ServerProcess,
  options: ShellOptions = {},
): Promise<Section> {
  const values = {
    '<tenant>': SCOPE.tenant,
    '<workspace>': SCOPE.workspace,
    '<bucket>': BUCKET,
    // The embedded default has no TLS.
    'https://<arco-api>': server.base,
    'https://<arco-flow-compactor>': server.base,
    '<internal-oidc-or-service-token>': 'unused',
    '<uuid-v7-table-id>': table.table_id,
    '<original-uuid-v7-key>': table.key,
    '<original-staged-path>': table.staged_path,
    '<original-staged-version>': table.staged_version,
  }
  const filled = STEPS.map(({ code }) => fillIn(code, values))
  const { blocks } = await alone(async () =>
    runBlocks(filled, { ...options, env: { GCLOUD_STAND_IN_FOLDER: folder } }),
  )
  const [, inspected = NOT_RUN, replayed = NOT_RUN, verified = NOT_RUN] = blocks
  return { inspected, replayed, verified }
}

const NOT_RUN: BlockResult = { stdout: '', code: -1 }

/** The value that jq printed, null when it printed nothing. */
function jsonOf({ stdout }: BlockResult): unknown {
  return stdout === '' ? null : JSON.parse(stdout)
}

/** Hold the machine's one request file: a lock that the kernel releases, whatever happens to this process. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(join(tmpdir(), `tidemark-runbook-${process.getuid?.() ?? 0}.lock`), {
    timeout: 20_000,
  })
  try {
    lock.exec('BEGIN IMMEDIATE')
    return await work()
  } finally {
    rmSync(REQUEST_FILE, { force: true })
    lock.close()
  }
}
