/**
 * One table in one bucket, for tests that run the same request many times over: fixed ids, a clock that stands still, and
 * crash windows made by the product itself, so that two runs differ only in what the test does to them.
 */
import { withFaults } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import {
  commitKeys,
  testClock,
  testService,
  type CommitCall,
  type TestClock,
  type TestService,
  type TestServiceOptions,
} from './service.ts'
import { STORES, type TestStore } from './stores.ts'

/** The table of every world. */
export const TABLE_ID = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'

/** Past the TTL of every reservation that was made before. */
export const PAST_TTL_MS = 300_001

/** One commit that somebody wants to make: the payload is staged, the request is ready to be sent, any number of times. */
export interface Writer {
  readonly name: string
  readonly payload: string
  readonly call: CommitCall
}

/** The write that a process dies in front of. `log` leaves W1, `marker` W2, `finalize` W3 (spec/coordinator.md 7.1). */
export type CrashBefore = 'log' | 'marker' | 'finalize'

/** What a test may put between a process and the bucket. */
export type Wrap = (store: MaintenanceStore) => MaintenanceStore

/** A bucket with one table, and processes over it. */
export interface World {
  /** The bucket itself, for looking and for preparing. */
  readonly store: MaintenanceStore
  readonly clock: TestClock
  /** Every writer that staged a payload, by name. */
  readonly writers: ReadonlyMap<string, Writer>
  /** The process that prepares and looks; never faulty. */
  readonly healthy: TestService
  /** Another process over the same bucket. */
  process(wrap?: Wrap, options?: TestServiceOptions): TestService
  /** Stage a payload and make the request that would commit it, under a key of its own unless told. */
  writer(
    name: string,
    read_version: number,
    options?: { readonly by?: TestService; readonly idempotency_key?: string },
  ): Promise<Writer>
  /** Commit, and die in front of a write. */
  crash(writer: Writer, before: CrashBefore): Promise<void>
  /** The full key of a relative path. */
  key(path: string): string
  close(): void
}

/** Where a world keeps its bucket; `metadata` is a memory store with owner metadata (R25), content tokens and a clock. */
export type BucketKind = 'memory' | 'folder' | 'metadata'

function openBucket(kind: BucketKind, clock: TestClock): TestStore {
  if (kind === 'metadata') {
    const store = memoryStore({ meta: true, tokens: 'content', clock: () => clock.now_ms })
    return { store, close: () => undefined }
  }
  const bucket = STORES.find(({ name }) => name === kind)
  if (bucket === undefined) throw new Error(`there is no store ${kind}`)
  return bucket.make()
}

/** The resolver of a process that has not looked at the catalog yet; without a pointer it answers as `legacy` does. */
const RESOLVER = { mode: 'auto' } as const

/** Make an empty world, over a store that is empty. */
export function openWorld(bucket: BucketKind | TestStore): World {
  const clock = testClock()
  const { store, close } = typeof bucket === 'string' ? openBucket(bucket, clock) : bucket
  const writers = new Map<string, Writer>()
  let ulids = 0
  const overrides = { ulid: (): string => `01JKTT0G00${String(++ulids).padStart(16, '0')}` }

  function process(wrap: Wrap = (bare) => bare, options: TestServiceOptions = {}): TestService {
    return testService(wrap(store), {
      clock,
      resolver: RESOLVER,
      ...options,
      overrides: { ...overrides, now: () => clock.now_ms, ...options.overrides },
    })
  }

  const healthy = process()
  return {
    store,
    clock,
    writers,
    healthy,
    process,
    async writer(name, read_version, options = {}) {
      const number = writers.size + 1
      const {
        by = healthy,
        idempotency_key = `0194f5a0-2000-7abc-8def-${String(number).padStart(12, '0')}`,
      } = options
      const payload = `${JSON.stringify({ commitInfo: { timestamp: number, txnId: name } })}\n`
      const staged = await by.stage(TABLE_ID, payload)
      const writer = { name, payload, call: { table_id: TABLE_ID, read_version, ...staged, idempotency_key } }
      writers.set(name, writer)
      return writer
    },
    async crash({ call }, before) {
      const answer = await process(dyingBefore(before)).commit(call)
      if (answer.status !== 503) throw new Error(`expected a crash, got ${answer.status}`)
    },
    key: (path) => `${healthy.prefix}${path}`,
    close,
  }
}

/** From the write on, nothing of this process reaches the bucket. */
function dyingBefore(before: CrashBefore): Wrap {
  let is_dead = false
  let state_puts = 0
  return (store) =>
    withFaults(store, ({ kind, key }) => {
      if (kind === 'put') {
        if (key.includes('/delta/coordinator/')) state_puts += 1
        is_dead ||=
          (before === 'log' && key.includes('/_delta_log/')) ||
          (before === 'marker' && key.includes('/delta/idempotency/')) ||
          (before === 'finalize' && state_puts === 2)
      }
      return is_dead ? { fault: 'lost_request' } : undefined
    })
}

/** What lies in the bucket for one table, as far as the commit protocol is concerned. */
export interface TableView {
  readonly latest_version: number | null
  /** Name of the writer whose reservation is in flight; null when there is none. */
  readonly inflight: string | null
  /** Name of the writer whose commit the state says was finalized last. */
  readonly last_commit: string | null
  /** Log entries by version, each as the name of the writer that staged it, else as its bytes. */
  readonly log: Readonly<Record<number, string>>
  /** Names of the writers that have a marker, with the version it says. */
  readonly markers: Readonly<Record<string, number>>
}

/** Read a bucket (`readBucket`) the way an operator would. */
export function viewTable(world: World, bucket: Readonly<Record<string, string>>): TableView {
  const writers = [...world.writers.values()]
  const state_text = bucket[world.key(`delta/coordinator/${TABLE_ID}.json`)]
  const state = state_text === undefined ? null : JSON.parse(state_text)
  const nameOfKey = (key: string): string =>
    writers.find(({ call }) => call.idempotency_key === key)?.name ?? key
  const entries = Object.entries(bucket).flatMap(([key, text]) => {
    const version = /_delta_log\/(\d{20})\.json$/.exec(key)?.[1]
    const name = writers.find(({ payload }) => payload === text)?.name ?? text
    return version === undefined ? [] : [[Number(version), name] as const]
  })
  const markers = Object.fromEntries(
    writers.flatMap(({ name, call }) => {
      const text = bucket[world.key(commitKeys(TABLE_ID, call.idempotency_key, 0).marker)]
      return text === undefined ? [] : [[name, Number(JSON.parse(text).version)]]
    }),
  )
  return {
    latest_version: state?.latest_version ?? null,
    inflight: state?.inflight ? nameOfKey(String(state.inflight.commit_id)) : null,
    last_commit: state?.last_commit ? nameOfKey(String(state.last_commit.commit_id)) : null,
    log: Object.fromEntries(entries),
    markers,
  }
}
