/** Compact and rebuild under the lock (spec/locks-and-fencing.md 5, 6 and 8: LK-16 to LK-22; Q9 and P16 of correctness.md). */
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../../../lib/store/memory.ts'
import { acquire, LEASE_MS, LockRecord, release, type Guard } from '../../../../lib/protocol/lock.ts'
import { LOCK_PATH, POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { eventsAt, idAt } from '../../../support/projection-events.ts'
import { projectionRule, watchedWorld, type WatchedWorld } from '../../../support/projection-rule.ts'
import {
  compacting,
  LEASE_OVER_MS,
  manifestAt,
  rebuilding,
  runsOf,
  tokenIn,
} from '../../../support/projection-steps.ts'
import { folded, WORLD_START_MS } from '../../../support/projection-world.ts'
import { Stepped } from '../../../support/stepper.ts'

async function hold(world: WatchedWorld): Promise<Guard> {
  const acquired = await world.run(acquire({ path: LOCK_PATH, wait_ms: 0 }))
  if (!acquired.ok) throw new Error(acquired.reason)
  return acquired.guard
}

const lockIn = (world: WatchedWorld): LockRecord => LockRecord.parse(world.json(LOCK_PATH))

function isFree(world: WatchedWorld): boolean {
  return Date.parse(lockIn(world).expiresAt) < world.clock.now_ms
}

describe('LK-16, 6.3: a caller’s token, in every operation', () => {
  const operations = [
    ['compact', async (world: WatchedWorld, paths: string[], token: number) => world.compact(paths, token)],
    [
      'rebuild',
      async (world: WatchedWorld, paths: string[], token: number) =>
        world.rebuild(paths, { fencing_token: token }),
    ],
    [
      'rebuild from scratch',
      async (world: WatchedWorld, paths: string[], token: number) =>
        world.rebuild(paths, { fencing_token: token, mode: 'full' }),
    ],
  ] as const

  describe.each(operations)('%s', (_, operate) => {
    test.each([
      [
        'no record',
        null,
        0,
        1,
        'lock_missing',
        /^fencing lock unavailable at locks\/.* for provided epoch 1$/,
      ],
      ['expired to the millisecond', 7, LEASE_MS, 1, 'lock_expired', /for provided epoch 1$/],
      ['an old token', 7, 0, 6, 'stale_fencing_token', /^stale fencing token: expected 8, got 6$/],
      ['a token of the future', 7, 0, 9, 'stale_fencing_token', /^stale fencing token: expected 8, got 9$/],
      ['less than 3 s left', 0, LEASE_MS - 2_999, 1, 'lock_expired', /for provided epoch 1$/],
    ] as const)(
      '%s: refused, and nothing is visible',
      async (_case, floor, later_ms, token, reason, detail) => {
        const world = watchedWorld()
        const paths = world.append(eventsAt(1, 3))
        if (floor !== null) await world.run(acquire({ path: LOCK_PATH, floor }))
        world.clock.now_ms += later_ms
        const lock = world.text(LOCK_PATH)
        expect(await operate(world, paths, token)).toEqual({
          ok: false,
          reason,
          detail: expect.stringMatching(detail) as string,
        })
        expect(world.text(POINTER_PATH)).toBe(null)
        expect(world.text(LOCK_PATH)).toBe(lock)
      },
    )

    test('3 s left are enough; the caller’s lock is neither renewed nor released', async () => {
      const world = watchedWorld()
      const paths = world.append(eventsAt(1, 3))
      await hold(world)
      world.clock.now_ms += LEASE_MS - 3_000
      const lock = world.text(LOCK_PATH)
      expect(await operate(world, paths, 1)).toMatchObject({ ok: true, events_processed: 2 })
      expect(world.text(LOCK_PATH)).toBe(lock)
      expect(world.pointer().epoch).toBe(1)
    })
  })

  test('a lease that runs out between manifest and pointer: lock_expired, and the pointer is not written', async () => {
    const world = watchedWorld()
    const paths = world.append(eventsAt(1, 2))
    await hold(world)
    const { protocol, settings, env } = world
    const process = await Stepped.start(
      protocol.compact(settings, { event_paths: paths, fencing_token: 1 }),
      env,
    )
    await process.run('put manifest 1')
    world.clock.now_ms += LEASE_MS - 2_999
    await process.run()
    expect(process.result).toMatchObject({ ok: false, reason: 'lock_expired' })
    expect(world.text(manifestAt(1))).not.toBe(null)
    expect(world.text(POINTER_PATH)).toBe(null)
  })

  test('a record that does not parse: lock_corrupt, in both shapes', async () => {
    const world = watchedWorld()
    const paths = world.append(eventsAt(1, 2))
    world.write(LOCK_PATH, '{')
    for (const token of [1, null]) {
      expect(await world.compact(paths, token)).toEqual({ ok: false, reason: 'lock_corrupt' })
      expect(await world.rebuild(paths, { fencing_token: token })).toEqual({
        ok: false,
        reason: 'lock_corrupt',
      })
    }
    expect(world.text(LOCK_PATH)).toBe('{')
  })

  test('a renewed lease counts as it is when the manifest is written, not as it was at the start', async () => {
    const world = watchedWorld()
    const paths = world.append(eventsAt(1, 2))
    await hold(world)
    const { protocol, settings, env } = world
    const process = await Stepped.start(
      protocol.compact(settings, { event_paths: paths, fencing_token: 1 }),
      env,
    )
    await process.run('put l0 runs')
    world.clock.now_ms += LEASE_MS + 5_000
    world.write(
      LOCK_PATH,
      (world.text(LOCK_PATH) ?? '').replace(
        /"expiresAt":"[^"]+"/,
        `"expiresAt":"${new Date(world.clock.now_ms + LEASE_MS).toISOString()}"`,
      ),
    )
    await process.run()
    expect(process.result).toMatchObject({ ok: true })
  })
})

