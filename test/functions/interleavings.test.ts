/** Two processes at one table, step by step: spec/coordinator.md 9.1 to 9.3. */
import { describe, expect, test } from 'vitest'
import { heldBefore, heldBeforeRead, WRITES, type HeldProcess, type Write } from '../support/crash-windows.ts'
import { START_MS, testClock, type Answer } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { TTL_MS, useTables, type Picture, type Table } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0

const STAGED = { staged: ['A', 'B'] }
const A_ONLY: Picture = { state: '{v, null}', log: ['A@v'], markers: ['A@v'], ...STAGED }
const B_ONLY: Picture = { state: '{v, null}', log: ['B@v'], markers: ['B@v'], ...STAGED }
const BOTH: Picture = { state: '{v+1, null}', log: ['A@v', 'B@v+1'], markers: ['A@v', 'B@v+1'], ...STAGED }
const STALE = '409 stale_read_version latest v'

/** What A has completed when B arrives: A is held in front of the next write, or has answered. */
const COMPLETED = ['nothing', 'reserve', 'log', 'marker', 'finalize'] as const
type Completed = (typeof COMPLETED)[number]
const NEXT: Readonly<Record<Completed, Write | null>> = {
  nothing: 'reserve',
  reserve: 'log',
  log: 'marker',
  marker: 'finalize',
  finalize: null,
}

/** B's answer while A stands still, A's answer after it, and the bucket at the end. */
interface Row {
  readonly b: string
  readonly a: string
  readonly after: Picture
}

const TWO_WRITERS: Readonly<Record<Completed, Readonly<Record<'n' | 'v', Row>>>> = {
  nothing: {
    n: { b: '200 v', a: STALE, after: B_ONLY },
    // 9.1 says stale_read_version; 6.3 D-9a settles it: the table may still reach v, so it is not definite.
    v: { b: '409 read_version_ahead latest n', a: '200 v', after: A_ONLY },
  },
  reserve: {
    n: { b: '409 reserved', a: '200 v', after: A_ONLY },
    v: { b: '409 reserved', a: '200 v', after: A_ONLY },
  },
  log: { n: { b: STALE, a: '200 v', after: A_ONLY }, v: { b: '200 v+1', a: '200 v', after: BOTH } },
  marker: { n: { b: STALE, a: '200 v', after: A_ONLY }, v: { b: '200 v+1', a: '200 v', after: BOTH } },
  finalize: { n: { b: STALE, a: '200 v', after: A_ONLY }, v: { b: '200 v+1', a: '200 v', after: BOTH } },
}

/** A process that is not held, in the shape of one that is. */
function free(table: Table): HeldProcess {
  return { service: table.service, reached: Promise.resolve(), goOn: () => undefined }
}

