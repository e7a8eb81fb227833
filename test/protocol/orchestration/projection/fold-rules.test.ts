/**
 * What becomes of events (spec/correctness.md 7: Q5–Q7, Q10, Q11), with X9 of section 8: on the generators that ship, and
 * on wrong variants that each check must catch.
 */
import { describe, expect, test } from 'vitest'
import { eventAt, eventsAt, idAt, runOfTasks, unknownAt } from '../../../support/projection-events.ts'
import { projectionRule, watchedWorld, type WatchedWorld } from '../../../support/projection-rule.ts'
import { LEASE_OVER_MS, rebuilding, runsOf, tokenIn } from '../../../support/projection-steps.ts'
import { folded } from '../../../support/projection-world.ts'

describe('Q5: the order of ids', () => {
  projectionRule(
    {
      promise: 'events fold in the order of their ids, whatever their times and places in the list',
      wrong: 'Q5',
      shows: /plan-1/,
    },
    async (lab) => {
      const world = lab.world()
      // Two triggers of one run: the first one folded makes it.
      const [first, second] = [eventAt(1), eventAt(2)]
      if (second.data.type !== 'run_triggered') throw new Error('a trigger')
      const again = { ...second, timestamp: 0n, data: { ...second.data, run_id: 'run-1' } }
      const paths = world.append([first, again])
      folded(await world.compact(paths.toReversed()))
      const [[, row] = ['', {}]] = (await world.rows())['runs'] ?? []
      expect(row).toMatchObject({ plan_id: 'plan-1' })
    },
  )
})

describe('Q6: accounting, and stragglers', () => {
  const stragglers = async (world: WatchedWorld) => {
    const [one = '', two = '', three = ''] = world.append(eventsAt(1, 4))
    folded(await world.compact([one, three]))
    return { all: [one, two, three], late: [two] }
  }

  projectionRule(
    {
      promise: 'X9, P14: an event below the watermark is counted, never skipped in silence',
      wrong: 'Q6 count',
      shows: /below_floor/,
    },
    async (lab) => {
      const world = lab.world()
      const { late } = await stragglers(world)
      const { events_processed, revisions, accounting } = folded(await world.rebuild(late))
      expect({ events_processed, revisions }).toEqual({ events_processed: 0, revisions: 0 })
      expect(accounting.below_floor, 'below_floor').toBe(1)
      expect(await runsOf(world)).toEqual(['run-1', 'run-3'])
    },
  )

  projectionRule(
    {
      promise: 'X9, P14: mode full picks it up',
      wrong: 'Q6 full',
      shows: /run-2/,
    },
    async (lab) => {
      const world = lab.world()
      const { all } = await stragglers(world)
      folded(await world.rebuild(all, { mode: 'full' }))
      expect(await runsOf(world)).toEqual(['run-1', 'run-2', 'run-3'])
    },
  )

  test('every listed path is in exactly one bucket', async () => {
    const world = watchedWorld({ settings: { chunk_events: 2 } })
    const known = world.append(eventsAt(1, 4))
    folded(await world.compact(known))
    const fresh = world.append([
      ...eventsAt(4, 7),
      unknownAt(7),
      { ...eventAt(8), idempotency_key: eventAt(4).idempotency_key },
    ])
    const listed = [...known, ...fresh, ...fresh.slice(0, 2)]
    expect(folded(await world.rebuild(listed))).toMatchObject({
      events_processed: 5,
      accounting: { applied: 3, no_effect: 1, duplicate: 3, below_floor: 3, quarantined: 0 },
    })
  })
})

