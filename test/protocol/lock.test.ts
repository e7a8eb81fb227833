import { describe, expect, test } from 'vitest'
import {
  acquire,
  checkFencing,
  encodeLock,
  fencingToken,
  forceBreak,
  inspectLock,
  isValidForHolder,
  LEASE_MS,
  LockRecord,
  release,
  renew,
  SKEW_MS,
  type Acquired,
  type Guard,
} from '../../lib/protocol/lock.ts'
import { StoredObjectError } from '../../lib/protocol/stored-error.ts'
import { Stepped } from '../support/stepper.ts'
import { projectionWorld, type World } from '../support/projection-world.ts'
import { memoryStore } from '../../lib/store/memory.ts'

const PATH = 'locks/orchestration.compaction.lock.json'

function guardOf(acquired: Acquired): Guard {
  if (!acquired.ok) throw new Error(acquired.reason)
  return acquired.guard
}

async function take(
  world: World,
  options: { floor?: number; operation?: string; wait_ms?: number } = {},
): Promise<Guard> {
  return guardOf(await world.run(acquire({ path: PATH, ...options })))
}

const stored = (world: World): LockRecord => LockRecord.parse(world.json(PATH))

const corrupt = expect.objectContaining({ reason: 'lock_corrupt' }) as Error

describe('4.1: acquire', () => {
  test('LK-01: the first has sequence 1, all members, and no operation unless one is given', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    expect(fencingToken(guard)).toBe(1)
    expect(world.text(PATH)).toBe(
      `{"holderId":"${guard.record.holderId}","expiresAt":"2026-02-21T12:00:30Z","acquiredAt":"2026-02-21T12:00:00Z","sequenceNumber":1,"ttlMs":30000}`,
    )
    const other = projectionWorld()
    await take(other, { operation: 'compact' })
    expect(stored(other).operation).toBe('compact')
  })

  test('LK-02: acquired and released three times: 1, 2, 3, and the object stays', async () => {
    const world = projectionWorld()
    const sequences: number[] = []
    for (let round = 0; round < 3; round++) {
      const guard = await take(world)
      sequences.push(fencingToken(guard))
      expect(await world.run(release(guard))).toBe('ok')
      expect(world.text(PATH)).not.toBe(null)
    }
    expect(sequences).toEqual([1, 2, 3])
  })

  test('LK-03: while it is held, a second client gets its holder and when to ask again', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    const second = await world.run(acquire({ path: PATH, wait_ms: 5_000 }))
    expect(second).toEqual({
      ok: false,
      reason: 'lock_held',
      holder_id: guard.record.holderId,
      retry_after_ms: 5_000,
    })
  })

  test('a second client that waits long enough gets it when the first gives it back', async () => {
    const world = projectionWorld()
    const first = await take(world)
    const second = await Stepped.start(acquire({ path: PATH }), world.env)
    await second.step('get lock')
    await world.run(release(first))
    await second.run()
    expect(second.result).toMatchObject({
      ok: true,
      has_waited: true,
      guard: { record: { sequenceNumber: 2 } },
    })
  })

  test('LK-04: of two that race for an expired record exactly one wins', async () => {
    const world = projectionWorld()
    await world.run(release(await take(world)))
    const racers = await Promise.all(
      [0, 1].map(async () => Stepped.start(acquire({ path: PATH, wait_ms: 0 }), world.env)),
    )
    for (const racer of racers) await racer.step('get lock')
    for (const racer of racers) await racer.step('put lock')
    for (const racer of racers) await racer.run()
    expect(racers.filter(({ result }) => result?.ok === true)).toHaveLength(1)
    expect(racers.filter(({ result }) => result?.ok === false)).toHaveLength(1)
    expect(stored(world).sequenceNumber).toBe(2)
  })

  test('LK-10: the put landed and its answer is lost: acquired, and the sequence rose once', async () => {
    const world = projectionWorld()
    const process = await Stepped.start(acquire({ path: PATH }), world.env)
    await process.step('get lock')
    await process.failAfter('put lock')
    await process.run()
    expect(process.result).toMatchObject({ ok: true, guard: { record: { sequenceNumber: 1 } } })
    expect(stored(world).sequenceNumber).toBe(1)
  })

  test('a put that never landed is sent again', async () => {
    const world = projectionWorld()
    const process = await Stepped.start(acquire({ path: PATH }), world.env)
    await process.step('get lock')
    await process.failBefore('put lock')
    await process.run()
    expect(process.result).toMatchObject({ ok: true, guard: { record: { sequenceNumber: 1 } } })
  })

  test('R22: eight refused puts, then throttled', async () => {
    const world = projectionWorld()
    const process = await Stepped.start(acquire({ path: PATH }), world.env)
    let puts = 0
    while (process.pending.length > 0) {
      if (process.pending[0] === 'get lock') await process.step()
      else {
        puts += 1
        await process.throttle('put lock')
      }
    }
    expect(puts).toBe(8)
    expect(process.result).toMatchObject({ ok: false, reason: 'throttled' })
    expect(world.text(PATH)).toBe(null)
  })

  test('LK-12: a record without sequenceNumber counts as 0; the floor lifts it', async () => {
    const record = '{"holderId":"old","expiresAt":"2020-01-01T00:00:00Z","acquiredAt":"2020-01-01T00:00:00Z"}'
    const world = projectionWorld()
    world.write(PATH, record)
    expect(fencingToken(await take(world))).toBe(1)
    world.write(PATH, record)
    expect(fencingToken(await take(world, { floor: 6 }))).toBe(7)
  })

  test('LK-14: the record was deleted and the pointer is at epoch 41: the next token is 42', async () => {
    expect(fencingToken(await take(projectionWorld(), { floor: 41 }))).toBe(42)
  })

  test('A-9: a sequence with no successor fails closed', async () => {
    const world = projectionWorld()
    world.write(
      PATH,
      `{"holderId":"x","expiresAt":"2020-01-01T00:00:00Z","acquiredAt":"2020-01-01T00:00:00Z","sequenceNumber":${2 ** 53 - 1}}`,
    )
    await expect(take(world)).rejects.toThrow(corrupt)
  })

  test.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['no holder', '{"expiresAt":"2020-01-01T00:00:00Z","acquiredAt":"2020-01-01T00:00:00Z"}'],
    ['a time that is none', '{"holderId":"x","expiresAt":"soon","acquiredAt":"2020-01-01T00:00:00Z"}'],
    [
      'a sequence beyond 2^53-1',
      '{"holderId":"x","expiresAt":"2020-01-01T00:00:00Z","acquiredAt":"2020-01-01T00:00:00Z","sequenceNumber":9007199254740992}',
    ],
    [
      '17 KiB',
      `{"holderId":"${'x'.repeat(17 * 1024)}","expiresAt":"2020-01-01T00:00:00Z","acquiredAt":"2020-01-01T00:00:00Z"}`,
    ],
  ])('LK-15: %s fails closed and is not overwritten', async (_, text) => {
    const world = projectionWorld()
    world.write(PATH, text)
    await expect(take(world)).rejects.toThrow(corrupt)
    await expect(world.run(inspectLock(PATH))).rejects.toThrow(StoredObjectError)
    await expect(world.run(forceBreak(PATH))).rejects.toThrow(corrupt)
    expect(world.text(PATH)).toBe(text)
  })
})