describe('6.4: the plain shape', () => {
  test('LK-17: the lock is released, and the same again is a success with 0 events and no new revision', async () => {
    const world = watchedWorld()
    const paths = world.append(eventsAt(1, 4))
    const first = folded(await world.rebuild(paths))
    expect(first).toMatchObject({
      events_processed: 3,
      watermark_after: idAt(3),
      visibility_status: 'visible',
    })
    expect(isFree(world)).toBe(true)
    expect(lockIn(world).operation).toBe(undefined)
    const second = folded(await world.rebuild(paths))
    expect(second).toMatchObject({
      events_processed: 0,
      revisions: 0,
      manifest_id: first.manifest_id,
      manifest_revision: first.manifest_revision,
      pointer_version: first.pointer_version,
      accounting: { below_floor: 3 },
    })
    expect(isFree(world)).toBe(true)
    expect([tokenIn(world), world.pointer().epoch]).toEqual([2, 1])
  })

  test('the record says what is at work', async () => {
    const world = watchedWorld()
    const paths = world.append(eventsAt(1, 2))
    const process = await compacting(world, paths)
    await process.run('put manifest 1')
    expect(lockIn(world)).toMatchObject({ operation: 'compact', ttlMs: LEASE_MS, sequenceNumber: 1 })
    await process.run()
    expect(isFree(world)).toBe(true)
  })

  test.each(['incremental', 'full'] as const)(
    'LK-18: while it is held, %s waits 10 s, no longer',
    async (mode) => {
      const world = watchedWorld()
      const paths = world.append(eventsAt(1, 2))
      const { record } = await hold(world)
      const started_ms = world.clock.now_ms
      expect(await world.rebuild(paths, { mode })).toMatchObject({
        ok: false,
        reason: 'lock_held',
        holder_id: record.holderId,
        retry_after_ms: 5_000,
      })
      expect(world.clock.now_ms - started_ms).toBeLessThanOrEqual(10_000)
      expect(world.text(POINTER_PATH)).toBe(null)
    },
  )

  test('who waited folds onto what the holder before has published', async () => {
    const world = watchedWorld()
    const [one = '', two = ''] = world.append(eventsAt(1, 3))
    const first = await compacting(world, [one])
    await first.run('put pointer')
    const second = await compacting(world, [two])
    await second.step()
    await first.run()
    await second.run()
    expect(second.result).toMatchObject({
      ok: true,
      manifest_id: '00000000000000000002',
      watermark_before: idAt(1),
    })
    expect(await runsOf(world)).toEqual(['run-1', 'run-2'])
  })

  test('a refusal gives the lock back, too', async () => {
    const world = watchedWorld()
    expect(await world.compact([`ledger/orchestration/2026-02-21/${idAt(1)}.json`])).toMatchObject({
      ok: false,
      reason: 'event_not_found',
    })
    expect(isFree(world)).toBe(true)
  })

  test('long work renews its lease every third of it', async () => {
    const world = watchedWorld({ settings: { chunk_events: 1 } })
    const paths = world.append(eventsAt(1, 6))
    const process = await rebuilding(world, { rebuild_manifest_path: world.list(paths) })
    let renewals = 0
    while (process.pending.length > 0) {
      // Five chunks of 11 s are longer than the lease of 30 s.
      if (process.pending.includes('put pointer')) world.clock.now_ms += 11_000
      if (process.pending.includes('put lock')) renewals += 1
      await process.step()
    }
    expect(process.result).toMatchObject({ ok: true, revisions: 5 })
    // Acquired, renewed before each of the other four chunks, released.
    expect(renewals).toBe(6)
  })

  test.each(['incremental', 'full'] as const)(
    'R-5: a lease that is lost ends the work of mode %s before its next write of anything visible',
    async (mode) => {
      const world = watchedWorld({ settings: { chunk_events: 2 } })
      const paths = world.append(eventsAt(1, 6))
      const process = await rebuilding(world, { rebuild_manifest_path: world.list(paths), mode })
      await process.run(`get event ${idAt(3)}`)
      world.clock.now_ms += LEASE_OVER_MS
      await hold(world)
      const pointer = world.text(POINTER_PATH)
      const lock = world.text(LOCK_PATH)
      await process.run()
      expect(process.result).toMatchObject({ ok: false, reason: 'lease_lost' })
      expect(world.text(POINTER_PATH)).toBe(pointer)
      expect(world.text(LOCK_PATH)).toBe(lock)
    },
  )
})

