/**
 * A collector that races publishers deletes nothing that is reachable (P12), over many schedules; the seed of one that
 * fails is in its message. For a minute of real time: `npm run soak:collect`.
 */
import { expect, test } from 'vitest'
import { raceOnce, type RaceStats } from '../../../support/collect-race.ts'
import {
  SHIPPED_COLLECTOR,
  withCollectorVariant,
  type CollectorCode,
  type CollectorVariantId,
} from '../../../support/reconcile-variants.ts'

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1)

async function race(code: CollectorCode): Promise<RaceStats> {
  const total: RaceStats = { published: 0, collected: 0, deleted_objects: 0, skipped_paths: 0 }
  for (const seed of SEEDS) {
    let stats: RaceStats
    try {
      stats = await raceOnce(seed, code)
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
    for (const name of ['published', 'collected', 'deleted_objects', 'skipped_paths'] as const) {
      total[name] += stats[name]
    }
  }
  return total
}

test('P1, P12: whatever the order, what readers reach stays, and what nobody reaches goes', async () => {
  const total = await race(SHIPPED_COLLECTOR)
  expect(total.published).toBeGreaterThan(40)
  expect(total.deleted_objects).toBeGreaterThan(200)
  expect(total.collected).toBeGreaterThan(80)
  expect(total.skipped_paths).toBeGreaterThan(20)
})

test.each<CollectorVariantId>(['touch', 'reach'])(
  'the race notices a collector without its guard: %s',
  async (id) => {
    await expect(withCollectorVariant(id, race)).rejects.toThrow(/seed \d+: P1/)
  },
)
