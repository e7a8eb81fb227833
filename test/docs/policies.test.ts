/** The policies of docs/deploy/policies: what a commit needs is allowed, and not much else (spec/storage.md 11). */
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { certify } from '../../lib/store/certify.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { s3Store } from '../../lib/store/s3.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import { documentText } from '../support/documents.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { startMinio, type Minio } from '../support/servers/minio.ts'
import { freshId, testService } from '../support/service.ts'

const SCOPE = 'tenant=acme/workspace=analytics/'
const PLACEHOLDERS = /\b(BUCKET|TENANT|WORKSPACE|SERVICE_ACCOUNT)\b/

/** A policy with the values that the `sed` of its page puts in. */
function policy(name: 's3-api' | 'gcs-api', page: string): unknown {
  const sed = Array.from(
    documentText(page).matchAll(/-e ["']s\/(\w+)\/(.*?)\/g["']/g),
    ([, placeholder = '', value = '']): [string, string] => [placeholder, value.replace('$BUCKET', 'lake')],
  )
  const filled = sed.reduce(
    (text, [placeholder, value]) => text.replaceAll(placeholder, value),
    documentText(`docs/deploy/policies/${name}.json`),
  )
  expect(filled).not.toMatch(PLACEHOLDERS)
  return JSON.parse(filled)
}

/** What a store is asked for. */
type Verb = 'get' | 'put' | 'replace' | 'delete' | 'list'

/** Every call of a stage, a commit, a replay and a recovery, by verb and key. */
async function callsOfACommit(): Promise<readonly (readonly [Verb, string])[]> {
  const calls: (readonly [Verb, string])[] = []
  const store = memoryStore()
  const watched: MaintenanceStore = {
    ...store,
    get: async (key, options) => (calls.push(['get', key]), store.get(key, options)),
    head: async (key, options) => (calls.push(['get', key]), store.head(key, options)),
    put: async (key, bytes, precondition, options) => {
      calls.push([precondition === 'doesNotExist' ? 'put' : 'replace', key])
      return store.put(key, bytes, precondition, options)
    },
  }
  const service = testService(watched, { resolver: { mode: 'auto' } })
  const table_id = freshId()
  for (const read_version of [-1, 0]) {
    const call = { table_id, read_version, ...(await service.stage(table_id)), idempotency_key: freshId() }
    for (const status of [200, 200]) expect((await service.commit(call)).status).toBe(status)
  }
  await service.recover(table_id)
  await service.request('GET', '/ready')
  return calls
}

/** What a role of the API must not be able to do. */
const FORBIDDEN: readonly (readonly [Verb, string])[] = [
  ['get', 'tenant=rival/workspace=analytics/delta/coordinator/x.json'],
  ['get', 'tenant=acme/workspace=finance/delta/coordinator/x.json'],
  ['put', 'tenant=rival/workspace=analytics/delta/coordinator/x.json'],
  ['put', `${SCOPE}manifests/catalog.pointer.json`],
  ['put', `${SCOPE}state/orchestration/manifest.pointer.json`],
  ['put', `${SCOPE}tables/x/part-0.parquet`],
  ['put', '__arco/ready-check'],
  ['put', 'anything'],
  ['delete', `${SCOPE}delta/coordinator/x.json`.replace('coordinator', 'staging')],
  ['delete', `${SCOPE}tables/x/_delta_log/00000000000000000000.json`],
]

describe('policies/s3-api.json', () => {
  interface Statement {
    readonly Effect: string
    readonly Action: readonly string[]
    readonly Resource: readonly string[]
    readonly Condition?: { readonly StringLike: { readonly 's3:prefix': readonly string[] } }
  }
  const { Version, Statement } = policy('s3-api', 'docs/deploy/lambda.md') as {
    Version: string
    Statement: readonly Statement[]
  }
  const ACTIONS: Record<Verb, string> = {
    get: 's3:GetObject',
    put: 's3:PutObject',
    replace: 's3:PutObject',
    delete: 's3:DeleteObject',
    list: 's3:ListBucket',
  }
  const like = (pattern: string, text: string): boolean =>
    new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*')}$`).test(
      text,
    )
  const allows = (verb: Verb, key: string): boolean =>
    Statement.some(
      ({ Action, Resource, Condition }) =>
        Action.includes(ACTIONS[verb]) &&
        Resource.some((each) =>
          like(each, verb === 'list' ? 'arn:aws:s3:::lake' : `arn:aws:s3:::lake/${key}`),
        ) &&
        (Condition === undefined || Condition.StringLike['s3:prefix'].some((each) => like(each, key))),
    )

  test('is a policy as IAM reads it, and only allows', () => {
    expect(Version).toBe('2012-10-17')
    for (const { Effect } of Statement) expect(Effect).toBe('Allow')
    const names = new Set(Statement.flatMap(({ Action }) => Action))
    expect(names).toEqual(new Set(Object.values(ACTIONS)))
  })

  test('allows every call of a commit, and to be told that a key is not there', async () => {
    const calls = await callsOfACommit()
    expect(new Set(calls.map(([verb]) => verb))).toEqual(new Set(['get', 'put', 'replace']))
    for (const [verb, key] of calls) expect([verb, key, allows(verb, key)]).toEqual([verb, key, true])
    // S3 asks for the right to list, with the key as the prefix, before it says 404.
    for (const [verb, key] of calls.filter(([each]) => each === 'get')) {
      expect([verb, key, allows('list', key)]).toEqual([verb, key, true])
    }
  })

  test.each(FORBIDDEN)('does not allow to %s %s', (verb, key) => {
    expect(allows(verb, key)).toBe(false)
  })

  describe.skipIf(whyNot('minio') !== null)(
    `in a real MinIO${whyNot('minio') === null ? '' : ' (not installed)'}`,
    () => {
      let minio: Minio
      let store: ReturnType<typeof s3Store>
      beforeAll(async () => {
        minio = await startMinio('lake')
        const { endpoint, region, bucket } = minio
        const credentials = await minio.keysWith(policy('s3-api', 'docs/deploy/lambda.md'))
        store = s3Store({ bucket, endpoint, region, credentials })
      }, 60_000)
      afterAll(async () => minio.stop())

      test('stages, commits, replays, recovers and certifies', { timeout: 30_000 }, async () => {
        const service = testService(store)
        const table_id = freshId()
        const call = {
          table_id,
          read_version: -1,
          ...(await service.stage(table_id)),
          idempotency_key: freshId(),
        }
        expect((await service.commit(call)).body).toMatchObject({ version: 0 })
        expect((await service.commit(call)).body).toMatchObject({ version: 0 })
        expect((await service.recover(table_id)).status).toBe(200)
        expect((await service.request('GET', '/ready')).status).toBe(200)
        expect(await certify(store)).toMatchObject({ conclusion: 'certified' })
      })

      test('is denied everything else', async () => {
        for (const [verb, key] of FORBIDDEN) {
          const attempt =
            verb === 'get'
              ? store.get(key)
              : verb === 'delete'
                ? store.delete(key)
                : store.put(key, new Uint8Array(1), 'doesNotExist')
          await expect(attempt, `${verb} ${key}`).rejects.toThrow(StoreError)
        }
      })
    },
  )
})

describe('policies/gcs-api.json', () => {
  interface Binding {
    readonly role: string
    readonly members: readonly string[]
    readonly condition?: { readonly title: string; readonly expression: string }
  }
  const { version, bindings } = policy('gcs-api', 'docs/deploy/google-cloud.md') as {
    version: number
    bindings: readonly Binding[]
  }
  /** The permissions of the predefined roles that matter to a store. */
  const ROLES: Record<string, readonly Verb[]> = {
    'roles/storage.objectViewer': ['get', 'list'],
    'roles/storage.legacyBucketReader': ['list'],
    'roles/storage.objectCreator': ['put'],
    'roles/storage.objectUser': ['get', 'put', 'replace', 'delete', 'list'],
  }

  /** CEL of these conditions is JavaScript but for `extract`: what a template finds, or nothing. */
  function holds(expression: string, name: string): boolean {
    const extract = (template: string): string => {
      const [before = '', after = ''] = template.split(/\{\w+\}/)
      const from = name.indexOf(before)
      if (from < 0) return ''
      const rest = name.slice(from + before.length)
      return after === '' ? rest : rest.slice(0, Math.max(0, rest.indexOf(after)))
    }
    const resource = { name: Object.assign(new String(name), { extract }) }
    return runInNewContext(expression, { resource }) === true
  }
  const allows = (verb: Verb, key: string): boolean =>
    bindings.some(
      ({ role, condition }) =>
        ROLES[role]?.includes(verb) === true &&
        (condition === undefined || holds(condition.expression, `projects/_/buckets/lake/objects/${key}`)),
    )

  test('is a policy of version 3, which conditions need, of roles that are known here', () => {
    expect(version).toBe(3)
    for (const { role, members } of bindings) {
      expect(Object.keys(ROLES)).toContain(role)
      expect(members).toEqual(['serviceAccount:tidemark@$PROJECT.iam.gserviceaccount.com'])
    }
  })

  test('allows every call of a commit; replaces nothing but state and locks', async () => {
    const calls = await callsOfACommit()
    for (const [verb, key] of calls) expect([verb, key, allows(verb, key)]).toEqual([verb, key, true])
    const once = calls.filter(([verb]) => verb === 'put').map(([, key]) => key)
    for (const key of once.filter((each) => !each.includes('/delta/coordinator/'))) {
      expect([key, allows('replace', key)]).toEqual([key, false])
    }
  })

  test.each(FORBIDDEN)('does not allow to %s %s', (verb, key) => {
    expect(allows(verb, key)).toBe(false)
  })
})

test('policies/lambda-trust.json lets Lambda, and nobody else, take the role', () => {
  const { Statement } = JSON.parse(documentText('docs/deploy/policies/lambda-trust.json'))
  expect(Statement).toEqual([
    { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
  ])
})
