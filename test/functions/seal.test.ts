/** Policy `seal`: a version whose payload is lost is closed with a no-op commit. Spec/coordinator.md 6.5 H-8 and HP-6. */
import { describe, expect, test } from 'vitest'
import { heldBefore, leaveIn } from '../support/crash-windows.ts'
import { sha256Hex } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import {
  logKey,
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

const SEALING: ProcessOptions = { settings: { lostPayload: () => 'seal' } }
const SEALED: Picture = { state: '{v, null}', log: ['seal@v'], markers: [], staged: [] }
const DROPPED: Picture = { state: '{n, null}', log: [], markers: [], staged: [] }

describe.each(STORES)('policy seal on $name', ({ make }) => {
  const fresh = useTables(make)

  /** K is reserved at v, its payload is gone and its TTL has passed. */
  async function lost(): Promise<{ at: Table; k: Writer }> {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await leaveIn(at, 'W1', k, 'tidemark')
    await at.bucket.remove(k.call.staged_path)
    waitUntil(at.clock, 'after TTL')
    return { at, k }
  }

  /** The same, over a last entry of one's own choosing. */
  async function lostAfter(previous: string | null): Promise<Table> {
    const at = fresh()
    const k = await at.writer('K', n)
    if (previous !== null) await at.foreign(n, previous)
    await at.setState({ latest_version: n, inflight: null, revision: 1 })
    if (previous === null) await at.foreign(n)
    await leaveIn(at, 'W1', k, 'tidemark')
    if (previous === null) await at.bucket.remove(logKey(at.root, n))
    await at.bucket.remove(k.call.staged_path)
    waitUntil(at.clock, 'after TTL')
    return at
  }

  async function sealed(at: Table): Promise<Record<string, unknown>> {
    await at.process(SEALING).recover(at.table_id)
    const text = (await at.bucket.read(logKey(at.root, v))) ?? '{}'
    return JSON.parse(text).commitInfo
  }

  test('H-8: closed with a no-op commit, no marker, and the version is used up', async () => {
    const { at, k } = await lost()
    const answer = await at.process(SEALING).recover(at.table_id)
    expect(answer.body).toMatchObject({ action: 'abandoned', latest_version: v, inflight: null })
    expect(await at.picture(n)).toEqual(SEALED)
    expect(at.told(await at.service.commit(k.call), n)).toBe('404 staged_not_found')
    const next = await at.writer('next', v)
    expect(at.told(await at.service.commit(next.call), n)).toBe('200 v+1')
  })

  test('HP-6: one commitInfo line and LF, byte for byte but for its id', async () => {
    const { at } = await lost()
    await at.process({ settings: { lostPayload: () => 'seal', product: 'tidemark/9' } }).recover(at.table_id)
    const text = (await at.bucket.read(logKey(at.root, v))) ?? ''
    const { txnId } = JSON.parse(text).commitInfo
    expect(txnId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(text).toBe(
      `{"commitInfo":{"timestamp":${at.clock.now_ms},"operation":"NOOP","operationParameters":{},"engineInfo":"tidemark/9","txnId":"${txnId}"}}\n`,
    )
  })

  test('HP-6: two seals are never equal', async () => {
    const ids = [await sealed((await lost()).at), await sealed((await lost()).at)].map(({ txnId }) => txnId)
    expect(new Set(ids).size).toBe(2)
  })

  describe('HP-6: in-commit timestamps', () => {
    const FAR = 4_102_444_800_000

    test('the previous one is in the past: now', async () => {
      const at = await lostAfter('{"commitInfo":{"inCommitTimestamp":1739443000000}}\n')
      expect(await sealed(at)).toMatchObject({
        inCommitTimestamp: at.clock.now_ms,
        timestamp: at.clock.now_ms,
      })
    })

    test('the previous one is ahead of the clock: one more than that', async () => {
      const at = await lostAfter(`{"commitInfo":{"timestamp":1,"inCommitTimestamp":${FAR}}}\n{"add":{}}\n`)
      expect(await sealed(at)).toMatchObject({ inCommitTimestamp: FAR + 1, timestamp: at.clock.now_ms })
    })

    test('the commitInfo is not the first line, lines end in CRLF: found all the same', async () => {
      const at = await lostAfter(`{"protocol":{}}\r\n\r\n{"commitInfo":{"inCommitTimestamp":${FAR}}}\r\n`)
      expect(await sealed(at)).toMatchObject({ inCommitTimestamp: FAR + 1 })
    })

    test('the previous entry has none: none is added', async () => {
      const at = await lostAfter('{"commitInfo":{"timestamp":1739443000000}}\n')
      expect(await sealed(at)).not.toHaveProperty('inCommitTimestamp')
    })

    test.each([
      ['is not there', null],
      ['is not JSON', 'not json\n'],
      ['has a timestamp that is no integer', '{"commitInfo":{"inCommitTimestamp":"soon"}}\n'],
    ])('the previous entry %s: abandoned instead', async (_why, previous) => {
      const at = await lostAfter(previous)
      const answer = await at.process(SEALING).recover(at.table_id)
      expect(answer.body).toMatchObject({ action: 'abandoned', inflight: null, latest_version: n })
      expect(await at.bucket.read(logKey(at.root, v))).toBeNull()
    })
  })

  test('never for version 0 (DL-350): abandoned', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    await leaveIn(at, 'W1', k, 'tidemark')
    await at.bucket.remove(k.call.staged_path)
    waitUntil(at.clock, 'after TTL')
    await at.process(SEALING).recover(at.table_id)
    expect(await at.picture(-1)).toEqual(DROPPED)
  })

  test('not before the TTL: busy', async () => {
    const { at } = await lost()
    const before = await at.bucket.all()
    waitUntil(at.clock, 'before TTL')
    expect((await at.process(SEALING).recover(at.table_id)).body.action).toBe('busy')
    expect(await at.bucket.all()).toEqual(before)
  })

  test('not when the payload is there: rolled forward', async () => {
    const { at, k } = await lost()
    await at.bucket.write(k.call.staged_path, k.payload)
    expect((await at.process(SEALING).recover(at.table_id)).body.action).toBe('rolled_forward')
    expect(await at.picture(n)).toEqual({ ...SEALED, log: ['K@v'], markers: ['K@v'], staged: ['K'] })
  })

  describe('something else takes the version first', () => {
    /** The helper is about to write its no-op; `lands` is put there instead. */
    async function raced(
      lands: (at: Table, k: Writer) => Promise<unknown>,
    ): Promise<{ at: Table; action: string }> {
      const { at, k } = await lost()
      const helper = heldBefore(at, 'log', SEALING)
      const answer = helper.service.recover(at.table_id)
      await helper.reached
      await lands(at, k)
      helper.goOn()
      return { at, action: (await answer).body.action }
    }

    test("the owner's own entry: it is committed after all (H-5)", async () => {
      const { at, action } = await raced(async (table, k) =>
        table.bucket.write(logKey(table.root, v), k.payload),
      )
      expect(action).toBe('rolled_forward')
      expect(await at.picture(n)).toEqual({ ...SEALED, log: ['K@v'], markers: ['K@v'] })
    })

    test('a foreign entry: the version advances without a marker (H-6)', async () => {
      const { at, action } = await raced(async (table) => table.foreign(v))
      expect(action).toBe('abandoned')
      expect(await at.picture(n)).toEqual({ ...SEALED, log: ['foreign@v'] })
    })

    test("another helper's seal: the version is closed once", async () => {
      const { at, action } = await raced(async (table) => table.process(SEALING).recover(table.table_id))
      expect(['abandoned', 'none']).toContain(action)
      expect(await at.picture(n)).toEqual(SEALED)
    })
  })

  test('the no-op belongs to nobody: another key does not take it for its own', async () => {
    const { at } = await lost()
    await at.process(SEALING).recover(at.table_id)
    const late = await at.writer('late', n)
    expect(at.told(await at.service.commit(late.call), n)).toBe('409 stale_read_version latest v')
    expect(sha256Hex((await at.bucket.read(logKey(at.root, v))) ?? '')).not.toBe(sha256Hex(late.payload))
  })
})
