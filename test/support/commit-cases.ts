/**
 * The rows of spec/coordinator.md 13 as data: what is in the bucket before, the one request that the row is about, how
 * many sequential rounds it may take, what it answers and what it leaves behind. `round-trips.test.ts` counts them,
 * `every-write-fails.test.ts` breaks each of their store operations in turn.
 */
import type { Answer, TestService } from './service.ts'
import {
  PAST_TTL_MS,
  TABLE_ID,
  type CrashBefore,
  type TableView,
  type World,
  type Writer,
} from './commit-world.ts'

/** The request that a case is about. */
export type Act =
  | { readonly act: 'stage'; readonly payload: string }
  | { readonly act: 'commit'; readonly writer: Writer }
  | { readonly act: 'recover' }

/** Send the request; the same one again is its replay. */
export async function sendAct(process: TestService, act: Act): Promise<Answer> {
  switch (act.act) {
    case 'stage':
      return process.request('POST', `/api/v1/delta/tables/${TABLE_ID}/commits/stage`, {
        payload: act.payload,
      })
    case 'commit':
      return process.commit(act.writer.call)
    case 'recover':
      return process.recover(TABLE_ID)
  }
}

/** One row. */
export interface CommitCase {
  /** The row's own words; with `recover` or an addition of ours where the table has none. */
  readonly row: string
  /** The base lane's column; null where the table has no row. */
  readonly rounds: number | null
  readonly answer: { readonly status: number; readonly reason?: string; readonly version?: number }
  /** Why a replay is refused, where that may be another reason than the first time. */
  readonly replays?: readonly string[]
  /** What must lie in the bucket afterwards, by hand from spec/coordinator.md 7. */
  readonly after: TableView
  /** Fill the bucket. `it` is the process that will serve the request, for what it must have done before. */
  prepare(world: World, it: TestService): Promise<Act>
}

const NOTHING: TableView = { latest_version: null, inflight: null, last_commit: null, log: {}, markers: {} }
const K_COMMITTED: TableView = {
  latest_version: 0,
  inflight: null,
  last_commit: 'K',
  log: { 0: 'K' },
  markers: { K: 0 },
}
const K_RESERVED: TableView = { ...NOTHING, latest_version: -1, inflight: 'K' }
const K_DROPPED: TableView = { ...NOTHING, latest_version: -1 }
const BOTH_COMMITTED: TableView = {
  latest_version: 1,
  inflight: null,
  last_commit: 'L',
  log: { 0: 'K', 1: 'L' },
  markers: { K: 0, L: 1 },
}
const STALE = { status: 409, reason: 'stale_read_version' }

/** K commits and dies in front of `before`. */
async function crashK(world: World, before: CrashBefore): Promise<Writer> {
  const writer = await world.writer('K', -1)
  await world.crash(writer, before)
  return writer
}

/** K dies, then L comes along with its own key. */
async function otherKey(world: World, before: CrashBefore, read_version: number): Promise<Act> {
  await crashK(world, before)
  return { act: 'commit', writer: await world.writer('L', read_version) }
}

/** K is committed and finalized. */
async function committedK(world: World, by: TestService = world.healthy): Promise<Writer> {
  const writer = await world.writer('K', -1, { by })
  const answer = await by.commit(writer.call)
  if (answer.status !== 200) throw new Error(`expected a commit, got ${JSON.stringify(answer.body)}`)
  return writer
}

/** A log entry that some other system put there. */
async function foreignLog(world: World, version: number): Promise<void> {
  const key = world.key(`tables/${TABLE_ID}/_delta_log/${String(version).padStart(20, '0')}.json`)
  const put = await world.store.put(key, new TextEncoder().encode(`foreign ${version}\n`), 'doesNotExist')
  if (put.outcome !== 'ok') throw new Error(`could not put ${key}`)
}

/** K reserved, its payload was destroyed, its reservation has expired. */
async function lostPayloadK(world: World): Promise<Writer> {
  const writer = await crashK(world, 'log')
  await world.store.delete(world.key(writer.call.staged_path))
  world.clock.advance(PAST_TTL_MS)
  return writer
}

/** A recover of what K left behind. */
async function recoverK(world: World, before: CrashBefore): Promise<Act> {
  await crashK(world, before)
  return { act: 'recover' }
}

/** A row of the table, with what it says and what the store bills. */
export interface BudgetRow extends CommitCase {
  readonly rounds: number
  /** Store operations, and so requests on a wire, of which the table says only "≤ 16". */
  readonly requests: number
}

