/** From one's own reservation to the answer, outcome by outcome: spec/coordinator.md 6.4. */
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../lib/store/faults.ts'
import { arcoMarker, faultAt, fullMarker, heldBefore, type Write } from '../support/crash-windows.ts'
import { START_MS, testClock } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import {
  logKey,
  TTL_MS,
  useTables,
  type Picture,
  type Table,
  type Wrap,
  type Writer,
} from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

const DONE: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] }
const RESERVED: Picture = { ...DONE, state: '{n, K@v}', log: [], markers: [] }
const ALWAYS = Number.POSITIVE_INFINITY

describe.each(STORES)('coordinator.md 6.4 on $name', ({ make }) => {
  const fresh = useTables(make)

  async function table(): Promise<{ at: Table; k: Writer }> {
    const at = fresh()
    await at.history(n)
    return { at, k: await at.writer('K', n) }
  }

  /** Count the puts of one key. */
  function counting(key: string): { readonly wrap: Wrap; puts(): number } {
    let puts = 0
    return {
      puts: () => puts,
      wrap: (store) => ({
        ...store,
        async put(path, bytes, precondition, options) {
          if (path.endsWith(key)) puts += 1
          return store.put(path, bytes, precondition, options)
        },
      }),
    }
  }

  const FAULTS: readonly (() => Fault)[] = [() => ({ fault: 'conflict' }), () => ({ fault: 'lost_request' })]

  describe.each([
    { write: 'log', left: RESERVED },
    { write: 'marker', left: { ...RESERVED, log: ['K@v'] } },
  ] as const satisfies readonly { write: Write; left: Picture }[])(
    '$write is never stored',
    ({ write, left }) => {
      test.each(FAULTS)(
        'sent once and three times again, each after a read-back, then outcome_unknown',
        async (fault) => {
          const { at, k } = await table()
          const { puts, wrap } = counting(at.keys(k, v)[write])
          const faulty = faultAt(write, fault, ALWAYS)
          // The counter stands outside of the fault: it sees every attempt.
          const process = at.process({ wrap: (store) => wrap(faulty(store)) })
          expect(at.told(await process.commit(k.call), n)).toBe('503 outcome_unknown')
          expect(puts()).toBe(4)
          expect(await at.picture(n)).toEqual(left)
          expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
          expect(await at.picture(n)).toEqual(DONE)
        },
      )
    },
  )

  test('finalize is never possible: outcome_unknown within the budget, and the replay is 200 (R9, R22)', async () => {
    const { at, k } = await table()
    const { puts, wrap } = counting(at.keys(k, v).state)
    const faulty = faultAt('finalize', () => ({ fault: 'conflict' }), ALWAYS)
    const process = at.process({ wrap: (store) => wrap(faulty(store)) })
    expect(at.told(await process.commit(k.call), n)).toBe('503 outcome_unknown')
    // One to reserve, eight to finalize.
    expect(puts()).toBe(9)
    expect(await at.picture(n)).toEqual({ ...DONE, state: '{n, K@v}' })
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
  })

  describe('reserve is never possible', () => {
    test.each([
      { fault: { fault: 'throttle' }, told: '503 throttled' },
      { fault: { fault: 'lost_request' }, told: '503 outcome_unknown' },
    ] as const)('$fault.fault: $told, and nothing is reserved', async ({ fault, told }) => {
      const { at, k } = await table()
      const before = await at.bucket.all()
      const process = at.process({ wrap: faultAt('reserve', () => fault, ALWAYS) })
      expect(at.told(await process.commit(k.call), n)).toBe(told)
      expect(await at.bucket.all()).toEqual(before)
    })

    test('somebody else always comes first: contention after eight attempts', async () => {
      const { at, k } = await table()
      const { state: state_key } = at.keys(k, v)
      let revision = 100
      const process = at.process({
        wrap: (store) => ({
          ...store,
          async put(key, bytes, precondition, options) {
            // Another process touches the state right before this one's CAS.
            if (key.endsWith(state_key)) {
              revision += 1
              await at.setState({ ...(await at.state()), revision })
            }
            return store.put(key, bytes, precondition, options)
          },
        }),
      })
      const answer = await process.commit(k.call)
      expect(at.told(answer, n)).toBe('409 contention')
      expect(answer.body).toMatchObject({
        retryable: true,
        detail: 'failed to reserve delta commit after retries',
        retry_after_ms: expect.any(Number),
      })
      expect(revision - 100).toBeLessThanOrEqual(8)
      expect(await at.picture(n)).toEqual({ ...RESERVED, state: '{n, null}' })
    })
  })

  /** K is held in front of a write while something else takes its place. */
  async function overtaken(
    write: Write,
    happens: (at: Table, k: Writer) => Promise<unknown>,
  ): Promise<{ at: Table; k: Writer; told: string; committed_version: unknown }> {
    const { at, k } = await table()
    const slow = heldBefore(at, write)
    const answer = slow.service.commit(k.call)
    await slow.reached
    await happens(at, k)
    slow.goOn()
    const { status, body, headers } = await answer
    const told = at.told({ status, body, headers }, n)
    return { at, k, told, committed_version: body.committed_version }
  }

  describe('step 1 meets a log entry', () => {
    test('with its own bytes: goes on', async () => {
      const { at, told } = await overtaken('log', async (to, k) =>
        to.bucket.write(logKey(to.root, v), k.payload),
      )
      expect(told).toBe('200 v')
      expect(await at.picture(n)).toEqual(DONE)
    })

    test('with other bytes: released, log_conflict, no marker (R4)', async () => {
      const { at, told } = await overtaken('log', async (to) => to.foreign(v))
      expect(told).toBe('409 log_conflict latest v')
      expect(await at.picture(n)).toEqual({ ...DONE, log: ['foreign@v'], markers: [] })
    })

    test('with other bytes, and the key was decided under another body: key_reuse, the ghost is cleared', async () => {
      const { at, told } = await overtaken('log', async (to, k) => {
        await to.foreign(v)
        const other = await to.writer('K with body 2', n - 1, { idempotency_key: k.call.idempotency_key })
        await to.bucket.write(to.keys(k, v).marker, JSON.stringify(arcoMarker(to, other)))
      })
      expect(told).toBe('409 key_reuse')
      expect((await at.picture(n)).state).toBe('{v, null}')
    })

    test('with other bytes after an outcome that it does not know: log_conflict', async () => {
      const { at, k } = await table()
      const process = at.process({
        wrap: (store) => ({
          ...store,
          async put(key, bytes, precondition, options) {
            if (!key.includes('/_delta_log/')) return store.put(key, bytes, precondition, options)
            await at.foreign(v)
            return { outcome: 'unknown' }
          },
        }),
      })
      expect(at.told(await process.commit(k.call), n)).toBe('409 log_conflict latest v')
      expect((await at.picture(n)).markers).toEqual([])
    })
  })

  describe('step 2 meets a marker', () => {
    test('with the same hash and version, whoever wrote it: finalized', async () => {
      const { at, told } = await overtaken('marker', async (to, k) =>
        to.bucket.write(to.keys(k, v).marker, JSON.stringify(arcoMarker(to, k))),
      )
      expect(told).toBe('200 v')
      expect((await at.picture(n)).state).toBe('{v, null}')
    })

    test('with another version (known-weaknesses D-04): released, outcome_unverifiable, not key_reuse (C11)', async () => {
      const { at, told, committed_version } = await overtaken('marker', async (to, k) => {
        const other = await to.writer('K with body 2', n - 1, { idempotency_key: k.call.idempotency_key })
        await to.bucket.write(to.keys(k, v).marker, JSON.stringify(fullMarker(to, other)))
      })
      expect([told, committed_version]).toEqual(['409 outcome_unverifiable', v])
      expect(await at.picture(n)).toEqual({
        ...DONE,
        markers: ['K with body 2@n'],
        staged: ['K', 'K with body 2'],
      })
    })

    test('with the same version and another hash: released, outcome_unverifiable', async () => {
      const { at, told, committed_version } = await overtaken('marker', async (to, k) => {
        const other = await to.writer('K with body 2', n, { idempotency_key: k.call.idempotency_key })
        await to.bucket.write(to.keys(k, v).marker, JSON.stringify(fullMarker(to, other)))
      })
      expect([told, committed_version]).toEqual(['409 outcome_unverifiable', v])
      expect((await at.picture(n)).state).toBe('{v, null}')
    })
  })

  test('6.7: a release leaves another reservation of the same key alone: the nonce tells them apart', async () => {
    const { at, k } = await table()
    const first = heldBefore(at, 'log')
    const first_answer = first.service.commit(k.call)
    await first.reached
    // The payload disappears, the reservation is dropped, the payload comes back, and the request is sent again.
    await at.bucket.remove(k.call.staged_path)
    await at.process({ clock: testClock(START_MS + TTL_MS) }).recover(at.table_id)
    const staged_version = await at.bucket.write(k.call.staged_path, k.payload)
    const second = heldBefore(at, 'log')
    const second_answer = second.service.commit({ ...k.call, staged_version })
    await second.reached
    const reservation = await at.state()
    await at.foreign(v)
    first.goOn()
    expect(at.told(await first_answer, n)).toBe('409 log_conflict latest v')
    expect(await at.state()).toEqual(reservation)
    second.goOn()
    expect(at.told(await second_answer, n)).toBe('409 log_conflict latest v')
    expect(await at.picture(n)).toEqual({ ...DONE, log: ['foreign@v'], markers: [] })
  })

  test('step 3 meets a state that is gone: 200, and the state is there again (G-8)', async () => {
    const { at, told } = await overtaken('finalize', async (to, k) => to.bucket.remove(to.keys(k, v).state))
    expect(told).toBe('200 v')
    expect(await at.picture(n)).toEqual(DONE)
  })
})
