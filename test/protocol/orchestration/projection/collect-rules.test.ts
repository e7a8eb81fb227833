/** Q8 of spec/correctness.md, and X10: a collector between the steps of a publisher, in both orders. */
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../../../lib/store/memory.ts'
import { dumpState } from '../../../support/projection.ts'
import { collectorOf } from '../../../support/projection-collector.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import { projectionRule, watchedWorld, type WatchedWorld } from '../../../support/projection-rule.ts'
import {
  compacting,
  LEASE_OVER_MS,
  manifestAt,
  rebuilding,
  runsOf,
} from '../../../support/projection-steps.ts'
import { folded } from '../../../support/projection-world.ts'
import { Stepped } from '../../../support/stepper.ts'

/** A store with a clock of its own, and tokens that repeat when bytes do. */
function server() {
  const clock = { now_ms: Date.UTC(2026, 1, 21, 12) }
  return { clock, store: memoryStore({ clock: () => clock.now_ms, tokens: 'content' }) }
}

describe('Q8: collecting what nobody names', () => {
  /** A publisher that has written its manifest and stalls; a collector that finds it as an orphan. */
  async function stalled(world: WatchedWorld) {
    const [one = '', two = '', three = ''] = world.append(eventsAt(1, 4))
    folded(await world.compact([one]))
    const publisher = await compacting(world, [two])
    await publisher.run('put pointer')
    return { publisher, two, three }
  }

  for (const order of ['the collector deletes first', 'the publisher is first'] as const) {
    test(`X10, P12: ${order}: what readers see stays whole`, async () => {
      const { store, clock } = server()
      const world = watchedWorld({ store })
      const { publisher, two } = await stalled(world)
      clock.now_ms += 2 * 3_600_000
      world.clock.now_ms += 2 * 3_600_000
      const collector = collectorOf(world)
      const candidates = await collector.list()
      expect(candidates).toContain(manifestAt(2))
      if (order === 'the publisher is first') await publisher.step('put pointer')
      expect(await collector.touch()).toBe(true)
      if (order === 'the collector deletes first') {
        await collector.sweep(candidates)
        await publisher.run()
      } else {
        await publisher.run()
        await collector.sweep(candidates)
      }
      world.watch.checkReachable()
      world.clock.now_ms += LEASE_OVER_MS
      folded(await world.compact([two]))
      world.watch.checkReachable()
      expect(await runsOf(world)).toEqual(['run-1', 'run-2'])
    })
  }

  projectionRule(
    {
      promise:
        'X10, P12: a rebuild from scratch that a touch made lose does not go on with what it had written',
      wrong: 'Q8 full',
      shows: /P1: .*base.* does not exist/,
    },
    async (lab) => {
      const { store, clock } = server()
      const world = lab.world({ store })
      const paths = world.append(eventsAt(1, 3))
      folded(await world.compact(paths.slice(0, 1)))
      const request = { rebuild_manifest_path: world.list(paths), mode: 'full' as const }
      const publisher = await rebuilding(world, request)
      await publisher.run('put pointer')
      // The store's clock goes on and the lease with it: the holder renews, and its process is slow.
      clock.now_ms += 2 * 3_600_000
      const collector = collectorOf(world)
      const candidates = await collector.list()
      await collector.touch()
      const doomed = await collector.unreachable(candidates)
      await publisher.run()
      await collector.remove(doomed)
      expect(publisher.result).toMatchObject({ ok: true })
      world.watch.checkReachable()
    },
  )

  test.each([
    ['deletes first', /P1: .*manifests.*2\.json does not exist/],
    ['lists, and deletes after the CAS', /P1: .* does not exist/],
  ] as const)('X10: a collector that goes by age alone, and %s, breaks P1', async (order, shows) => {
    const { store, clock } = server()
    const world = watchedWorld({ store })
    const { publisher } = await stalled(world)
    clock.now_ms += 2 * 3_600_000
    const collector = collectorOf(world)
    const candidates = await collector.list()
    const doomed = await collector.unreachable(candidates)
    async function schedule(): Promise<void> {
      if (order !== 'deletes first') await publisher.step('put pointer')
      await collector.remove(doomed)
      if (order === 'deletes first') await publisher.step('put pointer')
      world.watch.checkReachable()
    }
    await expect(schedule()).rejects.toThrow(shows)
  })

  test('a touch changes the generation and nothing else, and keeps the lineage', async () => {
    const { store } = server()
    const world = watchedWorld({ store })
    const [one = ''] = world.append(eventsAt(1, 2))
    folded(await world.compact([one]))
    const before = world.pointer()
    world.clock.now_ms += 1_000
    expect(await world.run(world.protocol.touch(await world.run(world.protocol.readHead())))).not.toBe(null)
    const after = world.pointer()
    expect(after).toMatchObject({
      manifest_id: before.manifest_id,
      manifest_path: before.manifest_path,
      epoch: before.epoch,
    })
    expect(after).not.toEqual(before)
    expect(world.watch.heads).toHaveLength(2)
  })

  test('a touch whose answer is lost is one; one that somebody was faster than is none', async () => {
    const world = watchedWorld()
    const [one = '', two = ''] = world.append(eventsAt(1, 3))
    folded(await world.compact([one]))
    const head = await world.run(world.protocol.readHead())
    const touching = await Stepped.start(world.protocol.touch(head), world.env)
    await touching.failAfter('put pointer')
    await touching.run()
    expect(touching.result).not.toBe(null)
    const late = await Stepped.start(
      world.protocol.touch(await world.run(world.protocol.readHead())),
      world.env,
    )
    folded(await world.compact([two]))
    await late.run()
    expect(late.result).toBe(null)
  })
})

test('P11, P19: a reader sees one whole revision, whatever is published, merged and collected between its reads', async () => {
  const prepare = async () => {
    const { store, clock } = server()
    const world = watchedWorld({ store })
    const paths = world.append(eventsAt(1, 4))
    folded(await world.compact(paths.slice(0, 1)))
    folded(await world.compact(paths.slice(1, 2)))
    const reader = await Stepped.start(world.protocol.readProjection(world.settings), world.env)
    return { world, clock, reader, late: paths.slice(2) }
  }
  const { reader: undisturbed } = await prepare()
  let reads = 0
  for (; undisturbed.pending.length > 0; reads++) await undisturbed.step(undisturbed.pending[0])
  expect(reads).toBeGreaterThan(5)

  for (let before = 0; before <= reads; before++) {
    const { world, clock, reader, late } = await prepare()
    for (let done = 0; done < before; done++) await reader.step(reader.pending[0])
    world.clock.now_ms += 2 * 3_600_000
    clock.now_ms += 2 * 3_600_000
    // The deltas are old enough for a merge: every artifact that the reader wants is out of use now.
    expect(folded(await world.compact(late)).merged_to_base).toBe(true)
    const collector = collectorOf(world)
    const candidates = await collector.list()
    await collector.touch()
    await collector.sweep(candidates)
    await reader.run()
    const seen = reader.result
    if (seen?.ok !== true) throw new Error(`after ${before} reads: ${JSON.stringify(seen)}`)
    const runs = (dumpState(seen.state)['runs'] ?? []).map(([key]) => key)
    expect(runs).toEqual(before === 0 ? ['run-1', 'run-2', 'run-3'] : ['run-1', 'run-2'])
  }
})
