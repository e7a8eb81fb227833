/**
 * The hard rules of the collector (spec/reconcile.md 9, spec/correctness.md Q8, X10, X14), each as two tests: the code that
 * ships keeps it, and the variant without that guard does not.
 */
import { describe, expect, test } from 'vitest'
import {
  LOCK_PATH,
  POINTER_PATH,
  RETIRED_MANIFEST_PATH,
} from '../../../../lib/protocol/orchestration/paths.ts'
import type { CompactResult } from '../../../../lib/protocol/orchestration/projection/outcomes.ts'
import { StoreError } from '../../../../lib/store/types.ts'
import { SteppedMaintenance } from '../../../support/maintenance-stepper.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import { folded } from '../../../support/projection-world.ts'
import {
  COLLECTOR_VARIANTS,
  SHIPPED_COLLECTOR,
  withCollectorVariant,
  type CollectorCode,
  type CollectorVariantId,
} from '../../../support/reconcile-variants.ts'
import {
  OLD_MS,
  reconcileWorld,
  type ReconcileWorld,
  type ReconcileWorldOptions,
} from '../../../support/reconcile-world.ts'
import { Stepped } from '../../../support/stepper.ts'

const MANIFESTS = 'state/orchestration/manifests/'
const ORPHAN_MANIFEST = `${MANIFESTS}00000000000000000007.json`
const ORPHAN_BASE = 'state/orchestration/base/01JORPHANBASE00000000000AA'
const ORPHAN_DELTA = 'state/orchestration/l0/01JORPHANDELTA0000000000AA'

type MakeWorld = (options?: ReconcileWorldOptions) => ReconcileWorld

/** A rule, and how the variant without it shows: the message of the error that ends the check. */
function collectorRule(
  {
    promise,
    wrong,
    shows = /^expected .* to (match object|deeply equal|be|have a length)/,
  }: { promise: string; wrong: CollectorVariantId; shows?: RegExp },
  holds: (make: MakeWorld, code: CollectorCode) => Promise<void>,
): void {
  const on = async (code: CollectorCode): Promise<void> =>
    holds((options) => reconcileWorld({ ...options, reconciler: code }), code)
  describe(`${promise}`, () => {
    test('the code that ships', async () => on(SHIPPED_COLLECTOR))

    test(`the wrong variant is caught: ${COLLECTOR_VARIANTS[wrong].breaks}`, async () => {
      await expect(withCollectorVariant(wrong, on)).rejects.toThrow(shows)
    })
  })
}

/** A workspace with one revision. */
async function published(world: ReconcileWorld, count = 1): Promise<string[]> {
  const paths = world.append(eventsAt(1, 6))
  for (const path of paths.slice(0, count)) folded(await world.compact([path]))
  return paths
}

/** An old orphan of every kind. */
function plantOrphans(world: ReconcileWorld, age_ms: number): void {
  world.plant(ORPHAN_MANIFEST, 'not even JSON', age_ms)
  world.plant(`${ORPHAN_BASE}/runs.0a1b2c3d4e5f.parquet`, 'base', age_ms)
  world.plant(`${ORPHAN_DELTA}/runs.0a1b2c3d4e5f.parquet`, 'delta', age_ms)
  world.plant(`${ORPHAN_DELTA}/catalog_run_index/org-1.0a1b2c3d4e5f.parquet`, 'by org', age_ms)
}

/** A publisher that has written its manifest and stalls before the pointer; a long time passes. */
async function stalled(world: ReconcileWorld, code: CollectorCode): Promise<Stepped<CompactResult>> {
  const [, two = ''] = await published(world)
  const publisher = await Stepped.start(
    code.compact(world.settings, { event_paths: [two], fencing_token: null }),
    world.env,
  )
  await publisher.run('put pointer')
  world.pass(OLD_MS)
  return publisher
}

async function collecting(world: ReconcileWorld): Promise<SteppedMaintenance<unknown>> {
  return SteppedMaintenance.start(world.reconciling(), world.maintenance_env)
}

/** P1, P12: what readers resolve is there and is what its manifest says. Throws when it is not. */
async function checkReaders(world: ReconcileWorld): Promise<void> {
  await world.rows()
}

