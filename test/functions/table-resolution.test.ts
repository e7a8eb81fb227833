/**
 * A catalog that does not say where the table is: who needs to know, and who is answered all the same
 * (spec/coordinator.md 11.2). The resolver itself: test/protocol/delta/catalog-resolver.test.ts.
 */
import { describe, expect, test } from 'vitest'
import { withFaults } from '../../lib/store/faults.ts'
import { CATALOG_PATHS, catalogObjects, type CatalogRow } from '../support/catalog.ts'
import { leaveIn } from '../support/crash-windows.ts'
import { freshId, type Answer } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { useTables, type Picture, type Table, type Wrap, type Writer } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

/** What is wrong with the catalog, and what a request that needs it is told. */
const TROUBLES = {
  'the table was dropped': '404 table_not_found',
  'the table is iceberg now': '409 not_delta',
  'its location is in another bucket': '500 invalid_table_root',
  'the pointer is corrupt': '500 object_corrupt',
  'the catalog does not answer': '503 storage_unavailable',
} as const
type Trouble = keyof typeof TROUBLES

/** Who asks; `needs` is whether the root is needed for the answer. */
interface Row {
  readonly prepare: (at: Table, k: Writer) => Promise<void>
  readonly ask: (process: Table['service'], at: Table, writers: { k: Writer; l: Writer }) => Promise<Answer>
  /** The answer where the trouble does not matter; null where it does. */
  readonly told: string | null
  readonly after: Picture | 'unchanged'
}

const K_DONE: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K', 'L', 'M'] }

const ROWS: Readonly<Record<string, Row>> = {
  stage: {
    prepare: async () => undefined,
    ask: async (process, at) =>
      process.request('POST', `/api/v1/delta/tables/${at.table_id}/commits/stage`, {
        payload: '{"commitInfo":{}}\n',
      }),
    told: null,
    after: 'unchanged',
  },
  'commit, fresh reservation': {
    prepare: async () => undefined,
    ask: async (process, _, { k }) => process.commit(k.call),
    told: null,
    after: 'unchanged',
  },
  'commit, marker present': {
    prepare: async (at, k) => leaveIn(at, 'W4', k, 'tidemark'),
    ask: async (process, _, { k }) => process.commit(k.call),
    told: '200 v',
    after: 'unchanged',
  },
  'commit, own reservation with its path, W1': {
    prepare: async (at, k) => leaveIn(at, 'W1', k, 'tidemark'),
    ask: async (process, _, { k }) => process.commit(k.call),
    told: '200 v',
    after: K_DONE,
  },
  'commit, own reservation with its path, W2': {
    prepare: async (at, k) => leaveIn(at, 'W2', k, 'tidemark'),
    ask: async (process, _, { k }) => process.commit(k.call),
    told: '200 v',
    after: K_DONE,
  },
  'commit, own reservation without a path, W1': {
    prepare: async (at, k) => leaveIn(at, 'W1', k, 'arco'),
    ask: async (process, _, { k }) => process.commit(k.call),
    told: null,
    after: 'unchanged',
  },
  'commit, own reservation without a path, W3': {
    prepare: async (at, k) => leaveIn(at, 'W3', k, 'arco'),
    ask: async (process, _, { k }) => process.commit(k.call),
    told: '200 v',
    after: K_DONE,
  },
  "another key's reservation with its path, read_version n": {
    prepare: async (at, k) => leaveIn(at, 'W2', k, 'tidemark'),
    ask: async (process, _, { l }) => process.commit(l.call),
    told: '409 stale_read_version latest v',
    after: K_DONE,
  },
  'recover, reservation with its path': {
    prepare: async (at, k) => leaveIn(at, 'W2', k, 'tidemark'),
    ask: async (process, at) => process.recover(at.table_id),
    told: '200',
    after: K_DONE,
  },
  'inspect, reservation with its path': {
    prepare: async (at, k) => leaveIn(at, 'W2', k, 'tidemark'),
    ask: async (process, at) => process.inspect(at.table_id),
    told: '200',
    after: 'unchanged',
  },
}

describe.each(STORES)('coordinator.md 11.2 on $name', ({ make }) => {
  const fresh = useTables(make)

  async function publish(at: Table, rows: readonly CatalogRow[]): Promise<void> {
    const objects = catalogObjects(rows)
    for (const name of ['tables', 'manifest', 'pointer'] as const) {
      await at.bucket.writeBytes(CATALOG_PATHS[name], objects[name])
    }
  }

  async function table(): Promise<Table> {
    const table_id = freshId()
    const at = fresh({ table_id, root: 'warehouse/t', resolver: { mode: 'catalog' } })
    await publish(at, [{ id: table_id, location: 'warehouse/t', format: 'delta' }])
    await at.history(n)
    return at
  }

  /** Let it happen; a process that has cached nothing. */
  async function meets(trouble: Trouble, at: Table): Promise<Table['service']> {
    const row = { id: at.table_id, location: 'warehouse/t', format: 'delta' }
    const silent: Wrap = (store) =>
      withFaults(store, ({ key }) =>
        key.endsWith(CATALOG_PATHS.pointer) ? { fault: 'error_before' } : undefined,
      )
    switch (trouble) {
      case 'the table was dropped':
        await publish(at, [])
        break
      case 'the table is iceberg now':
        await publish(at, [{ ...row, format: 'iceberg' }])
        break
      case 'its location is in another bucket':
        await publish(at, [{ ...row, location: 's3://other/warehouse/t' }])
        break
      case 'the pointer is corrupt':
        await at.bucket.write(CATALOG_PATHS.pointer, '{')
        break
      case 'the catalog does not answer':
        return at.process({ wrap: silent })
    }
    return at.process()
  }

  for (const trouble of Object.keys(TROUBLES) as Trouble[]) {
    describe(`${trouble}:`, () => {
      for (const [who, { prepare, ask, told, after }] of Object.entries(ROWS)) {
        test(`${who}: ${told ?? TROUBLES[trouble]}`, async () => {
          const at = await table()
          const k = await at.writer('K', n)
          const l = await at.writer('L', n)
          await at.writer('M', v)
          await prepare(at, k)
          const process = await meets(trouble, at)
          const before = await at.bucket.all()
          const answer = await ask(process, at, { k, l })
          const said = told === '200' ? String(answer.status) : at.told(answer, n)
          expect(said).toBe(told ?? TROUBLES[trouble])
          const seen = after === 'unchanged' ? await at.bucket.all() : await at.picture(n)
          expect(seen).toEqual(after === 'unchanged' ? before : after)
        })
      }

      test("another key's reservation with its path, read_version v: that commit is finished all the same (C13)", async () => {
        const at = await table()
        const k = await at.writer('K', n)
        await at.writer('L', n)
        const m = await at.writer('M', v)
        await leaveIn(at, 'W2', k, 'tidemark')
        const process = await meets(trouble, at)
        // Having written as a helper, it may not say that it wrote nothing.
        const told = trouble === 'the catalog does not answer' ? '503 outcome_unknown' : TROUBLES[trouble]
        expect(at.told(await process.commit(m.call), n)).toBe(told)
        expect(await at.picture(n)).toEqual(K_DONE)
      })
    })
  }

  test('RT-1: a new reservation says where its log entry belongs', async () => {
    const at = await table()
    const k = await at.writer('K', n)
    await leaveIn(at, 'W1', k, 'tidemark')
    expect((await at.state()).inflight.delta_log_path).toBe(at.keys(k, v).log)
  })
})
