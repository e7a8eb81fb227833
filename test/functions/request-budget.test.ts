/** R22: what one request may spend, and what it says when that was not enough (spec/coordinator.md 6.3, 12). */
import { describe, expect, test } from 'vitest'
import { withFaults, type Fault } from '../../lib/store/faults.ts'
import type { MaintenanceStore, PutResult } from '../../lib/store/types.ts'
import {
  openWorld,
  TABLE_ID,
  viewTable,
  PAST_TTL_MS,
  type World,
  type Writer,
} from '../support/commit-world.ts'
import { recordCalls, type Recorded } from '../support/recorder.ts'
import type { Answer, TestServiceOptions } from '../support/service.ts'
import { readBucket } from '../support/stores.ts'

const STATE = '/delta/coordinator/'
const LOG = '/_delta_log/'
const MARKER = '/delta/idempotency/'

/** A store that meets a fault at every put of a kind of object. */
function failing(
  part: string,
  fault: () => Fault | undefined,
): (store: MaintenanceStore) => MaintenanceStore {
  return (store) =>
    withFaults(store, (call) => (call.kind === 'put' && call.key.includes(part) ? fault() : undefined))
}

/** Send a request through `wrap`, and count what it did. */
async function send(
  world: World,
  wrap: (store: MaintenanceStore) => MaintenanceStore,
  writer: Writer | 'recover',
  options: TestServiceOptions = {},
): Promise<{ readonly answer: Answer; readonly calls: readonly Recorded[]; puts(part: string): number }> {
  let calls: readonly Recorded[] = []
  const process = world.process((store) => {
    const recorded = recordCalls(wrap(store))
    calls = recorded.calls
    return recorded.store
  }, options)
  const answer = writer === 'recover' ? await process.recover(TABLE_ID) : await process.commit(writer.call)
  expect(calls.length).toBeLessThanOrEqual(32)
  return {
    answer,
    calls,
    puts: (part) => calls.filter(({ kind, key }) => kind === 'put' && key.includes(part)).length,
  }
}

function refusal({ status, body, headers }: Answer): Record<string, unknown> {
  const { reason, retryable, retry_after_ms } = body
  return { status, reason, retryable, retry_after_ms, 'retry-after': headers.get('retry-after') }
}

const REPEAT = { retryable: true, retry_after_ms: 1000, 'retry-after': '1' }

/** A table with one commit, and a writer that wants to make the next. */
async function tableWithWriter(): Promise<{ readonly world: World; readonly writer: Writer }> {
  const world = openWorld('memory')
  const first = await world.writer('K', -1)
  await world.healthy.commit(first.call)
  return { world, writer: await world.writer('L', 0) }
}

/** The replay without faults commits, whatever was said before. */
async function expectReplay(world: World, writer: Writer): Promise<void> {
  expect((await world.healthy.commit(writer.call)).body).toMatchObject({ version: 1 })
  expect(viewTable(world, await readBucket(world.store))).toEqual({
    latest_version: 1,
    inflight: null,
    last_commit: 'L',
    log: { 0: 'K', 1: 'L' },
    markers: { K: 0, L: 1 },
  })
}