describe('X10, P12: a publisher that stalls between manifest and pointer', () => {
  collectorRule(
    {
      promise: 'the collector deletes first, then the CAS of the publisher is sent: it loses',
      wrong: 'touch',
      shows: /cannot be read/,
    },
    async (make, code) => {
      const world = make()
      const publisher = await stalled(world, code)
      const { repair_result } = await world.reconcile()
      expect(repair_result).toMatchObject({ failed_repairs: 0, deferred_paths: 0 })
      await publisher.run()
      await checkReaders(world)
      expect(world.paths(MANIFESTS)).toEqual([`${MANIFESTS}00000000000000000001.json`])
    },
  )

  collectorRule(
    {
      promise: 'it is listed as an orphan, its CAS lands before the touch: it is reachable and stays',
      wrong: 'reach',
      shows: /cannot be read/,
    },
    async (make, code) => {
      const world = make()
      const publisher = await stalled(world, code)
      const collector = await collecting(world)
      await collector.run('list state/orchestration/l0/')
      await publisher.run()
      expect(publisher.result).toMatchObject({ ok: true, visibility_status: 'visible' })
      await collector.run()
      await checkReaders(world)
      expect(collector.result).toMatchObject({ repair_result: { skipped_paths: 2, deleted_objects: 0 } })
    },
  )

  collectorRule(
    {
      promise:
        'its CAS lands between the collector’s look at the pointer and its touch: the touch is done again',
      wrong: 'lost touch',
      shows: /cannot be read/,
    },
    async (make, code) => {
      const world = make()
      const publisher = await stalled(world, code)
      const collector = await collecting(world)
      await collector.run('put pointer')
      await publisher.run()
      expect(publisher.result).toMatchObject({ ok: true })
      await collector.run()
      await checkReaders(world)
    },
  )
})

describe('X14: the answer to a write of the pointer is lost', () => {
  collectorRule(
    {
      promise:
        'of a publisher, and a collector has touched the pointer since: what is visible is reported visible',
      wrong: 'X14 walk',
    },
    async (make, code) => {
      const world = make()
      const publisher = await stalled(world, code)
      await publisher.failAfter('put pointer')
      world.plant(ORPHAN_MANIFEST, 'orphan', OLD_MS)
      await world.reconcile()
      await publisher.run()
      expect(publisher.result).toMatchObject({ ok: true, visibility_status: 'visible' })
      await checkReaders(world)
    },
  )

  test('of the collector’s touch: it looks, finds its own, and goes on', async () => {
    let touches = 0
    const world = reconcileWorld({
      wrap_maintenance: (store) => ({
        ...store,
        async put(path, bytes, precondition, options) {
          const result = await store.put(path, bytes, precondition, options)
          if (path !== POINTER_PATH) return result
          touches += 1
          return { outcome: 'unknown' }
        },
      }),
    })
    await published(world)
    plantOrphans(world, OLD_MS)
    expect((await world.reconcile()).repair_result).toMatchObject({ deleted_objects: 4 })
    expect(touches).toBe(1)
    await checkReaders(world)
  })
})

