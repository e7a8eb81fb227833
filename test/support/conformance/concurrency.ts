/** Minimum conformance scenarios of spec/coordinator.md 14.1 with many requests at once, each in a process of its own. */
import { expect, test } from 'vitest'
import { heldBefore } from '../crash-windows.ts'
import { freshId, type CommitCall } from '../service.ts'
import type { MakeStore } from '../stores.ts'
import { logKey, useTables, type Writer } from '../tables.ts'

/** How many refused writers of CO-29 try again after each commit: the contention, and the store operations that it costs. */
export interface Contention {
  readonly woken: number
}

/** CO-12, CO-13, CO-14, CO-29; for a `describe` of one kind of store. */
export function concurrencyScenarios(make: MakeStore, { woken }: Contention = { woken: 4 }): void {
  const fresh = useTables(make)

  test("CO-12: B commits v+1 between A's marker and A's finalize: A answers 200", async () => {
    const at = fresh()
    const a = await at.writer('A', -1)
    const b = await at.writer('B', 0)
    const slow = heldBefore(at, 'finalize')
    const a_answer = slow.service.commit(a.call)
    await slow.reached
    expect(at.told(await at.process().commit(b.call), -1)).toBe('200 v+1')
    slow.goOn()
    expect(at.told(await a_answer, -1)).toBe('200 v')
    expect(await at.picture(-1)).toEqual({
      state: '{v+1, null}',
      log: ['A@v', 'B@v+1'],
      markers: ['A@v', 'B@v+1'],
      staged: ['A', 'B'],
    })
  })

  test('CO-13: eight concurrent duplicates: all 200, one log entry', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    const answers = await Promise.all(Array.from({ length: 8 }, async () => at.process().commit(k.call)))
    expect(answers.map((answer) => at.told(answer, -1))).toEqual(Array.from({ length: 8 }, () => '200 v'))
    expect(await at.picture(-1)).toEqual({
      state: '{v, null}',
      log: ['K@v'],
      markers: ['K@v'],
      staged: ['K'],
    })
  })

  test('CO-14: one key, two bodies racing: one 200, one refused and on replay key_reuse, one marker', async () => {
    for (let round = 0; round < 10; round++) {
      const at = fresh()
      const idempotency_key = freshId()
      const one = await at.writer('one', -1, { idempotency_key })
      const two = await at.writer('two', -1, { idempotency_key })
      const answers = await Promise.all([at.process().commit(one.call), at.process().commit(two.call)])
      const told = answers.map((answer) => at.told(answer, -1))
      const winner = told.indexOf('200 v')
      expect(['409 key_reuse', '409 reserved']).toContain(told[1 - winner])
      const [won, lost] = winner === 0 ? [one, two] : [two, one]
      expect(at.told(await at.service.commit(lost.call), -1)).toBe('409 key_reuse')
      expect(at.told(await at.service.commit(won.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual({
        state: '{v, null}',
        log: [`${won.name}@v`],
        markers: [`${won.name}@v`],
        staged: ['one', 'two'],
      })
    }
  })

  test('CO-29: 32 writers that rebase, 200 commits: versions 0 to 199, each exactly once', async () => {
    const at = fresh()
    const committed: { readonly version: number; readonly payload: string }[] = []
    const refusals = new Set<string>()
    const { rest, wakeSome, leave } = restingPlace({ writers: 32, woken })
    let wanted = 200

    /** A fresh key on top of what the table is now. */
    async function rebased(call: CommitCall): Promise<CommitCall> {
      const { body } = await at.service.inspect(at.table_id)
      return { ...call, read_version: body.latest_version, idempotency_key: freshId() }
    }

    /** One payload, sent until it is committed: the same key when told to repeat, a fresh one after a definite answer. */
    async function commitWithRebase({ call, payload }: Writer): Promise<void> {
      for (let request = await rebased(call); ;) {
        const { status, body } = await at.process().commit(request)
        if (status === 200) {
          committed.push({ version: body.version, payload })
          return wakeSome()
        }
        refusals.add(body.reason)
        await rest()
        if (body.retryable !== true) request = await rebased(call)
      }
    }

    async function work(): Promise<void> {
      while (wanted > 0) {
        wanted -= 1
        await commitWithRebase(await at.writer('one of many', -1))
      }
      leave()
    }

    await Promise.all(Array.from({ length: 32 }, work))
    expect(committed.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 200 }, (_, version) => version),
    )
    // Attempts that run out after a reservation say that they cannot know (6.3); over a slow wire some do.
    expect(['contention', 'outcome_unknown', 'reserved', 'stale_read_version']).toEqual(
      expect.arrayContaining([...refusals]),
    )
    const bucket = await at.bucket.all()
    for (const { version, payload } of committed) {
      expect(bucket[logKey(at.root, version)]).toBe(payload)
    }
    expect(Object.keys(bucket).filter((key) => key.includes('/_delta_log/'))).toHaveLength(200)
    expect(Object.keys(bucket).filter((key) => key.startsWith('delta/idempotency/'))).toHaveLength(200)
    expect(await at.state()).toMatchObject({ latest_version: 199, inflight: null })
  }, 120_000)
}

/** Where refused writers wait: each commit wakes a few of them, and somebody is awake for as long as anybody waits. */
function restingPlace({ writers, woken }: Contention & { readonly writers: number }): {
  rest(): Promise<void>
  wakeSome(): void
  leave(): void
} {
  const sleepers: (() => void)[] = []
  let awake = writers
  function wakeSome(): void {
    const chosen = sleepers.splice(0, woken)
    awake += chosen.length
    for (const wake of chosen) wake()
  }
  function leave(): void {
    awake -= 1
    if (awake === 0) wakeSome()
  }
  return {
    async rest() {
      const slept = new Promise<void>((wake) => sleepers.push(wake))
      leave()
      await slept
    },
    wakeSome,
    leave,
  }
}