describe('R22 the budget of a commit', () => {
  test('a rival wins every CAS: 409 contention after at most 8, and nothing of ours is there', async () => {
    const { world, writer } = await tableWithWriter()
    const { answer, puts } = await send(world, (store) => rivalled(store), writer)
    expect(refusal(answer)).toEqual({ status: 409, reason: 'contention', ...REPEAT })
    expect(answer.body.detail).toBe('failed to reserve delta commit after retries')
    expect(puts(STATE)).toBeGreaterThan(1)
    expect(puts(STATE)).toBeLessThanOrEqual(8)
    expect(viewTable(world, await readBucket(world.store))).toMatchObject({
      latest_version: 0,
      inflight: null,
      log: { 0: 'K' },
    })
    await expectReplay(world, writer)
  })

  test('every CAS is throttled: 503 throttled after at most 8, and nothing of ours is there', async () => {
    const { world, writer } = await tableWithWriter()
    const before = await readBucket(world.store)
    const { answer, puts } = await send(
      world,
      failing(STATE, () => ({ fault: 'throttle' })),
      writer,
    )
    expect(refusal(answer)).toEqual({ status: 503, reason: 'throttled', ...REPEAT })
    expect(puts(STATE)).toBeLessThanOrEqual(8)
    expect(await readBucket(world.store)).toEqual(before)
    await expectReplay(world, writer)
  })

  test('the fate of no CAS is known: 503 outcome_unknown after at most 8', async () => {
    const { world, writer } = await tableWithWriter()
    const { answer, puts } = await send(
      world,
      failing(STATE, () => ({ fault: 'lost_request' })),
      writer,
    )
    expect(refusal(answer)).toEqual({ status: 503, reason: 'outcome_unknown', ...REPEAT })
    expect(puts(STATE)).toBeLessThanOrEqual(8)
    await expectReplay(world, writer)
  })

  test('nothing can be read: 503 storage_unavailable, and nothing was sent', async () => {
    const { world, writer } = await tableWithWriter()
    const { answer, calls } = await send(
      world,
      (store) => withFaults(store, () => ({ fault: 'error_before' })),
      writer,
    )
    expect(refusal(answer)).toEqual({ status: 503, reason: 'storage_unavailable', ...REPEAT })
    expect(calls.filter(({ kind }) => kind === 'put')).toEqual([])
    await expectReplay(world, writer)
  })

  test.each([
    ['log entry', LOG],
    ['marker', MARKER],
  ])('6.4: the %s is sent four times, then 503 outcome_unknown', async (_name, part) => {
    const { world, writer } = await tableWithWriter()
    const { answer, puts } = await send(
      world,
      failing(part, () => ({ fault: 'lost_request' })),
      writer,
    )
    expect(refusal(answer)).toEqual({ status: 503, reason: 'outcome_unknown', ...REPEAT })
    expect(puts(part)).toBe(4)
    await expectReplay(world, writer)
  })

  test.each(['throttle', 'lost_request'] as const)(
    '6.4: the finalize meets %s every time: 503 outcome_unknown, and the replay says 200 (R9)',
    async (fault) => {
      const { world, writer } = await tableWithWriter()
      let state_puts = 0
      const { answer, puts } = await send(
        world,
        failing(STATE, () => (++state_puts === 1 ? undefined : { fault })),
        writer,
      )
      expect(refusal(answer)).toEqual({ status: 503, reason: 'outcome_unknown', ...REPEAT })
      // The reservation, its finalize, and what is left of eight attempts.
      expect(puts(STATE)).toBeLessThanOrEqual(9)
      expect(viewTable(world, await readBucket(world.store))).toMatchObject({
        inflight: 'L',
        markers: { L: 1 },
      })
      await expectReplay(world, writer)
    },
  )

  test('storage.md 8: a helper whose writes are all throttled says throttled; its own key is not reserved', async () => {
    const world = openWorld('memory')
    await world.crash(await world.writer('K', -1), 'log')
    world.clock.advance(PAST_TTL_MS)
    const writer = await world.writer('L', 0)
    const before = await readBucket(world.store)
    const { answer } = await send(
      world,
      failing('', () => ({ fault: 'throttle' })),
      writer,
    )
    expect(refusal(answer)).toEqual({ status: 503, reason: 'throttled', ...REPEAT })
    expect(await readBucket(world.store)).toEqual(before)
    await expectReplay(world, writer)
  })

  test('6.3: full jitter of 10 to 200 ms after each lost CAS, longer when the store asks for it', async () => {
    const { world, writer } = await tableWithWriter()
    const slept: number[] = []
    const overrides = { sleep: async (ms: number) => void slept.push(ms), random: () => 0.5 }
    await send(world, (store) => rivalled(store), writer, { overrides })
    expect(new Set(slept)).toEqual(new Set([105]))
    slept.length = 0
    await send(
      world,
      failing(STATE, () => ({ fault: 'throttle', retry_after_ms: 3000 })),
      writer,
      { overrides },
    )
    expect(slept.length).toBeGreaterThan(1)
    expect(Math.min(...slept)).toBeGreaterThanOrEqual(3000)
  })
})

describe('http-api.md 11 the deadline of a commit', () => {
  test('60 s are 60 s, however long the store asks to wait; nothing was written: storage_unavailable', async () => {
    const { world, writer } = await tableWithWriter()
    const before = await readBucket(world.store)
    let monotonic_ms = 0
    const { answer } = await send(
      world,
      failing(STATE, () => ({ fault: 'throttle', retry_after_ms: 25_000 })),
      writer,
      {
        overrides: {
          monotonic: () => monotonic_ms,
          sleep: async (ms) => {
            // A timer is never early and always a little late.
            monotonic_ms += ms + 1
          },
        },
      },
    )
    expect(refusal(answer)).toEqual({ status: 503, reason: 'storage_unavailable', ...REPEAT })
    expect(monotonic_ms).toBeLessThanOrEqual(60_010)
    expect(await readBucket(world.store)).toEqual(before)
  })
})

