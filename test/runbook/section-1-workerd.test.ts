/** Section 1 of the runbook in workerd, over an R2 binding: Tidemark on Workers, recovered as the operator knows it. */
import { afterAll, beforeAll } from 'vitest'
import { scopedStore, type Scope } from '../../lib/store/scoped.ts'
import type { Store } from '../../lib/store/types.ts'
import { serveBucket, type BucketServer } from '../support/bucket-server.ts'
import { dyingAfter, WINDOWS, type Window } from '../support/crash-windows.ts'
import { SCOPE, type CrashedTable } from '../support/crashed-table.ts'
import { textOf } from '../support/objects.ts'
import { commitKeys, freshId, freshPayload, testService } from '../support/service.ts'
import { bundleWorker, startWorker, type Worker } from '../support/worker.ts'
import { HOOK_MS, sectionOne } from './section-1.ts'

let worker: Worker
let bucket: BucketServer
beforeAll(async () => {
  const bundle = await bundleWorker()
  worker = await startWorker(bundle, {
    ARCO_STORAGE_BUCKET: 'r2:BUCKET',
    // The runbook sends no credentials; on this machine the dev posture asks for none.
    ARCO_ENVIRONMENT: 'dev',
    ARCO_API_PUBLIC: 'false',
    ARCO_TENANT_ID: SCOPE.tenant,
    ARCO_WORKSPACE_ID: SCOPE.workspace,
    TIDEMARK_STORE_CERTIFIED: 'startup',
  })
  bucket = await serveBucket(worker.store)
  bundle.remove()
}, HOOK_MS)
afterAll(async () => {
  await bucket.close()
  await worker.stop()
})

sectionOne(() => ({
  crash,
  bases: [worker.base],
  gcloud: { GCLOUD_STAND_IN_URL: bucket.url },
  log: async () => worker.log(),
}))

/** The objects that a process leaves in R2 when it dies in this window, written through the binding. */
async function crash(window: Window): Promise<CrashedTable> {
  const table_id = freshId()
  const key = freshId()
  const payload = freshPayload()
  const dying = (writes: number): ReturnType<typeof testService> =>
    testService(writes === 0 ? worker.store : dyingAfter(writes)(worker.store), { scope: SCOPE })
  const staged = await dying(0).stage(table_id, payload)
  const call = { table_id, read_version: -1, ...staged, idempotency_key: key }
  if (window !== 'W0') await dying(WINDOWS.indexOf(window)).commit(call)
  const keys = commitKeys(table_id, key, 0)
  const read = reader(worker.store, SCOPE)
  return {
    table_id,
    key,
    payload,
    ...staged,
    look: async () => ({
      state: JSON.parse((await read(keys.state)) ?? 'null'),
      log: await read(keys.log),
      marker: JSON.parse((await read(keys.marker)) ?? 'null'),
    }),
  }
}

function reader(store: Store, scope: Scope): (key: string) => Promise<string | null> {
  const scoped = scopedStore(store, scope)
  return async (key) => {
    const object = await scoped.get(key)
    return object.outcome === 'ok' ? textOf(object.bytes) : null
  }
}