/** The table of spec/coordinator.md 13, row by row. */
export const ROWS: readonly BudgetRow[] = [
  {
    row: 'stage',
    rounds: 1,
    requests: 1,
    answer: { status: 200 },
    after: NOTHING,
    async prepare(_world, it) {
      // The root is cached: this process has staged for the table before.
      await it.stage(TABLE_ID, '{"commitInfo":{"timestamp":6}}\n')
      return { act: 'stage', payload: '{"commitInfo":{"timestamp":7}}\n' }
    },
  },
  {
    row: 'fresh commit, cold',
    rounds: 5,
    requests: 9,
    answer: { status: 200, version: 1 },
    after: BOTH_COMMITTED,
    async prepare(world) {
      await committedK(world)
      return { act: 'commit', writer: await world.writer('L', 0) }
    },
  },
  {
    row: 'fresh commit, warm',
    rounds: 5,
    requests: 8,
    answer: { status: 200, version: 1 },
    after: BOTH_COMMITTED,
    async prepare(world, it) {
      await committedK(world, it)
      return { act: 'commit', writer: await world.writer('L', 0, { by: it }) }
    },
  },
  {
    row: 'fresh commit, first on table',
    rounds: 5,
    requests: 10,
    answer: { status: 200, version: 0 },
    after: K_COMMITTED,
    async prepare(world, it) {
      return { act: 'commit', writer: await world.writer('K', -1, { by: it }) }
    },
  },
  {
    row: 'fresh commit adopting an existing table',
    rounds: 6,
    requests: 12,
    answer: { status: 200, version: 2 },
    after: {
      latest_version: 2,
      inflight: null,
      last_commit: 'K',
      log: { 0: 'foreign 0\n', 1: 'foreign 1\n', 2: 'K' },
      markers: { K: 2 },
    },
    async prepare(world) {
      await foreignLog(world, 0)
      await foreignLog(world, 1)
      return { act: 'commit', writer: await world.writer('K', 1) }
    },
  },
  {
    row: 'replay of a finalized key',
    rounds: 1,
    requests: 4,
    answer: { status: 200, version: 0 },
    after: K_COMMITTED,
    async prepare(world) {
      return { act: 'commit', writer: await committedK(world) }
    },
  },
  {
    row: 'replay, staged object gone, marker with additive members',
    rounds: 1,
    requests: 4,
    answer: { status: 200, version: 0 },
    after: K_COMMITTED,
    async prepare(world) {
      const writer = await committedK(world)
      await world.store.delete(world.key(writer.call.staged_path))
      return { act: 'commit', writer }
    },
  },
  {
    row: 'replay, staged object gone, marker of an older writer',
    rounds: 2,
    requests: 5,
    answer: { status: 200, version: 0 },
    after: K_COMMITTED,
    async prepare(world) {
      const writer = await committedK(world)
      await world.store.delete(world.key(writer.call.staged_path))
      await dropAdditiveMembers(world, writer)
      return { act: 'commit', writer }
    },
  },
  {
    row: 'W1 same key',
    rounds: 5,
    requests: 9,
    answer: { status: 200, version: 0 },
    after: K_COMMITTED,
    prepare: async (world) => ({ act: 'commit', writer: await crashK(world, 'log') }),
  },
  {
    row: 'W2 same key',
    rounds: 4,
    requests: 8,
    answer: { status: 200, version: 0 },
    after: K_COMMITTED,
    prepare: async (world) => ({ act: 'commit', writer: await crashK(world, 'marker') }),
  },
  {
    row: 'W3 same key',
    rounds: 2,
    requests: 5,
    answer: { status: 200, version: 0 },
    after: K_COMMITTED,
    prepare: async (world) => ({ act: 'commit', writer: await crashK(world, 'finalize') }),
  },
  {
    row: 'other key, W1, before TTL',
    rounds: 2,
    requests: 8,
    answer: { status: 409, reason: 'reserved' },
    after: K_RESERVED,
    prepare: async (world) => otherKey(world, 'log', -1),
  },
  {
    row: 'other key, W1, after TTL, stale',
    rounds: 5,
    requests: 11,
    answer: STALE,
    after: K_COMMITTED,
    async prepare(world) {
      const act = await otherKey(world, 'log', -1)
      world.clock.advance(PAST_TTL_MS)
      return act
    },
  },
  {
    row: 'other key, W1, after TTL, commits',
    rounds: 8,
    requests: 15,
    answer: { status: 200, version: 1 },
    after: BOTH_COMMITTED,
    async prepare(world) {
      const act = await otherKey(world, 'log', 0)
      world.clock.advance(PAST_TTL_MS)
      return act
    },
  },
  {
    row: 'other key, W2, stale',
    rounds: 4,
    requests: 10,
    answer: STALE,
    after: K_COMMITTED,
    prepare: async (world) => otherKey(world, 'marker', -1),
  },
  {
    row: 'other key, W2, commits',
    rounds: 7,
    requests: 14,
    answer: { status: 200, version: 1 },
    after: BOTH_COMMITTED,
    prepare: async (world) => otherKey(world, 'marker', 0),
  },
  {
    row: 'other key, W3, stale',
    rounds: 3,
    requests: 9,
    answer: STALE,
    after: K_COMMITTED,
    prepare: async (world) => otherKey(world, 'finalize', -1),
  },
  {
    row: 'other key, W3, commits',
    rounds: 6,
    requests: 13,
    answer: { status: 200, version: 1 },
    after: BOTH_COMMITTED,
    prepare: async (world) => otherKey(world, 'finalize', 0),
  },
  {
    row: 'stale_read_version in W4',
    rounds: 2,
    requests: 6,
    answer: STALE,
    after: K_COMMITTED,
    async prepare(world) {
      await committedK(world)
      return { act: 'commit', writer: await world.writer('L', -1) }
    },
  },
]

