/** HELP: a reservation that is in the way is finished or dropped. Spec/coordinator.md 6.5, H-1 to H-9 and HP-0 to HP-4. */
import { describe, expect, test } from 'vitest'
import { withFaults } from '../../lib/store/faults.ts'
import {
  dyingAfter,
  fullInflight,
  heldBefore,
  leaveIn,
  MAKERS,
  type Maker,
} from '../support/crash-windows.ts'
import { sha256Hex } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import {
  logKey,
  requestHashOf,
  useTables,
  waitUntil,
  type Picture,
  type ProcessOptions,
  type Table,
  type Writer,
} from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

const DONE: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] }
const ADOPTING: ProcessOptions = { settings: { unknownOwner: () => 'adopt' } }

/** `recover` is HELP and nothing else: what it did, and the bucket afterwards. */
async function helped(at: Table, options: ProcessOptions = {}): Promise<{ action: string; after: Picture }> {
  const answer = await at.process(options).recover(at.table_id)
  return { action: answer.body.action ?? at.told(answer, n), after: await at.picture(n) }
}

describe.each(STORES)('coordinator.md 6.5 on $name', ({ make }) => {
  const fresh = useTables(make)

  /** K is reserved at v and goes no further. */
  async function reserved(
    maker: Maker,
    window: 'W1' | 'W2' | 'W3' = 'W1',
  ): Promise<{ at: Table; k: Writer }> {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await leaveIn(at, window, k, maker)
    return { at, k }
  }

  /** K is committed at v under body 1, and reserved at v+1 under body 2. */
  async function ghost(): Promise<{ at: Table; k: Writer }> {
    const at = fresh()
    await at.history(n)
    const k = await at.committed('K', n)
    const two = await at.writer('K with body 2', v, { idempotency_key: k.call.idempotency_key })
    await at.setState({ latest_version: v, inflight: fullInflight(at, two), revision: 5 })
    return { at, k }
  }

  describe.each(MAKERS)('reserved by %s', (maker) => {
    test('H-1: marker with the reserved version: finalized', async () => {
      const { at } = await reserved(maker, 'W3')
      expect(await helped(at)).toEqual({ action: 'finalized', after: DONE })
    })

    test('H-3: nothing but the reservation, not expired: busy, nothing is written', async () => {
      const { at } = await reserved(maker)
      const before = await at.bucket.all()
      waitUntil(at.clock, 'before TTL')
      expect((await helped(at)).action).toBe('busy')
      expect(await at.bucket.all()).toEqual(before)
    })

    test('H-4: expired, the payload is there: written to the log, recorded, finalized', async () => {
      const { at } = await reserved(maker)
      waitUntil(at.clock, 'after TTL')
      expect(await helped(at)).toEqual({ action: 'rolled_forward', after: DONE })
    })

    test('H-4: the log entry of the owner lands first: adopted because its bytes are equal (R4)', async () => {
      const { at, k } = await reserved(maker)
      waitUntil(at.clock, 'after TTL')
      const helper = heldBefore(at, 'log')
      const answer = helper.service.recover(at.table_id)
      await helper.reached
      await at.bucket.write(logKey(at.root, v), k.payload)
      helper.goOn()
      expect((await answer).body.action).toBe('rolled_forward')
      expect(await at.picture(n)).toEqual(DONE)
    })

    test('H-4: a foreign log entry lands first: H-6', async () => {
      const { at } = await reserved(maker)
      waitUntil(at.clock, 'after TTL')
      const helper = heldBefore(at, 'log')
      const answer = helper.service.recover(at.table_id)
      await helper.reached
      await at.foreign(v)
      helper.goOn()
      expect((await answer).body.action).toBe('abandoned')
      expect(await at.picture(n)).toEqual({ ...DONE, log: ['foreign@v'], markers: [] })
    })

    test('H-5: the log entry is the payload: recorded and finalized at once, without the TTL (HP-3)', async () => {
      const { at, k } = await reserved(maker, 'W2')
      expect(await helped(at)).toEqual({ action: 'rolled_forward', after: DONE })
      const { marker } = at.keys(k, v)
      expect(JSON.parse((await at.bucket.read(marker)) ?? 'null')).toMatchObject({
        request_hash: requestHashOf(k),
        payload_sha256: sha256Hex(k.payload),
        staged_version: k.call.staged_version,
      })
    })

    test('H-6: the log entry is another payload: the version advances, no marker', async () => {
      const { at } = await reserved(maker)
      await at.foreign(v)
      expect(await helped(at)).toEqual({
        action: 'abandoned',
        after: { ...DONE, log: ['foreign@v'], markers: [] },
      })
    })

    test('H-8 abandon: expired, log absent, payload gone: dropped, the version is not used up', async () => {
      const { at, k } = await reserved(maker)
      await at.bucket.remove(k.call.staged_path)
      waitUntil(at.clock, 'after TTL')
      expect(await helped(at)).toEqual({
        action: 'abandoned',
        after: { state: '{n, null}', log: [], markers: [], staged: [] },
      })
    })

    test('H-8 abandon: the payload was replaced by other bytes: never written to the log (R10, C22)', async () => {
      const { at, k } = await reserved(maker)
      await at.bucket.write(k.call.staged_path, '{"commitInfo":{"timestamp":2}}\n')
      waitUntil(at.clock, 'after TTL')
      expect(await helped(at)).toEqual({
        action: 'abandoned',
        after: { state: '{n, null}', log: [], markers: [], staged: ['K (other bytes)'] },
      })
    })

    test.each(['/delta/idempotency/', '/delta/staging/', '/_delta_log/'])(
      'H-9: the read of %s fails: 503 storage_unavailable, nothing changes',
      async (part) => {
        const { at } = await reserved(maker)
        waitUntil(at.clock, 'after TTL')
        const before = await at.bucket.all()
        const blind: ProcessOptions = {
          wrap: (store) =>
            withFaults(store, ({ kind, key }) =>
              kind === 'get' && key.includes(part) ? { fault: 'error_before' } : undefined,
            ),
        }
        expect((await helped(at, blind)).action).toBe('503 storage_unavailable')
        expect(await at.bucket.all()).toEqual(before)
      },
    )
  })

  test.each([
    { log: 'absent', state: '{v, null}', entries: ['K@v'] },
    { log: 'present', state: '{v+1, null}', entries: ['K@v', 'foreign@v+1'] },
  ])('H-2: the key was decided at another version, log $log: the ghost is dropped, $state', async (row) => {
    const { at } = await ghost()
    if (row.log === 'present') await at.foreign(v + 1)
    expect(await helped(at)).toEqual({
      action: 'abandoned',
      after: { state: row.state, log: row.entries, markers: ['K@v'], staged: ['K', 'K with body 2'] },
    })
  })

  describe('H-7: a bare reservation, its payload gone, a log entry that nobody can attribute', () => {
    async function unknownOwner(): Promise<{ at: Table; k: Writer }> {
      const { at, k } = await reserved('arco', 'W2')
      await at.bucket.remove(k.call.staged_path)
      return { at, k }
    }

    test('refuse (default): not adopted, and the owner is told to come back', async () => {
      const { at, k } = await unknownOwner()
      expect(await helped(at)).toEqual({
        action: 'abandoned',
        after: { ...DONE, markers: [], staged: [] },
      })
      expect(at.told(await at.service.commit(k.call), n)).toBe('404 staged_not_found')
    })

    test('adopt: recorded as the owner, and the marker says how (recovered_from_log)', async () => {
      const { at, k } = await unknownOwner()
      expect(await helped(at, ADOPTING)).toEqual({ action: 'rolled_forward', after: { ...DONE, staged: [] } })
      const marker = JSON.parse((await at.bucket.read(at.keys(k, v).marker)) ?? 'null')
      expect(marker.recovered_from_log).toBe(true)
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
    })

    test('adopt is for unknown owners only: a payload that is known to differ is still foreign', async () => {
      const { at } = await reserved('arco')
      await at.foreign(v)
      expect(await helped(at, ADOPTING)).toEqual({
        action: 'abandoned',
        after: { ...DONE, log: ['foreign@v'], markers: [] },
      })
    })

    test('adopt is asked by table', async () => {
      const { at } = await unknownOwner()
      const asked: string[] = []
      const choosing = (table_id: string): 'refuse' => {
        asked.push(table_id)
        return 'refuse'
      }
      await helped(at, { settings: { unknownOwner: choosing } })
      expect(asked).toEqual([at.table_id])
    })
  })

  test('HP-0: the marker turns out to be of another version: a ghost, nothing is recorded for v', async () => {
    const at = fresh()
    await at.history(n)
    const k = await at.committed('K', n)
    const { marker } = at.keys(k, v)
    const recorded = await at.bucket.read(marker)
    const two = await at.writer('K with body 2', v, { idempotency_key: k.call.idempotency_key })
    await at.bucket.remove(marker)
    await at.setState({ latest_version: v, inflight: fullInflight(at, two), revision: 5 })
    await at.bucket.write(logKey(at.root, v + 1), two.payload)
    const helper = heldBefore(at, 'marker')
    const answer = helper.service.recover(at.table_id)
    await helper.reached
    await at.bucket.write(marker, recorded ?? '')
    helper.goOn()
    expect((await answer).body.action).toBe('abandoned')
    expect(await at.picture(n)).toEqual({
      state: '{v+1, null}',
      log: ['K@v', 'K with body 2@v+1'],
      markers: ['K@v'],
      staged: ['K', 'K with body 2'],
    })
  })

  test('HP-1: the owner finalizes first: the helper loses its CAS and changes nothing more', async () => {
    const { at, k } = await reserved('tidemark', 'W2')
    const helper = heldBefore(at, 'finalize')
    const answer = helper.service.recover(at.table_id)
    await helper.reached
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
    const before = await at.bucket.all()
    helper.goOn()
    expect((await answer).body).toMatchObject({ latest_version: v, inflight: null })
    expect(await at.bucket.all()).toEqual(before)
  })

  test('HP-2: the helper fuses its last CAS with its own reservation: two writes of the state in all', async () => {
    const { at } = await reserved('tidemark', 'W2')
    const l = await at.writer('L', v)
    const { revision } = await at.state()
    expect(at.told(await at.service.commit(l.call), n)).toBe('200 v+1')
    expect((await at.state()).revision).toBe(revision + 2)
  })

  test('HP-2: fused, and the helper dies right after: W1 of its own commit, the helped one finalized', async () => {
    const { at, k } = await reserved('tidemark', 'W2')
    const l = await at.writer('L', v)
    // The marker of K, then the fused CAS.
    const dead = await at.process({ wrap: dyingAfter(2) }).commit(l.call)
    expect(dead.status).toBe(503)
    expect(await at.picture(n)).toEqual({ ...DONE, state: '{v, L@v+1}', staged: ['K', 'L'] })
    expect((await at.state()).last_commit.commit_id).toBe(k.call.idempotency_key)
    expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
    expect(at.told(await at.service.commit(l.call), n)).toBe('200 v+1')
  })

  describe('3.1: a reservation at or below latest_version can only be finalized or dropped', () => {
    async function obsolete(log: 'K' | 'foreign'): Promise<{ at: Table; k: Writer }> {
      const at = fresh()
      await at.history(n)
      const k = await at.writer('K', n)
      if (log === 'K') await at.bucket.write(logKey(at.root, v), k.payload)
      else await at.foreign(v)
      await at.setState({ latest_version: v, inflight: fullInflight(at, k), revision: 5 })
      return { at, k }
    }

    test('its payload is in the log: recorded, cleared', async () => {
      const { at, k } = await obsolete('K')
      expect(await helped(at)).toEqual({ action: 'rolled_forward', after: DONE })
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
    })

    test('another payload is in the log: dropped', async () => {
      const { at, k } = await obsolete('foreign')
      expect(at.told(await at.service.commit(k.call), n)).toBe('409 stale_read_version latest v')
      expect(await at.picture(n)).toEqual({ ...DONE, log: ['foreign@v'], markers: [] })
    })

    test('its log entry was lost: dropped after the TTL, and never written again', async () => {
      const { at, k } = await obsolete('foreign')
      await at.bucket.remove(logKey(at.root, v))
      waitUntil(at.clock, 'after TTL')
      expect(at.told(await at.service.commit(k.call), n)).toBe('409 stale_read_version latest v')
      expect(await at.picture(n)).toEqual({ ...DONE, log: [], markers: [] })
    })
  })
})
