/** Every row of http-api.md 5.3 over HTTP: its reason, what caused it, `error`, and a projection that is as it was. */
import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_COMPACTOR_SETTINGS } from '../../functions/compactor-settings.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import { compactorBench, type CompactorBench } from '../support/compactor-bench.ts'
import { eventAt, eventsAt, idAt } from '../support/projection-events.ts'
import { expectProblem, type ExpectedProblem } from '../support/problems.ts'
import type { Answer } from '../support/service.ts'
import { readBucket } from '../support/stores.ts'
import { WORLD_START_MS } from '../support/projection-world.ts'

const LOCK = 'locks/orchestration.compaction.lock.json'
const POINTER = 'state/orchestration/manifest.pointer.json'

let bench: CompactorBench
let event_paths: string[]
beforeEach(async () => {
  bench = compactorBench()
  event_paths = bench.append(eventsAt(0, 3))
  const { status } = await bench.compact({ event_paths: event_paths.slice(0, 1) })
  if (status !== 200) throw new Error(`the first event was not folded: ${status}`)
})

/** Everything but the lock and the lists; and, where a refusal may leave orphans behind, only what readers look at. */
async function published(may_leave_orphans: boolean): Promise<Record<string, string>> {
  const bucket = await readBucket(bench.store)
  const ignored = may_leave_orphans ? /\/(locks|rebuilds|l0|base)\// : /\/(locks|rebuilds)\//
  return Object.fromEntries(Object.entries(bucket).filter(([key]) => !ignored.test(key)))
}

async function refuses(
  ask: () => Promise<Answer>,
  expected: ExpectedProblem & { readonly members?: object; readonly may_leave_orphans?: true },
): Promise<void> {
  const { may_leave_orphans = false } = expected
  const before = await published(may_leave_orphans)
  const answer = await ask()
  expectProblem(answer, expected)
  expect(answer.body).toMatchObject({ error: answer.body.detail, ...expected.members })
  expect(await published(may_leave_orphans)).toEqual(before)
  expect(bench.violations).toEqual([])
}

/** The same list by both routes. */
const BOTH = {
  compact: async (paths: readonly string[]): Promise<Answer> => bench.compact({ event_paths: paths }),
  rebuild: async (paths: readonly string[]): Promise<Answer> =>
    bench.rebuild({ rebuild_manifest_path: bench.list('asked', paths) }),
  'rebuild from scratch': async (paths: readonly string[]): Promise<Answer> =>
    bench.rebuild({ rebuild_manifest_path: bench.list('asked', paths), mode: 'full' }),
}

