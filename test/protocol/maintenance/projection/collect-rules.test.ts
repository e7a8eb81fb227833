/** What the collector deletes and what it must not (spec/reconcile.md 9: hard rules 2 and 5, RC-3 to RC-6, RC-9, RC-11). */
import { describe, expect, test } from 'vitest'
import { POINTER_PATH, RETIRED_MANIFEST_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { StoreError } from '../../../../lib/store/types.ts'
import {
  checkReaders,
  collectorRule,
  MANIFESTS,
  ORPHAN_BASE,
  ORPHAN_DELTA,
  ORPHAN_MANIFEST,
  plantOrphans,
  published,
} from '../../../support/collector-rule.ts'
import { SteppedMaintenance } from '../../../support/maintenance-stepper.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import { folded } from '../../../support/projection-world.ts'
import { OLD_MS, reconcileWorld, type ReconcileWorld } from '../../../support/reconcile-world.ts'

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
      'the id in the pointer is none',
      (world: ReconcileWorld) =>
        world.write(POINTER_PATH, JSON.stringify({ ...world.pointer(), manifest_id: 'seven' })),
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
