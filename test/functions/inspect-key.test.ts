/** `GET …/inspect/key`: where the commit of a key stands, in every crash window, without sending it again. */
import { describe, expect, test } from 'vitest'
import { leaveIn, WINDOWS, type Window } from '../support/crash-windows.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, sha256Hex, type Answer } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { useTables, type Table } from '../support/tables.ts'

const STAGE: Readonly<Record<Window, string>> = {
  W0: 'unseen',
  W1: 'reserved',
  W2: 'logged',
  W3: 'recorded',
  W4: 'finalized',
}

const [MEMORY] = STORES

describe('on the memory store', () => {
  if (MEMORY === undefined) throw new Error('expected a memory store')
  const fresh = useTables(MEMORY.make)

  async function lookUp(at: Table, key: string): Promise<Answer> {
    return at.process().request('GET', `/api/v1/delta/tables/${at.table_id}/inspect/key`, undefined, {
      'idempotency-key': key,
    })
  }

  test.each(WINDOWS)('%s', async (window) => {
    const at = fresh()
    await at.history(0)
    const k = await at.writer('K', 0)
    await leaveIn(at, window, k, 'tidemark')
    const before = await at.bucket.all()
    const { status, body } = await lookUp(at, k.call.idempotency_key)
    expect(status).toBe(200)
    expect(await at.bucket.all()).toEqual(before)
    expect(body).toMatchObject({
      idempotency_key_hash: sha256Hex(k.call.idempotency_key),
      stage: STAGE[window],
      version: window === 'W0' ? null : 1,
      has_log_entry: window === 'W0' ? null : window !== 'W1',
      crash_window: window === 'W0' || window === 'W4' ? null : window,
    })
    const is_open = window === 'W1' || window === 'W2' || window === 'W3'
    const { table_id: _table, ...call } = k.call
    expect(body.resolution?.replay.body ?? null).toEqual(is_open ? call : null)
    expect(JSON.stringify(body).includes(k.call.idempotency_key)).toBe(is_open)
  })

  test('a key that nobody used, while another is in flight', async () => {
    const at = fresh()
    await at.history(0)
    const k = await at.writer('K', 0)
    await leaveIn(at, 'W1', k, 'tidemark')
    expect((await lookUp(at, freshId())).body).toMatchObject({
      stage: 'unseen',
      version: null,
      resolution: null,
    })
  })

  test('a key that is none is refused', async () => {
    expectProblem(await lookUp(fresh(), 'k'), {
      reason: 'bad_request',
      detail: 'Idempotency-Key must be a valid UUID',
    })
  })
})