describe.each(STORES)('two processes on $name', ({ make }) => {
  const fresh = useTables(make)

  async function table(): Promise<Table> {
    const made = fresh()
    await made.history(n)
    return made
  }

  /** Two answers, sorted by what they say. */
  function outcomes(at: Table, answers: readonly Answer[]): readonly string[] {
    return answers.map((answer) => at.told(answer, n)).toSorted()
  }

  describe('9.1 two writers A and B', () => {
    for (const completed of COMPLETED) {
      for (const read_version of ['n', 'v'] as const) {
        const row = TWO_WRITERS[completed][read_version]
        test(`A completed ${completed}, B.read_version = ${read_version}: B ${row.b}, A ${row.a}`, async () => {
          const at = await table()
          const a = await at.writer('A', n)
          const b = await at.writer('B', read_version === 'n' ? n : n + 1)
          const next = NEXT[completed]
          const first = next === null ? free(at) : heldBefore(at, next)
          const a_answer = first.service.commit(a.call)
          await (next === null ? a_answer : first.reached)
          const b_answer = await at.process().commit(b.call)
          first.goOn()
          expect(at.told(b_answer, n)).toBe(row.b)
          expect(at.told(await a_answer, n)).toBe(row.a)
          expect(await at.picture(n)).toEqual(row.after)
        })
      }
    }

    test('A sees the reservation that won its CAS: 409 reserved, and B commits', async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const b = await at.writer('B', n)
      const slow = heldBefore(at, 'reserve')
      const winner = heldBefore(at, 'log')
      const a_answer = slow.service.commit(a.call)
      await slow.reached
      const b_answer = winner.service.commit(b.call)
      await winner.reached
      slow.goOn()
      expect(at.told(await a_answer, n)).toBe('409 reserved')
      winner.goOn()
      expect(at.told(await b_answer, n)).toBe('200 v')
      expect(await at.picture(n)).toEqual(B_ONLY)
    })

    test('both at once: one is committed, the other refused', async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const b = await at.writer('B', n)
      const answers = await Promise.all([at.process().commit(a.call), at.process().commit(b.call)])
      const [winner, loser] = outcomes(at, answers)
      expect(winner).toBe('200 v')
      expect(['409 reserved', STALE]).toContain(loser)
      const a_won = at.told(answers[0], n) === '200 v'
      expect(await at.picture(n)).toEqual(a_won ? A_ONLY : B_ONLY)
    })
  })

  describe('9.2 the same key and body twice', () => {
    const ONCE: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] }

    test.each(WRITES)('one is held in front of %s while the other runs: both 200', async (write) => {
      const at = await table()
      const { call } = await at.writer('K', n)
      const slow = heldBefore(at, write)
      const slow_answer = slow.service.commit(call)
      await slow.reached
      expect(at.told(await at.process().commit(call), n)).toBe('200 v')
      slow.goOn()
      expect(at.told(await slow_answer, n)).toBe('200 v')
      expect(await at.picture(n)).toEqual(ONCE)
    })

    test('X4: the marker was read before the other finished, the state after it: 200, not stale', async () => {
      const at = await table()
      const { call } = await at.writer('K', n)
      const slow = heldBeforeRead(at, '/delta/coordinator/', 1)
      const slow_answer = slow.service.commit(call)
      await slow.reached
      expect(at.told(await at.process().commit(call), n)).toBe('200 v')
      slow.goOn()
      expect(at.told(await slow_answer, n)).toBe('200 v')
      expect(await at.picture(n)).toEqual(ONCE)
    })

    test('X4: and somebody else has committed on top of it meanwhile: still 200', async () => {
      const at = await table()
      const { call } = await at.writer('K', n)
      const next = await at.writer('L', n + 1)
      const slow = heldBeforeRead(at, '/delta/coordinator/', 1)
      const slow_answer = slow.service.commit(call)
      await slow.reached
      expect(at.told(await at.process().commit(call), n)).toBe('200 v')
      expect(at.told(await at.process().commit(next.call), n)).toBe('200 v+1')
      slow.goOn()
      expect(at.told(await slow_answer, n)).toBe('200 v')
    })
  })

  describe('9.3 the same key with two bodies', () => {
    const STAGED_BOTH = { staged: ['K', 'K with body 2'] }
    const FIRST: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], ...STAGED_BOTH }
    const SECOND: Picture = {
      state: '{v, null}',
      log: ['K with body 2@v'],
      markers: ['K with body 2@v'],
      ...STAGED_BOTH,
    }

    /** What body 2 is told while body 1 is held, what body 1 is told then, and body 2 when it asks again. */
    const TWO_BODIES: Readonly<
      Record<
        Write,
        { readonly second: string; readonly first: string; readonly again: string; readonly after: Picture }
      >
    > = {
      reserve: { second: '200 v', first: '409 key_reuse', again: '200 v', after: SECOND },
      log: { second: '409 reserved', first: '200 v', again: '409 key_reuse', after: FIRST },
      marker: { second: '409 key_reuse', first: '200 v', again: '409 key_reuse', after: FIRST },
      finalize: { second: '409 key_reuse', first: '200 v', again: '409 key_reuse', after: FIRST },
    }

    test.each(WRITES)('body 1 is held in front of %s when body 2 arrives', async (write) => {
      const row = TWO_BODIES[write]
      const at = await table()
      const one = await at.writer('K', n)
      const two = await at.writer('K with body 2', n, { idempotency_key: one.call.idempotency_key })
      const slow = heldBefore(at, write)
      const first = slow.service.commit(one.call)
      await slow.reached
      const second = await at.process().commit(two.call)
      slow.goOn()
      expect(at.told(second, n)).toBe(row.second)
      expect(at.told(await first, n)).toBe(row.first)
      expect(at.told(await at.service.commit(two.call), n)).toBe(row.again)
      expect(await at.picture(n)).toEqual(row.after)
    })

    test('D-3 after the TTL: body 2 rolls body 1 forward and is told key_reuse', async () => {
      const at = await table()
      const one = await at.writer('K', n)
      const two = await at.writer('K with body 2', n, { idempotency_key: one.call.idempotency_key })
      const slow = heldBefore(at, 'log')
      const first = slow.service.commit(one.call)
      await slow.reached
      const later = at.process({ clock: testClock(START_MS + TTL_MS) })
      expect(at.told(await later.commit(two.call), n)).toBe('409 key_reuse')
      slow.goOn()
      expect(at.told(await first, n)).toBe('200 v')
      expect(await at.picture(n)).toEqual(FIRST)
    })

    test('X3: body 2 read the marker before body 1 finished and the state after it: key_reuse, released', async () => {
      const at = await table()
      const one = await at.writer('K', n)
      const two = await at.writer('K with body 2', n + 1, { idempotency_key: one.call.idempotency_key })
      const slow = heldBeforeRead(at, '/delta/coordinator/', 1)
      const second = slow.service.commit(two.call)
      await slow.reached
      expect(at.told(await at.process().commit(one.call), n)).toBe('200 v')
      slow.goOn()
      expect(at.told(await second, n)).toBe('409 key_reuse')
      expect(await at.picture(n)).toEqual(FIRST)
    })
  })
})