describe.each(Object.entries(BOTH))('listed events, %s', (_name, ask) => {
  test('event_not_found: all of them at once, with their paths', async () => {
    const [missing = '', another = ''] = eventsAt(7, 9).map(
      ({ event_id }) => `ledger/orchestration/2026-02-21/${event_id}.json`,
    )
    await refuses(async () => ask([...event_paths, missing, another]), {
      reason: 'event_not_found',
      detail: `event not found: ${missing} (and 1 more in paths)`,
      members: {
        path: missing,
        paths: [
          { reason: 'event_not_found', path: missing },
          { reason: 'event_not_found', path: another },
        ],
        truncated: false,
      },
    })
  })

  test('event_invalid: 422 with the path and the byte at which it stops being an event', async () => {
    const path = event_paths[1] ?? ''
    bench.write(path, '{"event_id": 7}')
    await refuses(async () => ask(event_paths), {
      reason: 'event_invalid',
      detail: new RegExp(`^failed to parse event at ${path}: `),
      members: { path, offset: expect.any(Number), paths: [{ reason: 'event_invalid', path }] },
    })
  })

  test('event_out_of_scope: an event of another tenant under our key', async () => {
    const [path = ''] = bench.append([eventAt(5, { tenant_id: 'rival' })])
    await refuses(async () => ask([...event_paths, path]), {
      reason: 'event_out_of_scope',
      detail: new RegExp(`^event scope mismatch at ${path}: `),
      members: { path },
    })
  })

  test('event_path_invalid: an event that lies elsewhere than it says', async () => {
    const path = `ledger/orchestration/2026-02-20/${idAt(2)}.json`
    const stored = bench.store.peek(`${bench.service.prefix}${event_paths[2] ?? ''}`)
    bench.write(path, new TextDecoder().decode(stored?.bytes))
    await refuses(async () => ask([path]), {
      reason: 'event_path_invalid',
      detail: new RegExp(`^invalid event path at ${path}: noncanonical event path: expected `),
      members: { path },
    })
  })

  test.each([
    'ledger/orchestration/2026-02-21/x.txt',
    'ledger/orchestration/2026-02-21/a/b.json',
    'ledger/orchestration/not-a-date/x.json',
    '/ledger/orchestration/2026-02-21/x.json',
    'ledger/orchestration/2026-02-21/../../../state/orchestration/manifest.pointer.json',
    'ledger/orchestration/2026-02-21/%2e%2e.json',
    'ledger/orchestration/2026-02-21/..json/x.json',
    'ledger/orchestration/2026-02-21/\u0000.json',
    'tenant=rival/workspace=prod/ledger/orchestration/2026-02-21/x.json',
    'http://169.254.169.254/ledger/orchestration/2026-02-21/x.json',
    'gs://other/ledger/orchestration/2026-02-21/x.json',
    'ledger/metadata/2026-02-21/x.json',
    '',
  ])('event_path_invalid: %j can be no path of an event (S2, S4)', async (path) => {
    await refuses(async () => ask([...event_paths, path]), {
      reason: 'event_path_invalid',
      members: { path, paths: [{ reason: 'event_path_invalid', path }] },
    })
  })
})

test('both kinds of bad events in one answer, the first of the list gives it its reason', async () => {
  const [foreign = ''] = bench.append([eventAt(4, { workspace_id: 'test' })])
  const missing = `ledger/orchestration/2026-02-21/${idAt(6)}.json`
  await refuses(async () => bench.compact({ event_paths: [missing, foreign] }), {
    reason: 'event_not_found',
    members: { paths: [{ path: missing }, { path: foreign, reason: 'event_out_of_scope' }] },
  })
})

test('S19: a thousand bad paths are named, and the answer says that there are more', async () => {
  const paths = Array.from({ length: 1_200 }, (_, number) => `no-path-${number}`)
  const answer = await bench.compact({ event_paths: paths })
  expectProblem(answer, { reason: 'event_path_invalid', detail: /or more than that\)$/ })
  expect(answer.body.paths).toHaveLength(1_000)
  expect(answer.body.truncated).toBe(true)
})

describe('the list of a rebuild', () => {
  const LIST = 'state/orchestration/rebuilds/broken.json'
  test.each([
    ['{}', /expected \{"event_paths": \[strings\]\}/],
    ['[]', /expected \{"event_paths": \[strings\]\}/],
    ['[[]]', /expected/],
    ['{"event_paths": "x"}', /expected/],
    ['{"event_paths": [1]}', /expected/],
    ['{"event_paths": null}', /expected/],
    ['{"event_paths": []', /expected/],
    ['', /expected/],
    ['nonsense', /expected/],
    ['"one string"\n7', /expected one JSON string a line/],
    ['{"manifests": ["ledger/x.json"]}', /manifests/],
    ['{"manifests": [], "event_paths": []}', /saw both/],
  ])('rebuild_manifest_invalid: %s', async (text, detail) => {
    bench.write(LIST, text)
    await refuses(async () => bench.rebuild({ rebuild_manifest_path: LIST }), {
      reason: 'rebuild_manifest_invalid',
      detail,
      members: { path: LIST },
    })
  })

  test('rebuild_manifest_not_found: 404 with its path; the lock is not even taken', async () => {
    const lock = bench.json(LOCK)
    await refuses(async () => bench.rebuild({ rebuild_manifest_path: LIST }), {
      reason: 'rebuild_manifest_not_found',
      detail: `rebuild manifest not found: ${LIST}`,
      members: { path: LIST },
    })
    expect(bench.json(LOCK)).toEqual(lock)
  })

  test('a bad list is refused before a bad lock (rebuild.md 5)', async () => {
    const fenced = { fencing_token: 999, lock_path: LOCK }
    await refuses(async () => bench.rebuild({ rebuild_manifest_path: LIST, ...fenced }), {
      reason: 'rebuild_manifest_not_found',
    })
  })

  test('bad_request: a full rebuild that would go back, unless that is asked for', async () => {
    await bench.compact({ event_paths })
    const rebuild_manifest_path = bench.list('short', event_paths.slice(0, 2))
    await refuses(async () => bench.rebuild({ rebuild_manifest_path, mode: 'full' }), {
      reason: 'bad_request',
      detail: /^the list ends at \S+, before the visible event \S+: complete it, or set allow_regression$/,
    })
    const allowed = await bench.rebuild({ rebuild_manifest_path, mode: 'full', allow_regression: true })
    expect(allowed.body).toMatchObject({ events_processed: 2, watermark_after: idAt(1) })
  })
})

