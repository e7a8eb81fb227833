/** The two cleanups that go by age: staged payloads (SG-9, R24) and inputs of rebuilds (RC-14). Both are opt-in. */
import { describe, expect, test } from 'vitest'
import { cleanStaged } from '../../../lib/protocol/maintenance/clean-staged.ts'
import { cleanRebuilds } from '../../../lib/protocol/maintenance/projection/clean-rebuilds.ts'
import { LOCK_PATH } from '../../../lib/protocol/orchestration/paths.ts'
import { eventsAt } from '../../support/projection-events.ts'
import { folded } from '../../support/projection-world.ts'
import { reconcileWorld, type ReconcileWorld } from '../../support/reconcile-world.ts'

const DAY_MS = 86_400_000
const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const OTHER_TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c12'
const WEEK = { ttl_ms: 60_000, age_ms: 7 * DAY_MS }

const staged = (name: string, table = TABLE): string => `delta/staging/${table}/${name}.json`

function reserve(world: ReconcileWorld, staged_path: string): void {
  const inflight = {
    commit_id: '0194f5a0-2000-7abc-8def-0123456789ab',
    read_version: 0,
    version: 1,
    staged_path,
    staged_version: '1',
    started_at_ms: 1,
    expires_at_ms: 2,
  }
  world.write(`delta/coordinator/${TABLE}.json`, JSON.stringify({ latest_version: 0, inflight }))
}

describe('SG-9, R24: staged payloads', () => {
  test('old ones go, young ones stay, of every table', async () => {
    const world = reconcileWorld()
    world.plant(staged('01JOLD'), 'old', 8 * DAY_MS)
    world.plant(staged('01JOLD', OTHER_TABLE), 'old', 8 * DAY_MS)
    world.plant(staged('01JNEW'), 'new', 6 * DAY_MS)
    expect(await world.maintain(cleanStaged(WEEK))).toEqual({
      looked_at: 3,
      deleted_objects: 2,
      deleted_bytes: 6,
      failed: 0,
    })
    expect(world.paths('delta/')).toEqual([staged('01JNEW')])
  })

  test('the one that a reservation names stays, however old', async () => {
    const world = reconcileWorld()
    world.plant(staged('01JNAMED'), 'named', 400 * DAY_MS)
    world.plant(staged('01JOLD'), 'old', 400 * DAY_MS)
    reserve(world, staged('01JNAMED'))
    expect(await world.maintain(cleanStaged(WEEK))).toMatchObject({ deleted_objects: 1 })
    expect(world.paths('delta/staging/')).toEqual([staged('01JNAMED')])
  })

  test('a reservation that is made between the listing and the look at the state keeps its payload', async () => {
    let world: ReconcileWorld | null = null
    world = reconcileWorld({
      wrap_maintenance: (store) => ({
        ...store,
        async listPage(request, options) {
          const page = await store.listPage(request, options)
          if (world !== null) reserve(world, staged('01JNAMED'))
          return page
        },
      }),
    })
    world.plant(staged('01JNAMED'), 'named', 8 * DAY_MS)
    expect(await world.maintain(cleanStaged(WEEK))).toMatchObject({ deleted_objects: 0 })
  })

  test('never before max(24 h, 10 × TTL), whatever is asked for', async () => {
    const world = reconcileWorld()
    world.plant(staged('01JA'), 'a', DAY_MS - 1)
    expect(await world.maintain(cleanStaged({ ttl_ms: 1, age_ms: 0 }))).toMatchObject({ deleted_objects: 0 })
    world.pass(10)
    expect(await world.maintain(cleanStaged({ ttl_ms: DAY_MS, age_ms: 0 }))).toMatchObject({
      deleted_objects: 0,
    })
    expect(await world.maintain(cleanStaged({ ttl_ms: 1, age_ms: 0 }))).toMatchObject({ deleted_objects: 1 })
  })

  test('a state that does not parse, and a path that is nobody’s: everything stays', async () => {
    const world = reconcileWorld()
    world.plant(staged('01JOLD'), 'old', 8 * DAY_MS)
    world.plant('delta/staging/notes.txt', 'notes', 99 * DAY_MS)
    world.plant('delta/staging/not-a-table/01J.json', 'x', 99 * DAY_MS)
    world.write(`delta/coordinator/${TABLE}.json`, '{')
    expect(await world.maintain(cleanStaged(WEEK))).toMatchObject({ looked_at: 3, deleted_objects: 0 })
  })

  test('a process whose clock is a month ahead of the store’s deletes nothing young', async () => {
    const world = reconcileWorld()
    world.plant(staged('01JNEW'), 'new', 6 * DAY_MS)
    world.write(`delta/coordinator/${TABLE}.json`, '{"latest_version":0,"inflight":null}')
    world.clock.now_ms += 30 * DAY_MS
    expect(await world.maintain(cleanStaged(WEEK))).toMatchObject({ looked_at: 1, deleted_objects: 0 })
  })

  test('one that was written again since it was listed stays, and is counted as failed', async () => {
    let world: ReconcileWorld | null = null
    world = reconcileWorld({
      wrap_maintenance: (store) => ({
        ...store,
        async delete(path, options) {
          world?.write(path, 'again')
          return store.delete(path, options)
        },
      }),
    })
    world.plant(staged('01JOLD'), 'old', 8 * DAY_MS)
    expect(await world.maintain(cleanStaged(WEEK))).toMatchObject({ deleted_objects: 0, failed: 1 })
    expect(world.text(staged('01JOLD'))).toBe('again')
  })
})

describe('RC-14: inputs of rebuilds', () => {
  const LIST = 'state/orchestration/rebuilds/list.json'
  const CHUNK = 'state/orchestration/rebuilds/9f86d081884c7d659a2feaa0c55ad015/chunk-00000000.json'
  const MONTH = { age_ms: 30 * DAY_MS }

  test('old lists and chunks go, young ones stay, and so does everything else', async () => {
    const world = reconcileWorld()
    folded(await world.compact(world.append(eventsAt(0, 3))))
    world.pass(60 * DAY_MS)
    world.plant(LIST, 'old', 31 * DAY_MS)
    world.plant(CHUNK, 'old', 31 * DAY_MS)
    world.plant(`${LIST}l`, 'new', 29 * DAY_MS)
    const kept = world.paths().filter((path) => path !== LIST && path !== CHUNK)
    expect(await world.maintain(cleanRebuilds(world.settings, MONTH))).toMatchObject({
      ok: true,
      deleted_objects: 2,
    })
    expect(world.paths()).toEqual(kept)
    expect(await world.maintain(cleanRebuilds(world.settings, { age_ms: 0 }))).toMatchObject({
      deleted_objects: 1,
    })
  })

  test('while a rebuild runs and holds the lock nothing is taken away', async () => {
    const world = reconcileWorld()
    world.plant(CHUNK, 'old', 31 * DAY_MS)
    const lease = { holderId: 'R', sequenceNumber: 1, operation: 'rebuild' }
    const times = { acquiredAt: '2026-02-21T11:59:00Z', expiresAt: '2026-02-21T23:00:00Z' }
    world.write(LOCK_PATH, JSON.stringify({ ...lease, ...times }))
    expect(await world.maintain(cleanRebuilds(world.settings, MONTH))).toMatchObject({
      ok: false,
      reason: 'lock_held',
    })
    expect(world.text(CHUNK)).toBe('old')
  })
})
