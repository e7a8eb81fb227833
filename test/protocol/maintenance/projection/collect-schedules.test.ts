/** The collector between the steps of others (spec/correctness.md Q8, X10, X14; spec/reconcile.md RC-7, RC-8). */
import { describe, expect, test } from 'vitest'
import { LOCK_PATH, POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import {
  checkReaders,
  collecting,
  collectorRule,
  MANIFESTS,
  ORPHAN_BASE,
  ORPHAN_MANIFEST,
  plantOrphans,
  published,
  stalled,
} from '../../../support/collector-rule.ts'
import { OLD_MS, reconcileWorld } from '../../../support/reconcile-world.ts'
import { Stepped } from '../../../support/stepper.ts'

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