describe('hard rule 2: the quarantine', () => {
  collectorRule(
    {
      promise:
        'RC-1, RC-7: an orphan that is old enough by its own time is deleted, though the report is new',
      wrong: 'report age',
    },
    async (make) => {
      const world = make()
      await published(world)
      plantOrphans(world, 3_600_000)
      expect((await world.reconcile()).repair_result).toEqual({
        repaired_paths: 0,
        failed_repairs: 0,
        deleted_objects: 4,
        skipped_paths: 0,
        deferred_paths: 0,
        deleted_bytes: 'not even JSON'.length + 'base'.length + 'delta'.length + 'by org'.length,
      })
      expect(world.paths('state/orchestration/').filter((path) => /ORPHAN|0007/.test(path))).toEqual([])
      await checkReaders(world)
    },
  )

  collectorRule(
    {
      promise: 'a younger one is kept and counted as deferred, and nobody’s pointer is touched for it',
      wrong: 'quarantine',
    },
    async (make) => {
      const world = make()
      await published(world)
      plantOrphans(world, 3_599_999)
      const before = world.text(POINTER_PATH)
      expect((await world.reconcile()).repair_result).toMatchObject({ deferred_paths: 3, deleted_objects: 0 })
      expect(world.text(POINTER_PATH)).toBe(before)
    },
  )

  collectorRule({ promise: 'a folder is as young as its youngest object', wrong: 'folder' }, async (make) => {
    const world = make()
    await published(world)
    world.plant(`${ORPHAN_BASE}/runs.0a1b2c3d4e5f.parquet`, 'old', OLD_MS)
    world.plant(`${ORPHAN_BASE}/tasks.0a1b2c3d4e5f.parquet`, 'new', 1_000)
    expect((await world.reconcile()).repair_result).toMatchObject({ deferred_paths: 1, deleted_objects: 0 })
  })

  collectorRule(
    {
      promise: 'an object of a store that tells no times is never old',
      wrong: 'timeless',
    },
    async (make) => {
      const world = make({
        wrap_maintenance: (store) => ({
          ...store,
          async listPage(request, options) {
            const page = await store.listPage(request, options)
            return { ...page, objects: page.objects.map(({ last_modified_ms: _time, ...rest }) => rest) }
          },
        }),
      })
      await published(world)
      plantOrphans(world, OLD_MS)
      const { repair_result, findings } = await world.reconcile()
      expect(repair_result).toMatchObject({ deferred_paths: 3, deleted_objects: 0 })
      expect(findings.filter(({ rule }) => rule === 'RC-205')).toHaveLength(3)
    },
  )

  collectorRule(
    {
      promise: 'a process whose clock is a day ahead of the store’s deletes nothing young',
      wrong: 'clock',
    },
    async (make) => {
      const world = make()
      await published(world)
      plantOrphans(world, 60_000)
      world.clock.now_ms += 24 * 3_600_000
      expect((await world.reconcile()).repair_result).toMatchObject({ deferred_paths: 3, deleted_objects: 0 })
    },
  )
})

describe('RC-8: the lock', () => {
  collectorRule(
    {
      promise: 'somebody else holds it: 409 lock_held, nothing is deleted',
      wrong: 'lock',
    },
    async (make, code) => {
      const world = make()
      const [, two = ''] = await published(world)
      plantOrphans(world, OLD_MS)
      const holder = await Stepped.start(
        code.compact({ ...world.settings, lease_ms: 300_000 }, { event_paths: [two], fencing_token: null }),
        world.env,
      )
      await holder.run('put manifest 2')
      const before = world.paths()
      expect(await world.maintain(world.reconciling())).toMatchObject({ ok: false, reason: 'lock_held' })
      expect(world.paths()).toEqual(before)
    },
  )

  test('it is given back, with the next number, and a report alone never takes it', async () => {
    const world = reconcileWorld()
    await published(world)
    plantOrphans(world, OLD_MS)
    const before = world.text(LOCK_PATH)
    await world.reconcile({ repair: false })
    await world.reconcile({ scope: 'current_head_only' })
    expect(world.text(LOCK_PATH)).toBe(before)
    await world.reconcile()
    const record = world.json(LOCK_PATH) as { sequenceNumber: number; expiresAt: string }
    expect(record.sequenceNumber).toBe((JSON.parse(before ?? '{}') as typeof record).sequenceNumber + 1)
    expect(Date.parse(record.expiresAt)).toBeLessThan(world.clock.now_ms)
  })

  collectorRule(
    {
      promise: 'its lease ends in the middle: it stops, and says so',
      wrong: 'lease',
    },
    async (make) => {
      const world = make()
      await published(world)
      plantOrphans(world, OLD_MS)
      const collector = await collecting(world)
      await collector.run('head manifest 7')
      await collector.step()
      await collector.run('delete manifest 7')
      await collector.step()
      world.pass(60_000)
      await collector.run()
      expect(collector.result).toMatchObject({ ok: false, reason: 'lease_lost' })
      expect(world.paths(ORPHAN_BASE)).toHaveLength(1)
    },
  )

  collectorRule(
    {
      promise: 'RC-7: a manifest above the pointer is deleted only while the lock is ours for certain',
      wrong: 'above',
    },
    async (make) => {
      const world = make()
      await published(world)
      world.plant(ORPHAN_MANIFEST, 'orphan', OLD_MS)
      const collector = await collecting(world)
      await collector.run('put pointer')
      const record = world.json(LOCK_PATH) as object
      world.write(LOCK_PATH, JSON.stringify({ ...record, holderId: 'somebody else', sequenceNumber: 99 }))
      await collector.run()
      expect(collector.result).toMatchObject({ ok: false, reason: 'lease_lost' })
      expect(world.paths(ORPHAN_MANIFEST)).toHaveLength(1)
    },
  )
})

