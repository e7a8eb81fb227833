/** What `/compact` and `/rebuild` do when they do it: http-api.md 5.2, rebuild.md 8 and 12, LK-17, LK-20. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_COMPACTOR_SETTINGS } from '../../functions/compactor-settings.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { compactorBench } from '../support/compactor-bench.ts'
import { eventAt, eventsAt, idAt } from '../support/projection-events.ts'
import { WORLD_START_MS } from '../support/projection-world.ts'
import { expectProblem } from '../support/problems.ts'
import { countRounds, readBucket } from '../support/stores.ts'

const LOCK = 'locks/orchestration.compaction.lock.json'
const POINTER = 'state/orchestration/manifest.pointer.json'
const NOTHING = {
  applied: 0,
  no_effect: 0,
  duplicate: 0,
  below_floor: 0,
  quarantined: 0,
  older_than_idempotency_window: 0,
}

/** Chunks of two events. */
const SMALL_CHUNKS = {
  projection: { ...DEFAULT_COMPACTOR_SETTINGS.projection, chunk_events: 2 },
}

describe('the answer, http-api.md 5.2', () => {
  test('of a compaction: what was folded, the revision, the watermarks, where every path went (Q6)', async () => {
    const bench = compactorBench()
    const paths = bench.append(eventsAt(0, 3))
    const { status, body } = await bench.compact({ event_paths: [...paths, paths[0]] })
    expect(status).toBe(200)
    const pointer = bench.json(POINTER)
    const manifest = bench.json(String(pointer?.['manifest_path']))
    expect(body).toEqual({
      events_processed: 3,
      accounting: { ...NOTHING, applied: 3, duplicate: 1 },
      delta_id: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
      manifest_id: '00000000000000000001',
      manifest_revision: manifest?.['revision_ulid'],
      pointer_version: bench.store.peek(`${bench.service.prefix}${POINTER}`)?.token,
      visibility_status: 'visible',
      repair_pending: false,
      merged_to_base: false,
      revisions: 1,
      watermark_before: null,
      watermark_after: idAt(2),
      remaining: 0,
    })
    expect(manifest?.['watermarks']).toMatchObject({
      last_visible_event_id: idAt(2),
      last_processed_at: '2026-02-21T12:00:00Z',
    })
  })

  test('of the same events again: nothing new, the same revision (P9)', async () => {
    const bench = compactorBench()
    const paths = bench.append(eventsAt(0, 3))
    const { body: first } = await bench.compact({ event_paths: paths })
    const before = await readBucket(bench.store)
    const { body: again } = await bench.compact({ event_paths: paths })
    expect(again).toMatchObject({
      events_processed: 3,
      accounting: { ...NOTHING, duplicate: 3 },
      manifest_revision: first.manifest_revision,
      pointer_version: first.pointer_version,
      revisions: 0,
      watermark_before: idAt(2),
      watermark_after: idAt(2),
    })
    expect(again).not.toHaveProperty('delta_id')
    const after = await readBucket(bench.store)
    expect(Object.keys(after)).toEqual(Object.keys(before))
  })

  test('of an empty list in an empty workspace: a first revision, and a pointer to it', async () => {
    const bench = compactorBench()
    const { body } = await bench.compact({ event_paths: [] })
    expect(body).toMatchObject({ events_processed: 0, accounting: NOTHING, visibility_status: 'visible' })
    expect(body.manifest_revision).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    expect(bench.json(POINTER)).toMatchObject({ manifest_id: body.manifest_id })
  })
})

