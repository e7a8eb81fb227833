/** LK-16: the shapes of locks-and-fencing.md 6.2, refused in their order, with their texts, before the store is touched. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { compactorBench, type CompactorBench } from '../support/compactor-bench.ts'
import { eventsAt } from '../support/projection-events.ts'
import { expectProblem } from '../support/problems.ts'
import type { Answer } from '../support/service.ts'
import { countRounds, readBucket, type Counted } from '../support/stores.ts'
import type { RequestFacts } from '../../functions/logging.ts'
import { SILENT_LOG } from '../../functions/logging.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'

const LOCK = 'locks/orchestration.compaction.lock.json'
const LIST = 'state/orchestration/rebuilds/list.json'
const FENCED = { fencing_token: 1, lock_path: LOCK }

let bench: CompactorBench
let fenced_only: CompactorBench
let event_paths: string[]
let operations: Counted[]
const logged: RequestFacts[] = []
beforeAll(() => {
  const log = { ...SILENT_LOG, request: (facts: RequestFacts) => void logged.push(facts) }
  const wrap = (store: MaintenanceStore): MaintenanceStore => {
    const counting = countRounds(store)
    operations = counting.operations
    return counting.store
  }
  bench = compactorBench({ log, wrap })
  event_paths = bench.append(eventsAt(0, 2))
  bench.list('list', event_paths)
  fenced_only = compactorBench({ store: bench.store, log, compactor: { requires_fencing: true } })
})
beforeEach(() => {
  operations.length = 0
  logged.length = 0
})

const VALID = {
  compact: (): object => ({ event_paths }),
  rebuild: (): object => ({ rebuild_manifest_path: LIST }),
} as const
type Name = keyof typeof VALID
const ROUTES = Object.keys(VALID) as Name[]

const must = (route: Name): string => `${route} requests must include fencing_token and lock_path`

async function refused(answer: Answer, detail: string | RegExp, metric?: string): Promise<void> {
  expectProblem(answer, { reason: 'bad_request', detail })
  expect(answer.body.error).toBe(answer.body.detail)
  expect(operations).toEqual([])
  expect(logged.map(({ contract_rejection }) => contract_rejection)).toEqual([metric])
}

describe.each(ROUTES)('/%s', (route) => {
  const ask = async (body: unknown): Promise<Answer> => bench[route](body)

  test.each([[1], [null], ['x']])('member epoch (%j), whatever else is there', async (epoch) => {
    const legacy = `${must(route)}; the legacy \`epoch\` alias is no longer accepted`
    for (const others of [{}, VALID[route](), FENCED, { nonsense: true, ...FENCED }]) {
      logged.length = 0
      await refused(await ask({ ...others, epoch }), legacy, 'legacy_epoch_alias')
    }
  })

  test('one of the two fencing members alone; null counts as there', async () => {
    for (const value of [1, null, 'x']) {
      logged.length = 0
      await refused(await ask({ ...VALID[route](), fencing_token: value }), must(route), 'missing_lock_path')
      logged.length = 0
      await refused(await ask({ ...VALID[route](), lock_path: value }), must(route), 'missing_fencing_token')
    }
  })

  test('presence comes before types and unknown members', async () => {
    await refused(await ask({ fencing_token: 'x', unknown: 1 }), must(route), 'missing_lock_path')
  })

  test('requireFencedRequests: the plain shape is refused as the reference does, a non-object too', async () => {
    for (const body of [VALID[route](), {}, [], '"text"', 7, null]) {
      logged.length = 0
      await refused(await fenced_only[route](body), must(route), 'missing_fencing_token_and_lock_path')
    }
    logged.length = 0
    await refused(
      await fenced_only[route]({ ...VALID[route](), fencing_token: 1 }),
      must(route),
      'missing_lock_path',
    )
  })

  test.each([
    ['[]', 'an array'],
    ['"text"', 'a string'],
    ['7', 'the number 7'],
    ['null', 'null'],
    ['true', 'a boolean'],
  ])('a body that is no object: %s', async (body, kind) => {
    await refused(
      await bench.service.request('POST', `/${route}`, body),
      `invalid request body: expected a JSON object, got ${kind}`,
    )
  })

  test.each([
    'not json',
    '',
    '{"a":1,"a":2}',
    '{"__proto__":1}',
    '{"event_paths":[],}',
    '{"event_paths":[]} x',
    `${'['.repeat(65)}${']'.repeat(65)}`,
    `{"event_paths":${'['.repeat(64)}${']'.repeat(64)}}`,
    '\ufeff{}',
  ])('what is no JSON for us is refused first: %s', async (body) => {
    await refused(
      await bench.service.request('POST', `/${route}`, body),
      /^the body is not acceptable JSON: /,
    )
  })

  test.each([
    '-1',
    '-0',
    '1.0',
    '1e3',
    '0.5',
    '9007199254740992',
    '18446744073709551615',
    '18446744073709551616',
    '1e400',
    '"1"',
    'null',
    'true',
    '[]',
    '{}',
  ])('fencing_token %s is refused and never rounded (S17)', async (literal) => {
    const [member] = Object.entries(VALID[route]())
    const body = `{${JSON.stringify(member?.[0])}:${JSON.stringify(member?.[1])},"fencing_token":${literal},"lock_path":"${LOCK}"}`
    await refused(
      await bench.service.request('POST', `/${route}`, body),
      /^invalid request body: fencing_token must be an integer from 0 to 2\^53-1, got /,
    )
  })

  test.each([1, null, [], {}, true])('lock_path %j', async (lock_path) => {
    await refused(
      await ask({ ...VALID[route](), fencing_token: 1, lock_path }),
      /^invalid request body: lock_path must be a string, got /,
    )
  })

  test.each([
    'locks/orchestration.compaction.lock.json/',
    '/locks/orchestration.compaction.lock.json',
    'locks/../locks/orchestration.compaction.lock.json',
    'locks/ORCHESTRATION.compaction.lock.json',
    'locks/root.lock.json',
    'tenant=rival/workspace=prod/locks/orchestration.compaction.lock.json',
    '',
  ])('a lock_path of something else: %s', async (lock_path) => {
    await refused(
      await ask({ ...VALID[route](), fencing_token: 1, lock_path }),
      'core error: invalid input: invalid lock_path',
    )
  })

  test.each(['tenant_id', 'workspace_id', 'mode ', 'Event_Paths', 'holder_id', 'inflight'])(
    'unknown member %s (S35)',
    async (member) => {
      await refused(
        await ask({ ...VALID[route](), [member]: 'x' }),
        new RegExp(`^invalid request body: unknown member ${JSON.stringify(member)}; expected `),
      )
    },
  )

  test.each([1, true, [], {}])('request_id %j', async (request_id) => {
    await refused(
      await ask({ ...VALID[route](), request_id }),
      /^invalid request body: request_id must be a string, got /,
    )
  })

  test('a body above 2 MiB, by its length and as a stream', async () => {
    const large = JSON.stringify({ event_paths: ['x'.repeat(2 * 1024 * 1024)] })
    const answer = await bench.service.request('POST', `/${route}`, large)
    expectProblem(answer, { reason: 'payload_too_large' })
    expect(answer.body.error).toBe(answer.body.detail)
    expect(operations).toEqual([])
  })

  test('another media type, or a compressed body', async () => {
    for (const headers of [{ 'content-type': 'text/plain' }, { 'content-encoding': 'gzip' }]) {
      const answer = await bench.service.request('POST', `/${route}`, '{}', headers)
      expectProblem(answer, { reason: 'unsupported_media_type' })
      expect(answer.body.error).toBe(answer.body.detail)
    }
  })

  test('another method is 405, with `error` like every refusal of these paths', async () => {
    const answer = await bench.service.request('GET', `/${route}`)
    expectProblem(answer, { reason: 'method_not_allowed', detail: 'expected POST' })
    expect(answer.headers.get('allow')).toBe('POST')
    expect(answer.body.error).toBe(answer.body.detail)
  })

  test.each([`/${route}/`, `/${route.toUpperCase()}`, `//${route}`])(
    '%s is another path (S28)',
    async (path) => {
      expectProblem(await bench.service.request('POST', path, VALID[route]()), { reason: 'route_not_found' })
    },
  )

  test('X-Request-Id comes back, and request_id is only for the log', async () => {
    const headers = { 'x-request-id': 'from-the-client' }
    const answer = await bench.service.request('POST', `/${route}`, { epoch: 1 }, headers)
    expect(answer.body.request_id).toBe('from-the-client')
    logged.length = 0
    const done = await bench[route]({ ...VALID[route](), request_id: 'cron-7\n' })
    expect(done.status).toBe(200)
    expect(JSON.stringify(done.body)).not.toContain('cron-7')
    expect(logged).toMatchObject([{ caller_request_id: 'cron-7\n', status: 200 }])
    expect((await bench[route]({ ...VALID[route](), request_id: null })).status).toBe(200)
  })
})

describe('/compact: event_paths', () => {
  test.each([[undefined], [null], ['x'], [{}], [7]])('%j', async (value) => {
    await refused(
      await bench.compact({ event_paths: value }),
      /^invalid request body: event_paths must be an array of strings, got /,
    )
  })

  test('an entry that is no string is named by its place', async () => {
    await refused(
      await bench.compact({ event_paths: ['x', 7] }),
      'invalid request body: event_paths[1] must be a string, got the number 7',
    )
  })

  test('at most 100 000 entries', async () => {
    await refused(
      await bench.compact({ event_paths: Array(100_001).fill('') }),
      'invalid request body: event_paths must have at most 100000 entries, got 100001',
    )
  })

  test('members of a rebuild are not its own', async () => {
    await refused(await bench.compact({ event_paths: [], mode: 'full' }), /unknown member "mode"/)
  })
})

describe('/rebuild: its members', () => {
  test.each([
    ['mode', 'Full', '"incremental" or "full"'],
    ['mode', null, '"incremental" or "full"'],
    ['on_invalid', 'skip', '"abort" or "quarantine"'],
    ['dry_run', 'true', 'true or false'],
    ['dry_run', 1, 'true or false'],
    ['allow_regression', null, 'true or false'],
  ])('%s: %j', async (member, value, expected) => {
    const answer = await bench.rebuild({ ...VALID.rebuild(), [member]: value })
    await refused(answer, new RegExp(`^invalid request body: ${member} must be ${expected}, got `))
  })

  test('a word that is none of those expected is shown', async () => {
    await refused(
      await bench.rebuild({ ...VALID.rebuild(), mode: 'Full' }),
      'invalid request body: mode must be "incremental" or "full", got "Full"',
    )
  })

  test('allow_regression says nothing of an incremental rebuild', async () => {
    await refused(
      await bench.rebuild({ ...VALID.rebuild(), allow_regression: true }),
      'invalid request body: allow_regression is for mode "full"',
    )
  })

  test.each([
    '',
    'list.json',
    'state/orchestration/rebuilds/',
    'state/orchestration/rebuilds/.json',
    'state/orchestration/rebuilds/list',
    'state/orchestration/rebuilds/list.jsonl',
    'state/orchestration/rebuilds/a.json/',
    'state/orchestration/rebuilds//a.json',
    'state/orchestration/rebuilds/../manifest.pointer.json',
    'state/orchestration/rebuilds/./a.json',
    'state/orchestration/rebuilds/%2e%2e/a.json',
    'state/orchestration/rebuilds/a\u0000.json',
    'state/orchestration/rebuilds/a\\b.json',
    'state/orchestration/rebuilds/e\u0301.json',
    '/state/orchestration/rebuilds/a.json',
    'State/orchestration/rebuilds/a.json',
    'tenant=rival/workspace=prod/state/orchestration/rebuilds/a.json',
    '../../tenant=rival/workspace=prod/state/orchestration/rebuilds/a.json',
    'http://169.254.169.254/state/orchestration/rebuilds/a.json',
    'gs://other/state/orchestration/rebuilds/a.json',
    'file:///state/orchestration/rebuilds/a.json',
    '//host/state/orchestration/rebuilds/a.json',
  ])('rebuild_manifest_path %j is a key of no list (S2, S4)', async (rebuild_manifest_path) => {
    await refused(
      await bench.rebuild({ rebuild_manifest_path }),
      "invalid rebuild_manifest_path: expected 'state/orchestration/rebuilds/*.json'",
    )
  })

  test('a path of more than 1024 characters', async () => {
    const long = `state/orchestration/rebuilds/${'a'.repeat(1024)}.json`
    await refused(
      await bench.rebuild({ rebuild_manifest_path: long }),
      'invalid request body: rebuild_manifest_path must have at most 1024 characters',
    )
  })

  test.each(['state/orchestration/rebuilds/a/b.json', 'state/orchestration/rebuilds/A.JSON'])(
    'a folder and capitals are fine: %s',
    async (rebuild_manifest_path) => {
      const answer = await bench.rebuild({ rebuild_manifest_path })
      expectProblem(answer, {
        reason: 'rebuild_manifest_not_found',
        detail: `rebuild manifest not found: ${rebuild_manifest_path}`,
      })
      expect(answer.body.path).toBe(rebuild_manifest_path)
    },
  )
})

test('S15: no body of these left anything on a prototype, and the bucket is as it was', async () => {
  const before = await readBucket(bench.store)
  await bench.compact({ event_paths, constructor: { prototype: { polluted: true } } })
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  expect(await readBucket(bench.store)).toEqual(before)
})