describe('RC-7: what was listed is what is deleted', () => {
  for (const conditional_delete of [true, false]) {
    collectorRule(
      {
        promise: `an object that was written again stays, on a store that ${conditional_delete ? 'compares' : 'does not compare'} tokens`,
        wrong: 'token',
      },
      async (make) => {
        const world = make({
          wrap_maintenance: (store) => ({
            ...store,
            capabilities: { ...store.capabilities, conditional_delete },
            async delete(path, options) {
              if (!conditional_delete) expect(options?.token).toBe(undefined)
              return store.delete(path, options)
            },
          }),
        })
        await published(world)
        world.plant(ORPHAN_MANIFEST, 'orphan', OLD_MS)
        const collector = await collecting(world)
        await collector.run('put pointer')
        world.plant(ORPHAN_MANIFEST, 'a publisher took the key', OLD_MS)
        await collector.run()
        expect(collector.result).toMatchObject({
          repair_result: { skipped_paths: 1, deleted_objects: 0 },
          findings: [{ rule: 'RC-206', path: ORPHAN_MANIFEST }, { rule: 'RC-104' }],
        })
        expect(world.text(ORPHAN_MANIFEST)).toBe('a publisher took the key')
      },
    )
  }

  collectorRule(
    {
      promise: 'an object that was written again with the same bytes, and so with the same ETag, stays',
      wrong: 'token time',
    },
    async (make) => {
      const world = make()
      await published(world)
      world.plant(ORPHAN_MANIFEST, 'orphan', OLD_MS)
      const collector = await collecting(world)
      await collector.run('put pointer')
      world.plant(ORPHAN_MANIFEST, 'orphan', 0)
      await collector.run()
      expect(collector.result).toMatchObject({ repair_result: { skipped_paths: 1, deleted_objects: 0 } })
    },
  )

  test('a store that tells whole seconds about one object and milliseconds in listings is believed', async () => {
    const world = reconcileWorld({
      wrap_maintenance: (store) => ({
        ...store,
        async head(path, options) {
          const seen = await store.head(path, options)
          if (seen.outcome !== 'ok' || seen.last_modified_ms === undefined) return seen
          return { ...seen, last_modified_ms: Math.floor(seen.last_modified_ms / 1_000) * 1_000 }
        },
      }),
    })
    await published(world)
    plantOrphans(world, OLD_MS + 123)
    expect((await world.reconcile()).repair_result).toMatchObject({ deleted_objects: 4, skipped_paths: 0 })
  })

  test('one that somebody else has deleted meanwhile is fine', async () => {
    const world = reconcileWorld()
    await published(world)
    plantOrphans(world, OLD_MS)
    const collector = await collecting(world)
    await collector.run('put pointer')
    world.store.remove(world.prefix + ORPHAN_MANIFEST)
    await collector.run()
    expect(collector.result).toMatchObject({
      repair_result: { failed_repairs: 0, skipped_paths: 0, deleted_objects: 3 },
    })
  })
})

