/** Inspect: the state as stored and where the commit in flight stands (spec/http-api.md 4.3). It reads and nothing else. */
import { describe, expect, test } from 'vitest'
import { StoreError } from '../../lib/store/types.ts'
import { CATALOG_PATHS, catalogObjects } from '../support/catalog.ts'
import {
  arcoInflight,
  fullInflight,
  leaveIn,
  MAKERS,
  WINDOWS,
  type Window,
} from '../support/crash-windows.ts'
import { freshId, type Answer } from '../support/service.ts'
import { countRounds, STORES, type Counted } from '../support/stores.ts'
import {
  logKey,
  useTables,
  waitUntil,
  type ProcessOptions,
  type Table,
  type Writer,
} from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

/** Without a reservation there is no commit to place: W0 has not begun, W4 is over (spec/coordinator.md 7.1). */
const CRASH_WINDOW: Readonly<Record<Window, string | null>> = {
  W0: null,
  W1: 'W1',
  W2: 'W2',
  W3: 'W3',
  W4: null,
}

/** Where a resolution is not what the test is about. */
const ANYTHING: unknown = expect.anything()

describe.each(STORES)('GET …/inspect on $name', ({ make }) => {
  const fresh = useTables(make)

  async function reserved(
    window: Window,
    maker: 'tidemark' | 'arco' = 'tidemark',
  ): Promise<{ at: Table; k: Writer }> {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await leaveIn(at, window, k, maker)
    return { at, k }
  }

  /** Ask, and see what was asked of the store. */
  async function inspected(
    at: Table,
    options: ProcessOptions = {},
  ): Promise<{ answer: Answer; operations: readonly Counted[]; rounds: number }> {
    const before = await at.bucket.all()
    const counting = countRounds(at.store)
    const answer = await at.process({ ...options, wrap: () => counting.store }).inspect(at.table_id)
    expect(await at.bucket.all()).toEqual(before)
    return { answer, operations: counting.operations, rounds: counting.rounds() }
  }

  for (const maker of MAKERS) {
    for (const window of WINDOWS) {
      test(`${window} of ${maker}: ${CRASH_WINDOW[window]}, and the state as it is stored`, async () => {
        const { at } = await reserved(window, maker)
        const { answer } = await inspected(at)
        expect([answer.status, answer.body]).toEqual([
          200,
          {
            ...(await at.state()),
            crash_window: CRASH_WINDOW[window],
            resolution: CRASH_WINDOW[window] === null ? null : ANYTHING,
          },
        ])
      })
    }
  }

  test('no state object: an empty table', async () => {
    const { answer, operations } = await inspected(fresh())
    expect(answer.body).toEqual({
      latest_version: -1,
      inflight: null,
      crash_window: null,
      resolution: null,
    })
    expect(operations).toHaveLength(1)
  })

  describe('resolution: who acts next, and when', () => {
    test('W1 before the TTL: the owner, and anybody once the TTL is over', async () => {
      const { at, k } = await reserved('W1')
      at.clock.advance(100_000)
      const { expires_at_ms } = (await at.state()).inflight
      const { resolution } = (await inspected(at)).answer.body
      expect(resolution).toEqual({
        by: 'owner',
        from_ms: expires_at_ms,
        ttl_left_ms: expires_at_ms - at.clock.now_ms,
        request: { method: 'POST', path: `/api/v1/delta/tables/${at.table_id}/recover`, body: {} },
        replay: {
          method: 'POST',
          path: `/api/v1/delta/tables/${at.table_id}/commits`,
          body: {
            read_version: n,
            staged_path: k.call.staged_path,
            staged_version: expect.any(String),
            idempotency_key: k.call.idempotency_key,
          },
        },
      })
      const { status, body } = await at.service.request(
        resolution.replay.method,
        resolution.replay.path,
        resolution.replay.body,
      )
      expect([status, body.version]).toEqual([200, v])
    })

    test.each(['W1 after the TTL', 'W2', 'W3'])(
      '%s: anybody, at once, by the request that it names',
      async (when) => {
        const { at } = await reserved(when.slice(0, 2) as Window)
        if (when.includes('after')) waitUntil(at.clock, 'after TTL')
        const { resolution } = (await inspected(at)).answer.body
        expect(resolution).toMatchObject({ by: 'anybody', from_ms: null, ttl_left_ms: 0 })
        const { method, path, body } = resolution.request
        const answer = await at.service.request(method, path, body)
        expect([answer.status, answer.body.inflight, answer.body.latest_version]).toEqual([200, null, v])
      },
    )
  })

  test('members that it does not know are shown', async () => {
    const { at } = await reserved('W1')
    const state = { ...(await at.state()), future: { b: [1, 'ü'] } }
    await at.setState({ ...state, inflight: { ...state.inflight, hint: 7 } })
    const { answer } = await inspected(at)
    expect(answer.body).toEqual({
      ...(await at.state()),
      crash_window: 'W1',
      resolution: expect.anything(),
    })
    expect(answer.body).toMatchObject({ future: { b: [1, 'ü'] }, inflight: { hint: 7 } })
  })

  test('one GET of the state, then one of the marker and one of the log entry together', async () => {
    const { at, k } = await reserved('W2')
    const { operations, rounds } = await inspected(at)
    const { state, marker, log } = at.keys(k, v)
    const prefix = at.service.prefix
    expect(operations).toEqual([
      { kind: 'get', key: prefix + state, round: 1 },
      { kind: 'get', key: prefix + marker, round: 2 },
      { kind: 'get', key: prefix + log, round: 2 },
    ])
    expect(rounds).toBe(2)
  })

  test('a catalog is not read when the reservation says where its log entry belongs', async () => {
    const { at } = await reserved('W2')
    const { answer, operations } = await inspected(at, { resolver: { mode: 'catalog' } })
    expect(answer.body.crash_window).toBe('W2')
    expect(operations).toHaveLength(3)
  })

  test('a reservation without a path is looked for where the catalog says', async () => {
    const table_id = freshId()
    const at = fresh({ table_id, root: 'warehouse/t', resolver: { mode: 'catalog' } })
    const objects = catalogObjects([{ id: table_id, location: 'warehouse/t', format: 'delta' }])
    for (const name of ['pointer', 'manifest', 'tables'] as const) {
      await at.bucket.writeBytes(CATALOG_PATHS[name], objects[name])
    }
    const k = await at.writer('K', -1)
    await leaveIn(at, 'W2', k, 'arco')
    expect((await inspected(at)).answer.body.crash_window).toBe('W2')
  })

  describe('null where the window cannot be told', () => {
    test('a ghost: the key was decided at another version', async () => {
      const at = fresh()
      await at.history(n)
      const k = await at.committed('K', n)
      const two = await at.writer('K with body 2', v, { idempotency_key: k.call.idempotency_key })
      await at.setState({ latest_version: v, inflight: fullInflight(at, two) })
      expect((await inspected(at)).answer.body.crash_window).toBeNull()
    })

    test('the log entry holds another payload than the one that was reserved', async () => {
      const { at } = await reserved('W1')
      await at.foreign(v)
      expect((await inspected(at)).answer.body.crash_window).toBeNull()
    })

    test('nobody knows where the log of a bare reservation is', async () => {
      const { at } = await reserved('W2', 'arco')
      const { answer } = await inspected(at, { resolver: { mode: 'static', tables: new Map() } })
      expect([answer.status, answer.body.crash_window]).toEqual([200, null])
    })

    test('but its marker decides all the same', async () => {
      const { at } = await reserved('W3', 'arco')
      const { answer } = await inspected(at, { resolver: { mode: 'static', tables: new Map() } })
      expect(answer.body.crash_window).toBe('W3')
    })
  })

  test('a log entry of a bare reservation cannot be compared: W2', async () => {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await at.setState({ latest_version: n, inflight: arcoInflight(k) })
    await at.bucket.write(logKey(at.root, v), k.payload)
    expect((await inspected(at)).answer.body.crash_window).toBe('W2')
  })

  test.each(['/delta/coordinator/', '/delta/idempotency/', '/_delta_log/'])(
    'the store does not answer for %s: 503 storage_unavailable',
    async (part) => {
      const { at } = await reserved('W2')
      const process = at.process({
        wrap: (store) => ({
          ...store,
          get: async (key, options) => {
            if (key.includes(part)) throw new StoreError('unavailable', key, 'silent')
            return store.get(key, options)
          },
        }),
      })
      const { status, body } = await process.inspect(at.table_id)
      expect([status, body.reason]).toEqual([503, 'storage_unavailable'])
    },
  )
})
