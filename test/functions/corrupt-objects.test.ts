import { beforeEach, describe, expect, test } from 'vitest'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import {
  CANARY,
  FOREIGN_PATHS,
  INFLIGHT,
  INVARIANT_CASES,
  KEY,
  KEYS,
  MARKER,
  MARKER_CASES,
  STAGED,
  STATE,
  STATE_CASES,
  TABLE,
  type Bytes,
} from '../support/corrupt-documents.ts'
import { expectProblem } from '../support/problems.ts'
import { testService, type Answer, type CommitCall } from '../support/service.ts'
import { countRounds, readBucket } from '../support/stores.ts'

let store: MemoryStore
let call: CommitCall
beforeEach(() => {
  store = memoryStore()
  call = { table_id: TABLE, read_version: 0, staged_path: STAGED, staged_version: '1', idempotency_key: KEY }
  put(STAGED, `{"commitInfo":{"note":"${CANARY}"}}\n`, '1')
})

const { prefix } = testService(memoryStore())

function put(path: string, bytes: Bytes, token?: string): void {
  store.seed(`${prefix}${path}`, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes, token)
}

/** The three operations that read the state; each must end in `reason`, write nothing and give nothing away. */
const OPERATIONS = {
  commit: async (over: MaintenanceStore) => testService(over).commit(call),
  recover: async (over: MaintenanceStore) => testService(over).recover(TABLE),
  inspect: async (over: MaintenanceStore) => testService(over).inspect(TABLE),
} as const
const OPERATION_NAMES = ['commit', 'recover', 'inspect'] as const

/** Every key that the three operations read. */
async function refusedEverywhere(reason: string): Promise<readonly string[]> {
  const keys: string[] = []
  const before = await readBucket(store)
  for (const operation of OPERATION_NAMES) {
    const counting = countRounds(store)
    const answer: Answer = await OPERATIONS[operation](counting.store)
    expectProblem(answer, { reason })
    expect(JSON.stringify(answer.body)).not.toContain(CANARY)
    expect(JSON.stringify(answer.body)).not.toContain('delta/')
    expect(counting.operations.filter(({ kind }) => kind === 'put')).toEqual([])
    keys.push(...counting.operations.map(({ key }) => key))
    expect(await readBucket(store)).toEqual(before)
  }
  return keys
}

describe('a stored state that breaks its rules, S21, J-5', () => {
  test.each(STATE_CASES)('%s: state_corrupt, left as it is', async (_name, bytes) => {
    put(KEYS.state, bytes)
    await refusedEverywhere('state_corrupt')
  })

  test.each(Object.entries(FOREIGN_PATHS))(
    'a reservation that names %s: state_corrupt, not read (S25)',
    async (_name, path) => {
      put(KEYS.state, JSON.stringify({ ...STATE, inflight: { ...INFLIGHT, staged_path: path } }))
      expect(await refusedEverywhere('state_corrupt')).not.toContain(`${prefix}${path}`)
    },
  )

  test.each(INVARIANT_CASES)('%s: state_invariant, left as it is', async (_name, bytes) => {
    put(KEYS.state, bytes)
    await refusedEverywhere('state_invariant')
  })

  test('the document that all cases spoil is itself accepted', async () => {
    put(KEYS.state, JSON.stringify(STATE))
    const answer = await testService(store).inspect(TABLE)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ ...STATE, crash_window: 'W1', resolution: expect.anything() })
  })
})

describe('a stored marker that breaks its rules, S21, J-5', () => {
  test.each(MARKER_CASES)('%s: marker_corrupt, left as it is', async (_name, bytes) => {
    put(KEYS.state, JSON.stringify(STATE))
    put(KEYS.marker, bytes)
    await refusedEverywhere('marker_corrupt')
  })

  test('the document that all cases spoil is itself accepted', async () => {
    put(KEYS.state, JSON.stringify(STATE))
    put(KEYS.marker, JSON.stringify(MARKER))
    expect((await testService(store).inspect(TABLE)).body).toMatchObject({ crash_window: 'W3' })
  })
})

describe('a first read that is garbled, storage.md 8', () => {
  /** The first GET of a key sees other bytes. */
  function garbled(key: string): MaintenanceStore {
    let reads = 0
    return {
      ...store,
      async get(path, options) {
        const object = await store.get(path, options)
        if (path !== `${prefix}${key}` || object.outcome !== 'ok') return object
        reads += 1
        return reads === 1 ? { ...object, bytes: object.bytes.slice(0, -1) } : object
      },
    }
  }

  test.each(OPERATION_NAMES)('%s reads the state once more, and goes on', async (operation) => {
    put(KEYS.state, JSON.stringify({ ...STATE, inflight: null }))
    expect((await OPERATIONS[operation](garbled(KEYS.state))).status).toBe(200)
  })

  test.each(OPERATION_NAMES)('%s reads the marker once more, and goes on', async (operation) => {
    const service = testService(store)
    const staged = await service.stage(TABLE)
    call = { table_id: TABLE, read_version: -1, ...staged, idempotency_key: KEY }
    expect((await service.commit(call)).status).toBe(200)
    const state = JSON.parse(new TextDecoder().decode(store.peek(`${prefix}${KEYS.state}`)?.bytes))
    const { version, delta_log_path, payload_sha256 } = state.last_commit
    put(
      KEYS.state,
      JSON.stringify({
        latest_version: -1,
        inflight: { ...INFLIGHT, ...staged, read_version: -1, version, delta_log_path, payload_sha256 },
      }),
    )
    const answer = await OPERATIONS[operation](garbled(KEYS.marker))
    expect(answer.status).toBe(200)
    expect(answer.body.version ?? answer.body.latest_version).toBe(operation === 'inspect' ? -1 : 0)
  })

  test.each([
    ['state', KEYS.state, 'state_corrupt'],
    ['marker', KEYS.marker, 'marker_corrupt'],
  ])('a %s that is garbled twice is corrupt: two reads, no third', async (_name, path, reason) => {
    put(KEYS.state, JSON.stringify(STATE))
    put(path, `{"note":"${CANARY}"`)
    const counting = countRounds(store)
    expectProblem(await testService(counting.store).inspect(TABLE), { reason })
    expect(counting.operations.filter(({ key }) => key === `${prefix}${path}`)).toHaveLength(2)
  })
})