describe('Q7: bytes are a function of rows', () => {
  projectionRule(
    {
      promise: 'P18: two projections of one ledger, folded in another order, have the same files',
      wrong: 'Q7',
      shows: /runs/,
    },
    async (lab) => {
      const filesOf = async (batches: readonly (readonly number[])[]) => {
        const world = lab.world()
        const paths = world.append(eventsAt(1, 5))
        for (const [at, batch] of batches.entries()) {
          // The last batch finds a delta of five minutes and merges.
          if (at === batches.length - 1) world.clock.now_ms += 300_000
          folded(await world.compact(batch.map((number) => paths[number - 1] ?? '')))
        }
        const [manifest] = world.watch.chain()
        return manifest?.base_snapshot.tables.map(({ table, ref }) => ({
          table,
          checksum_sha256: typeof ref === 'string' ? ref : ref.checksum_sha256,
        }))
      }
      const ascending = await filesOf([[1, 2, 3], [4]])
      expect(ascending).toHaveLength(17)
      expect(await filesOf([[2], [3, 1], [4]])).toEqual(ascending)
    },
  )
})

describe('Q10: chunks', () => {
  projectionRule(
    {
      promise:
        'P11, incremental: a crash leaves a complete prefix visible, of whole chunks, lowest ids first',
      wrong: 'Q10 incremental',
      shows: /never came to put manifest 3/,
    },
    async (lab) => {
      const world = lab.world({ settings: { chunk_events: 2 } })
      const paths = world.append(eventsAt(1, 8))
      const rebuild_manifest_path = world.list(paths.toReversed())
      const process = await rebuilding(world, { rebuild_manifest_path })
      await process.run('put manifest 3')
      process.kill()
      expect(await runsOf(world)).toEqual(['run-1', 'run-2', 'run-3', 'run-4'])
      world.clock.now_ms += LEASE_OVER_MS
      const resumed = folded(
        (await (await rebuilding(world, { rebuild_manifest_path })).run()).result ?? { ok: false },
      )
      expect(resumed).toMatchObject({
        events_processed: 3,
        accounting: { applied: 3, below_floor: 4 },
        remaining: 0,
      })
      expect(await runsOf(world)).toHaveLength(7)
    },
  )

  projectionRule(
    {
      promise: 'full: a crash loses one chunk at most, and nothing is visible before the one CAS',
      wrong: 'Q10 full',
      shows: /events that are read again/,
    },
    async (lab) => {
      const world = lab.world({ settings: { chunk_events: 2 } })
      const paths = world.append(eventsAt(1, 8))
      folded(await world.compact(paths.slice(0, 1)))
      const before = world.text('state/orchestration/manifest.pointer.json')
      const request = { rebuild_manifest_path: world.list(paths), mode: 'full' as const }
      const process = await rebuilding(world, request)
      await process.run(`get event ${idAt(7)}`)
      process.kill()
      expect(world.text('state/orchestration/manifest.pointer.json')).toBe(before)
      world.clock.now_ms += LEASE_OVER_MS
      const again = await rebuilding(world, request)
      let events = 0
      while (again.pending.length > 0) {
        events += again.pending.filter((label) => label.startsWith('get event')).length
        await again.step()
      }
      expect(events, 'events that are read again').toBe(1)
      expect(again.result).toMatchObject({ ok: true, events_processed: 7, revisions: 1 })
      expect(world.watch.heads).toHaveLength(2)
      expect(await runsOf(world)).toHaveLength(7)
    },
  )
})