describe('3: expiry', () => {
  const held = (world: World) => world.run(acquire({ path: PATH, wait_ms: 0 })).then(({ ok }) => !ok)

  test('others wait until the end and a second more, for clocks that differ', async () => {
    const world = projectionWorld()
    await take(world)
    world.clock.now_ms += LEASE_MS + SKEW_MS - 1
    expect(await held(world)).toBe(true)
    world.clock.now_ms += 1
    expect(await held(world)).toBe(false)
  })

  test('the holder stops a second before the end', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    const started_ms = world.clock.now_ms
    expect(isValidForHolder(guard, started_ms + LEASE_MS - SKEW_MS - 1)).toBe(true)
    expect(isValidForHolder(guard, started_ms + LEASE_MS - SKEW_MS)).toBe(false)
    expect(isValidForHolder(guard, started_ms + LEASE_MS - SKEW_MS - 2_000, 2_000)).toBe(false)
  })

  test('a released lease is free at once', async () => {
    const world = projectionWorld()
    await world.run(release(await take(world)))
    expect(await held(world)).toBe(false)
  })

  test("the store's own clock ends a lease of a holder whose clock is ahead", async () => {
    const server = { now_ms: Date.UTC(2026, 1, 21, 12) }
    const world = projectionWorld({
      store: memoryStore({ clock: () => server.now_ms }),
      now_ms: server.now_ms + 600_000,
    })
    await take(world)
    // Ten minutes ahead, its lease ends for us in ten minutes; by the store it has lasted long enough in half a minute.
    world.clock.now_ms = server.now_ms
    server.now_ms += LEASE_MS
    world.clock.now_ms += LEASE_MS
    expect(await held(world)).toBe(true)
    server.now_ms += SKEW_MS
    world.clock.now_ms += SKEW_MS
    expect(await held(world)).toBe(false)
  })

  test('a lease that claims a year counts for a day', async () => {
    const world = projectionWorld()
    world.write(
      PATH,
      '{"holderId":"x","expiresAt":"2027-02-21T12:00:00Z","acquiredAt":"2026-02-21T12:00:00Z","sequenceNumber":4}',
    )
    world.clock.now_ms += 24 * 3_600_000
    expect(await held(world)).toBe(true)
    world.clock.now_ms += SKEW_MS
    expect(await held(world)).toBe(false)
  })
})

