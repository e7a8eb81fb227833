import { beforeEach, describe, expect, test } from 'vitest'
import { createEnvironment } from '../../../functions/environment.ts'
import {
  tableResolver,
  type Resolution,
  type ResolverConfig,
  type TableResolver,
} from '../../../lib/protocol/delta/resolve.ts'
import { run, type Environment } from '../../../lib/protocol/run.ts'
import { memoryStore, type MemoryStore } from '../../../lib/store/memory.ts'
import { scopedStore } from '../../../lib/store/scoped.ts'
import { StoreError, type MaintenanceStore } from '../../../lib/store/types.ts'
import {
  CATALOG_PATHS,
  catalogManifest,
  catalogObjects,
  POINTER,
  type CatalogRow,
} from '../../support/catalog.ts'
import { deltaWorkspace } from '../../support/delta-workspace.ts'
import { freshId, testClock, testService, type TestClock } from '../../support/service.ts'
import { countRounds, forbidListing } from '../../support/stores.ts'
import { memoryWorkspace } from '../../support/workspace.ts'

const SCOPE = { tenant: 'acme', workspace: 'analytics' }
const PREFIX = 'tenant=acme/workspace=analytics/'
const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'

let store: MemoryStore
let clock: TestClock

beforeEach(() => {
  store = memoryStore({ tokens: 'content' })
  clock = testClock(0)
})

function resolver(config: ResolverConfig = { mode: 'catalog' }, authority = 'lake'): TableResolver {
  return tableResolver(config, { ...SCOPE, bucket: { scheme: 'gs', authority } })
}

function environment(over: MaintenanceStore, catalog: TableResolver): Environment {
  return createEnvironment({
    store: scopedStore(over, SCOPE),
    resolver: catalog,
    note: () => undefined,
    overrides: { now: () => clock.now_ms, monotonic: () => clock.now_ms },
  })
}

/** Resolve once over a store that forbids listing; the operations that it took, in their rounds. */
async function resolve(
  catalog: TableResolver,
  table_id = TABLE,
  over: MaintenanceStore = store,
): Promise<{ readonly resolution: Resolution; readonly reads: readonly string[] }> {
  const listless = forbidListing(over)
  const counting = countRounds(listless.store)
  const resolution = await run(catalog.resolve(table_id), environment(counting.store, catalog))
  expect(listless.violations).toEqual([])
  const reads = counting.operations.map(
    ({ kind, key, round }) => `${round} ${kind} ${key.slice(PREFIX.length)}`,
  )
  return { resolution, reads }
}

function put(path: string, content: Uint8Array | string): void {
  store.seed(PREFIX + path, typeof content === 'string' ? new TextEncoder().encode(content) : content)
}

/** Publish a catalog: another epoch makes another pointer, so that its content-derived token differs. */
function publish(rows: readonly CatalogRow[], epoch = 1): void {
  const { manifest, tables } = catalogObjects(rows)
  put(CATALOG_PATHS.manifest, manifest)
  put(CATALOG_PATHS.tables, tables)
  put(CATALOG_PATHS.pointer, JSON.stringify({ ...POINTER, epoch }))
}

function delta(location: string | null, id = TABLE): CatalogRow {
  return { id, location, format: 'delta' }
}

function found(root: string): Resolution {
  return { ok: true, root, source: 'catalog' }
}

