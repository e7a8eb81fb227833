/** `GET /internal/inspect/projection` and `…/lock`: where a publisher stopped, who acts next, when, and by which request. */
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../lib/store/memory.ts'
import { compactorBench, type CompactorBench } from '../support/compactor-bench.ts'
import { eventsAt, idAt } from '../support/projection-events.ts'
import { testClock, type Answer } from '../support/service.ts'
import { WORLD_START_MS } from '../support/projection-world.ts'

const STATE = 'state/orchestration'
const POINTER = `${STATE}/manifest.pointer.json`
const MANIFEST = `${STATE}/manifests/00000000000000000001.json`
const NEXT = `${STATE}/manifests/00000000000000000002.json`
const LOCK = 'locks/orchestration.compaction.lock.json'
const NOTHING_TO_DO = { by: 'anybody', from_ms: null, ttl_left_ms: 0, request: null }

async function published(): Promise<CompactorBench> {
  const made = compactorBench({ clock: testClock(WORLD_START_MS), store: memoryStore() })
  await made.compact({ event_paths: made.append(eventsAt(0, 3)) })
  return made
}

async function inspect(made: CompactorBench): Promise<Answer> {
  const before = made.store.dump()
  const answer = await made.service.request('GET', '/internal/inspect/projection')
  // Known keys only, and nothing is written.
  expect(made.violations).toEqual([])
  expect(made.store.dump()).toEqual(before)
  expect(answer.status).toBe(200)
  return answer
}

function hold(made: CompactorBench): void {
  const record = made.json(LOCK)
  made.write(LOCK, JSON.stringify({ ...record, expiresAt: '2026-02-21T12:00:20Z', operation: 'compact' }))
}

describe('the projection', () => {
  test('after a compaction there is nothing to do', async () => {
    const made = await published()
    const { body } = await inspect(made)
    expect(body).toMatchObject({
      pointer: { manifest_path: MANIFEST, epoch: 1 },
      manifest: { manifest_id: '00000000000000000001', l0_count: 1, base_snapshot_id: null },
      watermark_age_ms: 0,
      next_manifest: { path: NEXT, is_taken: false },
      crash_window: null,
      lock: { held: false, pointer_epoch: 1 },
      resolution: NOTHING_TO_DO,
      findings: [],
    })
  })

  test('an empty workspace', async () => {
    const { body } = await inspect(compactorBench())
    expect(body).toMatchObject({
      pointer: null,
      manifest: null,
      next_manifest: null,
      resolution: NOTHING_TO_DO,
    })
    expect(body.findings).toMatchObject([{ rule: 'PJ-107', severity: 'info' }])
  })

  test('manifests.md 17, L: somebody holds the lock, and for how long', async () => {
    const made = await published()
    hold(made)
    const { body } = await inspect(made)
    expect(body).toMatchObject({
      crash_window: 'L',
      lock: { held: true },
      resolution: {
        by: 'holder',
        from_ms: WORLD_START_MS + 20_000,
        ttl_left_ms: 20_000,
        request: { path: '/internal/locks/orchestration/force-break' },
      },
      findings: [{ rule: 'PJ-503', severity: 'info' }],
    })
  })

  test('manifests.md 17, S: a manifest above the pointer, first with its publisher at work, then without', async () => {
    const made = await published()
    made.write(NEXT, '{}')
    hold(made)
    expect((await inspect(made)).body).toMatchObject({ crash_window: 'S', resolution: { by: 'holder' } })
    made.service.clock.advance(60_000)
    const { body } = await inspect(made)
    expect(body).toMatchObject({
      crash_window: 'S',
      resolution: { ...NOTHING_TO_DO, request: { path: '/internal/reconcile', body: { repair: true } } },
      findings: [{ rule: 'RC-104', path: NEXT }],
    })
  })

  test.each([
    ['PJ-101', POINTER, '{'],
    ['PJ-104', MANIFEST, '[]'],
    ['PJ-103', MANIFEST, null],
  ] as const)('%s: an operator has to rebuild', async (rule, path, text) => {
    const made = await published()
    if (text === null) made.store.remove(made.service.prefix + path)
    else made.write(path, text)
    const { body } = await inspect(made)
    expect(body.findings[0]).toMatchObject({ rule, severity: 'error', path })
    expect(body.manifest).toBe(null)
    expect(body.resolution).toMatchObject({
      by: 'operator',
      request: { path: '/rebuild', body: { mode: 'full' } },
    })
  })

  test('PJ-102: a pointer that was deleted is told from a workspace that never had one', async () => {
    const made = await published()
    made.store.remove(made.service.prefix + POINTER)
    const { body } = await inspect(made)
    expect(body).toMatchObject({
      findings: [{ rule: 'PJ-102', severity: 'error', path: POINTER }],
      resolution: { by: 'operator', request: { path: '/rebuild', body: { mode: 'full' } } },
    })
  })

  test('PJ-401: a watermark of the future is left by a rebuild that may go back', async () => {
    const made = await published()
    const manifest = made.json(MANIFEST)
    const watermarks = { ...(manifest?.['watermarks'] as object), last_visible_event_id: idAt(1_000) }
    made.write(MANIFEST, JSON.stringify({ ...manifest, watermarks }))
    const { body } = await inspect(made)
    expect(body.findings[0]).toMatchObject({ rule: 'PJ-401', severity: 'warn', path: MANIFEST })
    expect(body.resolution).toMatchObject({
      by: 'operator',
      request: { path: '/rebuild', body: { mode: 'full', allow_regression: true } },
    })
  })
})

describe('the lock', () => {
  const look = async (made: CompactorBench): Promise<Answer> =>
    made.service.request('GET', '/internal/inspect/lock')

  test('free, held, not to be parsed', async () => {
    const made = await published()
    expect((await look(made)).body).toMatchObject({ held: false, resolution: NOTHING_TO_DO, findings: [] })
    hold(made)
    expect((await look(made)).body).toMatchObject({
      held: true,
      resolution: { by: 'holder', ttl_left_ms: 20_000 },
    })
    made.write(LOCK, 'lock')
    const { status, body } = await look(made)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      record: null,
      held: false,
      findings: [{ rule: 'PJ-501', severity: 'error' }],
    })
    // The suggested request is the one that works.
    const { method, path, body: suggested } = body.resolution.request
    expect((await made.service.request(method, path, suggested)).status).toBe(200)
    expect((await look(made)).body).toMatchObject({ held: false, findings: [] })
  })

  test('LK-14: a record that was deleted, seen by its number', async () => {
    const made = await published()
    made.write(LOCK, JSON.stringify({ ...made.json(LOCK), sequenceNumber: 0 }))
    expect((await look(made)).body.findings).toMatchObject([{ rule: 'PJ-502', severity: 'warn' }])
  })
})
