/** The round-trip budget (spec/coordinator.md 13) as an operator would see it on the store's bill: over HTTP, row by row. */
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../lib/store/memory.ts'
import { CATALOG_PATHS, catalogObjects } from '../support/catalog.ts'
import { ROWS, sendAct, type Act } from '../support/commit-cases.ts'
import { openWorld, TABLE_ID, viewTable, type World } from '../support/commit-world.ts'
import type { Answer, TestService, TestServiceOptions } from '../support/service.ts'
import { countRounds, readBucket, type Counted } from '../support/stores.ts'

/** What one request cost. */
interface Cost {
  readonly answer: Answer
  readonly rounds: number
  readonly operations: readonly Counted[]
}

/** Prepare, then send the one request through a process whose store counts. */
async function costOf(
  world: World,
  prepare: (it: TestService) => Promise<Act>,
  options: TestServiceOptions = {},
): Promise<Cost> {
  let counter = countRounds(world.store)
  const it = world.process((store) => {
    counter = countRounds(store)
    return counter.store
  }, options)
  const act = await prepare(it)
  counter.reset()
  const answer = await sendAct(it, act)
  return { answer, rounds: counter.rounds(), operations: [...counter.operations] }
}

describe('coordinator.md 13, base lane', () => {
  for (const { row, rounds, requests, answer: expected, after, prepare } of ROWS) {
    test(`${row}: ${rounds} sequential rounds, ${requests} operations (C18)`, async () => {
      const world = openWorld('memory')
      const { answer, ...cost } = await costOf(world, async (it) => prepare(world, it))
      expect({ status: answer.status, reason: answer.body.reason, version: answer.body.version }).toEqual({
        reason: undefined,
        version: undefined,
        ...expected,
      })
      expect(cost.rounds).toBe(rounds)
      expect(cost.operations).toHaveLength(requests)
      // "≤ 16 operations in every case", where R22 allows 32; and at most 8 decisions, each from one look at the state.
      expect(cost.operations.length).toBeLessThanOrEqual(16)
      const looks = cost.operations.filter(
        ({ key }) => key === world.key(`delta/coordinator/${TABLE_ID}.json`),
      )
      expect(looks.length).toBeLessThanOrEqual(8)
      expect(viewTable(world, await readBucket(world.store))).toEqual(after)
    })
  }
})

describe('coordinator.md 6.2: the root is looked up beside the reads, and then known', () => {
  const CATALOG = { resolver: { mode: 'catalog' } } as const

  async function catalogWorld(): Promise<World> {
    const world = openWorld('memory')
    const objects = catalogObjects([{ id: TABLE_ID, location: null, format: 'delta' }])
    for (const name of ['pointer', 'manifest', 'tables'] as const) {
      await world.store.put(world.key(CATALOG_PATHS[name]), objects[name], 'doesNotExist')
    }
    await world.healthy.commit((await world.writer('K', -1)).call)
    return world
  }

  test('a process that has never seen the catalog: its three levels overlap with one round, 7 in all', async () => {
    const world = await catalogWorld()
    const writer = await world.writer('L', 0)
    const { answer, rounds } = await costOf(world, async () => ({ act: 'commit', writer }), CATALOG)
    expect(answer.body.version).toBe(1)
    expect(rounds).toBe(7)
  })

  test('a process that staged the payload: 5, and no read of the catalog', async () => {
    const world = await catalogWorld()
    const { answer, rounds, operations } = await costOf(
      world,
      async (it) => ({ act: 'commit', writer: await world.writer('L', 0, { by: it }) }),
      CATALOG,
    )
    expect(answer.body.version).toBe(1)
    expect(rounds).toBe(5)
    expect(operations.filter(({ key }) => key.includes('catalog'))).toEqual([])
  })

  test('a first commit by a process that does not know the root: its probes have to wait for it, 6', async () => {
    const world = openWorld('memory')
    const writer = await world.writer('K', -1)
    const { answer, rounds } = await costOf(world, async () => ({ act: 'commit', writer }))
    expect(answer.body.version).toBe(0)
    expect(rounds).toBe(6)
  })
})

test('the counter counts what waits for each other, and not what does not', async () => {
  const { store, rounds, reset } = countRounds(memoryStore())
  const chain = async (length: number): Promise<void> => {
    for (let each = 0; each < length; each++) await store.get(`key-${each}`)
  }
  await Promise.all([chain(1), chain(1), chain(1)])
  expect(rounds()).toBe(1)
  await chain(2)
  expect(rounds()).toBe(3)
  reset()
  await Promise.all([chain(3), chain(1), chain(2)])
  expect(rounds()).toBe(3)
})