/** Refusals and dropped reservations that the table of 13 has no rows for. */
export const REFUSALS: readonly CommitCase[] = [
  {
    row: 'a foreign log entry took the version (CO-11)',
    rounds: null,
    answer: { status: 409, reason: 'log_conflict' },
    replays: ['log_conflict', 'stale_read_version'],
    after: { ...K_COMMITTED, latest_version: 1, log: { 0: 'K', 1: 'foreign 1\n' } },
    async prepare(world) {
      await committedK(world)
      await foreignLog(world, 1)
      return { act: 'commit', writer: await world.writer('L', 0) }
    },
  },
  {
    row: 'the key was committed with another body',
    rounds: null,
    answer: { status: 409, reason: 'key_reuse' },
    after: { ...K_COMMITTED, markers: { K: 0, L: 0 } },
    async prepare(world) {
      const { call } = await committedK(world)
      const { idempotency_key } = call
      return { act: 'commit', writer: await world.writer('L', 0, { idempotency_key }) }
    },
  },
  {
    row: 'W1 same key, after TTL, payload gone',
    rounds: null,
    answer: { status: 404, reason: 'staged_not_found' },
    after: K_DROPPED,
    prepare: async (world) => ({ act: 'commit', writer: await lostPayloadK(world) }),
  },
  {
    row: 'other key, W1, after TTL, payload gone, commits',
    rounds: null,
    answer: { status: 200, version: 0 },
    after: {
      latest_version: 0,
      inflight: null,
      last_commit: 'L',
      log: { 0: 'L' },
      markers: { L: 0 },
    },
    async prepare(world) {
      await lostPayloadK(world)
      return { act: 'commit', writer: await world.writer('L', -1) }
    },
  },
]

/** What recover meets (spec/coordinator.md 10); the table of 13 has no rows for it. */
export const RECOVERIES: readonly CommitCase[] = [
  {
    row: 'recover, W1, before TTL',
    rounds: null,
    answer: { status: 200 },
    after: K_RESERVED,
    prepare: async (world) => recoverK(world, 'log'),
  },
  {
    row: 'recover, W1, after TTL',
    rounds: null,
    answer: { status: 200 },
    after: K_COMMITTED,
    async prepare(world) {
      const act = await recoverK(world, 'log')
      world.clock.advance(PAST_TTL_MS)
      return act
    },
  },
  {
    row: 'recover, W1, after TTL, payload gone',
    rounds: null,
    answer: { status: 200 },
    after: K_DROPPED,
    async prepare(world) {
      await lostPayloadK(world)
      return { act: 'recover' }
    },
  },
  {
    row: 'recover, W2',
    rounds: null,
    answer: { status: 200 },
    after: K_COMMITTED,
    prepare: async (world) => recoverK(world, 'marker'),
  },
  {
    row: 'recover, W3',
    rounds: null,
    answer: { status: 200 },
    after: K_COMMITTED,
    prepare: async (world) => recoverK(world, 'finalize'),
  },
  {
    row: 'recover, state behind its log',
    rounds: null,
    answer: { status: 200 },
    after: {
      ...K_COMMITTED,
      latest_version: 3,
      log: { 0: 'K', 1: 'foreign 1\n', 2: 'foreign 2\n', 3: 'foreign 3\n' },
    },
    async prepare(world) {
      await committedK(world)
      for (const version of [1, 2, 3]) await foreignLog(world, version)
      return { act: 'recover' }
    },
  },
]

/** Rewrite a marker as early Arco versions left it (spec/coordinator.md 3.2, CO-19). */
async function dropAdditiveMembers(world: World, writer: Writer): Promise<void> {
  const page = await world.store.listPage({ prefix: world.key('delta/idempotency/'), limit: 10 })
  for (const { key } of page.objects) {
    const object = await world.store.get(key)
    if (object.outcome !== 'ok') continue
    const marker = JSON.parse(new TextDecoder().decode(object.bytes))
    if (marker.idempotency_key !== writer.call.idempotency_key) continue
    for (const name of ['payload_sha256', 'read_version', 'staged_path', 'staged_version'])
      delete marker[name]
    await world.store.put(key, new TextEncoder().encode(JSON.stringify(marker)), {
      matchesVersion: object.token,
    })
  }
}