test('LK-20: two scopes in one bucket: their locks and pointers are independent', async () => {
  const store = memoryStore()
  const [ours, theirs] = ['prod', 'dev'].map((workspace) =>
    watchedWorld({ store, scope: { tenant: 'acme', workspace } }),
  )
  if (ours === undefined || theirs === undefined) throw new Error('two worlds')
  await hold(ours)
  const paths = theirs.append(eventsAt(1, 2).map((event) => ({ ...event, workspace_id: 'dev' })))
  expect(await theirs.compact(paths)).toMatchObject({ ok: true, events_processed: 1 })
  expect(ours.text(POINTER_PATH)).toBe(null)
  expect([tokenIn(ours), tokenIn(theirs)]).toEqual([1, 1])
})

describe('LK-21: the clock of B is ten minutes ahead', () => {
  /** A has written its manifest and stands before the pointer; B takes the lock over at once. */
  async function twoClocks() {
    const store = memoryStore()
    const a = watchedWorld({ store })
    const b = watchedWorld({ store, now_ms: WORLD_START_MS + 600_000 })
    const [one = '', two = ''] = a.append(eventsAt(1, 3))
    const slow = await compacting(a, [one])
    await slow.run('put pointer')
    return { a, b, slow, two }
  }

  test('A is late: refused by the epoch, and nothing of B is lost', async () => {
    const { a, b, slow, two } = await twoClocks()
    expect(folded(await b.compact([two]))).toMatchObject({ manifest_id: '00000000000000000002' })
    expect(b.pointer().epoch).toBe(2)
    await slow.run()
    expect(slow.result).toMatchObject({ ok: false, reason: 'stale_fencing_token' })
    expect(await runsOf(a)).toEqual(['run-2'])
    // What was refused is in the ledger: the next compaction folds it.
    const again = folded(await b.compact(a.append(eventsAt(1, 2))))
    expect(again.accounting.applied).toBe(1)
    expect(await runsOf(a)).toEqual(['run-1', 'run-2'])
  })

  test('A is first: a legal successor, and B folds onto it', async () => {
    const { a, b, slow, two } = await twoClocks()
    const fast = await compacting(b, [two])
    await fast.run('put pointer')
    await slow.run()
    expect(slow.result).toMatchObject({ ok: true, manifest_id: '00000000000000000001' })
    expect(a.pointer().epoch).toBe(1)
    await fast.run()
    expect(fast.result).toMatchObject({ ok: true, watermark_before: idAt(1) })
    expect(b.pointer().epoch).toBe(2)
    expect(await runsOf(a)).toEqual(['run-1', 'run-2'])
  })
})

describe('Q9, P16: fencing is the pointer’s', () => {
  projectionRule(
    {
      promise: 'LK-22: a token below the epoch of the pointer is refused although the lock matches and lives',
      wrong: 'Q9',
      shows: /epochs must not decrease/,
    },
    async (lab) => {
      for (const mode of ['compact', 'incremental', 'full'] as const) {
        const world = lab.world()
        const [one = '', two = ''] = world.append(eventsAt(1, 3))
        await world.run(acquire({ path: LOCK_PATH, floor: 40 }))
        folded(await world.compact([one], 41))
        // Somebody deletes the record, which is forbidden, and a client without a floor takes the lock.
        world.store.remove(world.prefix + LOCK_PATH)
        await world.run(acquire({ path: LOCK_PATH }))
        const pointer = world.text(POINTER_PATH)
        const result =
          mode === 'compact'
            ? await world.compact([two], 1)
            : await world.rebuild([one, two], { mode, fencing_token: 1 })
        expect(result).toMatchObject({ ok: false, reason: 'stale_fencing_token' })
        expect(world.text(POINTER_PATH)).toBe(pointer)
      }
    },
  )

  test('A-2: a call that takes the lock itself goes on above the epoch, whatever became of the record', async () => {
    const world = watchedWorld()
    const [one = '', two = ''] = world.append(eventsAt(1, 3))
    await world.run(acquire({ path: LOCK_PATH, floor: 40 }))
    folded(await world.compact([one], 41))
    world.store.remove(world.prefix + LOCK_PATH)
    folded(await world.compact([two]))
    expect([tokenIn(world), world.pointer().epoch]).toEqual([42, 42])
  })

  test('6.4: so does one that is told where the tokens of a moved lock ended', async () => {
    const world = watchedWorld({ settings: { lock_floor: 99 } })
    folded(await world.compact(world.append(eventsAt(1, 2))))
    expect(world.pointer().epoch).toBe(100)
  })

  test('a lock that was given back does not fence', async () => {
    const world = watchedWorld()
    const guard = await hold(world)
    await world.run(release(guard))
    expect(await world.compact(world.append(eventsAt(1, 2)), 1)).toMatchObject({
      ok: false,
      reason: 'lock_expired',
    })
  })
})
