import { describe, expect, test } from 'vitest'
import { arcoLegacyHash } from '../../support/arco-documents.ts'
import { dyingAfter } from '../../support/crash-windows.ts'
import { mixedTable, type MixedTable, type StagedRequest } from '../../support/mixed-table.ts'
import { commitKeys, freshPayload, sha256Hex, testClock, testService } from '../../support/service.ts'

/** The stored state with every member that is there. */
// oxlint-disable-next-line typescript/no-explicit-any -- JSON of any shape; tests assert on it
function stateOf(table: MixedTable): any {
  return JSON.parse(table.text(table.state_key) ?? 'null')
}

/** Write another state by hand, under a token of its own. */
function replaceState(table: MixedTable, state: unknown): void {
  table.store.seed(table.state_key, new TextEncoder().encode(JSON.stringify(state)))
}

async function commitNew(table: MixedTable, read_version: number, payload?: string): Promise<StagedRequest> {
  const request = await table.request(read_version, payload)
  expect(await table.commit('tidemark', request)).toEqual({ version: read_version + 1 })
  return request
}

describe('revision (coordinator.md 3.1)', () => {
  test('starts at now_ms and grows by one with every write', async () => {
    const table = mixedTable('content')
    const start_ms = table.clock.now_ms
    await commitNew(table, -1)
    expect(stateOf(table).revision).toBe(start_ms + 1)
    table.clock.advance(60_000)
    await commitNew(table, 0)
    expect(stateOf(table).revision).toBe(start_ms + 3)
  })

  test('R23 restarts at now_ms after Arco has rewritten the idle state', async () => {
    const table = mixedTable('content')
    await commitNew(table, -1)
    table.rewriteByArco()
    expect(stateOf(table)).toEqual({ latest_version: 0, inflight: null })
    table.clock.advance(10_000)
    await commitNew(table, 0)
    expect(stateOf(table).revision).toBe(table.clock.now_ms + 1)
  })

  test('R23 restarts at now_ms after Arco has rewritten a reservation of ours', async () => {
    const table = mixedTable('content')
    await commitNew(table, -1)
    const request = await table.request(0)
    await table.commit('tidemark', request, { wrap: dyingAfter(1) })
    expect(Object.keys(stateOf(table).inflight).slice(-3)).toEqual([
      'payload_sha256',
      'delta_log_path',
      'nonce',
    ])
    table.rewriteByArco()
    expect(Object.keys(stateOf(table).inflight).at(-1)).toBe('expires_at_ms')
    table.clock.advance(10_000)
    expect(await table.commit('tidemark', request)).toEqual({ version: 1 })
    expect(stateOf(table).revision).toBe(table.clock.now_ms)
  })
})

describe('last_commit without revision says nothing (R23)', () => {
  /** v0 is committed by Tidemark, its marker is lost, the state is as `rewrite` leaves it. */
  async function withoutMarker(
    rewrite: (table: MixedTable) => void,
  ): Promise<{ readonly table: MixedTable; readonly request: StagedRequest }> {
    const table = mixedTable('counter')
    const request = await commitNew(table, -1)
    table.store.remove(table.markerKey(request))
    rewrite(table)
    return { table, request }
  }

  const UNVERIFIABLE = {
    status: 409,
    reason: 'outcome_unverifiable',
    committed_version: 0,
  }

  async function replay(
    table: MixedTable,
    request: StagedRequest,
  ): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const { payload: _, ...call } = request
    const service = testService(table.store, { clock: testClock(table.clock.now_ms) })
    return service.commit({ table_id: table.table_id, ...call })
  }

  test('with it, the lost marker is written again and the answer is 200', async () => {
    const { table, request } = await withoutMarker(() => undefined)
    expect(await replay(table, request)).toMatchObject({ status: 200, body: { version: 0 } })
    expect(table.text(table.markerKey(request))).toContain(`"idempotency_key":"${request.idempotency_key}"`)
  })

  test.each([
    ['Arco dropped both', (table: MixedTable): void => table.rewriteByArco()],
    [
      'only revision is gone',
      (table: MixedTable): void => {
        const { revision: _, ...rest } = stateOf(table)
        replaceState(table, rest)
      },
    ],
  ])(
    '%s: our bytes in the log without a marker are outcome_unverifiable, never stale',
    async (_, rewrite) => {
      const { table, request } = await withoutMarker(rewrite)
      const before = table.text(table.state_key)
      const { status, body } = await replay(table, request)
      expect({ status, ...body }).toMatchObject(UNVERIFIABLE)
      expect(table.text(table.markerKey(request))).toBeNull()
      expect(table.text(table.state_key)).toBe(before)
    },
  )

  test('other bytes in the log are a definite stale_read_version', async () => {
    const table = mixedTable('counter')
    await commitNew(table, -1)
    table.rewriteByArco()
    const { status, body } = await replay(table, await table.request(-1))
    expect({ status, ...body }).toMatchObject({
      status: 409,
      reason: 'stale_read_version',
      latest_version: 0,
    })
  })

  test('C21 another key with the very bytes: definite while last_commit names the owner, unverifiable after', async () => {
    const table = mixedTable('counter')
    const payload = freshPayload()
    await commitNew(table, -1, payload)
    const twin = await table.request(-1, payload)
    const named = await replay(table, twin)
    expect({ status: named.status, ...named.body }).toMatchObject({
      status: 409,
      reason: 'stale_read_version',
    })
    table.rewriteByArco()
    const unnamed = await replay(table, twin)
    expect({ status: unnamed.status, ...unnamed.body }).toMatchObject(UNVERIFIABLE)
  })
})

