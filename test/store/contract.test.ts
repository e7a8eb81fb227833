/** The contract on the stores of the embedded default, and the contract itself on stores that are broken. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fsStore } from '../../lib/store/fs.ts'
import { memoryStore, type MemoryOptions } from '../../lib/store/memory.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { withWire } from '../support/contract/ambiguous-puts.ts'
import type { ContractStore } from '../support/contract/row.ts'
import { CONTRACT_IDS, CONTRACT_ROWS, contractContext, storeContract } from '../support/store-contract.ts'
import { columnName, STORE_COLUMNS } from '../support/store-columns.ts'
import { folderStore } from '../support/stores.ts'

const MEMORY: readonly (MemoryOptions & { readonly name: string })[] = [
  { name: 'counter tokens, plain', tokens: 'counter', token_format: 'plain' },
  { name: 'counter tokens, reference', tokens: 'counter', token_format: 'reference' },
  { name: 'content tokens, plain', tokens: 'content', token_format: 'plain' },
  { name: 'content tokens, reference', tokens: 'content', token_format: 'reference' },
]

for (const { name, ...options } of MEMORY) {
  storeContract(`${columnName('memory')}, ${name}`, () => memoryContract(options), {
    has_content_tokens: options.tokens === 'content',
    not_applicable: STORE_COLUMNS.memory.not_applicable,
  })
}

for (const token_format of ['plain', 'reference'] as const) {
  storeContract(
    `${columnName('folder')}, ${token_format}`,
    () => {
      const { folder, close } = folderStore()
      const store = fsStore(folder, { token_format })
      return {
        ...withWire(store),
        another: () => fsStore(folder, { token_format }),
        rawBytes: async (key) => new Uint8Array(await readFile(join(folder, key))),
        close,
      }
    },
    { not_applicable: STORE_COLUMNS.folder.not_applicable },
  )
}

function memoryContract(options: MemoryOptions): ContractStore {
  const store = memoryStore(options)
  return { ...withWire(store), another: () => store }
}

/** What can be wrong with a store, and the rows that must notice it. */
const BROKEN: readonly {
  readonly fault: string
  readonly noticed_by: readonly string[]
  breakIt(store: MaintenanceStore): MaintenanceStore
}[] = [
  {
    fault: 'a proxy drops If-None-Match and If-Match',
    noticed_by: [
      'ST-02',
      'ST-04',
      'ST-05',
      'ST-06',
      'ST-09',
      'ST-13',
      'ST-14',
      'ST-15',
      'create-32',
      'replace-32',
      'conditions',
    ],
    breakIt: (store) => ({
      ...store,
      put: async (key, bytes, _precondition, options) => store.put(key, bytes, 'none', options),
    }),
  },
  {
    fault: 'the library sends a put again when its answer is unknown',
    noticed_by: ['ST-20', 'ST-21', 'ST-22'],
    breakIt: (store) => ({
      ...store,
      async put(key, bytes, precondition, options) {
        const first = await store.put(key, bytes, precondition, options)
        return first.outcome === 'unknown' ? store.put(key, bytes, precondition, options) : first
      },
    }),
  },
  {
    fault: 'a conflict is taken for a lost race',
    noticed_by: ['ST-23', 'ST-24'],
    breakIt: (store) => ({
      ...store,
      async put(key, bytes, precondition, options) {
        const result = await store.put(key, bytes, precondition, options)
        return result.outcome === 'no_effect' ? { outcome: 'precondition_failed' } : result
      },
    }),
  },
  {
    fault: 'the token of a put comes from a later head',
    noticed_by: ['ST-01', 'ST-03', 'ST-17'],
    breakIt: (store) => ({
      ...store,
      async put(key, bytes, precondition, options) {
        const result = await store.put(key, bytes, precondition, options)
        return result.outcome === 'ok' ? { outcome: 'ok', token: `${result.token}0` } : result
      },
    }),
  },
  {
    fault: 'a cache keeps what was not found',
    noticed_by: ['ST-19'],
    breakIt(store) {
      const missing = new Set<string>()
      return {
        ...store,
        async get(key, options) {
          if (missing.has(key)) return { outcome: 'not_found' }
          const result = await store.get(key, options)
          if (result.outcome === 'not_found') missing.add(key)
          return result
        },
      }
    },
  },
  {
    fault: 'a prefix is taken for the start of a name',
    noticed_by: ['ST-31'],
    breakIt: (store) => ({
      ...store,
      async listPage(request, options) {
        const parent = request.prefix.slice(0, request.prefix.lastIndexOf('/') + 1)
        const page = await store.listPage({ ...request, prefix: parent }, options)
        return { objects: page.objects.filter(({ key }) => key.startsWith(request.prefix)) }
      },
    }),
  },
  {
    fault: 'text is decoded and encoded on the way',
    noticed_by: ['ST-27', 'ST-28', 'ST-29'],
    breakIt: (store) => ({
      ...store,
      put: async (key, bytes, precondition, options) =>
        store.put(key, new TextEncoder().encode(new TextDecoder().decode(bytes)), precondition, options),
    }),
  },
]

describe('the contract notices a broken store', () => {
  const cases = BROKEN.flatMap(({ fault, noticed_by, breakIt }) =>
    noticed_by.map((id) => ({ id, fault, breakIt })),
  )
  test.each(cases)('$id fails when $fault', async ({ id, breakIt }) => {
    const rows = CONTRACT_ROWS.filter((row) => row.id === id)
    const failures: unknown[] = []
    for (const { run } of rows) {
      const { store, wire } = withWire(memoryStore())
      const broken = breakIt(store)
      const context = contractContext({ store: broken, another: () => broken, wire })
      await run(context).catch((error: unknown) => failures.push(error))
    }
    expect(failures).not.toEqual([])
  })

  test('an id that a driver forgets to list is noticed', () => {
    expect(CONTRACT_IDS.filter((id) => id.startsWith('ST-'))).toHaveLength(34)
    expect(new Set(CONTRACT_ROWS.map(({ id }) => id))).toEqual(new Set(CONTRACT_IDS))
  })

  test.each(['ST-20', 'ST-21', 'ST-22', 'ST-23', 'ST-24', 'ST-34', '304'])(
    '%s does not pass silently on a store without a wire',
    async (id) => {
      const store = memoryStore()
      for (const { run } of CONTRACT_ROWS.filter((row) => row.id === id)) {
        await expect(run(contractContext({ store, another: () => store }))).rejects.toThrow('needs a `wire`')
      }
    },
  )
})