describe("Arco's own catalog (delta-catalog-http)", () => {
  const workspace = deltaWorkspace('delta-catalog-http')
  const { table_id } = workspace.expect
  const SNAPSHOT =
    'snapshots/catalog/v3/attempts/00000000000000000003-01M85ESPSGQ7CA8EPXQJAGRS0C-01M85ESPSFVTST627JR33SEHTX'

  beforeEach(() => {
    store = memoryWorkspace(workspace)
  })

  /** Point at the manifest of an earlier state of the catalog. */
  function rollBackTo(version: 0 | 1 | 2): void {
    const manifestId = `0000000000000000000${version}`
    put(
      CATALOG_PATHS.pointer,
      JSON.stringify({
        manifestId,
        manifestPath: `manifests/catalog/${manifestId}.json`,
        epoch: version + 1,
      }),
    )
  }

  test('coordinator.md 11.1 pointer, manifest, tables.parquet: three known keys one after the other', async () => {
    const { resolution, reads } = await resolve(resolver(), table_id)
    expect(resolution).toEqual(found(`tables/${table_id}`))
    expect(reads).toEqual([
      '1 get manifests/catalog.pointer.json',
      '2 get manifests/catalog/00000000000000000003.json',
      `3 get ${SNAPSHOT}/tables.parquet`,
    ])
  })

  test('a table that it does not have is table_not_found, whatever lies under its id', async () => {
    const other = freshId()
    put(`tables/${other}/_delta_log/00000000000000000000.json`, '{"commitInfo":{}}\n')
    expect((await resolve(resolver(), other)).resolution).toEqual({
      ok: false,
      reason: 'table_not_found',
      table_id: other,
    })
  })

  test.each([1, 2] as const)(
    'snapshot %i, before the table was registered, has no such table',
    async (version) => {
      rollBackTo(version)
      const { resolution, reads } = await resolve(resolver(), table_id)
      expect(resolution).toEqual({ ok: false, reason: 'table_not_found', table_id })
      expect(reads).toHaveLength(3)
    },
  )

  test('an empty snapshot (version 0) has no tables, and no Parquet object is asked for', async () => {
    rollBackTo(0)
    const { resolution, reads } = await resolve(resolver(), table_id)
    expect(resolution).toEqual({ ok: false, reason: 'table_not_found', table_id })
    expect(reads).toEqual([
      '1 get manifests/catalog.pointer.json',
      '2 get manifests/catalog/00000000000000000000.json',
    ])
  })

  test('without a pointer there are no tables; in auto mode every table is under its id then', async () => {
    store.remove(PREFIX + CATALOG_PATHS.pointer)
    expect((await resolve(resolver(), table_id)).resolution).toEqual({
      ok: false,
      reason: 'table_not_found',
      table_id,
    })
    expect((await resolve(resolver({ mode: 'auto' }), table_id)).resolution).toEqual({
      ok: true,
      root: `tables/${table_id}`,
      source: 'legacy',
    })
  })

  test.each([
    ['manifests/catalog.pointer.json', 'catalog_pointer'],
    ['manifests/catalog/00000000000000000003.json', 'catalog_manifest'],
    [`${SNAPSHOT}/tables.parquet`, 'catalog_tables'],
  ])('S21 %s: a changed or a cut byte is object_corrupt with its class', async (path, object_class) => {
    const bytes = store.peek(PREFIX + path)?.bytes ?? new Uint8Array()
    expect(bytes.length).toBeGreaterThan(0)
    const half = bytes.length >> 1
    for (const broken of [bytes.slice(0, -1), bytes.map((byte, at) => (at === half ? byte ^ 0x80 : byte))]) {
      put(path, broken)
      expect((await resolve(resolver(), table_id)).resolution).toEqual({
        ok: false,
        reason: 'object_corrupt',
        object_class,
      })
    }
  })

  test('D-24, CO-26 the table is dropped: committed keys are answered, new commits are not', async () => {
    rollBackTo(2)
    const service = testService(store, { clock, resolver: { mode: 'catalog' } })
    const { requests } = workspace.expect
    const ask = async (name: string): Promise<unknown> => {
      const request = requests[name]
      if (request === undefined) throw new Error(`no request ${name}`)
      const { status, body } = await service.commit({ table_id, ...request })
      return [status, body.version ?? body.reason]
    }
    expect(await ask('v0')).toEqual([200, 0])
    expect(await ask('pending')).toEqual([200, 2])
    expect((await service.inspect(table_id)).body).toMatchObject({ latest_version: 2, inflight: null })
    expect(await ask('other-v')).toEqual([404, 'table_not_found'])
    const stage = `/api/v1/delta/tables/${table_id}/commits/stage`
    const staged = await service.request('POST', stage, { payload: '{"commitInfo":{}}\n' })
    expect([staged.status, staged.body.reason]).toEqual([404, 'table_not_found'])
  })
})

