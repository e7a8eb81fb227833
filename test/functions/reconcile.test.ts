/** `POST /internal/reconcile` and `GET /internal/verify/projection`: http-api.md 5.4, reconcile.md 2, 3, 5, 6. */
import { describe, expect, test } from 'vitest'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { compactorBench, type CompactorBench } from '../support/compactor-bench.ts'
import { expectProblem } from '../support/problems.ts'
import { eventsAt } from '../support/projection-events.ts'
import { testClock, type Answer } from '../support/service.ts'
import { WORLD_START_MS } from '../support/projection-world.ts'

const STATE = 'state/orchestration'
const POINTER = `${STATE}/manifest.pointer.json`
const LOCK = 'locks/orchestration.compaction.lock.json'
const ORPHAN = `${STATE}/manifests/00000000000000000009.json`
const HOUR_MS = 3_600_000

interface ReconcileBench extends CompactorBench {
  readonly store: MemoryStore
  pass(ms: number): void
  reconcile(body: unknown): Promise<Answer>
  plant(path: string, age_ms: number): void
}

/** A bench whose routes may list; the others still must not. */
function bench(compactor: Parameters<typeof compactorBench>[0] = {}): ReconcileBench {
  const clock = testClock(WORLD_START_MS)
  const store = memoryStore({ clock: () => clock.now_ms })
  const made = compactorBench({ store, maintenance_store: store, clock, ...compactor })
  return {
    ...made,
    store,
    pass: (ms) => clock.advance(ms),
    reconcile: async (body) => made.service.request('POST', '/internal/reconcile', body),
    plant: (path, age_ms) =>
      store.seed(made.service.prefix + path, new TextEncoder().encode('orphan'), undefined, {
        last_modified_ms: clock.now_ms - age_ms,
      }),
  }
}

/** One revision, an old orphan manifest, a young orphan folder. */
async function published(): Promise<ReconcileBench> {
  const made = bench()
  await made.compact({ event_paths: made.append(eventsAt(0, 3)) })
  made.pass(3 * HOUR_MS)
  made.plant(ORPHAN, 2 * HOUR_MS)
  made.plant(`${STATE}/l0/01JYOUNG000000000000000000/runs.000000000000.parquet`, 1_000)
  return made
}

const NOTHING = {
  repaired_paths: 0,
  failed_repairs: 0,
  deleted_objects: 0,
  skipped_paths: 0,
  deferred_paths: 0,
  deleted_bytes: 0,
}

