/** Section 1 of the runbook on Node, over a folder that killed servers left behind. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { crashTable, SCOPE } from '../support/crashed-table.ts'
import { NODE_ENTRY, startServer, type ServerProcess } from '../support/server-process.ts'
import { runBlocks } from '../support/shell.ts'
import {
  BUCKET,
  HOOK_MS,
  jsonOf,
  LEFT_BEHIND,
  pasteSection,
  sectionOne,
  STEPS,
  type Host,
} from './section-1.ts'

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
}, HOOK_MS)
afterAll(async () => {
  await Promise.all([server.stop('SIGKILL'), other.stop('SIGKILL')])
  rmSync(folder, { recursive: true, force: true })
})

const host = (): Host => ({
  crash: async (window) => crashTable(folder, window),
  bases: [server.base, other.base],
  gcloud: { GCLOUD_STAND_IN_FOLDER: folder },
  log: async () => [...(await server.log()), ...(await other.log())],
})

sectionOne(host)

test(
  'the stand-ins for curl, jq and shasum print what the tools print (W2)',
  { timeout: HOOK_MS },
  async () => {
    const { gcloud, crash } = host()
    const place = { base: server.base, gcloud }
    const table = await crash('W2')
    const by_stand_ins = await pasteSection(table, { ...place, prefer: 'stand-ins' })
    const by_machine = await pasteSection(table, place)
    expect(jsonOf(by_stand_ins.inspected)).toEqual(LEFT_BEHIND.W2(table).state)
    expect(by_stand_ins.replayed).toEqual(by_machine.replayed)
    expect(by_stand_ins.verified).toEqual(by_machine.verified)
  },
)

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