describe('4.2: renew', () => {
  test('R-2: only the end moves; the sequence does not', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    world.clock.now_ms += 10_000
    const renewed = await world.run(renew(guard))
    expect(renewed?.record).toEqual({
      ...guard.record,
      expiresAt: '2026-02-21T12:00:40Z',
      renewedAt: '2026-02-21T12:00:10Z',
      ttlMs: 30_000,
    })
    expect(stored(world)).toEqual(renewed?.record)
  })

  test('R-1: not after its end', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    world.clock.now_ms += LEASE_MS
    expect(await world.run(renew(guard))).toBe(null)
  })

  test('LK-06: after a takeover it fails, and the record is the other one', async () => {
    const world = projectionWorld()
    const first = await take(world)
    world.clock.now_ms += LEASE_MS + SKEW_MS
    const second = await take(world)
    world.clock.now_ms -= LEASE_MS
    expect(await world.run(renew(first))).toBe(null)
    expect(stored(world)).toEqual(second.record)
  })

  test('LK-11: the put landed and its answer is lost: the lease goes on under the new token', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    world.clock.now_ms += 10_000
    const process = await Stepped.start(renew(guard), world.env)
    await process.failAfter('put lock')
    await process.run()
    const renewed = process.result
    if (renewed === null || renewed === undefined) throw new Error('lost')
    world.clock.now_ms += 10_000
    expect(await world.run(renew(renewed))).not.toBe(null)
  })

  test('a put that had no effect, or never landed, is sent again while the lease is ours', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    const process = await Stepped.start(renew(guard), world.env)
    await process.throttle('put lock')
    await process.step('get lock')
    await process.failBefore('put lock')
    await process.run()
    expect(process.result).toMatchObject({ record: { sequenceNumber: 1 } })
  })
})

describe('4.3: release', () => {
  test('LK-05: after a takeover the new owner keeps its record', async () => {
    const world = projectionWorld()
    const first = await take(world)
    world.clock.now_ms += LEASE_MS + SKEW_MS
    const second = await take(world)
    expect(await world.run(release(first))).toBe('precondition_failed')
    expect(stored(world)).toEqual(second.record)
  })

  test('the end lies a second back; operation is gone, everything else stays', async () => {
    const world = projectionWorld()
    const guard = await take(world, { operation: 'compact' })
    world.clock.now_ms += 5_000
    await world.run(release(guard))
    const { operation: _operation, ...rest } = guard.record
    expect(stored(world)).toEqual({ ...rest, expiresAt: '2026-02-21T12:00:04Z' })
  })

  test('members that nobody knows stay', async () => {
    const world = projectionWorld()
    const guard = await take(world)
    const marked = { ...guard, record: { ...guard.record, note: 'from a newer version' } }
    await world.run(release(marked))
    expect(stored(world)).toMatchObject({ note: 'from a newer version' })
  })
})

