import { beforeEach, describe, expect, test } from 'vitest'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { CATALOG_PATHS, catalogManifest, catalogObjects, POINTER, tablesParquet } from '../support/catalog.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, freshPayload, testService, type TestService } from '../support/service.ts'
import { countRounds, readBucket } from '../support/stores.ts'

const CANARY = 'canary-91bd'
const TABLE = freshId()
const DELTA = { id: TABLE, location: null, format: 'delta' }

let store: MemoryStore
beforeEach(() => {
  store = memoryStore()
  for (const [name, bytes] of Object.entries(catalogObjects([DELTA]))) put(CATALOG_PATHS[name as Part], bytes)
})

type Part = keyof typeof CATALOG_PATHS

const PARQUET_MAGIC = new TextEncoder().encode('PAR1')

const service = (over: MaintenanceStore): TestService => testService(over, { resolver: { mode: 'auto' } })
const { prefix } = testService(memoryStore())

function put(path: string, content: Uint8Array | string): void {
  store.seed(`${prefix}${path}`, typeof content === 'string' ? new TextEncoder().encode(content) : content)
}

function stage(over: MaintenanceStore): ReturnType<TestService['request']> {
  return service(over).request('POST', `/api/v1/delta/tables/${TABLE}/commits/stage`, {
    payload: freshPayload(),
  })
}

function commit(over: MaintenanceStore): ReturnType<TestService['request']> {
  const staged_path = `delta/staging/${TABLE}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`
  put(staged_path, freshPayload())
  const staged_version = store.peek(`${prefix}${staged_path}`)?.token ?? ''
  return service(over).commit({
    table_id: TABLE,
    read_version: -1,
    staged_path,
    staged_version,
    idempotency_key: freshId(),
  })
}

/** Stage and a fresh commit need the root: both end in `reason`, write nothing and show nothing of the catalog. */
async function refused(reason: string, members: Readonly<Record<string, unknown>> = {}): Promise<void> {
  for (const operation of [stage, commit]) {
    const counting = countRounds(store)
    const answer = await operation(counting.store)
    expectProblem(answer, { reason })
    expect(answer.body).toMatchObject(members)
    expect(JSON.stringify(answer.body)).not.toMatch(/canary|manifests\/|snapshots\/|warehouse/)
    expect(counting.operations.filter(({ kind }) => kind === 'put')).toEqual([])
  }
}

const pointer = (members: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...POINTER, ...members })
const manifest = (members: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...catalogManifest(), ...members })