describe('unknown members (J-2, CO-23)', () => {
  const LATER = { x_later: { deep: [1, 'two', null], big: '9007199254740993' } }

  test('are preserved by reserve, finalize and recover while revision is there', async () => {
    const table = mixedTable('counter')
    await commitNew(table, -1)
    replaceState(table, { ...stateOf(table), ...LATER })
    await commitNew(table, 0)
    expect(stateOf(table)).toMatchObject({ latest_version: 1, inflight: null, ...LATER })

    const request = await table.request(1)
    await table.commit('tidemark', request, { wrap: dyingAfter(1) })
    const reserved = stateOf(table)
    expect(reserved).toMatchObject(LATER)
    replaceState(table, { ...reserved, inflight: { ...reserved.inflight, ...LATER } })
    expect(await table.commit('tidemark', request)).toEqual({ version: 2 })
    expect(stateOf(table)).toMatchObject({ latest_version: 2, inflight: null, ...LATER })
  })

  test('integers beyond 2^53 in them keep their digits', async () => {
    const table = mixedTable('counter')
    await commitNew(table, -1)
    const stored = table.text(table.state_key) ?? ''
    const later = stored.replace(/\}$/, ',"x_big":9007199254740993}')
    table.store.seed(table.state_key, new TextEncoder().encode(later))
    await commitNew(table, 0)
    expect(table.text(table.state_key)).toMatch(/,"x_big":9007199254740993\}$/)
  })

  test('D-48 are gone after Arco has written, and nothing depended on them', async () => {
    const table = mixedTable('counter')
    await commitNew(table, -1)
    replaceState(table, { ...stateOf(table), ...LATER })
    expect(await table.commit('arco library', await table.request(0))).toEqual({ version: 1 })
    expect(stateOf(table)).toEqual({ latest_version: 1, inflight: null })
    await commitNew(table, 1)
    expect(Object.keys(stateOf(table))).toEqual(['latest_version', 'inflight', 'last_commit', 'revision'])
  })
})

describe('last_commit after a commit whose marker Arco wrote (coordinator.md 3.1)', () => {
  /** Arco died in W3; its markers do not say what was committed. */
  async function recordedByArco(): Promise<{ readonly table: MixedTable; readonly request: StagedRequest }> {
    const table = mixedTable('counter')
    const request = await table.request(-1)
    await table.commit('arco library', request, { wrap: dyingAfter(3) }).catch(() => undefined)
    return { table, request }
  }

  test('is told from the staged bytes that the replay names', async () => {
    const { table, request } = await recordedByArco()
    expect(await table.commit('tidemark', request)).toEqual({ version: 0 })
    expect(stateOf(table).last_commit).toEqual({
      commit_id: request.idempotency_key,
      read_version: -1,
      staged_path: request.staged_path,
      payload_sha256: sha256Hex(request.payload),
      version: 0,
      delta_log_path: commitKeys(table.table_id, request.idempotency_key, 0).log,
    })
  })

  test('is told from the log entry when they are gone', async () => {
    const { table, request } = await recordedByArco()
    table.removeStaged(request)
    expect(await table.commit('tidemark', request)).toEqual({ version: 0 })
    expect(stateOf(table).last_commit).toMatchObject({ payload_sha256: sha256Hex(request.payload) })
  })

  test('is null, and says so, when an early marker tells nothing and they are gone', async () => {
    const { table, request } = await recordedByArco()
    const marker_key = table.markerKey(request)
    const marker = JSON.parse(table.text(marker_key) ?? '')
    const early = { ...marker, request_hash: arcoLegacyHash(request) }
    table.store.seed(marker_key, new TextEncoder().encode(JSON.stringify(early)))
    table.removeStaged(request)
    expect(await table.commit('tidemark', request)).toEqual({ version: 0 })
    expect(stateOf(table)).toEqual({
      latest_version: 0,
      inflight: null,
      last_commit: null,
      revision: table.clock.now_ms,
    })
  })
})
