/** The collector over a real service, with its listings, ETags and times: what is old goes, what readers see stays. */
import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../../../functions/environment.ts'
import { encodeEvent } from '../../../../lib/protocol/orchestration/events/encode.ts'
import { eventPath } from '../../../../lib/protocol/orchestration/paths.ts'
import { compact } from '../../../../lib/protocol/orchestration/projection/compact.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../../../../lib/protocol/orchestration/projection/settings.ts'
import { reconcile } from '../../../../lib/protocol/maintenance/projection/reconcile.ts'
import { reconcileSettings } from '../../../../lib/protocol/maintenance/projection/settings.ts'
import { verifyProjection } from '../../../../lib/protocol/maintenance/projection/verify.ts'
import { runMaintenance } from '../../../../lib/protocol/maintenance/run.ts'
import { run } from '../../../../lib/protocol/run.ts'
import { scopedMaintenanceStore } from '../../../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../../../lib/store/types.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import { folded } from '../../../support/projection-world.ts'
import { whyNot } from '../../../support/servers/binaries.ts'
import { openBySdk, useMinio } from '../../../support/servers/minio-stores.ts'

const skipped = whyNot('minio')
const scope = { tenant: 'acme', workspace: 'prod' }
const STATE = 'state/orchestration'
const AGED_MS = 2 * 3_600_000

/** To the collector every object is two hours older than it is. */
function aged(store: MaintenanceStore): MaintenanceStore {
  const older = <T extends { readonly last_modified_ms?: number }>(object: T): T => {
    const { last_modified_ms } = object
    return last_modified_ms === undefined
      ? object
      : { ...object, last_modified_ms: last_modified_ms - AGED_MS }
  }
  return {
    ...store,
    async listPage(request, options) {
      const page = await store.listPage(request, options)
      return { ...page, objects: page.objects.map((object) => older(object)) }
    },
    async head(path, options) {
      const seen = await store.head(path, options)
      return seen.outcome === 'ok' ? older(seen) : seen
    },
  }
}

describe.skipIf(skipped !== null)(`over MinIO${skipped === null ? '' : ` (${skipped})`}`, () => {
  const make = useMinio(openBySdk)

  test('young orphans are deferred, old ones deleted, and verify is clean afterwards', async () => {
    const store = scopedMaintenanceStore(make().store, scope)
    const resolver = {
      resolve: () => {
        throw new Error('no table is resolved here')
      },
      knownRoot: () => null,
    }
    const environment = createEnvironment({ store, resolver, note: () => undefined })
    const put = async (path: string, text: string): Promise<void> => {
      expect(await store.put(path, new TextEncoder().encode(text), 'doesNotExist')).toMatchObject({
        outcome: 'ok',
      })
    }
    const events = eventsAt(0, 3)
    for (const event of events) await put(eventPath(event), encodeEvent(event))
    for (const event of events) {
      const request = { event_paths: [eventPath(event)], fencing_token: null }
      folded(await run(compact({ ...DEFAULT_PROJECTION_SETTINGS, scope }, request), environment))
    }
    await put(`${STATE}/manifests/00000000000000000009.json`, 'orphan')
    await put(`${STATE}/l0/01JORPHAN/runs.000000000000.parquet`, 'orphan')
    const repair = async (view: MaintenanceStore) =>
      runMaintenance(reconcile(reconcileSettings(scope), { repair: true, scope: 'full' }), {
        ...environment,
        store: view,
      })
    expect(await repair(store)).toMatchObject({ repair_result: { deferred_paths: 2, deleted_objects: 0 } })
    expect(await repair(aged(store))).toMatchObject({
      repair_result: { failed_repairs: 0, skipped_paths: 0, deferred_paths: 0, deleted_objects: 2 },
      findings: [],
    })
    const verified = verifyProjection(reconcileSettings(scope), { cursor: null, limit: 1_000 })
    expect(await runMaintenance(verified, { ...environment, store })).toMatchObject({
      ok: true,
      findings: [],
    })
  })
})