describe('the lock, locks-and-fencing.md 6.3', () => {
  const ROWS: readonly {
    readonly name: string
    readonly record: object | string | null
    readonly token: number
    readonly expected: Parameters<typeof refuses>[1]
  }[] = [
    {
      name: 'missing',
      record: null,
      token: 7,
      expected: {
        reason: 'lock_missing',
        detail: `fencing lock unavailable at ${LOCK} for provided epoch 7`,
      },
    },
    {
      name: 'expired, although the number matches (F-8)',
      record: lease(7, -1_000),
      token: 7,
      expected: {
        reason: 'lock_expired',
        detail: `fencing lock unavailable at ${LOCK} for provided epoch 7`,
      },
    },
    {
      name: 'held under a higher number',
      record: lease(8, 30_000),
      token: 7,
      expected: { reason: 'stale_fencing_token', detail: 'stale fencing token: expected 8, got 7' },
    },
    {
      name: 'held under a lower number',
      record: lease(6, 30_000),
      token: 7,
      expected: { reason: 'stale_fencing_token', detail: 'stale fencing token: expected 6, got 7' },
    },
    {
      name: 'with less left than a publish needs',
      record: lease(7, 2_500),
      token: 7,
      expected: {
        reason: 'lock_expired',
        detail: `fencing lock unavailable at ${LOCK} for provided epoch 7`,
        may_leave_orphans: true,
      },
    },
    {
      name: 'malformed',
      record: '{"holderId":',
      token: 7,
      expected: { reason: 'lock_corrupt', detail: /^the compaction lock is malformed and was left as it is/ },
    },
    {
      name: 'matching, and below the epoch of the pointer (LK-22)',
      record: lease(0, 30_000),
      token: 0,
      expected: { reason: 'stale_fencing_token', detail: /epoch/ },
    },
  ]

  function lease(sequenceNumber: number, left_ms: number): object {
    return {
      holderId: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
      expiresAt: new Date(WORLD_START_MS + left_ms).toISOString(),
      acquiredAt: new Date(WORLD_START_MS - 60_000).toISOString(),
      sequenceNumber,
    }
  }

  function put(record: object | string | null): void {
    if (record === null) {
      bench = compactorBench()
      event_paths = bench.append(eventsAt(0, 3))
    } else bench.write(LOCK, typeof record === 'string' ? record : JSON.stringify(record))
  }

  test.each(ROWS)(
    '$name: both routes refuse, and leave the lock as it is',
    async ({ record, token, expected }) => {
      put(record)
      const lock = (): unknown => bench.store.peek(`${bench.service.prefix}${LOCK}`)
      const before = lock()
      const fenced = { fencing_token: token, lock_path: LOCK }
      await refuses(async () => bench.compact({ event_paths, ...fenced }), expected)
      const rebuild_manifest_path = bench.list('asked', event_paths)
      await refuses(async () => bench.rebuild({ rebuild_manifest_path, ...fenced }), expected)
      expect(lock()).toEqual(before)
    },
  )

  test('a valid token publishes under its number; the lock is neither renewed nor released', async () => {
    bench.write(LOCK, JSON.stringify(lease(41, 30_000)))
    const fenced = { fencing_token: 41, lock_path: LOCK }
    const lock = bench.json(LOCK)
    const compacted = await bench.compact({ event_paths: event_paths.slice(0, 2), ...fenced })
    expect(compacted.body).toMatchObject({ events_processed: 2, visibility_status: 'visible' })
    const rebuild_manifest_path = bench.list('asked', event_paths)
    const rebuilt = await bench.rebuild({ rebuild_manifest_path, ...fenced })
    expect(rebuilt.body).toMatchObject({ events_processed: 1 })
    expect(bench.json(POINTER)).toMatchObject({ epoch: 41 })
    expect(bench.json(LOCK)).toEqual(lock)
  })

  test('LK-18: a plain request while somebody holds it: 409 within the budget, with Retry-After', async () => {
    bench.write(LOCK, JSON.stringify(lease(41, 60_000)))
    const before_ms = bench.service.clock.now_ms
    await refuses(async () => bench.compact({ event_paths }), {
      reason: 'lock_held',
      detail: 'the compaction lock is held by 01JKTT0G00Z4N2V8R6W1X3Y5ZB',
      members: { holder_id: '01JKTT0G00Z4N2V8R6W1X3Y5ZB', retry_after_ms: 5_000 },
    })
    const waited_ms = bench.service.clock.now_ms - before_ms
    expect(waited_ms).toBeGreaterThanOrEqual(9_000)
    expect(waited_ms).toBeLessThanOrEqual(10_500)
    expect(bench.json(LOCK)).toEqual(lease(41, 60_000))
  })

  test('LK-18: a deadline below that budget still leaves time to say who holds it', async () => {
    bench.write(LOCK, JSON.stringify(lease(41, 60_000)))
    const hurried = compactorBench({ store: bench.store, compactor: { deadline_ms: 4_000 } })
    const before_ms = hurried.service.clock.now_ms
    expectProblem(await hurried.compact({ event_paths }), { reason: 'lock_held' })
    expect(hurried.service.clock.now_ms - before_ms).toBeLessThanOrEqual(2_500)
  })

  test('lease_lost: somebody broke the lock during the work and took it; nothing is published after that', async () => {
    const stalled = compactorBench({
      store: bench.store,
      wrap: (store) => ({
        ...store,
        async get(key, options) {
          if (key.includes('/ledger/')) bench.write(LOCK, JSON.stringify(lease(9, 30_000)))
          return store.get(key, options)
        },
      }),
    })
    await refuses(async () => stalled.compact({ event_paths }), {
      reason: 'lease_lost',
      detail: 'the lease on the compaction lock ended during the work',
      may_leave_orphans: true,
    })
    expect(bench.json(LOCK)).toEqual(lease(9, 30_000))
  })

  test('LK-18: whoever waits long enough takes it over, and goes on from what is visible then', async () => {
    bench.write(LOCK, JSON.stringify(lease(41, 3_000)))
    const { status, body } = await bench.compact({ event_paths })
    expect([status, body.events_processed]).toEqual([200, 3])
    expect(bench.json(LOCK)).toMatchObject({ sequenceNumber: 42 })
    expect(bench.json(POINTER)).toMatchObject({ epoch: 42 })
  })
})