describe('a rebuild', () => {
  test('LK-17: the plain shape: 200, the lock released, and a second call with 0 events', async () => {
    const bench = compactorBench()
    const rebuild_manifest_path = bench.list('all', bench.append(eventsAt(0, 3)))
    const { status, body } = await bench.rebuild({ rebuild_manifest_path })
    expect([status, body.events_processed, body.visibility_status]).toEqual([200, 3, 'visible'])
    const released = {
      sequenceNumber: 1,
      acquiredAt: '2026-02-21T12:00:00Z',
      expiresAt: '2026-02-21T11:59:59Z',
    }
    expect(bench.json(LOCK)).toMatchObject(released)
    expect(bench.json(LOCK)).not.toHaveProperty('operation')
    const again = await bench.rebuild({ rebuild_manifest_path })
    expect(again.status).toBe(200)
    expect(again.body).toMatchObject({
      events_processed: 0,
      accounting: { ...NOTHING, below_floor: 3 },
      manifest_revision: body.manifest_revision,
      revisions: 0,
    })
    expect(bench.json(LOCK)).toMatchObject({ sequenceNumber: 2 })
  })

  test('dry_run: what would happen, and not one write, the lock included', async () => {
    const bench = compactorBench()
    const rebuild_manifest_path = bench.list('all', bench.append(eventsAt(0, 3)))
    const before = await readBucket(bench.store)
    for (const mode of ['incremental', 'full']) {
      const { body } = await bench.rebuild({ rebuild_manifest_path, mode, dry_run: true })
      expect(body).toMatchObject({
        dry_run: true,
        events_processed: 3,
        revisions: 0,
        watermark_before: null,
        watermark_after: idAt(2),
        row_counts: { runs: 3 },
      })
    }
    expect(await readBucket(bench.store)).toEqual(before)
  })

  test('X9: a straggler below the watermark is counted, and folded by `mode: "full"`', async () => {
    const bench = compactorBench()
    const [straggler = '', ...paths] = bench.append(eventsAt(0, 3))
    await bench.compact({ event_paths: paths })
    const rebuild_manifest_path = bench.list('all', [straggler, ...paths])
    const { body: skipped } = await bench.rebuild({ rebuild_manifest_path })
    expect(skipped.accounting).toEqual({ ...NOTHING, below_floor: 3 })
    const { body: whole } = await bench.rebuild({ rebuild_manifest_path, mode: 'full' })
    expect(whole).toMatchObject({
      accounting: { ...NOTHING, applied: 3 },
      merged_to_base: true,
      revisions: 1,
      rebuild_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    const { body: twice } = await bench.rebuild({ rebuild_manifest_path, mode: 'full' })
    expect(twice).toMatchObject({ revisions: 0, manifest_revision: whole.manifest_revision })
  })

  test('Q11: on_invalid "quarantine" leaves out what does not decode, and the manifest says so', async () => {
    const bench = compactorBench()
    const paths = bench.append(eventsAt(0, 3))
    bench.write(paths[1] ?? '', '{"event_id": 7}')
    const rebuild_manifest_path = bench.list('all', paths)
    expectProblem(await bench.rebuild({ rebuild_manifest_path }), { reason: 'event_invalid' })
    const { body } = await bench.rebuild({ rebuild_manifest_path, on_invalid: 'quarantine' })
    expect(body).toMatchObject({ events_processed: 2, accounting: { applied: 2, quarantined: 1 } })
    const manifest = bench.json(String(bench.json(POINTER)?.['manifest_path']))
    expect(JSON.stringify(manifest)).toContain(paths[1])
  })

  test('RB-9: one JSON string a line, and a list of lists, are lists as well', async () => {
    const bench = compactorBench()
    const [one = '', ...others] = bench.append(eventsAt(0, 3))
    bench.write(
      'state/orchestration/rebuilds/lines.json',
      `${others.map((path) => `"${path}"`).join('\n')}\n`,
    )
    bench.write(
      'state/orchestration/rebuilds/parts.json',
      JSON.stringify({ manifests: ['state/orchestration/rebuilds/lines.json', bench.list('one', [one])] }),
    )
    const { body } = await bench.rebuild({
      rebuild_manifest_path: 'state/orchestration/rebuilds/parts.json',
    })
    expect(body).toMatchObject({ events_processed: 3, watermark_after: idAt(2) })
  })
})

describe('work that is longer than one request', () => {
  test('TIDEMARK_REBUILD_CALL_EVENTS: it ends with what is finished, and the same body again goes on', async () => {
    const bench = compactorBench({ compactor: { ...SMALL_CHUNKS, events_budget: 2 } })
    const rebuild_manifest_path = bench.list('all', bench.append(eventsAt(0, 5)))
    const seen = []
    for (let call = 0; call < 4; call++) {
      const { body } = await bench.rebuild({ rebuild_manifest_path })
      seen.push([body.events_processed, body.remaining, body.watermark_after])
    }
    expect(seen).toEqual([
      [2, 3, idAt(1)],
      [2, 1, idAt(3)],
      [1, 0, idAt(4)],
      [0, 0, idAt(4)],
    ])
  })

  test('the same from scratch: readers see the old projection until the last call', async () => {
    const bench = compactorBench({ compactor: { ...SMALL_CHUNKS, events_budget: 2 } })
    const paths = bench.append(eventsAt(0, 5))
    const { body: old } = await bench.compact({ event_paths: paths.slice(0, 1) })
    const rebuild_manifest_path = bench.list('all', paths)
    const calls = []
    for (let call = 0; call < 3; call++) {
      const { body } = await bench.rebuild({ rebuild_manifest_path, mode: 'full' })
      calls.push([body.remaining, body.manifest_revision === old.manifest_revision])
    }
    expect(calls).toEqual([
      [3, true],
      [1, true],
      [0, false],
    ])
  })

  /** Every read of an event takes a second of the service's clock. */
  function slowReads(advance: (ms: number) => void): (store: MaintenanceStore) => MaintenanceStore {
    return (store) => ({
      ...store,
      async get(key, options) {
        if (key.includes('/ledger/')) advance(1_000)
        return store.get(key, options)
      },
    })
  }

  test('a rebuild ends before its deadline with what is finished', async () => {
    const clock = { now_ms: WORLD_START_MS, advance: (ms: number) => void (clock.now_ms += ms) }
    const bench = compactorBench({
      clock,
      wrap: slowReads((ms) => clock.advance(ms)),
      compactor: { ...SMALL_CHUNKS, deadline_ms: 5_000 },
    })
    const rebuild_manifest_path = bench.list('all', bench.append(eventsAt(0, 9)))
    const { status, body } = await bench.rebuild({ rebuild_manifest_path })
    expect([status, body.events_processed, body.remaining]).toEqual([200, 4, 5])
  })

  test('a compaction that takes longer is 503, has published nothing, and gives its lock back', async () => {
    const clock = { now_ms: WORLD_START_MS, advance: (ms: number) => void (clock.now_ms += ms) }
    const bench = compactorBench({
      clock,
      wrap: slowReads((ms) => clock.advance(ms)),
      compactor: {
        deadline_ms: 3_000,
        projection: { ...DEFAULT_COMPACTOR_SETTINGS.projection, reads_max: 2 },
      },
    })
    const answer = await bench.compact({ event_paths: bench.append(eventsAt(0, 9)) })
    expectProblem(answer, { reason: 'storage_unavailable', detail: /this step published nothing/ })
    expect(bench.json(POINTER)).toBeNull()
    expect(Date.parse(String(bench.json(LOCK)?.['expiresAt']))).toBeLessThan(clock.now_ms)
  })

  test('a refusal in the middle says what was published before it, and that stays', async () => {
    const bench = compactorBench({ compactor: SMALL_CHUNKS })
    const paths = bench.append(eventsAt(0, 4))
    bench.write(paths[3] ?? '', 'no event')
    const answer = await bench.rebuild({ rebuild_manifest_path: bench.list('all', paths) })
    expectProblem(answer, {
      reason: 'event_invalid',
      detail: new RegExp(
        `; what was published before stays: readers see events up to ${idAt(1)}, 2 are left$`,
      ),
    })
    expect(answer.body).toMatchObject({
      path: paths[3],
      offset: 0,
      progress: { events_processed: 2, revisions: 1, watermark_after: idAt(1), remaining: 2 },
    })
  })
})

describe('scopes', () => {
  test('LK-20: two scopes in one bucket: neither waits for the lock of the other, or sees its rows', async () => {
    const ours = compactorBench()
    const theirs = compactorBench({ store: ours.store, scope: { tenant: 'rival', workspace: 'prod' } })
    theirs.write(
      LOCK,
      JSON.stringify({
        holderId: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
        expiresAt: '2026-02-21T13:00:00Z',
        acquiredAt: '2026-02-21T12:00:00Z',
        sequenceNumber: 7,
      }),
    )
    const before_ms = ours.service.clock.now_ms
    const { status } = await ours.compact({ event_paths: ours.append(eventsAt(0, 2)) })
    expect([status, ours.service.clock.now_ms]).toEqual([200, before_ms])
    expectProblem(await theirs.compact({ event_paths: [] }), { reason: 'lock_held' })
    expect(theirs.json(POINTER)).toBeNull()
  })

  test('lockScope "bucket-root": the lock is at the root and shared, everything else is where it was', async () => {
    const compactor = { lock_scope: 'bucket-root' } as const
    const ours = compactorBench({ compactor })
    const theirs = compactorBench({
      store: ours.store,
      scope: { tenant: 'rival', workspace: 'prod' },
      compactor,
    })
    await ours.compact({ event_paths: ours.append(eventsAt(0, 2)) })
    const foreign = eventAt(3, { tenant_id: 'rival' })
    await theirs.compact({ event_paths: theirs.append([foreign]) })
    const locks = [...ours.store.dump().keys()].filter((key) => key.includes('lock'))
    expect(locks).toEqual([LOCK])
    expect(ours.json(POINTER)).toMatchObject({ epoch: 1 })
    expect(theirs.json(POINTER)).toMatchObject({ epoch: 2 })
  })

  test('TIDEMARK_LOCK_FLOOR: the first token after a move is above the last of the old lock', async () => {
    const { projection } = DEFAULT_COMPACTOR_SETTINGS
    const bench = compactorBench({ compactor: { projection: { ...projection, lock_floor: 41 } } })
    await bench.compact({ event_paths: [] })
    expect(bench.json(LOCK)).toMatchObject({ sequenceNumber: 42 })
  })
})

describe('what reaches the store', () => {
  test('Q10, P10: not one list and not one delete, in any mode of either route', async () => {
    const bench = compactorBench({ compactor: SMALL_CHUNKS })
    const paths = bench.append(eventsAt(0, 5))
    const rebuild_manifest_path = bench.list('all', paths)
    const answers = [
      await bench.compact({ event_paths: paths.slice(0, 1) }),
      await bench.rebuild({ rebuild_manifest_path, dry_run: true }),
      await bench.rebuild({ rebuild_manifest_path }),
      await bench.rebuild({ rebuild_manifest_path, mode: 'full' }),
      await bench.service.request('GET', '/rebuilds/all'),
      await bench.service.request('GET', '/internal/locks/orchestration'),
      await bench.service.request('POST', '/internal/locks/orchestration/force-break', { reason: 'x' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual(Array(answers.length).fill(200))
    expect(bench.violations).toEqual([])
  })

  test('http-api.md 5.5: a plain compaction of one event is ten rounds at most, so that it answers within 5 s', async () => {
    const counted: { rounds: () => number; reset: () => void }[] = []
    const bench = compactorBench({
      wrap(store) {
        const counting = countRounds(store)
        counted.push(counting)
        return counting.store
      },
    })
    const [first = '', second = ''] = bench.append(eventsAt(0, 2))
    await bench.compact({ event_paths: [first] })
    counted[0]?.reset()
    expect((await bench.compact({ event_paths: [second] })).status).toBe(200)
    expect(counted[0]?.rounds()).toBeLessThanOrEqual(10)
  })
})
