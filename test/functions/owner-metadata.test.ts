/** Owner metadata on log entries (spec/correctness.md R25): on stores that keep it, a slot says whose commit it holds. */
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../lib/store/memory.ts'
import { arcoInflight } from '../support/crash-windows.ts'
import { sha256Hex } from '../support/service.ts'
import { logKey, requestHashOf, useTables, type Picture, type Table, type Writer } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

const DONE: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] }

describe('R25 on a store that keeps owner metadata', () => {
  let store = memoryStore({ meta: true })
  const fresh = useTables(() => {
    store = memoryStore({ meta: true })
    return { store, close: () => undefined }
  })
  const ofKey = (k: Writer, request_hash = requestHashOf(k)): Record<string, string> => ({
    'tidemark-commit-id': sha256Hex(k.call.idempotency_key),
    'tidemark-request-hash': request_hash,
  })

  /** A bare reservation in W2, its payload gone; the log entry says whose it is. */
  async function attributed(meta: (k: Writer) => Record<string, string>): Promise<{ at: Table; k: Writer }> {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await at.bucket.write(logKey(at.root, v), k.payload, meta(k))
    await at.setState({ latest_version: n, inflight: arcoInflight(k) })
    await at.bucket.remove(k.call.staged_path)
    return { at, k }
  }

  test('H-5: the entry names the owner: recorded although the payload is unknown', async () => {
    const { at } = await attributed(ofKey)
    expect((await at.service.recover(at.table_id)).body.action).toBe('rolled_forward')
    expect(await at.picture(n)).toEqual({ ...DONE, staged: [] })
  })

  test('H-5: the entry names the owner and another body of its: nothing is recorded for this one (C1)', async () => {
    const { at, k } = await attributed((owner) => ofKey(owner, sha256Hex('another body')))
    expect((await at.service.recover(at.table_id)).body.action).toBe('abandoned')
    expect(await at.picture(n)).toEqual({ ...DONE, markers: [], staged: [] })
    expect(at.told(await at.service.commit(k.call), n)).toBe('409 key_reuse')
  })

  test('H-7: the entry names another key: foreign, policy adopt does not change that', async () => {
    const { at } = await attributed((k) => ({
      ...ofKey(k),
      'tidemark-commit-id': sha256Hex('somebody else'),
    }))
    const adopting = at.process({ settings: { unknownOwner: () => 'adopt' } })
    expect((await adopting.recover(at.table_id)).body.action).toBe('abandoned')
    expect(await at.picture(n)).toEqual({ ...DONE, markers: [], staged: [] })
  })

  test('6.4: equal bytes of another key are not this commit: log_conflict', async () => {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await at.bucket.write(logKey(at.root, v), k.payload, {
      ...ofKey(k),
      'tidemark-commit-id': sha256Hex('somebody else'),
    })
    expect(at.told(await at.service.commit(k.call), n)).toBe('409 log_conflict latest v')
    expect((await at.picture(n)).markers).toEqual([])
  })

  test.each([
    { row: 'D-6', act: 'deleted' },
    { row: 'D-7', act: 'put again' },
  ])(
    '$row: the payload was $act, the entry at read_version+1 is this request: recorded, 200',
    async ({ act }) => {
      const { at, k } = await attributed(ofKey)
      await at.setState({ latest_version: v, inflight: null, revision: 4 })
      if (act === 'put again') await at.bucket.write(k.call.staged_path, k.payload)
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
      expect((await at.picture(n)).markers).toEqual(['K@v'])
    },
  )

  test('D-6: the entry is this key with another body: key_reuse', async () => {
    const { at, k } = await attributed((owner) => ofKey(owner, sha256Hex('another body')))
    await at.setState({ latest_version: v, inflight: null, revision: 4 })
    expect(at.told(await at.service.commit(k.call), n)).toBe('409 key_reuse')
  })

  test.each(['gone', 'there'])(
    'the entry names this key and no request, its payload is %s: not definite (C11)',
    async (payload) => {
      const { at, k } = await attributed((owner) => ({
        'tidemark-commit-id': sha256Hex(owner.call.idempotency_key),
      }))
      await at.setState({ latest_version: v, inflight: null, revision: 4 })
      const staged_version =
        payload === 'there' ? await at.bucket.write(k.call.staged_path, k.payload) : k.call.staged_version
      const answer = await at.service.commit({ ...k.call, staged_version })
      expect(at.told(answer, n)).toBe('409 outcome_unverifiable')
      expect((await at.picture(n)).markers).toEqual([])
    },
  )

  test('D-6: says whether the version exists', async () => {
    const { at, k } = await attributed(() => ({}))
    await at.setState({ latest_version: v, inflight: null, revision: 4 })
    expect((await at.service.commit(k.call)).body).toMatchObject({
      reason: 'staged_not_found',
      log_version_exists: true,
    })
    await at.bucket.remove(logKey(at.root, v))
    expect((await at.service.commit(k.call)).body.log_version_exists).toBe(false)
  })

  test.each([
    { whose: 'its own', other: false, told: '200 v', markers: ['K@v'] },
    { whose: "another key's", other: true, told: '409 stale_read_version latest v', markers: [] },
  ])('D-9: exactly these bytes, and they are $whose: $told', async ({ other, told, markers }) => {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    const meta = other ? { ...ofKey(k), 'tidemark-commit-id': sha256Hex('somebody else') } : ofKey(k)
    await at.bucket.write(logKey(at.root, v), k.payload, meta)
    await at.setState({ latest_version: v, inflight: null, revision: 4 })
    expect(at.told(await at.service.commit(k.call), n)).toBe(told)
    expect((await at.picture(n)).markers).toEqual(markers)
  })

  test("the log entry of every commit carries its owner, and its bytes stay the client's", async () => {
    const at = fresh()
    const k = await at.committed('K', -1)
    const entry = store.peek(`${at.service.prefix}${logKey(at.root, 0)}`)
    expect(entry?.meta).toEqual(ofKey(k))
    expect(new TextDecoder().decode(entry?.bytes)).toBe(k.payload)
  })
})
