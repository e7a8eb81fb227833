/** A writer that outlives its TTL or its own deadline: spec/coordinator.md 9.4, 6.4 (deadline rule), correctness.md R11, R12. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_SETTINGS } from '../../lib/protocol/delta/settings.ts'
import { heldBefore, heldBeforePut, heldBeforeRead, type Write } from '../support/crash-windows.ts'
import { START_MS, testClock, type TestService } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { TTL_MS, useTables, type Picture, type Table, type Wrap } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0

const BOTH_STAGED = { staged: ['A', 'X'] }
const A_DONE: Picture = { state: '{v, null}', log: ['A@v'], markers: ['A@v'], ...BOTH_STAGED }

describe.each(STORES)('slow writer A on $name', ({ make }) => {
  const fresh = useTables(make)

  async function table(): Promise<Table> {
    const made = fresh()
    await made.history(n)
    return made
  }

  /** A process whose clock says that A's TTL has passed. A's own clock stands still, as a stopped machine's does. */
  function later(at: Table, options: { wrap?: Wrap } = {}): TestService {
    return at.process({ clock: testClock(START_MS + TTL_MS), ...options })
  }

  describe.each(['log', 'marker', 'finalize'] as const satisfies readonly Write[])(
    'about to write %s',
    (write) => {
      test('others rolled it forward: A answers 200', async () => {
        const at = await table()
        const a = await at.writer('A', n)
        const x = await at.writer('X', n)
        const slow = heldBefore(at, write)
        const a_answer = slow.service.commit(a.call)
        await slow.reached
        expect(at.told(await later(at).commit(x.call), n)).toBe('409 stale_read_version latest v')
        const rolled_forward = await at.bucket.all()
        slow.goOn()
        expect(at.told(await a_answer, n)).toBe('200 v')
        expect(await at.bucket.all()).toEqual(rolled_forward)
        expect(await at.picture(n)).toEqual(A_DONE)
      })

      test('others rolled it forward and committed the next version: A answers 200 (R9, X16)', async () => {
        const at = await table()
        const a = await at.writer('A', n)
        const x = await at.writer('X', n + 1)
        const slow = heldBefore(at, write)
        const a_answer = slow.service.commit(a.call)
        await slow.reached
        expect(at.told(await later(at).commit(x.call), n)).toBe('200 v+1')
        const moved_on = await at.bucket.all()
        slow.goOn()
        expect(at.told(await a_answer, n)).toBe('200 v')
        expect(await at.bucket.all()).toEqual(moved_on)
      })

      test('others rolled it forward and reserved the next version: A answers 200 and leaves theirs alone', async () => {
        const at = await table()
        const a = await at.writer('A', n)
        const x = await at.writer('X', n + 1)
        const slow = heldBefore(at, write)
        const a_answer = slow.service.commit(a.call)
        await slow.reached
        const next = heldBeforePut(at, at.keys(x, n + 2).log, { clock: testClock(START_MS + TTL_MS) })
        const x_answer = next.service.commit(x.call)
        await next.reached
        slow.goOn()
        expect(at.told(await a_answer, n)).toBe('200 v')
        expect((await at.picture(n)).state).toBe('{v, X@v+1}')
        next.goOn()
        expect(at.told(await x_answer, n)).toBe('200 v+1')
      })
    },
  )

  describe('about to write log, its payload is gone and others dropped its reservation', () => {
    const X_STAGED = { staged: ['X'] }

    test("X's log entry is there: A is told log_conflict, no marker of A (R4)", async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const x = await at.writer('X', n)
      const slow = heldBefore(at, 'log')
      const a_answer = slow.service.commit(a.call)
      await slow.reached
      await at.bucket.remove(a.call.staged_path)
      expect(at.told(await later(at).commit(x.call), n)).toBe('200 v')
      slow.goOn()
      expect(at.told(await a_answer, n)).toBe('409 log_conflict latest v')
      expect(await at.picture(n)).toEqual({ state: '{v, null}', log: ['X@v'], markers: ['X@v'], ...X_STAGED })
    })

    test.each(['A first', 'X first'] as const)(
      "X has reserved but not logged, %s: A's log entry wins, A 200, X log_conflict",
      async (order) => {
        const at = await table()
        const a = await at.writer('A', n)
        const x = await at.writer('X', n)
        const slow = heldBefore(at, 'log')
        const a_answer = slow.service.commit(a.call)
        await slow.reached
        await at.bucket.remove(a.call.staged_path)
        const next = heldBefore(at, 'log', { clock: testClock(START_MS + TTL_MS) })
        const x_answer = next.service.commit(x.call)
        await next.reached
        expect((await at.picture(n)).state).toBe('{n, X@v}')
        if (order === 'X first') {
          // A's entry has landed, A itself has not gone on: X finds it and must not adopt it.
          await at.bucket.write(at.keys(a, n + 1).log, a.payload)
          next.goOn()
          await x_answer
          slow.goOn()
        } else {
          slow.goOn()
          await a_answer
          next.goOn()
        }
        expect(at.told(await a_answer, n)).toBe('200 v')
        expect(at.told(await x_answer, n)).toBe('409 log_conflict latest v')
        expect(await at.picture(n)).toEqual({
          state: '{v, null}',
          log: ['A@v'],
          markers: ['A@v'],
          ...X_STAGED,
        })
        expect(at.told(await at.service.commit(a.call), n)).toBe('200 v')
        expect(at.told(await at.service.commit(x.call), n)).toBe('409 stale_read_version latest v')
      },
    )

    test('policy seal: the version was closed, so A is told log_conflict and X goes on above it', async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const x = await at.writer('X', n + 1)
      const slow = heldBefore(at, 'log')
      const a_answer = slow.service.commit(a.call)
      await slow.reached
      await at.bucket.remove(a.call.staged_path)
      const sealing = at.process({
        clock: testClock(START_MS + TTL_MS),
        settings: { lostPayload: () => 'seal' },
      })
      expect(at.told(await sealing.commit(x.call), n)).toBe('200 v+1')
      slow.goOn()
      expect(at.told(await a_answer, n)).toBe('409 log_conflict latest v')
      expect(await at.picture(n)).toEqual({
        state: '{v+1, null}',
        log: ['seal@v', 'X@v+1'],
        markers: ['X@v+1'],
        ...X_STAGED,
      })
    })
  })

  describe('its own deadlines', () => {
    /** Longer than half the TTL, so that the rule on log writes is the one that acts. */
    const PATIENT = { ...DEFAULT_SETTINGS, deadline_ms: 10 * TTL_MS }

    test('6.4: half a TTL after its reservation A looks again before it writes its log entry', async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const slow = heldBeforeRead(at, '/delta/idempotency/', 2, { settings: PATIENT })
      const a_answer = slow.service.commit(a.call)
      await slow.reached
      at.clock.advance(TTL_MS / 2 + 1)
      slow.goOn()
      expect(at.told(await a_answer, n)).toBe('200 v')
      expect(await at.picture(n)).toEqual({ ...A_DONE, staged: ['A'] })
    })

    test('6.4: A that looks again finds its reservation dropped: stale, and its log entry is never written', async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const x = await at.writer('X', n)
      const slow = heldBeforeRead(at, '/delta/idempotency/', 2, { settings: PATIENT })
      const a_answer = slow.service.commit(a.call)
      await slow.reached
      await at.bucket.remove(a.call.staged_path)
      expect(at.told(await later(at).commit(x.call), n)).toBe('200 v')
      at.clock.advance(TTL_MS / 2 + 1)
      slow.goOn()
      expect(at.told(await a_answer, n)).toBe('409 stale_read_version latest v')
      expect(await at.picture(n)).toEqual({
        state: '{v, null}',
        log: ['X@v'],
        markers: ['X@v'],
        staged: ['X'],
      })
    })

    test('http-api.md 11: past 60 s with a reservation sent it is outcome_unknown, and the replay resolves it', async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const slow = heldBeforeRead(at, '/delta/idempotency/', 2)
      const a_answer = slow.service.commit(a.call)
      await slow.reached
      at.clock.advance(60_001)
      slow.goOn()
      expect(at.told(await a_answer, n)).toBe('503 outcome_unknown')
      expect((await at.picture(n)).state).toBe('{n, A@v}')
      expect(at.told(await at.service.commit(a.call), n)).toBe('200 v')
    })

    test('http-api.md 11: past 60 s with nothing written it is storage_unavailable', async () => {
      const at = await table()
      const a = await at.writer('A', n)
      const before = await at.bucket.all()
      const slow = heldBeforeRead(at, '/delta/idempotency/', 1)
      const a_answer = slow.service.commit(a.call)
      await slow.reached
      at.clock.advance(60_001)
      slow.goOn()
      expect(at.told(await a_answer, n)).toBe('503 storage_unavailable')
      expect(await at.bucket.all()).toEqual(before)
    })
  })
})
