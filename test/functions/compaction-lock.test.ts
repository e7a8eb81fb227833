/** The compaction lock over HTTP, locks-and-fencing.md 4.4 and 4.5: look at it, and end a lease whose holder is gone. */
import { describe, expect, test } from 'vitest'
import { compactorBench, type CompactorBench } from '../support/compactor-bench.ts'
import { eventsAt } from '../support/projection-events.ts'
import { WORLD_START_MS } from '../support/projection-world.ts'
import { expectProblem } from '../support/problems.ts'
import type { Answer } from '../support/service.ts'

const LOCK = 'locks/orchestration.compaction.lock.json'
const ROUTE = '/internal/locks/orchestration'
const HOLDER = '01JKTT0G00Z4N2V8R6W1X3Y5ZB'

const look = async ({ service }: CompactorBench): Promise<Answer> => service.request('GET', ROUTE)
const breakIt = async ({ service }: CompactorBench, body: unknown): Promise<Answer> =>
  service.request('POST', `${ROUTE}/force-break`, body)

/** Somebody who compacts, and is gone. */
function held(sequenceNumber = 41): CompactorBench {
  const bench = compactorBench()
  bench.write(
    LOCK,
    JSON.stringify({
      holderId: HOLDER,
      expiresAt: new Date(WORLD_START_MS + 3_600_000).toISOString(),
      acquiredAt: '2026-02-21T12:00:00.123456789Z',
      sequenceNumber,
      operation: 'compact',
      region: 'eu',
    }),
  )
  return bench
}

describe('a look', () => {
  test('at no lock at all', async () => {
    const { status, body } = await look(compactorBench())
    expect([status, body]).toEqual([
      200,
      { lock_path: LOCK, lock_scope: 'scoped', held: false, left_ms: 0, pointer_epoch: null, record: null },
    ])
  })

  test('at one that is held: who, for how long, and members that nobody here knows; nothing is written', async () => {
    const bench = held()
    const before = bench.store.dump()
    const { body } = await look(bench)
    expect(body).toMatchObject({
      held: true,
      left_ms: 3_600_000,
      record: { holderId: HOLDER, sequenceNumber: 41, operation: 'compact', region: 'eu' },
    })
    expect(bench.store.dump()).toEqual(before)
  })

  test('at one that is free again, with the epoch of what it protects', async () => {
    const bench = compactorBench()
    await bench.compact({ event_paths: bench.append(eventsAt(0, 1)) })
    expect((await look(bench)).body).toMatchObject({
      held: false,
      left_ms: 0,
      pointer_epoch: 1,
      record: { sequenceNumber: 1 },
    })
  })

  test('at one that does not parse: 500, and what to do', async () => {
    const bench = compactorBench()
    bench.write(LOCK, '{')
    const answer = await look(bench)
    expectProblem(answer, { reason: 'lock_corrupt', detail: /force-break it with a sequence/ })
    expect(answer.body.error).toBe(answer.body.detail)
  })
})

