/** One run of the health check over a scope: what it finds, what it settles, and what it may cost (issue 7). */
import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../../functions/environment.ts'
import { tableResolver } from '../../../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS } from '../../../lib/protocol/delta/settings.ts'
import {
  keepPosition,
  POSITION_PATH,
  readPosition,
} from '../../../lib/protocol/maintenance/health/position.ts'
import { HEALTH_RULES } from '../../../lib/protocol/maintenance/health/rules.ts'
import { DEFAULT_HEALTH_LIMITS, STUCK_MAX } from '../../../lib/protocol/maintenance/health/settings.ts'
import { SWEPT_RULES } from '../../../lib/protocol/maintenance/health/swept-rules.ts'
import type { TablesRequest } from '../../../lib/protocol/maintenance/health/tables.ts'
import { TABLE_RULES } from '../../../lib/protocol/maintenance/delta/findings.ts'
import { PROJECTION_RULES } from '../../../lib/protocol/maintenance/projection/rules.ts'
import { runMaintenance, type MaintenanceEnvironment } from '../../../lib/protocol/maintenance/run.ts'
import { sweep, type StoreStanding, type Swept } from '../../../lib/protocol/maintenance/sweep.ts'
import { memoryStore, type MemoryStore } from '../../../lib/store/memory.ts'
import { scopedMaintenanceStore, scopePrefix } from '../../../lib/store/scoped.ts'
import { StoreError, type MaintenanceStore } from '../../../lib/store/types.ts'
import { WINDOWS } from '../../support/crash-windows.ts'
import { plantStuck } from '../../support/health.ts'
import { SteppedMaintenance } from '../../support/maintenance-stepper.ts'
import { eventsAt } from '../../support/projection-events.ts'
import { OLD_MS, reconcileWorld } from '../../support/reconcile-world.ts'
import {
  freshId,
  freshPayload,
  START_MS,
  testClock,
  testService,
  type TestClock,
} from '../../support/service.ts'
import { readBucket } from '../../support/stores.ts'
import { TTL_MS } from '../../support/tables.ts'

const SCOPE = { tenant: 'acme', workspace: 'analytics' }
const PREFIX = scopePrefix(SCOPE)
const FINE: StoreStanding = { refusal: null, certified_at_ms: null }
const ALL: TablesRequest = { after: null, limit: 1_000, recovers: false }
const statePath = (table_id: string): string => `delta/coordinator/${table_id}.json`

interface Bench {
  readonly store: MemoryStore
  readonly clock: TestClock
  readonly env: MaintenanceEnvironment
  /** Store operations by kind, since the bench was made. */
  readonly counts: Readonly<Record<'get' | 'head' | 'put' | 'delete' | 'list', string[]>>
  sweeping(request?: Partial<TablesRequest>, standing?: StoreStanding): ReturnType<typeof sweep>
  sweep(request?: Partial<TablesRequest>, standing?: StoreStanding): Promise<Swept>
}

function bench(wrap: (store: MaintenanceStore) => MaintenanceStore = (same) => same): Bench {
  const clock = testClock()
  const store = memoryStore()
  const counts = { get: [], head: [], put: [], delete: [], list: [] } as Bench['counts']
  const scoped = counting(wrap(scopedMaintenanceStore(store, SCOPE)), counts)
  const env = {
    ...createEnvironment({
      store: scoped,
      resolver: tableResolver({ mode: 'legacy' }, { ...SCOPE, bucket: { scheme: 'memory', authority: '' } }),
      note: () => undefined,
      overrides: { now: () => clock.now_ms, monotonic: () => clock.now_ms, sleep: async () => undefined },
    }),
    store: scoped,
  }
  const sweeping: Bench['sweeping'] = (request = {}, standing = FINE) =>
    sweep(
      { limits: DEFAULT_HEALTH_LIMITS, delta: DEFAULT_SETTINGS, capabilities: scoped.capabilities },
      { ...ALL, ...request },
      standing,
    )
  return {
    store,
    clock,
    env,
    counts,
    sweeping,
    sweep: async (request, standing) => runMaintenance(sweeping(request, standing), env),
  }
}