describe('a broken catalog is object_corrupt with the class of the object, S21', () => {
  test.each([
    ['empty', ''],
    ['cut', JSON.stringify(POINTER).slice(0, -1)],
    ['an array', '[]'],
    ['a member twice', `{"manifestId":"1",${JSON.stringify(POINTER).slice(1)}`],
    ['__proto__', `{"__proto__":{},${JSON.stringify(POINTER).slice(1)}`],
    ['deep', `{"a":${'['.repeat(70)}${']'.repeat(70)}}`],
    ['larger than its class allows', JSON.stringify(POINTER) + ' '.repeat(64 * 1024)],
    ['snake_case members', JSON.stringify({ manifest_id: '1', manifest_path: CATALOG_PATHS.manifest })],
    ['no manifestPath', pointer({ manifestPath: undefined })],
    ['manifestPath a number', pointer({ manifestPath: 1 })],
    [
      'manifestPath of another domain',
      pointer({ manifestPath: 'manifests/lineage/00000000000000000001.json' }),
    ],
    [
      'manifestPath with a parent segment',
      pointer({ manifestPath: 'manifests/catalog/../../delta/coordinator/x.json' }),
    ],
    [
      'manifestPath of another tenant',
      pointer({ manifestPath: `tenant=rival/workspace=analytics/${CATALOG_PATHS.manifest}` }),
    ],
    ['manifestPath a URL', pointer({ manifestPath: `http://169.254.169.254/${CANARY}.json` })],
  ])('pointer: %s', async (_name, content) => {
    put(CATALOG_PATHS.pointer, content)
    await refused('object_corrupt', { object_class: 'catalog_pointer' })
  })

  test.each([
    ['empty', ''],
    ['cut', JSON.stringify(catalogManifest()).slice(0, -1)],
    ['a member twice', `{"snapshotVersion":1,${JSON.stringify(catalogManifest()).slice(1)}`],
    [
      'snapshotVersion a float',
      JSON.stringify(catalogManifest()).replace('"snapshotVersion":1', '"snapshotVersion":1.0'),
    ],
    [
      'snapshotVersion unsafe',
      JSON.stringify(catalogManifest()).replace('"snapshotVersion":1', '"snapshotVersion":9007199254740993'),
    ],
    ['snapshotVersion negative', manifest({ snapshotVersion: -1 })],
    ['no snapshotPath', manifest({ snapshotPath: undefined })],
    ['snapshot outside of the snapshots', manifest({ snapshot: { path: 'delta/coordinator', files: [] } })],
    [
      'snapshot with a parent segment',
      manifest({ snapshot: { path: 'snapshots/catalog/../../delta', files: [] } }),
    ],
    [
      'snapshot of another tenant',
      manifest({ snapshot: { path: 'tenant=rival/snapshots/catalog/v1', files: [] } }),
    ],
    ['files no array', manifest({ snapshot: { path: 'snapshots/catalog/v1/', files: {} } })],
  ])('manifest: %s', async (_name, content) => {
    put(CATALOG_PATHS.manifest, content)
    await refused('object_corrupt', { object_class: 'catalog_manifest' })
  })

  test.each([
    ['empty', new Uint8Array()],
    ['not Parquet', new TextEncoder().encode(CANARY)],
    ['cut', tablesParquet([DELTA]).slice(0, -9)],
    [
      'bytes changed in the middle',
      tablesParquet([DELTA]).map((byte, at) => (at === 40 ? byte ^ 0xff : byte)),
    ],
    [
      'other tables than the manifest has hashed',
      tablesParquet([{ ...DELTA, location: `warehouse/${CANARY}` }]),
    ],
  ])('tables: %s', async (_name, content) => {
    put(CATALOG_PATHS.tables, content)
    await refused('object_corrupt', { object_class: 'catalog_tables' })
  })

  test.each(['not Parquet at all', 'PAR1PAR1', 'PAR1\xff\xff\xff\x7fPAR1'])(
    'tables that nobody hashed: %j',
    async (content) => {
      put(CATALOG_PATHS.manifest, manifest({}))
      put(CATALOG_PATHS.tables, content)
      await refused('object_corrupt')
    },
  )

  test('S20: tables of twenty bytes that promise lists of 33 million take no room', async () => {
    const list_of_lists = [0xf9, 0xc0, 0x94, 0xde, 0x0f]
    const footer = [0x29, ...list_of_lists, ...list_of_lists]
    put(CATALOG_PATHS.manifest, manifest({}))
    const size = [footer.length, 0, 0, 0]
    put(CATALOG_PATHS.tables, Uint8Array.from([...PARQUET_MAGIC, ...footer, ...size, ...PARQUET_MAGIC]))
    const before = process.memoryUsage().rss
    await refused('object_corrupt', { object_class: 'catalog_tables' })
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
  })

  test.each([
    ['manifest', 'catalog_manifest'],
    ['tables', 'catalog_tables'],
  ] as const)('%s missing', async (part, object_class) => {
    store.remove(`${prefix}${CATALOG_PATHS[part]}`)
    await refused('object_corrupt', { object_class })
  })

  test.each(['deltalake', 'DELTA TABLE', '', CANARY])('an unknown format %j', async (format) => {
    for (const [name, bytes] of Object.entries(catalogObjects([{ ...DELTA, format }])))
      put(CATALOG_PATHS[name as Part], bytes)
    await refused('object_corrupt', { object_class: 'table_metadata' })
  })
})

