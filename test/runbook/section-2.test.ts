/** Section 2 of the runbook on Node, over a folder and over MinIO. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import type { Scope } from '../../lib/store/scoped.ts'
import { serveBucket } from '../support/bucket-server.ts'
import { NODE_ENTRY, startServer } from '../support/server-process.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { openBySdk } from '../support/servers/minio-stores.ts'
import { startMinio } from '../support/servers/minio.ts'
import { HOOK_MS, inFreshWorkspace, inStaleWorkspace, STEPS, type Workspace } from './section-2.ts'

test('the runbook still expects what is checked here', () => {
  expect(STEPS.map(({ heading }) => heading)).toEqual([
    'Required Environment',
    '2.1 Build an explicit ledger rebuild manifest',
    '2.2 Trigger `/rebuild`',
    '2.3 Verify manifest watermark advanced',
  ])
  expect(STEPS.map(({ expected }) => expected)).toEqual([
    [],
    ['Rebuild manifest uploaded under `state/orchestration/rebuilds/`.'],
    [
      'HTTP `200`',
      'Response contains:',
      '`events_processed` (`>= 0`)',
      '`manifest_revision` (new revision when state changed)',
      '`visibility_status` (`"visible"` or `"persisted_not_visible"`)',
    ],
    [
      '`last_visible_event_id` advances to the newest replayed event visible to readers.',
      '`last_processed_at` updates to current recovery run time.',
    ],
  ])
})

const SCOPES = {
  fresh: { tenant: 'acme', workspace: 'fresh' },
  stale: { tenant: 'acme', workspace: 'stale' },
} as const satisfies Record<string, Scope>

/** What has to end when the tests are over; the last one first. */
type Closing = (() => Promise<void> | void)[]

/** One server for each workspace of a bucket. */
async function serveBoth(
  env: Readonly<Record<string, string>>,
  bucket: Pick<Workspace, 'store' | 'gcloud'>,
  closing: Closing,
): Promise<{ readonly fresh: Workspace; readonly stale: Workspace }> {
  async function serve(scope: Scope): Promise<Workspace> {
    const server = await startServer(NODE_ENTRY, {
      ...env,
      ARCO_TENANT_ID: scope.tenant,
      ARCO_WORKSPACE_ID: scope.workspace,
    })
    closing.push(async () => void (await server.stop('SIGKILL')))
    return { scope, base: server.base, ...bucket }
  }
  const [fresh, stale] = await Promise.all([serve(SCOPES.fresh), serve(SCOPES.stale)])
  return { fresh, stale }
}

describe('over a folder', () => {
  const closing: Closing = []
  let workspaces: Awaited<ReturnType<typeof serveBoth>>
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-runbook-'))
    closing.push(() => rmSync(folder, { recursive: true, force: true }))
    const bucket = { store: fsStore(folder), gcloud: { GCLOUD_STAND_IN_FOLDER: folder } }
    workspaces = await serveBoth({ ARCO_STORAGE_BUCKET: `file:${folder}` }, bucket, closing)
  }, HOOK_MS)
  afterAll(async () => {
    for (const close of closing.toReversed()) await close()
  })
  inFreshWorkspace(() => workspaces.fresh)
  inStaleWorkspace(() => workspaces.stale)
})

describe.skipIf(whyNot('minio') !== null)(`over ${whyNot('minio') ?? 'MinIO'}`, () => {
  const closing: Closing = []
  let workspaces: Awaited<ReturnType<typeof serveBoth>>
  beforeAll(async () => {
    const minio = await startMinio()
    closing.push(async () => minio.stop())
    const store = openBySdk(minio)
    const server = await serveBucket(store)
    closing.push(async () => server.close())
    const env = {
      ARCO_STORAGE_BUCKET: `s3://${minio.bucket}`,
      ARCO_ENVIRONMENT: 'dev',
      ARCO_API_PUBLIC: 'false',
      TIDEMARK_STORE_CERTIFIED: 'startup',
      AWS_ENDPOINT_URL_S3: minio.endpoint,
      AWS_REGION: minio.region,
      AWS_ACCESS_KEY_ID: minio.keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: minio.keys.secretAccessKey,
    }
    workspaces = await serveBoth(env, { store, gcloud: { GCLOUD_STAND_IN_URL: server.url } }, closing)
  }, HOOK_MS)
  afterAll(async () => {
    for (const close of closing.toReversed()) await close()
  })
  inFreshWorkspace(() => workspaces.fresh)
  inStaleWorkspace(() => workspaces.stale)
})