describe('a break', () => {
  test('LK-07: ends the lease, keeps who and since when; the next holder has a higher number', async () => {
    const bench = held()
    const { status, body } = await breakIt(bench, { reason: 'the node is gone' })
    expect([status, body.held]).toEqual([200, false])
    expect(bench.json(LOCK)).toEqual({
      holderId: HOLDER,
      expiresAt: '2026-02-21T11:59:59Z',
      acquiredAt: '2026-02-21T12:00:00.123456789Z',
      sequenceNumber: 41,
      operation: 'force-break',
      region: 'eu',
    })
    const before_ms = bench.service.clock.now_ms
    expect((await bench.compact({ event_paths: [] })).status).toBe(200)
    expect(bench.service.clock.now_ms).toBe(before_ms)
    expect(bench.json(LOCK)).toMatchObject({ sequenceNumber: 42 })
  })

  test('fences the old holder, should it still be there', async () => {
    const bench = held()
    await breakIt(bench, { reason: 'seemed gone' })
    const event_paths = bench.append(eventsAt(0, 1))
    const fenced = { event_paths, fencing_token: 41, lock_path: LOCK }
    expectProblem(await bench.compact(fenced), { reason: 'lock_expired' })
    await bench.compact({ event_paths: [] })
    expectProblem(await bench.compact(fenced), { reason: 'lock_expired' })
  })

  test('LK-09: of no lock is fine, and writes nothing', async () => {
    const bench = compactorBench()
    const { status, body } = await breakIt(bench, { reason: 'to be sure' })
    expect([status, body.record]).toEqual([200, null])
    expect(bench.store.dump().size).toBe(0)
  })

  test('LK-08: racing with a takeover: 409, and the new holder keeps it', async () => {
    const bench = held()
    const taken = JSON.stringify({
      ...bench.json(LOCK),
      holderId: '01JKTT0G00Z4N2V8R6W1X3Y5ZC',
      sequenceNumber: 42,
    })
    const racing = compactorBench({
      store: bench.store,
      wrap: (store) => ({
        ...store,
        async put(key, bytes, precondition, options) {
          if (key.endsWith(LOCK)) bench.write(LOCK, taken)
          return store.put(key, bytes, precondition, options)
        },
      }),
    })
    expectProblem(await breakIt(racing, { reason: 'gone' }), {
      reason: 'contention',
      detail: 'lock changed while force-breaking it',
    })
    expect(bench.json(LOCK)).toMatchObject({ sequenceNumber: 42 })
  })

  test('LK-15: of a record that does not parse: only with a sequence, and not below the epoch of the pointer', async () => {
    const bench = compactorBench()
    for (let call = 0; call < 3; call++) await bench.compact({ event_paths: [] })
    await bench.compact({ event_paths: bench.append(eventsAt(0, 1)) })
    bench.write(LOCK, '{')
    expectProblem(await breakIt(bench, { reason: 'broken' }), { reason: 'lock_corrupt' })
    expectProblem(await breakIt(bench, { reason: 'broken', sequence: 3 }), {
      reason: 'bad_request',
      detail: 'sequence must be at least 4, the epoch of the pointer, got 3',
    })
    expect((await breakIt(bench, { reason: 'broken', sequence: 4 })).status).toBe(200)
    expect(bench.json(LOCK)).toMatchObject({ sequenceNumber: 4, operation: 'force-break' })
    expect((await bench.compact({ event_paths: [] })).status).toBe(200)
    expect(bench.json(LOCK)).toMatchObject({ sequenceNumber: 5 })
  })

  test('with a pointer that does not parse either, the sequence is believed', async () => {
    const bench = compactorBench()
    bench.write('state/orchestration/manifest.pointer.json', 'not json')
    bench.write(LOCK, '{')
    expect((await breakIt(bench, { reason: 'both broken', sequence: 9 })).status).toBe(200)
    expect((await look(bench)).body).toMatchObject({ pointer_epoch: null, record: { sequenceNumber: 9 } })
  })

  test('of the lock at the bucket root, where the deployment has it there', async () => {
    const bench = compactorBench({ compactor: { lock_scope: 'bucket-root' } })
    await bench.compact({ event_paths: [] })
    const { body } = await breakIt(bench, { reason: 'gone' })
    expect(body).toMatchObject({ lock_scope: 'bucket-root', record: { operation: 'force-break' } })
  })

  test.each<[unknown, string, string]>([
    [{}, 'unprocessable', 'reason must be a string, got nothing'],
    [{ reason: 7 }, 'unprocessable', 'reason must be a string, got a number'],
    [{ reason: ' ' }, 'bad_request', 'reason must not be empty'],
    [{ reason: 'x', sequence: -1 }, 'bad_request', 'sequence must be >= 0'],
    [{ reason: 'x', sequence: '1' }, 'unprocessable', 'sequence must be an integer, got a string'],
    [{ reason: 'x', force: true }, 'bad_request', 'unknown member "force"; expected reason, sequence'],
  ])('%j is refused, and the lock is as it was', async (body, reason, detail) => {
    const bench = held()
    const before = bench.store.dump()
    const answer = await breakIt(bench, body)
    expectProblem(answer, { reason, detail })
    expect(answer.body.error).toBe(detail)
    expect(bench.store.dump()).toEqual(before)
  })
})
