/**
 * Gate G3 of spec/correctness.md 13 for compact and rebuild, on the protocol: a process vanishes after each of its store
 * operations, or a write of it goes wrong; then the next publisher runs. P4, P5, P11 and P15, with tokens that repeat when
 * bytes do (X18).
 */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  passLease,
  prepared,
  PUBLISHING,
  publishOneMore,
  stepTo,
  visibleIn,
  type Prepared,
} from '../../../support/projection-crashes.ts'
import type { WatchedWorld } from '../../../support/projection-rule.ts'
import type {
  CompactResult,
  RebuildResult,
} from '../../../../lib/protocol/orchestration/projection/outcomes.ts'
import { folded } from '../../../support/projection-world.ts'

describe.each(PUBLISHING)('$name', (publishing) => {
  let it: Prepared

  beforeAll(async () => {
    it = await prepared(publishing)
  })

  /** A fresh process ends with what an undisturbed run ends with, and the workspace goes on. */
  async function expectFinished(world: WatchedWorld, label: string): Promise<void> {
    passLease(world)
    const again = await it.start(world)
    await again.run()
    folded(again.result ?? { ok: false })
    expect(await visibleIn(world), `${label}: in the end`).toEqual(it.end)
    await publishOneMore(world)
    world.watch.checkReachable()
  }

  /** Each operation, and the ones that are puts. */
  const places = (puts_only: boolean): number[] =>
    it.labels.flatMap((label, at) => (!puts_only || label.startsWith('put ') ? [at] : []))

  /** Puts, of the files of one layer only the first and the last: from one of them on, all of them go wrong. */
  function edges(): number[] {
    const isInside = (at: number): boolean =>
      [at - 1, at, at + 1].every((near) => /^put (l0|base) /.test(it.labels[near] ?? ''))
    return places(true).filter((at) => !isInside(at))
  }

  test('P11: killed after any number of operations, the old or the new is visible, and a fresh process finishes', async () => {
    for (const at of [...places(false), it.labels.length]) {
      const world = it.world()
      const process = await it.start(world)
      await stepTo(process, at)
      process.kill()
      const label = `killed before operation ${at}, ${it.labels[at] ?? 'none'}`
      expect(it.states, `${label}: visible`).toContain((await visibleIn(world)).rows)
      await expectFinished(world, label)
    }
  })

  test('F3: killed with a write on its way, which lands when the next one is done: nothing changes', async () => {
    for (const at of places(true)) {
      const world = it.world()
      const process = await it.start(world)
      await stepTo(process, at)
      const label = `${it.labels[at] ?? ''}, operation ${at}, lands late`
      const land = await process.detach(it.labels[at] ?? '')
      process.kill()
      passLease(world)
      const again = await it.start(world)
      await again.run()
      folded(again.result ?? { ok: false })
      await land()
      expect(await visibleIn(world), `${label}: in the end`).toEqual(it.end)
      await publishOneMore(world)
      world.watch.checkReachable()
    }
  })

  test.each([
    ['F1: its request is lost', 'failBefore'],
    ['F2: its answer is lost', 'failAfter'],
    ['F11: the store is busy', 'throttle'],
  ] as const)('one write goes wrong, %s: nobody notices', async (_, fault) => {
    for (const at of places(true)) {
      const world = it.world()
      const process = await it.start(world)
      await stepTo(process, at)
      const label = `${it.labels[at] ?? ''}, operation ${at}`
      await process[fault](it.labels[at] ?? '')
      await process.run()
      expect(process.result, `${label}: answer`).toMatchObject({ ok: true })
      expect(await visibleIn(world), `${label}: visible`).toEqual(it.end)
      expect(world.watch.heads.length, `${label}: pointers`).toBe(it.heads)
      // It may be the release that went wrong.
      passLease(world)
      await publishOneMore(world)
      world.watch.checkReachable()
    }
  })

  test.each([
    ['F1: their requests are lost', 'failBefore'],
    ['F2: their answers are lost', 'failAfter'],
    ['F11: the store is busy', 'throttle'],
    ['F1: their requests are lost, and no read is answered', 'failBefore'],
    ['F2: their answers are lost, and no read is answered', 'failAfter'],
  ] as const)(
    'all writes from one on go wrong, %s: the answer is true, and the next one finishes',
    async (name, fault) => {
      for (const at of edges()) {
        const world = it.world()
        const process = await it.start(world)
        await stepTo(process, at)
        const label = `from ${it.labels[at] ?? ''}, operation ${at}, on`
        for (let steps = 0; process.pending.length > 0; steps++) {
          if (steps > 10_000) throw new Error('it does not end')
          const [next = ''] = process.pending
          if (next.startsWith('put ')) await process[fault](next)
          else if (name.endsWith('no read is answered')) await process.failBefore(next)
          else await process.step(next)
        }
        const { rows } = await visibleIn(world)
        expect(truthsOf(process.result, it), `${label}: ${JSON.stringify(process.result)}`).toContain(rows)
        await expectFinished(world, label)
      }
    },
  )
})

/** What readers may see after an answer: all of it after a 200, and what it says that it has published after a refusal. */
function truthsOf(result: CompactResult | RebuildResult | undefined, { states, end }: Prepared): string[] {
  if (result === undefined) throw new Error('it did not answer')
  if (result.ok) return [end.rows]
  const published = 'progress' in result ? (result.progress?.revisions ?? 0) : 0
  const { reason } = result
  if (reason === 'outcome_unknown') return states.slice(published, published + 2)
  if (!DEFINITE.has(reason)) throw new Error(`${reason} is no answer to a store that fails`)
  return states.slice(published, published + 1)
}

/** Refusals that say that nothing more has become visible. */
const DEFINITE: ReadonlySet<string> = new Set([
  'throttled',
  'storage_unavailable',
  'contention',
  'lease_lost',
])