describe('storage.md 3.4 where a location leads, in the bucket gs://lake', () => {
  test.each([
    [null, `tables/${TABLE}`],
    ['gs://lake/tenant=acme/workspace=analytics/warehouse/sales/orders/', 'warehouse/sales/orders'],
    ['tenant=acme/workspace=analytics/warehouse/t', 'warehouse/t'],
    ['warehouse/t', 'warehouse/t'],
    ['  /warehouse/t//  ', 'warehouse/t'],
    ['GS://lake/warehouse/t', 'warehouse/t'],
  ])('%j is %s', async (location, root) => {
    publish([delta('elsewhere', freshId()), delta(location), delta('elsewhere', freshId())])
    expect((await resolve(resolver())).resolution).toEqual(found(root))
  })

  test.each([
    '../escape',
    'warehouse/%2e%2e/x',
    '   ',
    'gs://other-bucket/warehouse/t',
    's3://lake/warehouse/t',
    'gs://lake',
    'gs://lake/tenant=other/workspace=analytics/warehouse/t',
    'tenant=acme/workspace=other/warehouse/t',
    'delta/coordinator',
    'locks',
    'state/orchestration',
  ])('D-06, D-07 %j is invalid_table_root', async (location) => {
    publish([delta(location)])
    expect((await resolve(resolver())).resolution).toEqual({
      ok: false,
      reason: 'invalid_table_root',
      table_id: TABLE,
    })
  })
})

describe('coordinator.md 11.1 effective format', () => {
  test.each(['delta', ' Delta ', 'DELTA\n'])('%j is a Delta table', async (format) => {
    publish([{ ...delta('warehouse/t'), format }])
    expect((await resolve(resolver())).resolution).toEqual(found('warehouse/t'))
  })

  test.each([
    ['iceberg', 'iceberg'],
    [' ICEBERG', 'iceberg'],
    ['parquet', 'parquet'],
    [null, 'parquet'],
  ])('%j is not_delta: %s', async (format, named) => {
    publish([{ ...delta('warehouse/t'), format }])
    expect((await resolve(resolver())).resolution).toEqual({
      ok: false,
      reason: 'not_delta',
      table_id: TABLE,
      format: named,
    })
  })

  test.each(['hudi', '', 'delta.'])('%j is object_corrupt, class table_metadata', async (format) => {
    publish([{ ...delta('warehouse/t'), format }])
    expect((await resolve(resolver())).resolution).toEqual({
      ok: false,
      reason: 'object_corrupt',
      object_class: 'table_metadata',
    })
  })
})