describe('hard rule 5: what is reachable is known, or nothing is deleted', () => {
  collectorRule({ promise: 'RC-5: there is no pointer', wrong: 'pointer' }, async (make) => {
    const world = make()
    await published(world)
    world.store.remove(world.prefix + POINTER_PATH)
    world.pass(OLD_MS)
    const before = world.paths('state/')
    const { report, repair_result, findings } = await world.reconcile()
    expect(report.current_manifest_path).toBe(null)
    expect(report.orphan_manifest_snapshots).toHaveLength(1)
    expect(repair_result).toMatchObject({ skipped_paths: 2, deleted_objects: 0 })
    expect(findings.map(({ rule }) => rule)).toContain('RC-202')
    expect(world.paths('state/')).toEqual(before)
  })

  test('RC-4: no pointer but a legacy manifest: what it names is no orphan, and nothing is deleted', async () => {
    const world = reconcileWorld()
    await published(world)
    world.write(RETIRED_MANIFEST_PATH, world.text(world.pointer().manifest_path) ?? '')
    world.store.remove(world.prefix + POINTER_PATH)
    plantOrphans(world, OLD_MS)
    const { report, repair_result } = await world.reconcile()
    expect(report.current_manifest_path).toBe(null)
    expect(report.orphan_l0_dirs).toEqual([ORPHAN_DELTA])
    expect(repair_result).toMatchObject({ skipped_paths: 4, deleted_objects: 0 })
  })

  for (const [what, damage] of [
    ['the pointer does not parse', (world: ReconcileWorld) => world.write(POINTER_PATH, '{')],
    [
      'the visible manifest is missing',
      (world: ReconcileWorld) => world.store.remove(world.prefix + world.pointer().manifest_path),
    ],
    [
      'the visible manifest does not parse',
      (world: ReconcileWorld) => world.write(world.pointer().manifest_path, '[]'),
    ],
    [
      'an ancestor is missing',
      (world: ReconcileWorld) => world.store.remove(`${world.prefix}${MANIFESTS}00000000000000000002.json`),
    ],
    [
      'an ancestor does not parse',
      (world: ReconcileWorld) => world.write(`${MANIFESTS}00000000000000000002.json`, '{}'),
    ],
  ] as const) {
    test(`RC-6: ${what}: a finding and a report, and nothing is deleted`, async () => {
      const world = reconcileWorld()
      await published(world, 3)
      plantOrphans(world, OLD_MS)
      damage(world)
      const before = world.paths('state/')
      const { report, repair_result, findings } = await world.reconcile()
      expect(report.orphan_base_dirs).toEqual([ORPHAN_BASE])
      expect(repair_result).toMatchObject({ deleted_objects: 0 })
      expect(repair_result?.skipped_paths).toBeGreaterThanOrEqual(3)
      expect(findings.map(({ rule }) => rule)).toContain('RC-201')
      expect(findings.some(({ rule }) => /^PJ-[12]/.test(rule))).toBe(true)
      expect(world.paths('state/')).toEqual(before)
    })
  }

  collectorRule(
    { promise: 'RC-6: what cannot be read is not what nobody names', wrong: 'complete' },
    async (make) => {
      const world = make()
      await published(world, 3)
      world.write(`${MANIFESTS}00000000000000000002.json`, '{}')
      world.pass(OLD_MS)
      expect((await world.reconcile()).repair_result).toMatchObject({ skipped_paths: 1, deleted_objects: 0 })
    },
  )
})

