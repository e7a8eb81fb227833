/**
 * The table of http-api.md 11, each limit from both sides. What only sockets show (bytes that
 * Node's parser refuses, disconnects) is in bad-input-wire, node-server and client-disconnect.
 */
import { describe, expect, test } from 'vitest'
import { DEFAULT_COMPACTOR_SETTINGS } from '../../functions/compactor-settings.ts'
import { withFaults } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { compactorBench } from '../support/compactor-bench.ts'
import { expectProblem } from '../support/problems.ts'
import { idAt } from '../support/projection-events.ts'
import { freshId, freshPayload, START_MS, testClock, testService, type Answer } from '../support/service.ts'

const LOCK_PATH = 'locks/orchestration.compaction.lock.json'
const LISTS = 'state/orchestration/rebuilds/'

/** Arrays inside one another, in a member that every route refuses for being unknown. */
function nested(depth: number): string {
  return `{"more":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
}

describe('the header block', () => {
  /** Characters of `x-filler` and the headers that the request has anyway come to exactly `chars`. */
  async function askWith(chars: number): Promise<Answer> {
    const rest = 'x-filler'.length + 4
    return testService(memoryStore()).request('GET', '/health', undefined, {
      'x-filler': 'x'.repeat(chars - rest),
    })
  }

  test('of 16 KiB is read', async () => {
    expect((await askWith(16 * 1024)).status).toBe(200)
  })

  test('of one character more is not', async () => {
    expectProblem(await askWith(16 * 1024 + 1), {
      reason: 'bad_request',
      detail: /16384 characters of headers/,
    })
  })
})

describe('JSON', () => {
  test.each([
    [64, /unknown member/],
    [65, /64 containers/],
  ])('%d containers deep', async (depth, detail) => {
    const at = `/api/v1/delta/tables/${freshId()}/recover`
    const answer = await testService(memoryStore()).request('POST', at, nested(depth))
    expectProblem(answer, { reason: 'bad_request', detail })
  })
})

describe('texts of 1024 characters', () => {
  async function commit(members: Readonly<Record<string, unknown>>): Promise<string> {
    const it = testService(memoryStore())
    const table_id = freshId()
    const { body } = await it.commit({
      table_id,
      read_version: -1,
      ...(await it.stage(table_id)),
      idempotency_key: freshId(),
      ...members,
    })
    return `${body.reason}: ${body.detail}`
  }

  test('staged_version: 1024 is another version, 1025 is no version', async () => {
    expect(await commit({ staged_version: '7'.repeat(1024) })).toMatch(/^staged_version_mismatch/)
    expect(await commit({ staged_version: '7'.repeat(1025) })).toMatch(/^bad_request: .*staged_version/)
  })

  test('staged_path has one form, which is shorter: no longer one is a path', async () => {
    for (const length of [1024, 1025, 60_000]) {
      expect(await commit({ staged_path: 'x'.repeat(length) })).toMatch(
        /^bad_request: staged_path must start/,
      )
    }
  })

  test('rebuild_manifest_path', async () => {
    const bench = compactorBench()
    const path = (chars: number): string => `${LISTS}${'a'.repeat(chars - LISTS.length - 5)}.json`
    const read = await bench.rebuild({ rebuild_manifest_path: path(900) })
    expectProblem(read, { reason: 'rebuild_manifest_not_found' })
    const refused = await bench.rebuild({ rebuild_manifest_path: path(1025) })
    expectProblem(refused, { reason: 'bad_request', detail: /at most 1024 characters/ })
  })

  test('lock_path', async () => {
    const bench = compactorBench()
    const body = { event_paths: [], fencing_token: 1 }
    const wrong = await bench.compact({ ...body, lock_path: LOCK_PATH.padEnd(1024, 'x') })
    expectProblem(wrong, { reason: 'bad_request', detail: 'core error: invalid input: invalid lock_path' })
    const long = await bench.compact({ ...body, lock_path: LOCK_PATH.padEnd(1025, 'x') })
    expectProblem(long, { reason: 'bad_request', detail: /lock_path must have at most 1024 characters/ })
  })
})

describe('the deadline of a stage', () => {
  /** Every put stores nothing, and takes this long by the clock. */
  async function stageOn(put_ms: number): Promise<{ readonly answer: Answer; readonly elapsed_ms: number }> {
    const clock = testClock()
    const slow = withFaults(memoryStore(), ({ kind }) => {
      clock.advance(put_ms)
      return kind === 'put' ? { fault: 'lost_request' } : undefined
    })
    const it = testService(slow, { clock, resolver: { mode: 'legacy' } })
    const at = `/api/v1/delta/tables/${freshId()}/commits/stage`
    const answer = await it.request('POST', at, { payload: freshPayload() })
    return { answer, elapsed_ms: clock.now_ms - START_MS }
  }

  test('30 s: nothing that matters was written, so it is storage_unavailable, and no call begins after it', async () => {
    const { answer, elapsed_ms } = await stageOn(8_000)
    expectProblem(answer, { reason: 'storage_unavailable' })
    expect(elapsed_ms).toBeLessThanOrEqual(30_000 + 8_000)
  })
})

describe('S19: a list of events that are not there', () => {
  test('ends after the first thousand, not after as many reads as it has lines', async () => {
    let reads = 0
    const bench = compactorBench({
      wrap: (store) => ({
        ...store,
        async get(key, options) {
          if (key.includes('/ledger/')) reads += 1
          return store.get(key, options)
        },
      }),
    })
    const missing = Array.from(
      { length: 5_000 },
      (_, number) => `ledger/orchestration/2026-02-21/${idAt(number)}.json`,
    )
    const answer = await bench.rebuild({ rebuild_manifest_path: bench.list('missing', missing) })
    expectProblem(answer, { reason: 'event_not_found' })
    expect([answer.body.paths.length, answer.body.truncated]).toEqual([1_000, true])
    expect(reads).toBeLessThanOrEqual(1_000 + DEFAULT_COMPACTOR_SETTINGS.projection.reads_max)
  })
})
