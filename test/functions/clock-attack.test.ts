/** Clocks that are wrong on purpose (correctness.md S34, R12): they decide when others may help, never what is true. */
import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../functions/environment.ts'
import { Process } from '../../lib/gates/process.ts'
import { commit } from '../../lib/protocol/delta/commit.ts'
import type { CommitResult } from '../../lib/protocol/delta/outcomes.ts'
import { tableResolver } from '../../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS } from '../../lib/protocol/delta/settings.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import { deployment, PRIVATE } from '../support/deployment.ts'
import { expectProblem } from '../support/problems.ts'
import { commitKeys, freshId, START_MS, testService, type CommitCall } from '../support/service.ts'
import { SECRET, signed, USER_CLAIMS } from '../support/tokens.ts'

const YEAR_MS = 365 * 24 * 3_600_000
const CLOCKS = { right: 0, 'a year ahead': YEAR_MS, 'a year behind': -YEAR_MS }
const TTLS = { 'no time': 0, 'five minutes': 300_000, 'a century': 100 * YEAR_MS }

const CASES = Object.entries(CLOCKS).flatMap(([owner, owner_ms]) =>
  Object.entries(CLOCKS).flatMap(([other, other_ms]) =>
    Object.entries(TTLS).map(([ttl, ttl_ms]) => ({ owner, owner_ms, other, other_ms, ttl, ttl_ms })),
  ),
)

describe('two writers of one version whose clocks disagree, S34', () => {
  test.each(CASES)(
    'clock $owner, clock $other, a TTL of $ttl: one entry a version, and every 200 stays true',
    async ({ owner_ms, other_ms, ttl_ms }) => {
      // Wherever the first one stops, the second goes as far as it may; then the first one wakes up.
      for (const stops_after of [0, 1, 2, 3]) {
        const table = await openTable(ttl_ms)
        const first = await table.request()
        const second = await table.request()
        const asleep = table.start(first, owner_ms)
        await asleep.runUntil((_, written) => written === stops_after)
        const answers: [CommitCall, CommitResult][] = [[second, await table.run(second, other_ms)]]
        answers.push([first, await asleep.finish()])
        for (const call of [first, second, first]) answers.push([call, await table.run(call, other_ms)])
        const versions = new Map<CommitCall, Set<number>>([
          [first, new Set()],
          [second, new Set()],
        ])
        for (const [call, answer] of answers) if (answer.ok) versions.get(call)?.add(answer.version)
        const won = [...versions].filter(([, seen]) => seen.size > 0)
        expect(won).toHaveLength(1)
        for (const [call, seen] of won) {
          expect([...seen]).toEqual([0])
          expect(table.text(commitKeys(call.table_id, call.idempotency_key, 0).log)).toBe(table.payload(call))
        }
        expect(table.text(commitKeys(first.table_id, '', 1).log)).toBeNull()
      }
    },
  )
})

test('S34: a token is judged by the clock of the server, whatever time the request claims', async () => {
  const service = await deployment(PRIVATE, memoryStore())
  const expired = await signed(USER_CLAIMS, SECRET, { expires_in_s: -3_600 })
  const early = new Date(Date.now() - 2 * 3_600_000).toUTCString()
  const answer = await service.ask('GET', `/api/v1/delta/tables/${freshId()}/inspect`, {
    token: expired,
    headers: { date: early, 'x-request-time': early },
  })
  expectProblem(answer, { reason: 'invalid_token' })
})

async function openTable(ttl_ms: number): Promise<{
  request(): Promise<CommitCall>
  start(call: CommitCall, ahead_ms: number): Process<CommitResult>
  run(call: CommitCall, ahead_ms: number): Promise<CommitResult>
  payload(call: CommitCall): string | null
  text(path: string): string | null
}> {
  const store = memoryStore()
  const service = testService(store)
  const { scope, prefix } = service
  const table_id = freshId()
  const resolver = tableResolver(
    { mode: 'legacy' },
    { ...scope, bucket: { scheme: 'memory', authority: '' } },
  )
  const text = (path: string): string | null => {
    const object = store.peek(prefix + path)
    return object === undefined || object === null ? null : new TextDecoder().decode(object.bytes)
  }
  const start = (call: CommitCall, ahead_ms: number): Process<CommitResult> =>
    new Process(
      commit(call, { ...DEFAULT_SETTINGS, ttl_ms }, store.capabilities),
      createEnvironment({
        store: scopedStore(store, scope),
        resolver,
        note: () => undefined,
        overrides: { now: () => START_MS + ahead_ms, monotonic: () => 0, sleep: async () => undefined },
      }),
    )
  return {
    start,
    text,
    async request() {
      const staged = await service.stage(table_id)
      return { table_id, read_version: -1, ...staged, idempotency_key: freshId() }
    },
    run: async (call, ahead_ms) => start(call, ahead_ms).finish(),
    payload: ({ staged_path }) => text(staged_path),
  }
}
