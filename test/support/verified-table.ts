/** A table that Tidemark committed to, three sound versions long, for tests that plant faults among its objects. */
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { TABLE_ID } from './commit-world.ts'
import {
  commitKeys,
  testClock,
  testService,
  type CommitCall,
  type TestClock,
  type TestService,
} from './service.ts'
import { add, column, entryText, schemaOf, type Action } from './spoilt-table.ts'
import { lookAt, type Look, type LookOptions } from './verify.ts'

/** One commit with the request that made it. */
export interface Made {
  readonly call: CommitCall
  readonly payload: string
}

/** The table, its bucket and a process. */
export interface VerifiedTable {
  readonly store: MemoryStore
  readonly clock: TestClock
  readonly service: TestService
  /** Requests of versions 0 to 2. */
  readonly made: readonly Made[]
  /** Stage a payload of an append and make the request that would commit it. */
  writer(read_version: number, key?: string): Promise<Made>
  commit(read_version: number): Promise<Made>
  look(options?: LookOptions): Promise<Look>
  /** Text of an object by its relative path, or null. */
  read(path: string): string | null
  write(path: string, text: string): void
  remove(path: string): void
  /** State as stored, changed. */
  setState(change: (state: Action) => void): void
  readonly state_path: string
  markerPath(made: Made): string
  logPath(version: number): string
}

const FIRST: readonly Action[] = [
  { commitInfo: { operation: 'CREATE TABLE' } },
  { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
  {
    metaData: {
      id: 'b1d3c2a4-0000-4000-8000-000000000001',
      format: { provider: 'parquet', options: {} },
      schemaString: schemaOf(column('id', 'long'), column('p')),
      partitionColumns: ['p'],
      configuration: {},
    },
  },
]

/** Make one; `meta`: the store keeps owner metadata on log entries (R25). */
export async function verifiedTable({ meta = true } = {}): Promise<VerifiedTable> {
  const clock = testClock()
  const store = memoryStore({ meta, clock: () => clock.now_ms })
  const service = testService(store, { clock })
  const { prefix } = service
  const made: Made[] = []
  let keys = 0

  async function writer(read_version: number, key?: string): Promise<Made> {
    keys += 1
    const idempotency_key = key ?? `0194f5a0-2000-7abc-8def-${String(keys).padStart(12, '0')}`
    const payload =
      read_version === -1
        ? entryText(FIRST)
        : entryText([{ commitInfo: { operation: 'WRITE' } }, add(`p=1/${keys}.parquet`)])
    const staged = await service.stage(TABLE_ID, payload)
    return { payload, call: { table_id: TABLE_ID, read_version, ...staged, idempotency_key } }
  }

  async function commit(read_version: number): Promise<Made> {
    const one = await writer(read_version)
    const { status, body } = await service.commit(one.call)
    if (status !== 200) throw new Error(JSON.stringify(body))
    return one
  }

  for (const version of [0, 1, 2]) made.push(await commit(version - 1))
  const state_path = `delta/coordinator/${TABLE_ID}.json`
  const table: VerifiedTable = {
    store,
    clock,
    service,
    made,
    writer,
    commit,
    look: async (options = {}) => lookAt(store, { now_ms: clock.now_ms, ...options }),
    read(path) {
      const object = store.peek(prefix + path)
      return object === null ? null : new TextDecoder().decode(object.bytes)
    },
    write: (path, text) => store.seed(prefix + path, new TextEncoder().encode(text)),
    remove: (path) => store.remove(prefix + path),
    setState(change) {
      const state: Action = JSON.parse(table.read(state_path) ?? '{}')
      change(state)
      table.write(state_path, JSON.stringify(state))
    },
    state_path,
    markerPath: ({ call }) => commitKeys(TABLE_ID, call.idempotency_key, 0).marker,
    logPath: (version) => commitKeys(TABLE_ID, '', version).log,
  }
  return table
}