describe('RC-3: how much of the past is kept', () => {
  const NOTHING_OLD = { retention: { revisions: 0, younger_ms: 3_600_000 } }

  collectorRule(
    {
      promise: 'P19: what was visible a moment ago is kept, however long ago it was published',
      wrong: 'replaced',
    },
    async (make) => {
      const world = make({ reconcile_settings: NOTHING_OLD })
      const [, two = ''] = await published(world)
      world.pass(48 * 3_600_000)
      folded(await world.compact([two]))
      expect((await world.reconcile()).repair_result).toMatchObject({ deleted_objects: 0 })
      world.pass(OLD_MS)
      expect((await world.reconcile()).repair_result?.deleted_objects).toBeGreaterThan(0)
      expect(world.paths(MANIFESTS)).toEqual([`${MANIFESTS}00000000000000000002.json`])
      await checkReaders(world)
    },
  )

  test('RC-3: a long chain is read in rounds of many manifests, over gaps in the ids', async () => {
    const world = reconcileWorld()
    const paths = world.append(eventsAt(1, 60))
    for (const [at, path] of paths.entries()) {
      // An orphan at the next id now and then: the publisher passes it by.
      if (at % 9 === 8)
        world.write(`${MANIFESTS}${String(at + 2 + Math.floor(at / 9)).padStart(20, '0')}.json`, 'x')
      folded(await world.compact([path]))
    }
    const collector = await SteppedMaintenance.start(
      world.reconciling({ repair: false }),
      world.maintenance_env,
    )
    let rounds = 0
    for (; collector.waiting.every((name) => !name.startsWith('list')); rounds++) await collector.step()
    await collector.run()
    expect(rounds).toBeLessThan(12)
    expect(collector.result).toMatchObject({
      report: { orphan_base_dirs: [], orphan_l0_dirs: [], orphan_manifest_snapshots: { length: 6 } },
      findings: { length: 6 },
    })
  })

  test('beyond it a missing ancestor is nobody’s business', async () => {
    const world = reconcileWorld({ reconcile_settings: { retention: { revisions: 1, younger_ms: 0 } } })
    await published(world, 4)
    world.pass(OLD_MS)
    world.store.remove(`${world.prefix}${MANIFESTS}00000000000000000002.json`)
    const { repair_result, findings } = await world.reconcile()
    expect(repair_result).toMatchObject({ deleted_objects: 1, skipped_paths: 0 })
    expect(findings).toEqual([])
    expect(world.paths(MANIFESTS).map((path) => path.slice(-6, -5))).toEqual(['3', '4'])
    await checkReaders(world)
  })

  collectorRule(
    {
      promise: 'projections.md PJ-9: a table that lies in the folder of another base keeps that folder',
      wrong: 'folders',
      shows: /cannot be read/,
    },
    async (make) => {
      const world = make()
      await published(world)
      const head = world.pointer().manifest_path
      const manifest = world.json(head) as { l0_deltas: { tables: { runs: { path: string } } }[] }
      const [delta] = manifest.l0_deltas
      if (delta === undefined) throw new Error('expected a delta')
      const { runs } = delta.tables
      const moved = `state/orchestration/l0/01JBORROWED0000000000000AA/${runs.path.split('/').at(-1) ?? ''}`
      const bytes = world.store.peek(world.prefix + runs.path)?.bytes ?? new Uint8Array()
      world.store.seed(world.prefix + moved, bytes)
      runs.path = moved
      world.write(head, JSON.stringify(manifest))
      world.pass(OLD_MS)
      await world.reconcile()
      await checkReaders(world)
    },
  )
})

test('RC-11: more orphans than one call keeps in mind: the next one takes the rest, folders whole', async () => {
  const world = reconcileWorld({ reconcile_settings: { objects_max: 2 } })
  await published(world)
  plantOrphans(world, OLD_MS)
  const first = await world.reconcile()
  // The manifest and the base; the folder of the delta has two objects, and only one more was kept in mind.
  expect(first.repair_result).toMatchObject({ deleted_objects: 2 })
  expect(first.findings).toMatchObject([{ rule: 'RC-204', severity: 'info' }])
  expect((await world.reconcile()).repair_result).toMatchObject({ deleted_objects: 2 })
})

describe('RC-9: failures', () => {
  collectorRule(
    {
      promise: 'a delete that fails is counted, and the others are gone on with; the next run finishes',
      wrong: 'go on',
      shows: /injected/,
    },
    async (make) => {
      let is_broken = true
      const world = make({
        wrap_maintenance: (store) => ({
          ...store,
          async delete(path, options) {
            if (is_broken && path === ORPHAN_MANIFEST) throw new StoreError('denied', path, 'injected')
            return store.delete(path, options)
          },
        }),
      })
      await published(world)
      plantOrphans(world, OLD_MS)
      const first = await world.reconcile()
      expect(first.repair_result).toMatchObject({ failed_repairs: 1, deleted_objects: 3 })
      expect(first.findings).toContainEqual(
        expect.objectContaining({
          rule: 'RC-203',
          path: ORPHAN_MANIFEST,
          detail: `${ORPHAN_MANIFEST}: denied`,
        }),
      )
      is_broken = false
      expect((await world.reconcile()).repair_result).toMatchObject({ failed_repairs: 0, deleted_objects: 1 })
    },
  )
})
