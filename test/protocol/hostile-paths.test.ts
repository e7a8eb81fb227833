/** S2 and S3: more than two hundred tricks on every path that a request or a stored document may name. */
import { describe, expect, test } from 'vitest'
import { parseCommitInput } from '../../lib/protocol/delta/commit-input.ts'
import { normaliseRoot } from '../../lib/protocol/delta/table-root.ts'
import { isProjectionPath, isRebuildManifestPath } from '../../lib/protocol/orchestration/paths.ts'
import { isStagedPath, rootOfLogPath } from '../../lib/protocol/paths.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import { COMMIT, TABLE } from '../support/bad-requests.ts'
import { hostilePaths } from '../support/hostile-paths.ts'

const NAME = '01JKTT0G00Z4N2V8R6W1X3Y5ZB'
const STAGING = `delta/staging/${TABLE}`
const VERSION_0 = '0'.repeat(20)
const CONTEXT = { tenant: 'acme', workspace: 'analytics', bucket: { scheme: 'gs', authority: 'lake' } }

/** A field that names a key: an honest `folder/name.json`, and whether a text is taken. */
const FIELDS: readonly {
  readonly field: string
  readonly folder: string
  readonly name: string
  accepts(path: string): boolean
}[] = [
  {
    field: 'staged_path of a request',
    folder: STAGING,
    name: NAME,
    accepts: (staged_path) =>
      parseCommitInput({ table_id: TABLE, header_key: null, body: { ...COMMIT, staged_path } }).ok,
  },
  {
    field: 'staged_path of a stored reservation',
    folder: STAGING,
    name: NAME,
    accepts: (path) => isStagedPath(TABLE, path),
  },
  {
    field: 'delta_log_path of a stored reservation',
    folder: 'warehouse/orders/_delta_log',
    name: VERSION_0,
    accepts: (path) => rootOfLogPath(path, 0) !== null,
  },
  {
    field: 'rebuild_manifest_path',
    folder: 'state/orchestration/rebuilds',
    name: 'august',
    accepts: isRebuildManifestPath,
  },
  {
    field: 'path of a stored manifest',
    folder: 'state/orchestration/base',
    name: 'runs',
    accepts: isProjectionPath,
  },
]

describe.each(FIELDS)('$field', ({ folder, name, accepts }) => {
  test('the honest path is taken, so that the others fail for what they are', () => {
    expect(accepts(`${folder}/${name}.json`)).toBe(true)
  })

  test('no trick is taken', () => {
    const paths = hostilePaths(folder, name)
    expect(paths.length).toBeGreaterThan(200)
    expect(paths.filter(({ path }) => accepts(path))).toEqual([])
  })
})

describe('location of a table', () => {
  const PREFIXES = ['', 'gs://lake/', 'tenant=acme/workspace=analytics/', '/', ' ']

  test('what is taken is a plain key of this scope, whatever was trimmed from its ends', () => {
    const taken = PREFIXES.flatMap((prefix) =>
      hostilePaths('warehouse/orders', 'part').flatMap(({ trick, path }) => {
        const root = normaliseRoot(TABLE, prefix + path, CONTEXT)
        return root === null ? [] : [{ trick, root }]
      }),
    )
    // A slash too many at either end is trimmed (spec/storage.md 3.4, step 6).
    expect(new Set(taken.map(({ trick }) => trick))).toEqual(
      new Set(['empty segment, in front', 'empty segment, behind the suffix']),
    )
    expect(new Set(taken.map(({ root }) => root))).toEqual(new Set(['warehouse/orders/part.json']))
  })
})

describe('the scoped store, when all else has failed', () => {
  test('refuses every trick before anything is read or written', async () => {
    const asked: string[] = []
    const store = memoryStore()
    const scoped = scopedStore(
      {
        ...store,
        get: async (key) => {
          asked.push(key)
          return store.get(key)
        },
        put: async (key, ...rest) => {
          asked.push(key)
          return store.put(key, ...rest)
        },
      },
      { tenant: 'acme', workspace: 'analytics' },
    )
    for (const { path } of hostilePaths('a/b', 'c')) {
      const refused = { name: 'StoreError', code: 'invalid_key' }
      await expect(scoped.get(path)).rejects.toMatchObject(refused)
      await expect(scoped.put(path, new Uint8Array(), 'doesNotExist')).rejects.toMatchObject(refused)
    }
    expect(asked).toEqual([])
  })
})
