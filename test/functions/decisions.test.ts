/** The decision table of a commit, row by row: spec/coordinator.md 6.3, D-1 to D-11. */
import { describe, expect, test } from 'vitest'
import { fullInflight, fullMarker, heldBeforeRead, leaveIn } from '../support/crash-windows.ts'
import { sha256Hex } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { logKey, useTables, waitUntil, type Table, type Writer } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

describe.each(STORES)('coordinator.md 6.3 on $name', ({ make }) => {
  const fresh = useTables(make)

  async function table(): Promise<Table> {
    const made = fresh()
    await made.history(n)
    return made
  }

  /** Another body under the same key. */
  async function secondBody(at: Table, first: Writer, read_version: number): Promise<Writer> {
    return at.writer('K with body 2', read_version, { idempotency_key: first.call.idempotency_key })
  }

  test('D-1: a marker that matches is the answer, and the state is left as it is', async () => {
    const at = await table()
    const k = await at.committed('K', n)
    await at.committed('L', v)
    const before = await at.bucket.all()
    const answer = await at.service.commit(k.call)
    expect(at.told(answer, n)).toBe('200 v')
    expect(answer.headers.get('idempotent-replayed')).toBe('true')
    expect(await at.bucket.all()).toEqual(before)
  })

  test('D-1: a state behind the marker is brought up to it (G-8)', async () => {
    const at = await table()
    const k = await at.committed('K', n)
    await at.setState({ latest_version: n, inflight: null })
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
    expect(await at.state()).toMatchObject({ latest_version: v, inflight: null })
  })

  test('D-2: a marker of another body is key_reuse and nothing is written', async () => {
    const at = await table()
    const k = await at.committed('K', n)
    const two = await secondBody(at, k, n)
    const before = await at.bucket.all()
    expect(at.told(await at.service.commit(two.call), n)).toBe('409 key_reuse')
    expect(await at.bucket.all()).toEqual(before)
  })

  test('D-2: key_reuse clears a reservation of that key first (C13)', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    const two = await secondBody(at, k, n)
    await leaveIn(at, 'W3', k, 'tidemark')
    expect(at.told(await at.service.commit(two.call), n)).toBe('409 key_reuse')
    expect((await at.picture(n)).state).toBe('{v, null}')
  })

  test('D-3: the key is reserved by another body and not decided: reserved, never key_reuse (C11)', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    const two = await secondBody(at, k, n)
    await leaveIn(at, 'W1', k, 'tidemark')
    const before = await at.bucket.all()
    waitUntil(at.clock, 'before TTL')
    expect(at.told(await at.service.commit(two.call), n)).toBe('409 reserved')
    expect(await at.bucket.all()).toEqual(before)
  })

  test('D-3: a body that is lost leaves its key to the next body, and is told key_reuse itself', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    const two = await secondBody(at, k, n)
    await leaveIn(at, 'W1', k, 'tidemark')
    await at.bucket.remove(k.call.staged_path)
    waitUntil(at.clock, 'after TTL')
    expect(at.told(await at.service.commit(two.call), n)).toBe('200 v')
    expect(at.told(await at.service.commit(k.call), n)).toBe('409 key_reuse')
    expect(await at.picture(n)).toEqual({
      state: '{v, null}',
      log: ['K with body 2@v'],
      markers: ['K with body 2@v'],
      staged: ['K with body 2'],
    })
  })

  describe('D-4: its own reservation, and the key was decided after the marker was read (R5)', () => {
    /** Body 2 has read "no marker" and is about to read the state. */
    async function aboutToReadState(at: Table, two: Writer): Promise<{ goOn(): Promise<string> }> {
      const slow = heldBeforeRead(at, '/delta/coordinator/', 1)
      const answer = slow.service.commit(two.call)
      await slow.reached
      return {
        async goOn() {
          slow.goOn()
          return at.told(await answer, n)
        },
      }
    }

    test.each([
      { log: 'absent', state: '{v, null}', entries: ['K@v'] },
      { log: 'present', state: '{v+1, null}', entries: ['K@v', 'foreign@v+1'] },
    ])(
      'marker with another version, log $log: the ghost is released to $state, key_reuse (X12)',
      async ({ log, state, entries }) => {
        const at = await table()
        const k = await at.committed('K', n)
        const two = await secondBody(at, k, v)
        const { marker } = at.keys(k, v)
        const recorded = await at.bucket.read(marker)
        await at.bucket.remove(marker)
        await at.setState({ latest_version: v, inflight: fullInflight(at, two), revision: 7 })
        const slow = await aboutToReadState(at, two)
        await at.bucket.write(marker, recorded ?? '')
        if (log === 'present') await at.foreign(v + 1)
        expect(await slow.goOn()).toBe('409 key_reuse')
        expect(await at.picture(n)).toEqual({
          state,
          log: entries,
          markers: ['K@v'],
          staged: ['K', 'K with body 2'],
        })
      },
    )

    test('marker with the reserved version: 200 without another write to log or marker', async () => {
      const at = await table()
      const k = await at.writer('K', n)
      await leaveIn(at, 'W2', k, 'tidemark')
      const slow = await aboutToReadState(at, k)
      const recorded = JSON.stringify(fullMarker(at, k))
      await at.bucket.write(at.keys(k, v).marker, recorded)
      expect(await slow.goOn()).toBe('200 v')
      expect(await at.bucket.read(at.keys(k, v).marker)).toBe(recorded)
      expect((await at.picture(n)).state).toBe('{v, null}')
    })
  })

  test('D-5: its own reservation, its payload replaced by other bytes: reserved, then dropped', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    await leaveIn(at, 'W1', k, 'tidemark')
    await at.bucket.write(k.call.staged_path, '{"commitInfo":{"timestamp":2}}\n')
    waitUntil(at.clock, 'before TTL')
    expect(at.told(await at.service.commit(k.call), n)).toBe('409 reserved')
    waitUntil(at.clock, 'after TTL')
    expect(at.told(await at.service.commit(k.call), n)).toBe('409 staged_version_mismatch')
    expect(await at.picture(n)).toEqual({
      state: '{n, null}',
      log: [],
      markers: [],
      staged: ['K (other bytes)'],
    })
  })

  test('D-6: without a payload it is staged_not_found with its path, retryable and not definite (X15)', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    await at.bucket.remove(k.call.staged_path)
    const answer = await at.service.commit(k.call)
    expect(answer.status).toBe(404)
    expect(answer.body).toMatchObject({
      reason: 'staged_not_found',
      detail: `staged payload not found: ${k.call.staged_path}`,
      retryable: true,
    })
  })

  test('D-6: the marker is read once more before staged_not_found', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    const slow = heldBeforeRead(at, '/delta/staging/', 1)
    const answer = slow.service.commit(k.call)
    await slow.reached
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
    await at.bucket.remove(k.call.staged_path)
    slow.goOn()
    expect(at.told(await answer, n)).toBe('200 v')
  })

  test('D-7: another version token than that of the payload is staged_version_mismatch, nothing written', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    const before = await at.bucket.all()
    const answer = await at.service.commit({ ...k.call, staged_version: '999999999' })
    expect(at.told(answer, n)).toBe('409 staged_version_mismatch')
    expect(answer.body.detail).toBe(`staged payload version mismatch for ${k.call.staged_path}`)
    expect(await at.bucket.all()).toEqual(before)
  })

  test('D-8: reserved says until when, and Retry-After is one to five seconds', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    const other = await at.writer('L', n)
    await leaveIn(at, 'W1', k, 'tidemark')
    const { expires_at_ms } = (await at.state()).inflight
    const seconds: unknown[] = []
    for (const left_ms of [300_000, 4_999, 2_000, 1]) {
      at.clock.now_ms = expires_at_ms - left_ms
      const { body, headers } = await at.service.commit(other.call)
      seconds.push([body.reason, body.expires_at_ms, body.retry_after_ms, headers.get('retry-after')])
    }
    expect(seconds).toEqual([
      ['reserved', expires_at_ms, 5000, '5'],
      ['reserved', expires_at_ms, 5000, '5'],
      ['reserved', expires_at_ms, 2000, '2'],
      ['reserved', expires_at_ms, 1000, '1'],
    ])
  })

  describe('D-9: the version is taken', () => {
    /** Log v holds what `writer` staged, and the state knows of it; nothing says whose commit it is. */
    async function takenBy(at: Table, text: string, state: Record<string, unknown> = {}): Promise<void> {
      await at.bucket.write(logKey(at.root, v), text)
      await at.setState({ latest_version: v, inflight: null, revision: 9, ...state })
    }

    test('by other bytes: stale_read_version', async () => {
      const at = await table()
      const k = await at.writer('K', n)
      await at.committed('L', n)
      expect(at.told(await at.service.commit(k.call), n)).toBe('409 stale_read_version latest v')
    })

    test('by exactly these bytes and no marker: outcome_unverifiable, which is not definite (C11)', async () => {
      const at = await table()
      const k = await at.writer('K', n)
      await takenBy(at, k.payload)
      const answer = await at.service.commit(k.call)
      expect(at.told(answer, n)).toBe('409 outcome_unverifiable')
      expect(answer.body.committed_version).toBe(v)
    })

    test('the same after this request has dropped a reservation that was in its way', async () => {
      const at = await table()
      const k = await at.writer('K', n)
      const lost = await at.writer('L', v)
      await takenBy(at, k.payload, { inflight: fullInflight(at, lost) })
      await at.bucket.remove(lost.call.staged_path)
      waitUntil(at.clock, 'after TTL')
      expect(at.told(await at.service.commit(k.call), n)).toBe('409 outcome_unverifiable')
      expect((await at.picture(n)).state).toBe('{v, null}')
    })

    test('by exactly these bytes, and last_commit says it was another key: stale_read_version', async () => {
      const at = await table()
      const k = await at.writer('K', n)
      const twin = await at.writer('twin', n, { payload: k.payload })
      expect(at.told(await at.service.commit(twin.call), n)).toBe('200 v')
      expect(at.told(await at.service.commit(k.call), n)).toBe('409 stale_read_version latest v')
    })

    test('R23: last_commit is unknown where an older writer dropped revision: outcome_unverifiable', async () => {
      const at = await table()
      const k = await at.writer('K', n)
      const twin = await at.writer('twin', n, { payload: k.payload })
      await at.service.commit(twin.call)
      const { revision: _revision, ...state } = await at.state()
      await at.setState(state)
      expect(at.told(await at.service.commit(k.call), n)).toBe('409 outcome_unverifiable')
    })

    test('last_commit is this very key without a marker: it is made durable, 200', async () => {
      const at = await table()
      const k = await at.committed('K', n)
      await at.bucket.remove(at.keys(k, v).marker)
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
      expect((await at.picture(n)).markers).toEqual(['K@v'])
    })

    test('last_commit is this key with another body: key_reuse, and the marker is that of the first', async () => {
      const at = await table()
      const k = await at.committed('K', n)
      const two = await secondBody(at, k, n)
      await at.bucket.remove(at.keys(k, v).marker)
      expect(at.told(await at.service.commit(two.call), n)).toBe('409 key_reuse')
      expect((await at.picture(n)).markers).toEqual(['K@v'])
    })
  })

  describe('D-9a: read_version is above the state', () => {
    test('the log has no such version either: read_version_ahead, retryable, nothing written', async () => {
      const at = await table()
      const k = await at.writer('K', v)
      const before = await at.bucket.all()
      const answer = await at.service.commit(k.call)
      expect(at.told(answer, n)).toBe('409 read_version_ahead latest n')
      expect(answer.body).toMatchObject({ detail: 'stale read_version: expected 0, got 1', retryable: true })
      expect(await at.bucket.all()).toEqual(before)
    })

    test('the log has it: the state catches up without a marker (R4), and the request goes on', async () => {
      const at = await table()
      await at.foreign(v)
      const k = await at.writer('K', v)
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v+1')
      expect(await at.picture(n)).toEqual({
        state: '{v+1, null}',
        log: ['foreign@v', 'K@v+1'],
        markers: ['K@v+1'],
        staged: ['K'],
      })
    })

    test('a state several versions behind catches up one step after another within one request', async () => {
      const at = await table()
      for (const version of [1, 2, 3, 4]) await at.foreign(version)
      const k = await at.writer('K', 4)
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v+4')
    })

    test('a state too far behind for one request: outcome_unknown, and the replay goes on from there (C12)', async () => {
      const at = await table()
      for (let version = 1; version <= 12; version++) await at.foreign(version)
      const k = await at.writer('K', 12)
      expect(at.told(await at.service.commit(k.call), n)).toBe('503 outcome_unknown')
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v+12')
    })
  })

  test('D-10: no version is left above 2^53-1: version_overflow, the state as it was', async () => {
    const at = fresh()
    const k = await at.writer('K', Number.MAX_SAFE_INTEGER)
    await at.setState({ latest_version: Number.MAX_SAFE_INTEGER, inflight: null, revision: 3 })
    const before = await at.bucket.all()
    const answer = await at.service.commit(k.call)
    expect([answer.status, answer.body.reason]).toEqual([409, 'version_overflow'])
    expect(answer.body.detail).toBe('delta version overflow')
    expect(await at.bucket.all()).toEqual(before)
  })

  test('D-11: the largest version can be committed', async () => {
    const at = fresh()
    const k = await at.writer('K', Number.MAX_SAFE_INTEGER - 1)
    await at.setState({ latest_version: Number.MAX_SAFE_INTEGER - 1, inflight: null, revision: 3 })
    expect((await at.service.commit(k.call)).body).toEqual({
      version: Number.MAX_SAFE_INTEGER,
      delta_log_path: `tables/${at.table_id}/_delta_log/00009007199254740991.json`,
    })
  })

  test('D-11: a reservation says everything that others need to finish it', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    await leaveIn(at, 'W1', k, 'tidemark')
    const { inflight } = await at.state()
    expect(inflight).toEqual({
      ...fullInflight(at, k),
      nonce: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
    })
    expect(inflight.payload_sha256).toBe(sha256Hex(k.payload))
  })
})
