/** Section 2 of the runbook in workerd, over an R2 binding; and a rebuild in the small steps that wrangler.toml asks for. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { scopedStore, type Scope } from '../../lib/store/scoped.ts'
import { createText } from '../support/objects.ts'
import { serveBucket } from '../support/bucket-server.ts'
import { eventAt, idAt } from '../support/projection-events.ts'
import { bundleWorker, startWorker, type WorkerBundle } from '../support/worker.ts'
import { HOOK_MS, inFreshWorkspace, type Workspace } from './section-2.ts'

let workspace: Workspace
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  const bundle = await bundleWorker()
  workspace = await serve(bundle, { tenant: 'acme', workspace: 'prod' })
  bundle.remove()
}, HOOK_MS)
afterAll(async () => {
  for (const close of closing) await close()
})

inFreshWorkspace(() => workspace)

test('nine events: the first is compacted, the others rebuilt by two a request, with lines of progress', async () => {
  const { scope, base, store } = workspace
  const scoped = scopedStore(store, scope)
  // Above what the runbook folded, whose ids are no ULIDs and begin with 01J.
  const events = Array.from({ length: 9 }, (_, number) =>
    eventAt(100 + number, { tenant_id: scope.tenant, workspace_id: scope.workspace }),
  )
  for (const event of events) {
    await createText(scoped, eventPath(event), encodeEvent(event))
  }
  const compacted = await fetch(`${base}/compact`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ event_paths: events.slice(0, 1).map(eventPath) }),
  })
  expect(await compacted.json()).toMatchObject({ events_processed: 1, watermark_after: idAt(100) })
  const rebuild_manifest_path = 'state/orchestration/rebuilds/nine.json'
  await createText(scoped, rebuild_manifest_path, JSON.stringify({ event_paths: events.map(eventPath) }))
  const remaining = []
  for (let call = 0; call < 6; call++) {
    const answer = await fetch(`${base}/rebuild`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
      body: JSON.stringify({ rebuild_manifest_path }),
    })
    const lines = (await answer.text()).trimEnd().split('\n')
    const { result } = JSON.parse(lines.at(-1) ?? '') as { result: { remaining: number } }
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ progress: { events_total: 9 } })
    remaining.push(result.remaining)
    if (result.remaining === 0) break
  }
  expect(remaining).toEqual([6, 4, 2, 0])
  const standing = await fetch(`${base}/rebuilds/nine`)
  expect(await standing.json()).toMatchObject({ remaining: 0, watermark: idAt(108), lock: null })
})

async function serve(bundle: WorkerBundle, scope: Scope): Promise<Workspace> {
  const worker = await startWorker(bundle, {
    ARCO_STORAGE_BUCKET: 'r2:BUCKET',
    // The token that the runbook sends is not looked at: on this machine the dev posture asks for none.
    ARCO_ENVIRONMENT: 'dev',
    ARCO_API_PUBLIC: 'false',
    ARCO_TENANT_ID: scope.tenant,
    ARCO_WORKSPACE_ID: scope.workspace,
    TIDEMARK_STORE_CERTIFIED: 'startup',
    TIDEMARK_REBUILD_CHUNK_EVENTS: '2',
    TIDEMARK_REBUILD_CALL_EVENTS: '2',
  })
  const bucket = await serveBucket(worker.store)
  closing.push(async () => {
    await bucket.close()
    await worker.stop()
  })
  return { scope, base: worker.base, store: worker.store, gcloud: { GCLOUD_STAND_IN_URL: bucket.url } }
}