function counting(store: MaintenanceStore, counts: Bench['counts']): MaintenanceStore {
  return {
    capabilities: store.capabilities,
    async get(path, options) {
      counts.get.push(path)
      return store.get(path, options)
    },
    async head(path, options) {
      counts.head.push(path)
      return store.head(path, options)
    },
    async put(path, bytes, precondition, options) {
      counts.put.push(path)
      return store.put(path, bytes, precondition, options)
    },
    async delete(path, options) {
      counts.delete.push(path)
      return store.delete(path, options)
    },
    async listPage(request, options) {
      counts.list.push(request.prefix)
      return store.listPage(request, options)
    },
  }
}

const told = ({ findings }: Swept): string[] => findings.map(({ rule, severity }) => `${rule} ${severity}`)

/** A table that is at rest. */
async function committed({ store, clock }: Bench): Promise<string> {
  const table_id = freshId()
  const service = testService(store, { clock })
  const staged = await service.stage(table_id, freshPayload())
  await service.commit({ table_id, read_version: -1, ...staged, idempotency_key: freshId() })
  return table_id
}

describe('stuck tables, coordinator.md 7.1', () => {
  test('an empty scope, and one with tables at rest, are clean', async () => {
    const made = bench()
    expect(await made.sweep()).toMatchObject({ findings: [], looked_at: 0, next: null })
    await committed(made)
    expect(await made.sweep()).toMatchObject({ findings: [], recovered: [], looked_at: 1, next: null })
  })

  test.each([
    { window: 'W1', rule: 'TM-201', action: 'rolled_forward' },
    { window: 'W2', rule: 'TM-202', action: 'rolled_forward' },
    { window: 'W3', rule: 'TM-203', action: 'finalized' },
  ] as const)('$window: found once the TTL has passed, settled on request, clean afterwards', async (row) => {
    const { window, rule, action } = row
    const made = bench()
    const table_id = await plantStuck(made.store, { window, clock: made.clock })
    expect(told(await made.sweep({ recovers: true }))).toEqual([])
    made.clock.advance(TTL_MS)

    const before = await readBucket(made.store)
    const found = await made.sweep()
    expect(found.findings).toMatchObject([
      {
        rule,
        severity: 'warn',
        path: statePath(table_id),
        version: 0,
        next: `POST /api/v1/delta/tables/${table_id}/recover {}`,
      },
    ])
    expect(await readBucket(made.store)).toEqual(before)

    const settled = await made.sweep({ recovers: true })
    expect(settled.recovered).toEqual([{ table_id, action, latest_version: 0 }])
    expect(settled.findings).toMatchObject([
      {
        rule,
        severity: 'info',
        next: expect.stringMatching(new RegExp(`^Nothing: it was recovered \\(${action}`)),
      },
    ])
    expect(told(await made.sweep())).toEqual([])
    expect(made.counts.delete).toEqual([])
  })

  test('R12: a reservation that claims an impossible time is found long before that time', async () => {
    const made = bench()
    const table_id = await plantStuck(made.store, { clock: made.clock })
    const key = PREFIX + statePath(table_id)
    const state = JSON.parse(new TextDecoder().decode(made.store.peek(key)?.bytes))
    state.inflight.expires_at_ms = START_MS + 1_000 * TTL_MS
    made.store.seed(key, new TextEncoder().encode(JSON.stringify(state)))
    expect(told(await made.sweep({ recovers: true }))).toContain('TM-207 warn')
  })

  test('a state that does not parse, or cannot be read, or is none: told, and the others are gone on with', async () => {
    const denied = '0194f5a0-1c00-7c3d-9b1e-000000000002'
    const made = bench((store) => ({
      ...store,
      async get(path, options) {
        if (path === statePath(denied)) throw new StoreError('denied', path, 'no')
        return store.get(path, options)
      },
    }))
    const seed = (path: string, text: string): void =>
      made.store.seed(PREFIX + path, new TextEncoder().encode(text))
    seed(statePath('0194f5a0-1c00-7c3d-9b1e-000000000001'), '{"latest_version":')
    seed(statePath(denied), '{"latest_version":0,"inflight":null}')
    seed('delta/coordinator/notes.txt', 'x')
    const stuck = await plantStuck(made.store, { clock: made.clock })
    made.clock.advance(TTL_MS)
    const swept = await made.sweep({ recovers: true })
    expect(told(swept)).toEqual(['TM-101 error', 'HC-101 error', 'HC-102 info', 'TM-201 info'])
    expect(swept.recovered).toMatchObject([{ table_id: stuck }])
    expect(swept.looked_at).toBe(4)
  })

  test('a listing that fails ends the run: nobody looked', async () => {
    const made = bench((store) => ({
      ...store,
      async listPage({ prefix }) {
        throw new StoreError('unavailable', prefix, 'down')
      },
    }))
    await expect(made.sweep()).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('bounded', () => {
  test('a page looks at `limit` tables with one listing and one read each; pages cover all of them, once', async () => {
    const made = bench()
    const ids = []
    for (let each = 0; each < 7; each++) ids.push(await committed(made))
    const seen: number[] = []
    const read: string[] = []
    let after: string | null = null
    do {
      for (const kind of Object.values(made.counts)) kind.length = 0
      const swept: Swept = await made.sweep({ after, limit: 3 })
      seen.push(swept.looked_at)
      const states = made.counts.get.filter((path) => path.startsWith('delta/'))
      expect(states.length).toBe(swept.looked_at)
      expect(made.counts.list.filter((prefix) => prefix.startsWith('delta/'))).toEqual(['delta/coordinator/'])
      read.push(...states)
      after = swept.next
    } while (after !== null)
    expect(seen).toEqual([3, 3, 1])
    expect(read.toSorted()).toEqual(ids.map(statePath).toSorted())
  })

  test('the projection and its orphans cost at most 30 reads and 5 listings, however long its history is', async () => {
    const world = reconcileWorld()
    for (let revision = 0; revision < 40; revision++) {
      await world.compact(world.append(eventsAt(revision, 1)))
    }
    world.pass(OLD_MS)
    world.plant('state/orchestration/manifests/00000000000000000099.json', '{}', OLD_MS)
    const made = bench()
    const scoped = counting(world.maintenance_env.store, made.counts)
    const swept = await runMaintenance(
      sweep(
        { limits: DEFAULT_HEALTH_LIMITS, delta: DEFAULT_SETTINGS, capabilities: scoped.capabilities },
        ALL,
        FINE,
      ),
      { ...world.maintenance_env, store: scoped },
    )
    expect(told(swept)).toEqual(['RC-104 warn'])
    expect(made.counts.get.length).toBeLessThanOrEqual(30)
    expect(made.counts.list.length).toBeLessThanOrEqual(5)
    expect([made.counts.put, made.counts.delete]).toEqual([[], []])
  })

  test(`a run settles at most ${STUCK_MAX} tables, and the next one goes on behind them`, async () => {
    const made = bench()
    for (let each = 0; each < STUCK_MAX + 3; each++) await plantStuck(made.store, { clock: made.clock })
    made.clock.advance(TTL_MS)
    const first = await made.sweep({ recovers: true })
    expect([first.recovered.length, first.looked_at]).toEqual([STUCK_MAX, STUCK_MAX])
    const second = await made.sweep({ recovers: true, after: first.next })
    expect([second.recovered.length, second.next]).toEqual([3, null])
  })

  test('time ends a run: what was looked at stays, the rest is for the next one', async () => {
    const made = bench((store) => ({
      ...store,
      async get(path, options) {
        if (path.includes('/_delta_log/')) made.clock.advance(15_000)
        return store.get(path, options)
      },
    }))
    for (let each = 0; each < 5; each++) await plantStuck(made.store, { clock: made.clock })
    made.clock.advance(TTL_MS)
    const swept = await made.sweep()
    expect(swept.looked_at).toBeLessThan(5)
    expect(swept.next).not.toBeNull()
  })
})

describe('runs that overlap are harmless', () => {
  test.each(WINDOWS.slice(1, 4))(
    '%s: another run at every step of one; one commit comes of it',
    async (window) => {
      for (let steps = 0; ; steps++) {
        const made = bench()
        const table_id = await plantStuck(made.store, { window, clock: made.clock })
        made.clock.advance(TTL_MS)
        const one = await SteppedMaintenance.start(made.sweeping({ recovers: true }), made.env)
        for (let step = 0; step < steps && one.result === undefined; step++) await one.step()
        const is_last = one.result !== undefined
        const other = await made.sweep({ recovers: true })
        await one.run()
        const recovered = [one.result?.recovered ?? [], other.recovered].flat()
        // Both may have settled it: finalizing twice is the same state.
        expect(recovered.length).toBeGreaterThanOrEqual(1)
        expect(recovered.every((each) => each.table_id === table_id && each.latest_version === 0)).toBe(true)
        const bucket = await readBucket(made.store)
        const state = JSON.parse(bucket[PREFIX + statePath(table_id)] ?? '')
        expect(state).toMatchObject({ latest_version: 0, inflight: null })
        const logs = Object.keys(bucket).filter((key) => key.includes('/_delta_log/'))
        const markers = Object.keys(bucket).filter((key) => key.includes('/delta/idempotency/'))
        expect([logs.length, markers.length]).toEqual([1, 1])
        if (is_last) break
      }
    },
  )

  test('of two that keep their place one wins, and the loser does no harm', async () => {
    const { env, store } = bench()
    const seen = await runMaintenance(readPosition(), env)
    expect(seen).toEqual({ after: null, undelivered: [], token: null })
    const keep = async (after: string | null, from = seen): Promise<boolean> =>
      runMaintenance(keepPosition(from, { after, undelivered: [] }), env)
    const [a, b] = [statePath(freshId()), statePath(freshId())]
    expect([await keep(a), await keep(b)]).toEqual([true, false])
    const again = await runMaintenance(readPosition(), env)
    expect(again.after).toBe(a)
    expect(await keep(null, again)).toBe(true)
    expect(Object.keys(await readBucket(store))).toEqual([PREFIX + POSITION_PATH])
  })

  test.each(['', 'null', '{"after":3}', '{"after":"tables/x"}', '{"after":"delta/coordinator/../x"}'])(
    'a place that is damaged is the beginning, and is written over: %j',
    async (text) => {
      const { env, store } = bench()
      store.seed(PREFIX + POSITION_PATH, new TextEncoder().encode(text))
      const seen = await runMaintenance(readPosition(), env)
      expect(seen).toMatchObject({ after: null, undelivered: [] })
      expect(await runMaintenance(keepPosition(seen, { after: null, undelivered: [] }), env)).toBe(true)
    },
  )

  test('a store that does not take the place is no failure of the run', async () => {
    const { env } = bench((store) => ({
      ...store,
      async put(path) {
        throw new StoreError('denied', path, 'no')
      },
    }))
    const seen = await runMaintenance(readPosition(), env)
    expect(await runMaintenance(keepPosition(seen, { after: null, undelivered: [] }), env)).toBe(false)
  })
})

describe('the standing of the store, providers.md 7', () => {
  const DAY_MS = 86_400_000

  test('not certified: an error, and nothing is settled whatever is asked', async () => {
    const made = bench()
    await plantStuck(made.store, { clock: made.clock })
    made.clock.advance(TTL_MS)
    const swept = await made.sweep(
      { recovers: true },
      { refusal: 'nobody has looked', certified_at_ms: null },
    )
    expect(told(swept)).toEqual(['HC-401 error', 'TM-201 warn'])
    expect([swept.recovered, made.counts.put]).toEqual([[], []])
  })

  test('certified too long ago: a warning that says the variable to set', async () => {
    const made = bench()
    const at = (days: number): StoreStanding => ({ refusal: null, certified_at_ms: START_MS - days * DAY_MS })
    expect(told(await made.sweep({}, at(89)))).toEqual([])
    const { findings } = await made.sweep({}, at(90))
    expect(findings).toMatchObject([{ rule: 'HC-402', severity: 'warn' }])
    expect(findings[0]?.next).toContain('TIDEMARK_STORE_CERTIFIED_AT=2025-02-13')
  })
})

describe('the projection', () => {
  const LOCK = 'locks/orchestration.compaction.lock.json'
  const lockText = (members: object): string =>
    JSON.stringify({ holderId: 'H', sequenceNumber: 1, operation: 'rebuild', ...members })
  const iso = (ms: number): string => new Date(ms).toISOString()

  async function sweptIn(world: ReturnType<typeof reconcileWorld>): Promise<Swept> {
    const { store } = world.maintenance_env
    const settings = {
      limits: DEFAULT_HEALTH_LIMITS,
      delta: DEFAULT_SETTINGS,
      capabilities: store.capabilities,
    }
    return world.maintain(sweep(settings, ALL, FINE))
  }

  test('Q6: events that wait for too long, without a projection and above its watermark', async () => {
    const world = reconcileWorld()
    const [first = '', second = ''] = world.append(eventsAt(0, 2))
    expect(told(await sweptIn(world))).toEqual([])
    world.pass(DEFAULT_HEALTH_LIMITS.lag_ms)
    expect((await sweptIn(world)).findings).toMatchObject([{ rule: 'HC-301', severity: 'warn', path: first }])
    await world.compact([first])
    expect((await sweptIn(world)).findings).toMatchObject([{ rule: 'HC-301', path: second }])
    await world.compact([second])
    expect(told(await sweptIn(world))).toEqual([])
  })

  test('locks-and-fencing.md 4: one that does not change hands, one that nobody gave back', async () => {
    const world = reconcileWorld()
    const now_ms = world.clock.now_ms
    const held_ms = DEFAULT_HEALTH_LIMITS.lock_held_ms
    const plant = (members: object): void => world.plant(LOCK, lockText(members), 0)
    plant({ acquiredAt: iso(now_ms - held_ms), expiresAt: iso(now_ms + 20_000), ttlMs: 30_000 })
    expect((await sweptIn(world)).findings).toMatchObject([{ rule: 'HC-201', severity: 'warn', path: LOCK }])
    plant({ acquiredAt: iso(now_ms - held_ms + 1_000), expiresAt: iso(now_ms + 20_000), ttlMs: 30_000 })
    expect(told(await sweptIn(world))).toEqual([])
    plant({ acquiredAt: iso(now_ms - 90_000), expiresAt: iso(now_ms - 60_000), ttlMs: 30_000 })
    expect((await sweptIn(world)).findings).toMatchObject([{ rule: 'HC-202', severity: 'warn', path: LOCK }])
    await world.compact(world.append(eventsAt(0, 1)))
    expect(told(await sweptIn(world))).toEqual([])
  })

  test('a lock record that does not parse, a pointer that does not parse: as inspect calls them', async () => {
    const world = reconcileWorld()
    world.plant(LOCK, 'x', 0)
    expect(told(await sweptIn(world))).toEqual(['PJ-501 error'])
    world.plant('state/orchestration/manifest.pointer.json', 'x', 0)
    expect(told(await sweptIn(world))).toEqual(['PJ-101 error', 'PJ-501 error'])
  })

  test('orphans above the visible revision are told when nobody can be at work on them any more', async () => {
    const world = reconcileWorld()
    await world.compact(world.append(eventsAt(0, 2)))
    const manifest = 'state/orchestration/manifests/00000000000000000002.json'
    const base = 'state/orchestration/base/7ZZZZZZZZZZZZZZZZZZZZZZZZZ'
    const delta = 'state/orchestration/l0/7ZZZZZZZZZZZZZZZZZZZZZZZZZ'
    for (const path of [
      manifest,
      `${base}/runs.000000000000.parquet`,
      `${delta}/runs.000000000000.parquet`,
    ]) {
      world.plant(path, 'x', 0)
    }
    expect(told(await sweptIn(world))).toEqual([])
    world.pass(3_600_000)
    const { findings } = await sweptIn(world)
    expect(findings.map(({ rule, path }) => [rule, path])).toEqual([
      ['RC-104', manifest],
      ['RC-102', base],
      ['RC-103', delta],
    ])
    await world.reconcile()
    expect(told(await sweptIn(world))).toEqual([])
  })

  test('one that cannot be read is a finding, and the tables are looked at all the same', async () => {
    const world = reconcileWorld({
      wrap_maintenance: (store) => ({
        ...store,
        async get(path, options) {
          if (path.startsWith('state/')) throw new StoreError('unavailable', path, 'down')
          return store.get(path, options)
        },
      }),
    })
    expect(told(await sweptIn(world))).toEqual(['HC-302 error'])
  })
})

test('every rule that a run can name is in a catalogue, and every rule of its own can be counted', () => {
  const known = new Set([HEALTH_RULES, TABLE_RULES, PROJECTION_RULES].flatMap((rules) => Object.keys(rules)))
  expect(SWEPT_RULES.filter((rule) => !known.has(rule))).toEqual([])
  expect(SWEPT_RULES.filter((rule) => rule.startsWith('HC-'))).toEqual(Object.keys(HEALTH_RULES))
})