describe('the projection', () => {
  test.each([
    ['pointer', POINTER, 'not json'],
    ['manifest', 'state/orchestration/manifests/00000000000000000001.json', '{}'],
  ])('object_corrupt: a broken %s', async (object_class, path, text) => {
    bench.write(path, text)
    await refuses(async () => bench.compact({ event_paths }), {
      reason: 'object_corrupt',
      members: { object_class },
    })
  })

  test('object_corrupt: an artifact that is gone; `mode: "full"` brings the projection back', async () => {
    for (const key of bench.store.dump().keys()) {
      if (key.endsWith('.parquet')) await bench.store.delete(key)
    }
    const rebuild_manifest_path = bench.list('all', event_paths)
    await refuses(async () => bench.rebuild({ rebuild_manifest_path }), {
      reason: 'object_corrupt',
      detail: /rebuild with mode "full"$/,
    })
    const { status, body } = await bench.rebuild({ rebuild_manifest_path, mode: 'full' })
    expect([status, body.events_processed, body.merged_to_base]).toEqual([200, 3, true])
  })

  test('delete_channel: a workspace that records deletions, and a deployment that is told not to', async () => {
    const told = compactorBench({
      store: bench.store,
      compactor: { projection: { ...DEFAULT_COMPACTOR_SETTINGS.projection, tombstones: 'understand' } },
    })
    await refuses(async () => told.compact({ event_paths }), {
      reason: 'delete_channel',
      detail: /ARCO_ORCH_DELTA_TOMBSTONES/,
    })
  })
})

