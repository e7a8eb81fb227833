/** The policies of docs/deploy/policies: what a role needs is allowed, and not much else (spec/storage.md 11, S31). */
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_COMPACTOR_SETTINGS } from '../../functions/compactor-settings.ts'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { certify } from '../../lib/store/certify.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { s3Store } from '../../lib/store/s3.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import { documentText } from '../support/documents.ts'
import { createText } from '../support/objects.ts'
import { eventsAt } from '../support/projection-events.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { openBySdk } from '../support/servers/minio-stores.ts'
import { startMinio, type Minio } from '../support/servers/minio.ts'
import { freshId, testService } from '../support/service.ts'

const SCOPE = 'tenant=acme/workspace=analytics/'
const PLACEHOLDERS = /\b(BUCKET|TENANT|WORKSPACE|SERVICE_ACCOUNT)\b/

/** A policy with the values that the `sed` of its page puts in. */
function policy(name: `${'s3' | 'gcs'}-${Role}`, page: string): unknown {
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

/** Who has a policy. */
type Role = 'api' | 'compactor'

/** What a store is asked for. */
type Verb = 'get' | 'put' | 'replace' | 'delete' | 'list'

/** A store that remembers by verb and key what it was asked for. */
function watchedStore(): {
  readonly store: MaintenanceStore
  readonly calls: readonly (readonly [Verb, string])[]
} {
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
  return { store: watched, calls }
}

/** Stage, commit, replay and recover. */
async function commits(store: MaintenanceStore): Promise<void> {
  const service = testService(store, { resolver: { mode: 'auto' } })
  const table_id = freshId()
  for (const read_version of [-1, 0]) {
    const call = { table_id, read_version, ...(await service.stage(table_id)), idempotency_key: freshId() }
    for (const status of [200, 200]) expect((await service.commit(call)).status).toBe(status)
  }
  await service.recover(table_id)
  await service.request('GET', '/ready')
}

/** Events of `SCOPE` and a list of them, written by others than the compactor. */
async function appendEvents(store: MaintenanceStore): Promise<{ paths: string[]; list: string }> {
  const events = eventsAt(0, 5).map((event) => ({ ...event, workspace_id: 'analytics' }))
  const list = 'state/orchestration/rebuilds/all.json'
  const paths = events.map(eventPath)
  for (const event of events) await createText(store, SCOPE + eventPath(event), encodeEvent(event))
  await createText(store, SCOPE + list, JSON.stringify({ event_paths: paths }))
  return { paths, list }
}

/** Every route of the compactor, a rebuild from scratch in chunks included. */
async function compacts(store: MaintenanceStore, list: string, paths: readonly string[]): Promise<void> {
  const { projection } = DEFAULT_COMPACTOR_SETTINGS
  const service = testService(store, { compactor: { projection: { ...projection, chunk_events: 2 } } })
  const rebuild_manifest_path = list
  const answers = [
    await service.request('POST', '/compact', { event_paths: paths.slice(0, 1) }),
    await service.request('POST', '/rebuild', { rebuild_manifest_path }),
    await service.request('POST', '/rebuild', { rebuild_manifest_path, mode: 'full' }),
    await service.request('GET', '/rebuilds/all'),
    await service.request('GET', '/internal/locks/orchestration'),
    await service.request('POST', '/internal/locks/orchestration/force-break', { reason: 'a test' }),
    await service.request('GET', '/ready'),
  ]
  for (const { status, body } of answers) expect([status, body.detail]).toEqual([200, undefined])
}

/** What each role has to do, from a store that others have written to before. */
const WORK: Record<Role, () => Promise<readonly (readonly [Verb, string])[]>> = {
  async api() {
    const { store, calls } = watchedStore()
    await commits(store)
    return calls
  },
  async compactor() {
    const { store, calls } = watchedStore()
    const { paths, list } = await appendEvents(store)
    const before = calls.length
    await compacts(store, list, paths)
    return calls.slice(before)
  },
}

type Call = readonly [Verb, string]

/** What no role may do. */
const FORBIDDEN_TO_ALL: readonly Call[] = [
  ['get', 'tenant=rival/workspace=analytics/delta/coordinator/x.json'],
  ['get', 'tenant=acme/workspace=finance/state/orchestration/manifest.pointer.json'],
  ['put', 'tenant=rival/workspace=analytics/delta/coordinator/x.json'],
  ['put', 'tenant=rival/workspace=analytics/state/orchestration/manifest.pointer.json'],
  ['put', `${SCOPE}manifests/catalog.pointer.json`],
  ['put', `${SCOPE}tables/x/part-0.parquet`],
  ['put', '__arco/ready-check'],
  ['put', 'anything'],
  ['delete', `${SCOPE}delta/staging/x.json`],
  ['delete', `${SCOPE}state/orchestration/manifests/00000000000000000001.json`],
  ['delete', `${SCOPE}ledger/orchestration/2026-02-21/x.json`],
  ['delete', `${SCOPE}tables/x/_delta_log/00000000000000000000.json`],
]

/** What is the other role's: the compactor alone writes projections, and it never touches a table (S31). */
const FORBIDDEN: Record<Role, readonly Call[]> = {
  api: [...FORBIDDEN_TO_ALL, ['put', `${SCOPE}state/orchestration/manifest.pointer.json`]],
  compactor: [
    ...FORBIDDEN_TO_ALL,
    ['put', `${SCOPE}delta/coordinator/x.json`],
    ['put', `${SCOPE}delta/staging/x.json`],
    ['put', `${SCOPE}tables/x/_delta_log/00000000000000000000.json`],
    ['put', `${SCOPE}ledger/orchestration/2026-02-21/x.json`],
    ['get', `${SCOPE}delta/staging/x.json`],
  ],
}

const ROLES = ['api', 'compactor'] as const satisfies readonly Role[]

describe.each(ROLES)('policies/s3-%s.json', (role) => {
  interface Statement {
    readonly Effect: string
    readonly Action: readonly string[]
    readonly Resource: readonly string[]
    readonly Condition?: { readonly StringLike: { readonly 's3:prefix': readonly string[] } }
  }
  const { Version, Statement } = policy(`s3-${role}`, 'docs/deploy/lambda.md') as {
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

  test('allows every call of its work, and to be told that a key is not there', async () => {
    const calls = await WORK[role]()
    expect(new Set(calls.map(([verb]) => verb))).toEqual(new Set(['get', 'put', 'replace']))
    for (const [verb, key] of calls) expect([verb, key, allows(verb, key)]).toEqual([verb, key, true])
    // S3 asks for the right to list, with the key as the prefix, before it says 404.
    for (const [verb, key] of calls.filter(([each]) => each === 'get')) {
      expect([verb, key, allows('list', key)]).toEqual([verb, key, true])
    }
  })

  test.each(FORBIDDEN[role])('does not allow to %s %s', (verb, key) => {
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
        const credentials = await minio.keysWith(policy(`s3-${role}`, 'docs/deploy/lambda.md'))
        store = s3Store({ bucket, endpoint, region, credentials })
      }, 60_000)
      afterAll(async () => minio.stop())

      test('does its work, and certifies', { timeout: 30_000 }, async () => {
        if (role === 'api') await commits(store)
        else {
          const { paths, list } = await appendEvents(openBySdk(minio))
          await compacts(store, list, paths)
        }
        expect(await certify(store)).toMatchObject({ conclusion: 'certified' })
      })

      test('is denied everything else', async () => {
        for (const [verb, key] of FORBIDDEN[role]) {
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

describe.each(ROLES)('policies/gcs-%s.json', (role) => {
  interface Binding {
    readonly role: string
    readonly members: readonly string[]
    readonly condition?: { readonly title: string; readonly expression: string }
  }
  const { version, bindings } = policy(`gcs-${role}`, 'docs/deploy/google-cloud.md') as {
    version: number
    bindings: readonly Binding[]
  }
  /** The permissions of the predefined roles that matter to a store. */
  const PERMISSIONS: Record<string, readonly Verb[]> = {
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
      ({ role: name, condition }) =>
        PERMISSIONS[name]?.includes(verb) === true &&
        (condition === undefined || holds(condition.expression, `projects/_/buckets/lake/objects/${key}`)),
    )

  test('is a policy of version 3, which conditions need, of roles that are known here', () => {
    expect(version).toBe(3)
    for (const { role: name, members } of bindings) {
      expect(Object.keys(PERMISSIONS)).toContain(name)
      expect(members).toEqual(['serviceAccount:tidemark@$PROJECT.iam.gserviceaccount.com'])
    }
  })

  test('allows every call of its work; replaces nothing but state, pointer and locks', async () => {
    const calls = await WORK[role]()
    for (const [verb, key] of calls) expect([verb, key, allows(verb, key)]).toEqual([verb, key, true])
    const once = calls.filter(([verb]) => verb === 'put').map(([, key]) => key)
    const replaced = /\/delta\/coordinator\/|\/locks\/|manifest\.pointer\.json$/
    for (const key of once.filter((each) => !replaced.test(each))) {
      expect([key, allows('replace', key)]).toEqual([key, false])
    }
  })

  test.each(FORBIDDEN[role])('does not allow to %s %s', (verb, key) => {
    expect(allows(verb, key)).toBe(false)
  })
})

test('policies/lambda-trust.json lets Lambda, and nobody else, take the role', () => {
  const { Statement } = JSON.parse(documentText('docs/deploy/policies/lambda-trust.json'))
  expect(Statement).toEqual([
    { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
  ])
})