describe('4.4 and 4.5: inspect and force-break', () => {
  test('inspect shows the record and whether others wait, and writes nothing', async () => {
    const world = projectionWorld()
    expect(await world.run(inspectLock(PATH))).toEqual({ record: null, held: false, left_ms: 0 })
    const guard = await take(world)
    world.clock.now_ms += 10_000
    const before = world.text(PATH)
    expect(await world.run(inspectLock(PATH))).toEqual({ record: guard.record, held: true, left_ms: 20_000 })
    expect(world.text(PATH)).toBe(before)
  })

  test('LK-07: broken, the next has the next sequence, and the old holder gives nothing back', async () => {
    const world = projectionWorld()
    const first = await take(world, { operation: 'compact' })
    expect(await world.run(forceBreak(PATH))).toMatchObject({ ok: true })
    expect(stored(world)).toEqual({
      ...first.record,
      expiresAt: '2026-02-21T11:59:59Z',
      operation: 'force-break',
    })
    const second = await take(world)
    expect(fencingToken(second)).toBe(2)
    await world.run(release(first))
    expect(stored(world)).toEqual(second.record)
  })

  test('LK-08: racing with a takeover, the new owner stays', async () => {
    const world = projectionWorld()
    await world.run(release(await take(world)))
    const breaking = await Stepped.start(forceBreak(PATH), world.env)
    await breaking.step('get lock')
    const second = await take(world)
    await breaking.run()
    expect(breaking.result).toEqual({
      ok: false,
      reason: 'contention',
      detail: 'lock changed while force-breaking it',
    })
    expect(stored(world)).toEqual(second.record)
  })

  test('a break whose answer is lost is one', async () => {
    const world = projectionWorld()
    await take(world)
    const breaking = await Stepped.start(forceBreak(PATH), world.env)
    await breaking.step('get lock')
    await breaking.failAfter('put lock')
    await breaking.run()
    expect(breaking.result).toMatchObject({ ok: true, record: { operation: 'force-break' } })
  })

  test('LK-09: of a missing record it is a success without a write', async () => {
    const world = projectionWorld()
    expect(await world.run(forceBreak(PATH))).toEqual({ ok: true, record: null })
    expect(world.text(PATH)).toBe(null)
  })

  test('LK-15: a record that does not parse goes on from the sequence that the operator says', async () => {
    const world = projectionWorld()
    world.write(PATH, '{')
    expect(await world.run(forceBreak(PATH, { sequence: 12 }))).toMatchObject({ ok: true })
    expect(fencingToken(await take(world))).toBe(13)
  })
})

describe('6.3: a look at the lock for a fencing token', () => {
  test('LK-13: nanoseconds and offsets are read, and acquiredAt is kept as it was written', async () => {
    const world = projectionWorld()
    const acquiredAt = '2026-02-21T13:00:00.123456789+01:00'
    world.write(
      PATH,
      `{"holderId":"x","expiresAt":"2026-02-21T13:00:30.123456789+01:00","acquiredAt":"${acquiredAt}","sequenceNumber":7}`,
    )
    expect(await world.run(checkFencing(PATH, 7))).toEqual({
      ok: true,
      expires_at_ms: Date.UTC(2026, 1, 21, 12, 0, 30, 123),
    })
    await world.run(forceBreak(PATH))
    expect(stored(world).acquiredAt).toBe(acquiredAt)
  })

  test.each([
    ['missing', null, 0, { reason: 'lock_missing' }],
    ['expired to the millisecond', 30_000, 0, { reason: 'lock_expired', expiring: false }],
    ['F-8: expired, although the number matches', 60_000, 0, { reason: 'lock_expired', expiring: false }],
    ['too little left', 28_000, 3_000, { reason: 'lock_expired', expiring: true }],
    ['just enough left', 27_000, 3_000, { ok: true }],
  ])('%s', async (_, after_ms, left_min_ms, expected) => {
    const world = projectionWorld()
    const token = after_ms === null ? 1 : fencingToken(await take(world))
    world.clock.now_ms += after_ms ?? 0
    expect(await world.run(checkFencing(PATH, token, left_min_ms))).toMatchObject(expected)
  })

  test('another token, higher or lower, is stale', async () => {
    const world = projectionWorld()
    await take(world, { floor: 6 })
    expect(await world.run(checkFencing(PATH, 6))).toEqual({
      ok: false,
      reason: 'stale_fencing_token',
      current: 7,
    })
    expect(await world.run(checkFencing(PATH, 8))).toEqual({
      ok: false,
      reason: 'stale_fencing_token',
      current: 7,
    })
  })
})

test('a record is written with its members in the order of the reference', () => {
  const record = LockRecord.parse({
    operation: 'rebuild',
    more: 1,
    sequenceNumber: 3,
    acquiredAt: '2026-02-21T12:00:00.123456789Z',
    expiresAt: '2026-02-21T12:00:30.123456789Z',
    holderId: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
  })
  expect(new TextDecoder().decode(encodeLock(record))).toBe(
    '{"holderId":"01JKTT0G00Z4N2V8R6W1X3Y5ZB","expiresAt":"2026-02-21T12:00:30.123456789Z","acquiredAt":"2026-02-21T12:00:00.123456789Z","sequenceNumber":3,"operation":"rebuild","more":1}',
  )
})