describe('R22 the budget of recover', () => {
  test('a state far behind its log is caught up over several requests, each within 32 operations', async () => {
    const { world } = await tableWithWriter()
    // Further than one request can double its stride to.
    const last = 2 ** 29
    const wrap = (store: MaintenanceStore): MaintenanceStore => ({
      ...store,
      async get(key, options) {
        const version = /_delta_log\/(\d{20})\.json$/.exec(key)?.[1]
        return version === undefined || Number(version) === 0 || Number(version) > last
          ? store.get(key, options)
          : { outcome: 'ok', bytes: new Uint8Array(), token: 'foreign' }
      },
    })
    const reached: number[] = []
    while (reached.at(-1) !== last && reached.length < 12) {
      const { answer } = await send(world, wrap, 'recover')
      expect(answer.body.action).toBe('rolled_forward')
      reached.push(answer.body.latest_version)
    }
    expect(reached.at(-1)).toBe(last)
    expect(reached).toEqual(reached.toSorted((a, b) => a - b))
  })

  test('its CAS took effect but the response was lost: it says what it did (coordinator.md 3.1)', async () => {
    const world = openWorld('memory')
    await world.crash(await world.writer('K', -1), 'finalize')
    const { answer, puts } = await send(
      world,
      failing(STATE, () => ({ fault: 'lost_response' })),
      'recover',
    )
    expect(answer.body).toEqual({ latest_version: 0, inflight: null, action: 'finalized' })
    expect(puts(STATE)).toBe(1)
  })

  test('its CAS was lost: it looks again and catches up all the same', async () => {
    const { world } = await tableWithWriter()
    const foreign = world.key(`tables/${TABLE_ID}/_delta_log/00000000000000000001.json`)
    await world.store.put(foreign, new TextEncoder().encode('foreign\n'), 'doesNotExist')
    let is_first = true
    const { answer } = await send(
      world,
      failing(STATE, () => {
        const fault = is_first ? ({ fault: 'lost_request' } as const) : undefined
        is_first = false
        return fault
      }),
      'recover',
    )
    expect(answer.body).toEqual({ latest_version: 1, inflight: null, action: 'rolled_forward' })
  })
})

test('http-api.md 4.1: stage never answers outcome_unknown; an object without an answer is nobody’s', async () => {
  const world = openWorld('memory')
  const process = world.process(failing('/delta/staging/', () => ({ fault: 'lost_request' })))
  const answer = await process.request('POST', `/api/v1/delta/tables/${TABLE_ID}/commits/stage`, {
    payload: '{"commitInfo":{}}\n',
  })
  expect(refusal(answer)).toEqual({ status: 503, reason: 'storage_unavailable', ...REPEAT })
})

describe('6.4 the deadline of the log write', () => {
  const TTL_MS = 300_000
  const PATIENT = { deadline_ms: 10 * TTL_MS }

  /** Both clocks in hand. */
  function clocks(): {
    monotonic_ms: number
    readonly overrides: NonNullable<TestServiceOptions['overrides']>
  } {
    const at = { monotonic_ms: 0, overrides: { monotonic: (): number => at.monotonic_ms } }
    return at
  }

  test('a log entry is not sent again later than TTL/2 after the reservation; first the state is read again', async () => {
    const { world, writer } = await tableWithWriter()
    const at = clocks()
    let log_puts = 0
    const { answer, calls } = await send(
      world,
      failing(LOG, () => {
        if (++log_puts > 1) return undefined
        at.monotonic_ms += TTL_MS / 2 + 1
        return { fault: 'throttle' }
      }),
      writer,
      { settings: PATIENT, overrides: at.overrides },
    )
    expect(answer.body).toMatchObject({ version: 1 })
    expect(between(calls, LOG)).toContain(`get ${STATE}`)
    await expectReplay(world, writer)
  })

  test('TTL/2 is measured on a clock that never jumps: the wall clock may, and changes nothing', async () => {
    const { world, writer } = await tableWithWriter()
    const at = clocks()
    const wrap = failing(STATE, () => {
      world.clock.advance(10 * TTL_MS)
      return undefined
    })
    const { answer, calls } = await send(world, wrap, writer, { settings: PATIENT, overrides: at.overrides })
    expect(answer.body).toMatchObject({ version: 1 })
    const state_reads = calls.filter(({ kind, key }) => kind === 'get' && key.includes(STATE))
    expect(state_reads.length).toBe(1)
  })

  /** The calls between the first and the last put of a kind of object, in words. */
  function between(calls: readonly Recorded[], part: string): readonly string[] {
    const is_put = ({ kind, key }: Recorded): boolean => kind === 'put' && key.includes(part)
    return calls
      .slice(calls.findIndex(is_put) + 1, calls.findLastIndex(is_put))
      .map(({ kind, key }) => `${kind} ${[STATE, LOG, MARKER].find((each) => key.includes(each)) ?? key}`)
  }
})

/** In front of each of our CASes another process writes the state: it reserves, gives up, and leaves no trace but a revision. */
function rivalled(store: MaintenanceStore): MaintenanceStore {
  return {
    ...store,
    async put(key, bytes, precondition, options): Promise<PutResult> {
      if (key.includes(STATE)) {
        const seen = await store.get(key)
        if (seen.outcome === 'ok') {
          const state = JSON.parse(new TextDecoder().decode(seen.bytes))
          const next = JSON.stringify({ ...state, revision: state.revision + 2 })
          await store.put(key, new TextEncoder().encode(next), { matchesVersion: seen.token })
        }
      }
      return store.put(key, bytes, precondition, options)
    },
  }
}
