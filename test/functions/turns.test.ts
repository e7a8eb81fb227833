/** S30: many commits on one table at once. */
import { describe, expect, test } from 'vitest'
import { createTurns } from '../../functions/turns.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, testService, type Answer, type TestService } from '../support/service.ts'

const LONG = { wait_ms: 60_000, turn_ms: 60_000 }

describe('turns', () => {
  test('are taken in the order in which they were asked for, and never more than the bound at once', async () => {
    const turns = createTurns({ ...LONG, at_once_max: 2, waiting_max: 10 })
    const began: number[] = []
    const ends: (() => void)[] = []
    const all = Array.from({ length: 6 }, async (_, each) => {
      const end = await turns.take('t')
      if (end === null) throw new Error('no turn')
      began.push(each)
      ends.push(end)
    })
    await Promise.resolve()
    for (let done = 0; done < 6; done++) {
      await new Promise((resolve) => setImmediate(resolve))
      expect(began).toEqual(Array.from({ length: Math.min(6, done + 2) }, (_, each) => each))
      ends[done]?.()
      // Ending a turn twice gives no second one away.
      ends[done]?.()
    }
    await Promise.all(all)
    expect(turns.size()).toBe(0)
  })

  test('who comes when the queue is full gets none at once; who waits too long gets none then', async () => {
    const turns = createTurns({ ...LONG, at_once_max: 1, waiting_max: 1, wait_ms: 1 })
    const end = await turns.take('t')
    const waiting = turns.take('t')
    expect(await turns.take('t')).toBeNull()
    expect(await waiting).toBeNull()
    expect(await turns.take('other')).not.toBeNull()
    end?.()
    expect(await turns.take('t')).not.toBeNull()
  })
})

test('a turn that nobody ends is over after its time: a table is never closed for good', async () => {
  let now_ms = 0
  const turns = createTurns({ at_once_max: 1, waiting_max: 1, wait_ms: 60_000, turn_ms: 100 }, () => now_ms)
  const lost = await turns.take('t')
  now_ms = 99
  const waiting = turns.take('t')
  expect(await turns.take('t')).toBeNull()
  now_ms = 100
  // Whoever waited goes first; this one waits in turn.
  const later = turns.take('t')
  const end = await waiting
  lost?.()
  end?.()
  const last = await later
  expect([end, last]).not.toContain(null)
  last?.()
  expect(turns.size()).toBe(0)
})

describe('1 000 parallel commits on one table', () => {
  const LIMITS = { ...LONG, at_once_max: 4, waiting_max: 20 }

  /** Counts the requests that are at work on a coordinator state, by table. */
  function watched(store: MaintenanceStore): { store: MaintenanceStore; most: () => number } {
    let at_work = 0
    let most = 0
    return {
      most: () => most,
      store: {
        ...store,
        async get(key, options) {
          if (!key.includes('/delta/staging/')) return store.get(key, options)
          // Every commit reads its payload once, beside its state.
          most = Math.max(most, ++at_work)
          try {
            await new Promise((resolve) => setImmediate(resolve))
            return await store.get(key, options)
          } finally {
            at_work -= 1
          }
        },
      },
    }
  }

  async function committer(it: TestService, table_id: string): Promise<() => Promise<Answer>> {
    const staged = await it.stage(table_id)
    return async () => it.commit({ table_id, read_version: -1, ...staged, idempotency_key: freshId() })
  }

  test('a bounded number reaches the store, the rest is told to come back, and other tables do not wait', async () => {
    const bucket = watched(memoryStore())
    const it = testService(bucket.store, { deps: { turns: createTurns(LIMITS) } })
    const stormed = await committer(it, freshId())
    const quiet = await committer(it, freshId())
    const storm = Promise.all(Array.from({ length: 1_000 }, stormed))
    const aside = await quiet()
    expect(aside.status).toBe(200)
    const answers = await storm
    const by_status = Map.groupBy(answers, ({ status }) => status)
    expect(by_status.get(200)).toHaveLength(1)
    expect(by_status.get(409)).toHaveLength(LIMITS.at_once_max + LIMITS.waiting_max - 1)
    expect(by_status.get(429)).toHaveLength(1_000 - LIMITS.at_once_max - LIMITS.waiting_max)
    // One of the quiet table.
    expect(bucket.most()).toBeLessThanOrEqual(LIMITS.at_once_max + 1)
    for (const refused of by_status.get(429)?.slice(0, 3) ?? []) {
      expectProblem(refused, { reason: 'rate_limited', detail: /waiting for their turn/ })
    }
  })

  test('everybody gets through who comes back', async () => {
    const it = testService(memoryStore(), { deps: { turns: createTurns(LIMITS) } })
    const table_id = freshId()
    const versions: number[] = []
    async function commitUntilDone(): Promise<void> {
      const staged = await it.stage(table_id)
      for (let read_version = -1, idempotency_key = freshId(); ;) {
        const { status, body } = await it.commit({ table_id, read_version, ...staged, idempotency_key })
        if (status === 200) return void versions.push(body.version)
        if (body.reason === 'stale_read_version') {
          read_version = body.latest_version
          idempotency_key = freshId()
        } else await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await Promise.all(Array.from({ length: 12 }, commitUntilDone))
    expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, version) => version))
  })
})
