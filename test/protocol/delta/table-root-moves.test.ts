import { beforeEach, describe, expect, test } from 'vitest'
import { memoryStore, type MemoryStore } from '../../../lib/store/memory.ts'
import { scopedStore } from '../../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { CATALOG_PATHS, catalogObjects, POINTER } from '../../support/catalog.ts'
import { arcoWriter } from '../../support/arco-writer.ts'
import { dyingAfter } from '../../support/crash-windows.ts'
import {
  commitKeys,
  freshId,
  freshPayload,
  testClock,
  testService,
  type Answer,
  type CommitCall,
  type TestClock,
  type TestService,
} from '../../support/service.ts'
import { changesBetween, snapshot, type Snapshot } from '../../support/workspace.ts'

/** Longer than the cache of the catalog, shorter than a reservation. */
const CACHE_MS = 60_000
const AFTER_TTL_MS = 301_000

let store: MemoryStore
let clock: TestClock
let service: TestService
let table_id: string
let epoch: number

beforeEach(() => {
  store = memoryStore({ token_format: 'reference' })
  clock = testClock()
  service = serviceOver(store)
  table_id = freshId()
  epoch = 0
})

function serviceOver(over: MaintenanceStore): TestService {
  return testService(over, { clock, resolver: { mode: 'catalog' } })
}

/** The catalog says that the table is here from now on; caches have seen it too. */
function moveTo(location: string | null): void {
  epoch += 1
  const { manifest, tables } = catalogObjects([{ id: table_id, location, format: 'delta' }])
  put(CATALOG_PATHS.manifest, manifest)
  put(CATALOG_PATHS.tables, tables)
  put(CATALOG_PATHS.pointer, new TextEncoder().encode(JSON.stringify({ ...POINTER, epoch })))
  clock.advance(CACHE_MS)
}

function put(path: string, bytes: Uint8Array): void {
  store.seed(service.prefix + path, bytes)
}

async function newCall(read_version: number): Promise<CommitCall> {
  const staged = await service.stage(table_id, freshPayload())
  return { table_id, read_version, ...staged, idempotency_key: freshId() }
}

async function commitNext(read_version: number): Promise<CommitCall> {
  const call = await newCall(read_version)
  expect((await service.commit(call)).status).toBe(200)
  return call
}

/** Arco reserves and dies: its reservations do not say where the log is. */
async function reserveAsArco(call: CommitCall, root: string, puts = 1): Promise<void> {
  const { table_id: _, ...request } = call
  const over = scopedStore(dyingAfter(puts)(store), service.scope)
  await arcoWriter(over, { table_id, root })
    .commit(request, clock.now_ms)
    .catch(() => undefined)
}

async function bucket(): Promise<Snapshot> {
  return snapshot(store, service.prefix)
}

function outcome({ status, body }: Answer): unknown {
  return [status, body.reason ?? body.delta_log_path]
}

function logUnder(root: string, version: number): string {
  return `${root}/_delta_log/${String(version).padStart(20, '0')}.json`
}

function logsIn(objects: Snapshot): readonly string[] {
  return [...objects.keys()].filter((path) => path.includes('/_delta_log/')).toSorted()
}

describe('RT-1 the path is pinned in the reservation (D-08, CO-27)', () => {
  /** v0 is under warehouse/a, v1 reserved there by a process that died, and the catalog says warehouse/b. */
  async function movedInFlight(): Promise<CommitCall> {
    moveTo('warehouse/a')
    await commitNext(-1)
    const call = await newCall(0)
    await serviceOver(dyingAfter(1)(store)).commit(call)
    moveTo('warehouse/b')
    return call
  }

  /** Both entries under the old root, and the replay names it (R19). */
  async function expectUnderOldRoot(call: CommitCall): Promise<void> {
    expect(logsIn(await bucket())).toEqual([logUnder('warehouse/a', 0), logUnder('warehouse/a', 1)])
    expect(outcome(await service.commit(call))).toEqual([200, logUnder('warehouse/a', 1)])
  }

  test('its own replay writes the log where it was reserved', async () => {
    const call = await movedInFlight()
    expect(outcome(await service.commit(call))).toEqual([200, logUnder('warehouse/a', 1)])
    await expectUnderOldRoot(call)
  })

  test('another writer rolls it forward where it was reserved', async () => {
    const call = await movedInFlight()
    clock.advance(AFTER_TTL_MS)
    expect(outcome(await service.commit(await newCall(0)))).toEqual([409, 'stale_read_version'])
    await expectUnderOldRoot(call)
  })

  test('recover rolls it forward where it was reserved', async () => {
    const call = await movedInFlight()
    clock.advance(AFTER_TTL_MS)
    expect((await service.recover(table_id)).body).toMatchObject({
      latest_version: 1,
      action: 'rolled_forward',
    })
    await expectUnderOldRoot(call)
  })

  test('D-24 even when the catalog has dropped the table', async () => {
    const call = await movedInFlight()
    put(CATALOG_PATHS.pointer, new TextEncoder().encode(JSON.stringify({ ...POINTER, epoch: 9 })))
    const { manifest, tables } = catalogObjects([])
    put(CATALOG_PATHS.manifest, manifest)
    put(CATALOG_PATHS.tables, tables)
    clock.advance(CACHE_MS)
    await expect(service.stage(table_id)).rejects.toThrow('table_not_found')
    expect(outcome(await service.commit(call))).toEqual([200, logUnder('warehouse/a', 1)])
  })

  test('a new reservation goes where the catalog says', async () => {
    const call = await movedInFlight()
    await service.commit(call)
    expect(outcome(await service.commit(await newCall(1)))).toEqual([200, logUnder('warehouse/b', 2)])
  })
})