describe('a location that leads out of the scope, S3', () => {
  test.each([
    '',
    '   ',
    '/',
    '../escape',
    'warehouse/../../escape',
    'warehouse/%2e%2e/x',
    'warehouse//x',
    'warehouse\\x',
    'warehouse/\nx',
    'gs://other-bucket/warehouse/t',
    'memory://other/warehouse/t',
    'http://169.254.169.254/warehouse',
    'tenant=rival/workspace=analytics/warehouse/t',
    'delta/coordinator',
    'state/orchestration',
    'locks',
    '__arco',
    'warehouse/\u202e',
  ])('%j is invalid_table_root, and nothing is written', async (location) => {
    for (const [name, bytes] of Object.entries(catalogObjects([{ ...DELTA, location }])))
      put(CATALOG_PATHS[name as Part], bytes)
    await refused('invalid_table_root')
  })
})

describe('a broken catalog and a key that is already committed, coordinator.md 11.2', () => {
  test.each([
    ['pointer', '{'],
    ['manifest', '{'],
    ['tables', 'PAR1 is all that is left of it'],
  ] as const)('%s: the replay is answered from its marker', async (part, content) => {
    put(CATALOG_PATHS.manifest, manifest({}))
    const staged = await service(store).stage(TABLE)
    const call = { table_id: TABLE, read_version: -1, ...staged, idempotency_key: freshId() }
    const committed = await service(store).commit(call)
    put(CATALOG_PATHS[part], content)
    const replayed = await service(store).commit(call)
    expect(replayed.status).toBe(200)
    expect(replayed.body).toEqual(committed.body)
  })
})

describe('a catalog that works', () => {
  test.each([
    [null, `tables/${TABLE}`],
    ['warehouse/t', 'warehouse/t'],
    [`tenant=acme/workspace=analytics/warehouse/t/`, 'warehouse/t'],
  ])('location %j: the log is under %s', async (location, root) => {
    for (const [name, bytes] of Object.entries(catalogObjects([{ ...DELTA, location }])))
      put(CATALOG_PATHS[name as Part], bytes)
    const answer = await commit(store)
    expect(answer.body).toEqual({
      version: 0,
      delta_log_path: `${root}/_delta_log/00000000000000000000.json`,
    })
  })

  test.each([
    ['iceberg', "table ID is format 'iceberg', expected 'delta'"],
    [null, "table ID is format 'parquet', expected 'delta'"],
  ])('format %j is not_delta', async (format, detail) => {
    for (const [name, bytes] of Object.entries(catalogObjects([{ ...DELTA, format }])))
      put(CATALOG_PATHS[name as Part], bytes)
    await refused('not_delta', { detail: detail.replace('ID', TABLE) })
  })

  test('a table that it does not have is table_not_found', async () => {
    for (const [name, bytes] of Object.entries(catalogObjects([{ ...DELTA, id: freshId() }])))
      put(CATALOG_PATHS[name as Part], bytes)
    await refused('table_not_found', { detail: `table not found: ${TABLE}` })
  })

  test('the catalog is left as it is by all of this', async () => {
    const before = await readBucket(store)
    await stage(store)
    expect(await readBucket(store)).toMatchObject(before)
  })
})

describe('a first read that is garbled, storage.md 8', () => {
  test.each(Object.entries(CATALOG_PATHS))(
    '%s is read once more, and the request goes on',
    async (_part, path) => {
      let reads = 0
      const answer = await stage({
        ...store,
        async get(key, options) {
          const object = await store.get(key, options)
          if (key !== `${prefix}${path}` || object.outcome !== 'ok') return object
          reads += 1
          return reads === 1 ? { ...object, bytes: object.bytes.slice(0, -1) } : object
        },
      })
      expect(answer.status).toBe(200)
      expect(reads).toBe(2)
    },
  )
})