describe('the report', () => {
  test('reconcile.md 2: every member in its order, nothing omitted, lists sorted', async () => {
    const made = await published()
    made.plant(`${STATE}/base/01JB/x.parquet`, 0)
    made.plant(`${STATE}/base/01JA/x.parquet`, 0)
    const { status, body } = await made.reconcile({})
    expect(status).toBe(200)
    expect(JSON.stringify(body.report)).toBe(
      JSON.stringify({
        checked_at: '2026-02-21T15:00:00Z',
        current_manifest_path: `${STATE}/manifests/00000000000000000001.json`,
        missing_current_head_legacy_manifest_path: null,
        current_head_legacy_manifest_issue: null,
        orphan_manifest_snapshots: [ORPHAN],
        orphan_base_dirs: [`${STATE}/base/01JA`, `${STATE}/base/01JB`],
        orphan_l0_dirs: [`${STATE}/l0/01JYOUNG000000000000000000`],
      }),
    )
    expect(Object.keys(body)).toEqual(['report', 'findings'])
  })

  test('reconcile.md 3: sibling prefixes are not looked at, contents of orphans are not read', async () => {
    const made = await published()
    made.plant(`${STATE}/manifests_backup/00000000000000000001.json`, 9 * HOUR_MS)
    made.plant(`${STATE}/l0_old/x/y.parquet`, 9 * HOUR_MS)
    made.plant(`${STATE}/rebuilds/list.json`, 9 * HOUR_MS)
    const { body } = await made.reconcile({ repair: true })
    expect(body.report.orphan_manifest_snapshots).toEqual([ORPHAN])
    expect(body.repair_result.deleted_objects).toBe(1)
  })

  test('RC-11: more than a page of each', async () => {
    const made = await published()
    for (let at = 0; at < 1_001; at++)
      made.plant(`${STATE}/base/B${String(at).padStart(4, '0')}/runs.x`, 2 * HOUR_MS)
    const { body } = await made.reconcile({ repair: true })
    expect(body.report.orphan_base_dirs).toHaveLength(1_001)
    expect(body.repair_result).toMatchObject({ deleted_objects: 1_002, deferred_paths: 1 })
  })

  test('findings tell what each entry is, and how old', async () => {
    const made = await published()
    made.plant(`${STATE}/manifests/00000000000000000000.json`, 2 * HOUR_MS)
    made.plant(`${STATE}/base/01JA/runs.000000000000.parquet`, 2 * HOUR_MS)
    const { body } = await made.reconcile({})
    const told = body.findings.map(({ rule, severity }: Record<string, string>) => `${rule} ${severity}`)
    expect(told.toSorted()).toEqual(
      ['RC-101', 'RC-102', 'RC-104']
        .map((rule) => `${rule} warn`)
        .concat('RC-103 info')
        .toSorted(),
    )
    expect(body.findings[0].detail).toMatch(/; 1 objects, 6 bytes, written 7200 s ago$/)
  })

  test('RC-105: what lies in base or l0 without a folder is told and never deleted', async () => {
    const made = await published()
    made.plant(`${STATE}/l0/notes.txt`, 9 * HOUR_MS)
    const { body } = await made.reconcile({ repair: true })
    expect(body.findings).toContainEqual(
      expect.objectContaining({ rule: 'RC-105', path: `${STATE}/l0/notes.txt` }),
    )
    expect(made.store.peek(`${made.service.prefix}${STATE}/l0/notes.txt`)).not.toBe(null)
  })

  test('an empty workspace has nothing to report', async () => {
    for (const repair of [false, true]) {
      const { body } = await bench().reconcile({ repair })
      expect(body.report.current_manifest_path).toBe(null)
      expect(body.findings).toEqual([])
    }
  })

  test('findings say what is wrong, what it means and the request that resolves it', async () => {
    const made = await published()
    const { body } = await made.reconcile({})
    expect(body.findings).toMatchObject([
      { rule: 'RC-104', severity: 'warn', path: ORPHAN, next: 'POST /internal/reconcile {"repair":true}' },
      { rule: 'RC-103', severity: 'info' },
    ])
  })
})

describe('the repair', () => {
  test('reconcile.md 5: what is old goes, what is young is deferred, and the next report is without it', async () => {
    const made = await published()
    const { body } = await made.reconcile({ repair: true })
    expect(body.repair_result).toEqual({
      ...NOTHING,
      deleted_objects: 1,
      deferred_paths: 1,
      deleted_bytes: 6,
    })
    expect((await made.reconcile({})).body.report.orphan_manifest_snapshots).toEqual([])
    expect((await made.reconcile({ repair: true })).body.repair_result).toEqual({
      ...NOTHING,
      deferred_paths: 1,
    })
  })

  test.each(['repairScope', 'repair_scope'])(
    '%s current_head_only skips everything, without the lock',
    async (name) => {
      const made = await published()
      const before = made.json(LOCK)
      const { body } = await made.reconcile({ repair: true, [name]: 'current_head_only' })
      expect(body.repair_result).toEqual({ ...NOTHING, skipped_paths: 2 })
      expect(made.json(LOCK)).toEqual(before)
    },
  )

  test('RC-8: 409 lock_held with Retry-After while somebody compacts', async () => {
    const made = await published()
    const record = made.json(LOCK)
    made.write(LOCK, JSON.stringify({ ...record, holderId: 'H', expiresAt: '2026-02-21T16:00:00Z' }))
    const answer = await made.reconcile({ repair: true })
    expectProblem(answer, { reason: 'lock_held' })
    expect(answer.headers.get('retry-after')).not.toBe(null)
    expect(answer.body.error).toBe(answer.body.detail)
  })

  test('hard rule 4: events, pointer, legacy manifest, lists and locks stay, however old', async () => {
    const made = await published()
    made.write(`${STATE}/manifest.json`, '{}')
    made.list('old', [])
    made.pass(400 * 24 * HOUR_MS)
    const kept = [...made.store.dump().keys()].filter((key) => !/orphan|0009|JYOUNG/.test(key))
    await made.reconcile({ repair: true })
    expect([...made.store.dump().keys()]).toEqual(kept)
  })

  test('a lock at the bucket root is the one that is taken', async () => {
    const { DEFAULT_COMPACTOR_SETTINGS } = await import('../../functions/compactor-settings.ts')
    const made = bench({ compactor: { ...DEFAULT_COMPACTOR_SETTINGS, lock_scope: 'bucket-root' } })
    await made.compact({ event_paths: made.append(eventsAt(0, 3)) })
    made.pass(HOUR_MS)
    await made.reconcile({ repair: true })
    expect(made.json(LOCK)).toBe(null)
    const record = JSON.parse(new TextDecoder().decode(made.store.peek(LOCK)?.bytes)) as object
    expect(record).toMatchObject({ sequenceNumber: 2 })
  })
})