describe('RT-2 a reservation of Arco under another root than the resolved one (D-05, D-08)', () => {
  /** v0 is under `old_root`, Arco has died after `puts` of its writes for v1 there, the catalog says warehouse/b. */
  async function arcoDiedUnder(old_root: string, puts: number): Promise<CommitCall> {
    moveTo(old_root.startsWith('tables/') ? null : old_root)
    await commitNext(-1)
    const call = await newCall(0)
    await reserveAsArco(call, old_root, puts)
    moveTo('warehouse/b')
    return call
  }

  describe.each([
    ['W1', 1],
    ['W2', 2],
  ] as const)('%s', (_, puts) => {
    test('its own replay is root_mismatch and changes nothing', async () => {
      const call = await arcoDiedUnder('warehouse/a', puts)
      const before = await bucket()
      expect(outcome(await service.commit(call))).toEqual([409, 'root_mismatch'])
      expect(changesBetween(before, await bucket())).toEqual({})
    })

    test('another writer waits, and after the TTL is told of the mismatch; nothing changes', async () => {
      await arcoDiedUnder('warehouse/a', puts)
      const other = await newCall(0)
      const before = await bucket()
      expect(outcome(await service.commit(other))).toEqual([409, 'reserved'])
      clock.advance(AFTER_TTL_MS)
      expect(outcome(await service.commit(other))).toEqual([409, 'root_mismatch'])
      expect(changesBetween(before, await bucket())).toEqual({})
    })

    test('recover says the same', async () => {
      await arcoDiedUnder('warehouse/a', puts)
      clock.advance(AFTER_TTL_MS)
      const before = await bucket()
      expect(outcome(await service.recover(table_id))).toEqual([409, 'root_mismatch'])
      expect(changesBetween(before, await bucket())).toEqual({})
    })

    test('RT-3 the facade that always writes below tables/ is noticed too', async () => {
      const call = await arcoDiedUnder(`tables/${table_id}`, puts)
      expect(outcome(await service.commit(call))).toEqual([409, 'root_mismatch'])
    })

    test('when an operator has corrected the catalog everything goes on', async () => {
      const call = await arcoDiedUnder('warehouse/a', puts)
      expect(outcome(await service.commit(call))).toEqual([409, 'root_mismatch'])
      moveTo('warehouse/a')
      expect(outcome(await service.commit(call))).toEqual([200, logUnder('warehouse/a', 1)])
      expect((await service.inspect(table_id)).body).toMatchObject({ latest_version: 1, inflight: null })
    })
  })

  test('W3 is decided by its marker, which says where the log is (R19)', async () => {
    const call = await arcoDiedUnder('warehouse/a', 3)
    expect(outcome(await service.commit(call))).toEqual([200, logUnder('warehouse/a', 1)])
    expect((await service.inspect(table_id)).body).toMatchObject({ latest_version: 1, inflight: null })
  })

  test('W3 is finalized by recover', async () => {
    await arcoDiedUnder('warehouse/a', 3)
    expect((await service.recover(table_id)).body).toMatchObject({ latest_version: 1, action: 'finalized' })
  })

  test('version 0 has no predecessor to ask: it goes where the catalog says', async () => {
    moveTo('warehouse/a')
    const call = await newCall(-1)
    await reserveAsArco(call, 'warehouse/a')
    moveTo('warehouse/b')
    expect(outcome(await service.commit(call))).toEqual([200, logUnder('warehouse/b', 0)])
  })
})

test('G-2 a table that has moved answers for old commits with their old paths', async () => {
  moveTo('warehouse/a')
  const first = await commitNext(-1)
  moveTo('warehouse/b')
  const { marker } = commitKeys(table_id, first.idempotency_key, 0)
  expect(new TextDecoder().decode(store.peek(service.prefix + marker)?.bytes)).toContain('warehouse/a')
  expect(outcome(await service.commit(first))).toEqual([200, logUnder('warehouse/a', 0)])
})