describe('chunks of one call', () => {
  test('P3: one that others have published on top of is not the head any more: the next is folded onto theirs', async () => {
    const world = watchedWorld({ settings: { chunk_events: 2 } })
    const paths = world.append(eventsAt(1, 6))
    const process = await rebuilding(world, { rebuild_manifest_path: world.list(paths.slice(0, 4)) })
    await process.run('put pointer')
    await process.failAfter('put pointer')
    folded(await world.compact(paths.slice(4), tokenIn(world)))
    await process.run()
    // Event 5 is visible by now, so that events 3 and 4 lie below the watermark.
    expect(process.result).toMatchObject({
      ok: true,
      revisions: 1,
      accounting: { applied: 2, below_floor: 2 },
      watermark_after: idAt(5),
    })
    expect(await runsOf(world)).toEqual(['run-1', 'run-2', 'run-5'])
  })

  test('a race that is lost in the middle is folded again from the new head, with the rows as they are there', async () => {
    const world = watchedWorld({ settings: { chunk_events: 4 } })
    const tasks = runOfTasks(1, 2)
    const paths = world.append([eventAt(1), ...tasks, eventAt(6), eventAt(7)])
    const process = await rebuilding(world, { rebuild_manifest_path: world.list(paths) })
    await process.run('put manifest 2')
    // A late event: it moves the head, and the watermark stays.
    folded(await world.compact(world.append([eventAt(0)]), tokenIn(world)))
    await process.run()
    expect(process.result).toMatchObject({
      ok: true,
      remaining: 0,
      accounting: { applied: 7, below_floor: 0 },
    })
    const merged = await world.rows()
    const plain = watchedWorld()
    folded(await plain.compact(plain.append([eventAt(0), eventAt(1), ...tasks, eventAt(6), eventAt(7)])))
    expect(merged).toEqual(await plain.rows())
  })
})

describe('Q11: events that do not decode', () => {
  const broken = '{"event_id": 7}'
  const withBroken = (world: WatchedWorld) => {
    const paths = world.append(eventsAt(1, 4))
    world.write(paths[1] ?? '', broken)
    return paths
  }

  projectionRule(
    {
      promise: 'one of them ends the call with its path and offset, and nothing is published',
      wrong: 'Q11',
      shows: /the answer to a broken event/,
    },
    async (lab) => {
      for (const mode of ['compact', 'incremental', 'full'] as const) {
        const world = lab.world()
        const paths = withBroken(world)
        const result = mode === 'compact' ? await world.compact(paths) : await world.rebuild(paths, { mode })
        expect(result, 'the answer to a broken event').toMatchObject({
          ok: false,
          reason: 'event_invalid',
          path: paths[1],
          offset: expect.any(Number) as number,
          paths: [{ path: paths[1] }],
          truncated: false,
        })
        expect(world.pointer()).toBe(null)
      }
    },
  )

  projectionRule(
    {
      promise: 'quarantined on the operator’s word, they are recorded in the manifest and counted',
      wrong: 'Q11 record',
      shows: /the record/,
    },
    async (lab) => {
      const world = lab.world()
      const paths = withBroken(world)
      expect(folded(await world.rebuild(paths, { quarantine: true }))).toMatchObject({
        events_processed: 2,
        accounting: { applied: 2, quarantined: 1 },
        watermark_after: idAt(3),
      })
      const [manifest] = world.watch.chain()
      expect(manifest?.quarantine ?? {}, 'the record').toMatchObject({
        event_count: 1,
        events: [{ path: paths[1] }],
      })
    },
  )

  test.each(['incremental', 'full'] as const)(
    'P9: quarantined again in mode %s, nothing is published',
    async (mode) => {
      const world = watchedWorld()
      const paths = world.append(eventsAt(1, 4))
      // The last of the list: what was left out counts for the watermark, so that nobody stops at it again.
      world.write(paths[2] ?? '', broken)
      const first = folded(await world.rebuild(paths, { mode, quarantine: true }))
      expect(first).toMatchObject({ watermark_after: idAt(3), accounting: { quarantined: 1 } })
      const again = folded(await world.rebuild(paths, { mode, quarantine: true }))
      expect(again).toMatchObject({ revisions: 0, manifest_revision: first.manifest_revision })
    },
  )

  test('in incremental mode it ends its chunk only: the ones before stay', async () => {
    const world = watchedWorld({ settings: { chunk_events: 2 } })
    const paths = world.append(eventsAt(1, 6))
    world.write(paths[3] ?? '', broken)
    expect(await world.rebuild(paths)).toMatchObject({
      ok: false,
      reason: 'event_invalid',
      path: paths[3],
      progress: { events_processed: 2, revisions: 1, watermark_after: idAt(2), remaining: 3 },
    })
    expect(await runsOf(world)).toEqual(['run-1', 'run-2'])
  })
})