describe('coordinator.md 11.2 cache', () => {
  const READ_ALL = [
    `1 get ${CATALOG_PATHS.pointer}`,
    `2 get ${CATALOG_PATHS.manifest}`,
    `3 get ${CATALOG_PATHS.tables}`,
  ]
  const MINUTE = 60_000

  test('for a minute nothing is read, and the root is known without an operation', async () => {
    publish([delta('warehouse/a')])
    const catalog = resolver()
    expect(catalog.knownRoot(TABLE, clock.now_ms)).toBeNull()
    expect(await resolve(catalog)).toEqual({ resolution: found('warehouse/a'), reads: READ_ALL })
    clock.advance(MINUTE - 1)
    expect(await resolve(catalog)).toEqual({ resolution: found('warehouse/a'), reads: [] })
    expect(catalog.knownRoot(TABLE, clock.now_ms)).toEqual(found('warehouse/a'))
    expect(catalog.knownRoot(TABLE, clock.now_ms + 1)).toBeNull()
  })

  test('after a minute the pointer is looked at; the same generation needs nothing else', async () => {
    publish([delta('warehouse/a')])
    const catalog = resolver()
    await resolve(catalog)
    clock.advance(MINUTE)
    expect(await resolve(catalog)).toEqual({
      resolution: found('warehouse/a'),
      reads: [`1 get ${CATALOG_PATHS.pointer}`],
    })
    clock.advance(MINUTE - 1)
    expect((await resolve(catalog)).reads).toEqual([])
  })

  test('another generation drops all roots', async () => {
    publish([delta('warehouse/a')])
    const catalog = resolver()
    await resolve(catalog)
    publish([delta('warehouse/b')], 2)
    expect((await resolve(catalog)).resolution).toEqual(found('warehouse/a'))
    clock.advance(MINUTE)
    expect(await resolve(catalog)).toEqual({ resolution: found('warehouse/b'), reads: READ_ALL })
  })

  test('a dropped table is not found after the minute', async () => {
    publish([delta('warehouse/a')])
    const catalog = resolver()
    await resolve(catalog)
    publish([], 2)
    clock.advance(MINUTE)
    expect((await resolve(catalog)).resolution).toMatchObject({ ok: false, reason: 'table_not_found' })
  })

  test('R7 a negative answer is not kept', async () => {
    publish([])
    const catalog = resolver()
    expect((await resolve(catalog)).resolution).toMatchObject({ ok: false, reason: 'table_not_found' })
    publish([delta('warehouse/a')], 2)
    expect((await resolve(catalog)).resolution).toEqual(found('warehouse/a'))
  })

  test('neither is a broken object, nor a store that does not answer', async () => {
    publish([delta('warehouse/a')])
    const catalog = resolver()
    const silent: MaintenanceStore = {
      ...store,
      get: async (key) => {
        throw new StoreError('unavailable', key, 'no answer')
      },
    }
    expect((await resolve(catalog, TABLE, silent)).resolution).toEqual({
      ok: false,
      reason: 'storage_unavailable',
      retry_after_ms: 1000,
    })
    put(CATALOG_PATHS.manifest, '{')
    expect((await resolve(catalog)).resolution).toMatchObject({ ok: false, reason: 'object_corrupt' })
    put(CATALOG_PATHS.manifest, JSON.stringify(catalogManifest()))
    expect((await resolve(catalog)).resolution).toEqual(found('warehouse/a'))
  })

  test('auto mode looks for a catalog again after a minute', async () => {
    const catalog = resolver({ mode: 'auto' })
    const legacy = { ok: true, root: `tables/${TABLE}`, source: 'legacy' }
    expect((await resolve(catalog)).resolution).toEqual(legacy)
    publish([delta('warehouse/a')])
    clock.advance(MINUTE - 1)
    expect(await resolve(catalog)).toEqual({ resolution: legacy, reads: [] })
    clock.advance(1)
    expect((await resolve(catalog)).resolution).toEqual(found('warehouse/a'))
  })

  test('auto mode looks at the pointer for every table that it does not know yet', async () => {
    const catalog = resolver({ mode: 'auto' })
    await resolve(catalog, freshId())
    publish([delta('warehouse/a')])
    expect((await resolve(catalog)).resolution).toEqual(found('warehouse/a'))
  })

  test('S30 ids that a client makes up do not fill the memory: after 10 000 roots all are forgotten', async () => {
    const catalog = resolver({ mode: 'auto' })
    const env = environment(store, catalog)
    const ids = Array.from(
      { length: 10_001 },
      (_, at) => `0194f5a0-1c00-7c3d-9b1e-${String(at).padStart(12, '0')}`,
    )
    for (const id of ids) await run(catalog.resolve(id), env)
    const known = ids.filter((id) => catalog.knownRoot(id, clock.now_ms) !== null)
    expect(known).toEqual([ids.at(-1)])
  })

  test('a slow look-up of an older generation leaves nothing in the newer one', async () => {
    publish([delta('warehouse/a')])
    const catalog = resolver()
    const has_read_all = Promise.withResolvers<undefined>()
    const may_go_on = Promise.withResolvers<undefined>()
    const slow: MaintenanceStore = {
      ...store,
      get: async (key, options) => {
        const object = await store.get(key, options)
        if (!key.endsWith('/tables.parquet')) return object
        has_read_all.resolve(undefined)
        await may_go_on.promise
        return object
      },
    }
    const before = resolve(catalog, TABLE, slow)
    await has_read_all.promise
    publish([delta('warehouse/b')], 2)
    await resolve(catalog, freshId())
    may_go_on.resolve(undefined)
    expect((await before).resolution).toEqual(found('warehouse/a'))
    expect((await resolve(catalog)).resolution).toEqual(found('warehouse/b'))
  })
})
