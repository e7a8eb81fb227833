/**
 * The rules of publishing (spec/correctness.md 7: Q1–Q4), with X8 and X14 of section 8: stepped by hand through the
 * generators that ship, and through wrong variants that each schedule must catch.
 */
import { describe, expect, test } from 'vitest'
import { idText } from '../../../../lib/protocol/orchestration/projection/manifest-id.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import { projectionRule, watchedWorld } from '../../../support/projection-rule.ts'
import {
  compacting,
  LEASE_OVER_MS,
  manifestAt,
  rebuilding,
  runsOf,
  tokenIn,
} from '../../../support/projection-steps.ts'
import { folded } from '../../../support/projection-world.ts'

describe('Q1: ids of manifests', () => {
  projectionRule(
    {
      promise: 'X8, LK-19: a crash between manifest and pointer does not stop the next publisher',
      wrong: 'Q1',
      shows: /contention/,
    },
    async (lab) => {
      const world = lab.world()
      const [one = '', two = ''] = world.append(eventsAt(1, 3))
      folded(await world.compact([one]))
      const crashed = await compacting(world, [two])
      await crashed.run('put pointer')
      crashed.kill()
      const orphan = world.text(manifestAt(2))
      expect(orphan).not.toBe(null)
      world.clock.now_ms += LEASE_OVER_MS
      const next = folded(await world.compact([two]))
      expect(next.manifest_id).toBe(idText(3))
      expect(world.text(manifestAt(2))).toBe(orphan)
      expect(await runsOf(world)).toEqual(['run-1', 'run-2'])
    },
  )

  projectionRule(
    {
      promise: 'an orphan of somebody else is never published as ours',
      wrong: 'Q1 others',
      shows: /P1: pointer and manifest differ/,
    },
    async (lab) => {
      const world = lab.world()
      const [one = '', two = ''] = world.append(eventsAt(1, 3))
      folded(await world.compact([one]))
      const crashed = await compacting(world, [two])
      await crashed.run('put pointer')
      crashed.kill()
      world.clock.now_ms += LEASE_OVER_MS
      expect(folded(await world.compact([two])).manifest_id).toBe(idText(3))
    },
  )

  projectionRule(
    {
      promise: 'a manifest whose answer is lost is found to be there, and keeps its id',
      wrong: 'Q1 own',
      shows: /the id that was written/,
    },
    async (lab) => {
      const world = lab.world()
      const [one = ''] = world.append(eventsAt(1, 2))
      const process = await compacting(world, [one])
      await process.run('put manifest 1')
      await process.failAfter('put manifest 1')
      await process.run()
      expect(process.result, 'the id that was written').toMatchObject({ manifest_id: idText(1) })
    },
  )

  test('a publisher that finds the id taken and the pointer moved begins again from the new head', async () => {
    const world = watchedWorld()
    const [one = '', two = '', three = ''] = world.append(eventsAt(1, 4))
    folded(await world.compact([one]))
    const slow = await compacting(world, [two])
    await slow.run('put manifest 2')
    expect(folded(await world.compact([three], tokenIn(world))).manifest_id).toBe(idText(2))
    await slow.run()
    expect(slow.result).toMatchObject({ ok: true, manifest_id: idText(3), accounting: { applied: 1 } })
    expect(await runsOf(world)).toEqual(['run-1', 'run-2', 'run-3'])
  })

  test('LK-23: 65 orphans in a row: contention, and the pointer stays; 64 are skipped', async () => {
    const world = watchedWorld()
    const [one = '', two = ''] = world.append(eventsAt(1, 3))
    folded(await world.compact([one]))
    const before = world.pointer()
    for (let id = 2; id < 67; id++) world.write(manifestAt(id), '{}')
    expect(await world.compact([two])).toMatchObject({
      ok: false,
      reason: 'contention',
      retry_after_ms: 1_000,
    })
    expect(world.pointer()).toEqual(before)
    world.store.remove(world.prefix + manifestAt(66))
    expect(folded(await world.compact([two])).manifest_id).toBe(idText(66))
  })
})