/** A store that fails in one way at one kind of key. */
function failing(
  at: RegExp,
  fault: Partial<Pick<MaintenanceStore, 'get' | 'put'>>,
): (store: MaintenanceStore) => MaintenanceStore {
  return (store) => ({
    ...store,
    get: async (key, options) =>
      at.test(key) ? (fault.get ?? store.get)(key, options) : store.get(key, options),
    put: async (key, bytes, precondition, options) =>
      at.test(key)
        ? (fault.put ?? store.put)(key, bytes, precondition, options)
        : store.put(key, bytes, precondition, options),
  })
}

describe('the store', () => {
  test.each<[string, RegExp, Partial<Pick<MaintenanceStore, 'get' | 'put'>>, string]>([
    [
      'does not answer a read',
      /\/ledger\//,
      { get: async (key) => Promise.reject(new StoreError('unavailable', key, 'down')) },
      'storage_unavailable',
    ],
    [
      'takes no write of the lock',
      /\/locks\//,
      { put: async () => ({ outcome: 'no_effect', retry_after_ms: 2_000 }) },
      'throttled',
    ],
    [
      'does not say what became of the pointer',
      /manifest\.pointer/,
      { put: async () => ({ outcome: 'unknown' }) },
      'outcome_unknown',
    ],
    [
      'always has a newer pointer',
      /manifest\.pointer/,
      { put: async () => ({ outcome: 'precondition_failed' }) },
      'contention',
    ],
  ])('%s', async (_what, at, fault, reason) => {
    const faulty = compactorBench({ store: bench.store, wrap: failing(at, fault) })
    const pointer = bench.json(POINTER)
    const answer = await faulty.compact({ event_paths })
    expectProblem(answer, { reason })
    expect(answer.body.error).toBe(answer.body.detail)
    expect(bench.json(POINTER)).toEqual(pointer)
  })

  test('a bug below is 500 internal, and says nothing of its cause', async () => {
    const faulty = compactorBench({
      store: bench.store,
      wrap: failing(/\/ledger\//, { get: async () => Promise.reject(new TypeError('secret')) }),
    })
    const answer = await faulty.compact({ event_paths })
    expectProblem(answer, { reason: 'internal' })
    expect(JSON.stringify(answer.body)).not.toContain('secret')
    expect(bench.json(LOCK)).toMatchObject({ expiresAt: '2026-02-21T11:59:59Z' })
  })

  test('that nobody has certified is not written to, and may be looked at', async () => {
    const store = memoryStore()
    const closed = compactorBench({ store, writeRefusal: () => 'not certified' })
    for (const answer of [
      await closed.compact({ event_paths: [] }),
      await closed.rebuild({ rebuild_manifest_path: 'state/orchestration/rebuilds/a.json' }),
      await closed.service.request('POST', '/internal/locks/orchestration/force-break', { reason: 'x' }),
    ]) {
      expectProblem(answer, { reason: 'store_not_certified' })
      expect(answer.body.error).toBe(answer.body.detail)
    }
    expect((await closed.service.request('GET', '/internal/locks/orchestration')).status).toBe(200)
    expect(await readBucket(store)).toEqual({})
  })
})
