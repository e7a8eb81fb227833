/** Minimum conformance scenarios of spec/coordinator.md 14.1 in which a write fails, a process dies or a clock lies. */
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../../lib/store/faults.ts'
import {
  arcoInflight,
  faultAt,
  heldBeforeRead,
  leaveIn,
  MAKERS,
  WINDOWS,
  WRITES,
  type HeldProcess,
  type Maker,
  type Window,
} from '../crash-windows.ts'
import { START_MS, testClock } from '../service.ts'
import type { MakeStore } from '../stores.ts'
import { TTL_MS, useTables, waitUntil, type Picture, type Table, type Wrap } from '../tables.ts'

/** Everything happens on an empty table: `n` is -1, `v` is 0. */
const n = -1

const COMMITTED: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] }
const YEAR_MS = 365 * 24 * 3_600_000

/** CO-03 to CO-05, 09, 10, 15, 18, 21, 22, 32; for a `describe` of one kind of store. */
export function faultScenarios(make: MakeStore): void {
  const fresh = useTables(make)

  /** The write is refused for as long as the process tries, then it gives up: nothing of it is on its way. */
  const failing = (write: (typeof WRITES)[number]): Wrap => faultAt(write, () => ({ fault: 'conflict' }), 99)

  test.each([
    {
      id: 'CO-03',
      write: 'log',
      window: 'W1',
      left: { ...COMMITTED, state: '{n, K@v}', log: [], markers: [] },
    },
    { id: 'CO-04', write: 'marker', window: 'W2', left: { ...COMMITTED, state: '{n, K@v}', markers: [] } },
    { id: 'CO-05', write: 'finalize', window: 'W3', left: { ...COMMITTED, state: '{n, K@v}' } },
  ] as const)(
    '$id: the $write write fails ($window): 503, and the replay is 200',
    async ({ write, left }) => {
      const at = fresh()
      const k = await at.writer('K', n)
      const answer = await at.process({ wrap: failing(write) }).commit(k.call)
      expect(at.told(answer, n)).toBe('503 outcome_unknown')
      expect(answer.headers.get('retry-after')).toBe('1')
      expect(await at.picture(n)).toEqual(left)
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
      expect(await at.picture(n)).toEqual(COMMITTED)
    },
  )

  test('CO-09: an expired reservation of the same key, the marker fails once: 5xx, then 200, state {0,null}', async () => {
    const at = fresh()
    const k = await at.writer('K', n)
    await leaveIn(at, 'W1', k, 'arco')
    waitUntil(at.clock, 'after TTL')
    expect(at.told(await at.process({ wrap: failing('marker') }).commit(k.call), n)).toBe(
      '503 outcome_unknown',
    )
    expect((await at.picture(n)).state).toBe('{n, K@v}')
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
    expect(await at.picture(n)).toEqual(COMMITTED)
  })

  test('CO-10: an expired reservation of another key, stale: 409, and that commit is complete', async () => {
    const at = fresh()
    const k = await at.writer('K', n)
    const stale = await at.writer('L', n)
    await leaveIn(at, 'W1', k, 'arco')
    waitUntil(at.clock, 'after TTL')
    expect(at.told(await at.service.commit(stale.call), n)).toBe('409 stale_read_version latest v')
    expect(await at.picture(n)).toEqual({ ...COMMITTED, staged: ['K', 'L'] })
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
  })

  describe('CO-15: the staged object is deleted, then the request is sent again after the TTL (table 7.2)', () => {
    const LOST: Readonly<Record<Exclude<Window, 'W0'>, Readonly<Record<Maker, string>>>> = {
      W1: { tidemark: '404 staged_not_found', arco: '404 staged_not_found' },
      W2: { tidemark: '200 v', arco: '404 staged_not_found' },
      W3: { tidemark: '200 v', arco: '200 v' },
      W4: { tidemark: '200 v', arco: '200 v' },
    }
    for (const window of WINDOWS) {
      if (window === 'W0') continue
      for (const maker of MAKERS) {
        test(`${window} of ${maker}: ${LOST[window][maker]}, and no reservation is left`, async () => {
          const at = fresh()
          const k = await at.writer('K', n)
          await leaveIn(at, window, k, maker)
          await at.bucket.remove(k.call.staged_path)
          waitUntil(at.clock, 'after TTL')
          expect(at.told(await at.service.commit(k.call), n)).toBe(LOST[window][maker])
          expect((await at.state()).inflight).toBeNull()
        })
      }
    }
  })

  test('CO-18: a reservation without read_version is recovered, and its marker hashed with version-1', async () => {
    const at = fresh()
    const k = await at.writer('K', n)
    const l = await at.writer('L', n + 1)
    const { read_version: _read_version, ...inflight } = arcoInflight(k)
    await at.setState({ latest_version: n, inflight })
    waitUntil(at.clock, 'after TTL')
    expect(at.told(await at.service.commit(l.call), n)).toBe('200 v+1')
    // The picture checks the hash of the marker.
    expect((await at.picture(n)).markers).toEqual(['K@v', 'L@v+1'])
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
  })

  describe('CO-21: one of the four writes has an outcome that the process does not know', () => {
    const FAULTS: Readonly<Record<string, () => Fault>> = {
      'F2, the response is lost (X17)': () => ({ fault: 'lost_response' }),
      'F1, the request is lost': () => ({ fault: 'lost_request' }),
      'F11, the store refuses it for now': () => ({ fault: 'throttle', retry_after_ms: 40 }),
      'F12, a conflict without effect': () => ({ fault: 'conflict' }),
    }
    for (const write of WRITES) {
      for (const [name, fault] of Object.entries(FAULTS)) {
        test(`${write}: ${name}: 200, exactly one log entry`, async () => {
          const at = fresh()
          const k = await at.writer('K', n)
          expect(at.told(await at.process({ wrap: faultAt(write, fault) }).commit(k.call), n)).toBe('200 v')
          expect(await at.picture(n)).toEqual(COMMITTED)
        })
      }
    }

    test.each(WRITES)('%s: F3, the write takes effect after the answer: C1 and C7 hold', async (write) => {
      const at = fresh()
      const k = await at.writer('K', n)
      const landing = Promise.withResolvers<void>()
      const late = faultAt(write, () => ({ fault: 'late', until: landing.promise }))
      expect(at.told(await at.process({ wrap: late }).commit(k.call), n)).toBe('200 v')
      const after = await at.bucket.all()
      landing.resolve()
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
      expect(await at.bucket.all()).toEqual(after)
    })
  })

  /** The reservation and the marker read are sent together: on a wire, either may be there first. */
  async function reservedAndHeld(at: Table, slow: HeldProcess): Promise<void> {
    await slow.reached
    while (((await at.state())?.inflight ?? null) === null) await setImmediate()
  }

  test('CO-32: the marker of the version just reserved appears before the marker read: 200, nothing released (X11)', async () => {
    const at = fresh()
    const k = await at.writer('K', n)
    const other = await at.writer('L', n)
    const slow = heldBeforeRead(at, '/delta/idempotency/', 2)
    const answer = slow.service.commit(k.call)
    await reservedAndHeld(at, slow)
    const helper = at.process({ clock: testClock(START_MS + TTL_MS) })
    expect(at.told(await helper.commit(other.call), n)).toBe('409 stale_read_version latest v')
    const completed = await at.bucket.all()
    slow.goOn()
    expect(at.told(await answer, n)).toBe('200 v')
    expect(await at.bucket.all()).toEqual(completed)
  })

  test('CO-32: the same when the helper died before its finalize: 200, latest_version is v', async () => {
    const at = fresh()
    const k = await at.writer('K', n)
    const other = await at.writer('L', n)
    const slow = heldBeforeRead(at, '/delta/idempotency/', 2)
    const answer = slow.service.commit(k.call)
    await reservedAndHeld(at, slow)
    const helper = at.process({ clock: testClock(START_MS + TTL_MS), wrap: failing('finalize') })
    expect((await helper.commit(other.call)).status).toBe(503)
    expect(await at.picture(n)).toEqual({ ...COMMITTED, state: '{n, K@v}', staged: ['K', 'L'] })
    const { revision } = await at.state()
    slow.goOn()
    expect(at.told(await answer, n)).toBe('200 v')
    expect((await at.picture(n)).state).toBe('{v, null}')
    // One write, the finalize: a release in between would have shown a state without the version.
    expect((await at.state()).revision).toBe(revision + 1)
  })

  describe('CO-22: expires_at_ms lies a year ahead (CK-2)', () => {
    /** The store's own clock, `passed_ms` after it stored the state. */
    function providerTime(passed_ms: number): Wrap {
      return (store) => ({
        ...store,
        async get(key, options) {
          const object = await store.get(key, options)
          return object.outcome === 'ok' && object.last_modified_ms !== undefined
            ? { ...object, server_date_ms: object.last_modified_ms + passed_ms }
            : object
        },
      })
    }

    async function reservedByALiar(): Promise<{ at: Table; answer(passed_ms: number): Promise<string> }> {
      const at = fresh({ provider_clock: true })
      const k = await at.writer('K', n)
      const l = await at.writer('L', n + 1)
      await at.setState({
        latest_version: n,
        inflight: { ...arcoInflight(k), expires_at_ms: START_MS + YEAR_MS },
      })
      return {
        at,
        answer: async (passed_ms) =>
          at.told(await at.process({ wrap: providerTime(passed_ms) }).commit(l.call), n),
      }
    }

    test('provider time past the TTL: recovered', async () => {
      const { at, answer } = await reservedByALiar()
      expect(await answer(TTL_MS)).toBe('200 v+1')
      expect((await at.picture(n)).log).toEqual(['K@v', 'L@v+1'])
    })

    test('provider time not past the TTL: reserved', async () => {
      const { at, answer } = await reservedByALiar()
      const before = await at.bucket.all()
      expect(await answer(TTL_MS - 1)).toBe('409 reserved')
      expect(await at.bucket.all()).toEqual(before)
    })
  })
}