describe('http-api.md 11: the time of a request', () => {
  test('is over while it lists: 503, and the lock is given back', async () => {
    const { DEFAULT_COMPACTOR_SETTINGS } = await import('../../functions/compactor-settings.ts')
    const clock = testClock(WORLD_START_MS)
    const store = memoryStore({ clock: () => clock.now_ms })
    const slow: MemoryStore = {
      ...store,
      async listPage(request, options) {
        clock.advance(1_000)
        return store.listPage(request, options)
      },
    }
    const compactor = { ...DEFAULT_COMPACTOR_SETTINGS, deadline_ms: 500 }
    const made = bench({ store, maintenance_store: slow, clock, compactor })
    await made.compact({ event_paths: made.append(eventsAt(0, 3)) })
    clock.advance(3 * HOUR_MS)
    expectProblem(await made.reconcile({ repair: true }), { reason: 'storage_unavailable' })
    const { expiresAt } = made.json(LOCK) as { expiresAt: string }
    expect(Date.parse(expiresAt)).toBeLessThan(clock.now_ms)
  })
})

describe('reconcile.md 6: the body', () => {
  test.each([
    [{ repair: 'yes' }, 'unprocessable', 'repair must be true or false, got a string'],
    [{ repair: null }, 'unprocessable', 'repair must be true or false, got null'],
    [
      { repairScope: 'all' },
      'unprocessable',
      'repairScope must be "current_head_only" or "full", got a string',
    ],
    [{ force: true }, 'bad_request', 'unknown member "force"; expected repair, repairScope, repair_scope'],
    [
      { repairScope: 'full', repair_scope: 'full' },
      'bad_request',
      'expected repairScope or repair_scope, not both',
    ],
    ['[]', 'unprocessable', 'expected a JSON object, got an array'],
  ] as const)('%j is refused', async (body, reason, detail) => {
    const answer = await (await published()).reconcile(body)
    expectProblem(answer, { reason, detail })
  })

  test('null is the default scope', async () => {
    const made = await published()
    expect((await made.reconcile({ repairScope: null })).status).toBe(200)
  })
})

describe('GET /internal/verify/projection', () => {
  test('is clean after a compaction, and names damage with the worst first', async () => {
    const made = bench()
    await made.compact({ event_paths: made.append(eventsAt(0, 3)) })
    const clean = await made.service.request('GET', '/internal/verify/projection')
    expect(clean).toMatchObject({ status: 200, body: { findings: [], next: null } })
    made.write(POINTER, '{')
    const { body } = await made.service.request('GET', '/internal/verify/projection')
    expect(body.findings[0]).toMatchObject({ rule: 'PJ-101', path: POINTER })
  })

  test('RC-11: goes on where the page before ended', async () => {
    const made = bench()
    await made.compact({ event_paths: made.append(eventsAt(0, 30)) })
    let cursor: string | null = ''
    let pages = 0
    while (cursor !== null) {
      const { status, body } = await made.service.request(
        'GET',
        `/internal/verify/projection?limit=5${cursor === '' ? '' : `&cursor=${cursor}`}`,
      )
      expect({ status, findings: body.findings }).toEqual({ status: 200, findings: [] })
      cursor = body.next
      pages += 1
    }
    expect(pages).toBeGreaterThan(4)
  })

  test.each(['limit=0', 'limit=10001', 'limit=1&limit=2', 'deep=true', 'cursor=x'])(
    '?%s is refused',
    async (query) => {
      const answer = await bench().service.request('GET', `/internal/verify/projection?${query}`)
      expectProblem(answer, { reason: 'bad_request' })
    },
  )
})