describe('Q2: one publish is artifacts, manifest, pointer', () => {
  projectionRule(
    {
      promise: 'a publisher that stalled before its CAS loses it: nothing of the faster one is lost',
      wrong: 'Q2',
      shows: /P2: the (manifest id does not increase|epoch decreases|parent is not)/,
    },
    async (lab) => {
      const world = lab.world()
      const [one = '', two = '', three = ''] = world.append(eventsAt(1, 4))
      folded(await world.compact([one]))
      const slow = await compacting(world, [two])
      await slow.run('put manifest 2')
      await slow.step('put manifest 2')
      world.clock.now_ms += LEASE_OVER_MS
      folded(await world.compact([three]))
      world.clock.now_ms -= LEASE_OVER_MS
      await slow.run()
      expect(await runsOf(world)).toEqual(['run-1', 'run-3'])
    },
  )

  test('what a manifest names is written before it, and it before the pointer', async () => {
    const world = watchedWorld()
    const [one = ''] = world.append(eventsAt(1, 2))
    const process = await compacting(world, [one])
    const puts: string[] = []
    while (process.pending.length > 0) {
      puts.push(...process.pending.filter((label) => label.startsWith('put ')))
      await process.step()
    }
    const kinds = puts.map((label) => label.replace(/^put (l0|base) .*/, 'put artifact'))
    expect(kinds).toEqual([
      'put lock',
      ...kinds.filter((kind) => kind === 'put artifact'),
      'put manifest 1',
      'put pointer',
      'put lock',
    ])
  })

  test('an artifact that is there already with the same bytes is our own earlier attempt', async () => {
    const world = watchedWorld()
    const [one = ''] = world.append(eventsAt(1, 2))
    const process = await compacting(world, [one])
    await process.run('put l0 runs')
    await process.failAfter('put l0 runs')
    for (const label of process.pending) await process.failAfter(label)
    await process.run()
    expect(process.result).toMatchObject({ ok: true, manifest_id: idText(1) })
    const folders = [...world.store.dump().keys()].flatMap((key) => /\/l0\/([^/]+)\//.exec(key)?.[1] ?? [])
    expect(new Set(folders).size).toBe(1)
  })
})

describe('Q3 and Q4: what a publisher says after a pointer write that it is not sure of', () => {
  projectionRule(
    {
      promise: 'X14: a CAS that landed is a success, even when others have published on top since',
      wrong: 'Q3',
      shows: /the answer of the slow one/,
    },
    async (lab) => {
      const world = lab.world()
      const [one = '', two = ''] = world.append(eventsAt(1, 3))
      const slow = await compacting(world, [one])
      await slow.run('put pointer')
      await slow.failAfter('put pointer')
      world.clock.now_ms += LEASE_OVER_MS
      expect(folded(await world.compact([two])).manifest_id).toBe(idText(2))
      await slow.run()
      expect(slow.result, 'the answer of the slow one').toMatchObject({
        ok: true,
        manifest_id: idText(1),
        visibility_status: 'visible',
        revisions: 1,
        accounting: { applied: 1, duplicate: 0 },
      })
      expect(world.watch.chain().map(({ manifest_id }) => manifest_id)).toEqual([idText(2), idText(1)])
      expect(await runsOf(world)).toEqual(['run-1', 'run-2'])
    },
  )

  test('X14: the same when nobody has published since: published once, under its own revision', async () => {
    const world = watchedWorld()
    const [one = ''] = world.append(eventsAt(1, 2))
    const process = await compacting(world, [one])
    await process.run('put pointer')
    await process.failAfter('put pointer')
    await process.run()
    expect(process.result).toMatchObject({ ok: true, manifest_id: idText(1), revisions: 1 })
    expect(world.watch.heads).toHaveLength(1)
  })

  test('X14: of a rebuild from scratch', async () => {
    const world = watchedWorld()
    const paths = world.append(eventsAt(1, 4))
    const rebuild_manifest_path = world.list(paths.slice(0, 2))
    const slow = await rebuilding(world, { rebuild_manifest_path, mode: 'full' })
    await slow.run('put pointer')
    await slow.failAfter('put pointer')
    world.clock.now_ms += LEASE_OVER_MS
    folded(await world.compact(paths.slice(2)))
    await slow.run()
    expect(slow.result).toMatchObject({
      ok: true,
      manifest_id: idText(1),
      revisions: 1,
      merged_to_base: true,
    })
    expect(await runsOf(world)).toEqual(['run-1', 'run-2', 'run-3'])
  })

  projectionRule(
    {
      promise: 'a manifest under our id that is not ours does not count: the id is not enough',
      wrong: 'Q3 revision',
      shows: /run-2/,
    },
    async (lab) => {
      const world = lab.world()
      const [one = '', two = '', three = ''] = world.append(eventsAt(1, 4))
      folded(await world.compact([one]))
      const { prefix, store } = world
      const slow = await compacting(world, [two])
      await slow.run('put pointer')
      // A collector of orphans took the manifest away; its id is free again, and somebody else publishes under it.
      store.remove(prefix + manifestAt(2))
      expect(folded(await world.compact([three], tokenIn(world))).manifest_id).toBe(idText(2))
      await slow.run()
      expect(slow.result).toMatchObject({ ok: true, accounting: { applied: 1 } })
      expect(await runsOf(world)).toEqual(['run-1', 'run-2', 'run-3'])
    },
  )

  projectionRule(
    {
      promise: 'Q4, P15: who lost the race never says visible of what nobody sees',
      wrong: 'Q4',
      shows: /run-2/,
    },
    async (lab) => {
      const world = lab.world()
      const [one = '', two = '', three = ''] = world.append(eventsAt(1, 4))
      folded(await world.compact([one]))
      const slow = await compacting(world, [two])
      await slow.run('put pointer')
      // Somebody with the same token: the lock alone does not keep two publishers apart.
      folded(await world.compact([three], tokenIn(world)))
      await slow.run()
      expect(slow.result).toMatchObject({ ok: true, accounting: { applied: 1 } })
      expect(await runsOf(world)).toContain('run-2')
      expect(await runsOf(world)).toContain('run-3')
    },
  )

  projectionRule(
    {
      promise: 'Q3: a rebuild from scratch that lost a race tries again under a fresh revision',
      wrong: 'Q3 fresh',
      shows: /revisions of one rebuild/,
    },
    async (lab) => {
      const world = lab.world()
      const paths = world.append(eventsAt(1, 4))
      folded(await world.compact(paths.slice(0, 1)))
      const rebuild_manifest_path = world.list(paths)
      const slow = await rebuilding(world, { rebuild_manifest_path, mode: 'full' })
      await slow.run('put pointer')
      await world.run(world.protocol.touch(await world.run(world.protocol.readHead())))
      await slow.run()
      expect(slow.result).toMatchObject({ ok: true, revisions: 1 })
      const ids = [...world.store.dump().keys()].filter((key) => key.includes('/manifests/'))
      expect(ids, 'revisions of one rebuild').toHaveLength(3)
      const revisions = [2, 3].map(
        (id) => (world.json(manifestAt(id)) as { revision_ulid: string }).revision_ulid,
      )
      expect(new Set(revisions).size, 'revisions of one rebuild').toBe(2)
    },
  )
})
