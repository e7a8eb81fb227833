/** A lease and a store that is slow (spec/locks-and-fencing.md 6.4 step 4, R-5; Q10), or does not take it back (4.3). */
import { expect, test } from 'vitest'
import type { Store } from '../../../../lib/store/types.ts'
import { LOCK_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import { folded, projectionWorld, type World } from '../../../support/projection-world.ts'

/** A world in which every read of a key that matches takes 8 s of its clock, one after the other. */
function slowWorld(slow: RegExp): World {
  const world: World = projectionWorld({
    settings: { chunk_events: 1, reads_max: 1 },
    wrap: (store): Store => ({
      ...store,
      async get(path, options) {
        if (slow.test(path)) world.clock.now_ms += 8_000
        return store.get(path, options)
      },
    }),
  })
  return world
}

test('Q10, R-5: a rebuild from scratch that takes a minute to read its finished chunks goes on behind them', async () => {
  const world = slowWorld(/\/layer\./)
  const paths = world.append(eventsAt(0, 9))
  const first = await world.rebuild(paths, { mode: 'full', events_budget: 8 })
  expect(folded(first)).toMatchObject({ remaining: 1, revisions: 0 })
  const begun_ms = world.clock.now_ms
  const second = await world.rebuild(paths, { mode: 'full' })
  expect(folded(second)).toMatchObject({ remaining: 0, revisions: 1 })
  expect(world.clock.now_ms - begun_ms).toBeGreaterThan(60_000)
})

test('R-5: a compaction that takes a minute to read a large base is published', async () => {
  const world = slowWorld(/\.parquet$/)
  folded(await world.rebuild(world.append(eventsAt(0, 2)), { mode: 'full' }))
  const begun_ms = world.clock.now_ms
  expect(folded(await world.compact(world.append(eventsAt(2, 3))))).toMatchObject({ revisions: 1 })
  expect(world.clock.now_ms - begun_ms).toBeGreaterThan(60_000)
})

test.each(['no_effect', 'unknown'] as const)(
  '4.3: a release that ends as %s fails nothing, and the operator is told who is waited for',
  async (outcome) => {
    let lock_puts = 0
    const world = projectionWorld({
      wrap: (store): Store => ({
        ...store,
        put: async (path, ...rest) =>
          path === LOCK_PATH && ++lock_puts === 2 ? { outcome } : store.put(path, ...rest),
      }),
    })
    expect(folded(await world.compact(world.append(eventsAt(0, 1))))).toMatchObject({ revisions: 1 })
    expect(world.notes).toEqual([{ note: 'release_failed', path: LOCK_PATH, outcome }])
  },
)
