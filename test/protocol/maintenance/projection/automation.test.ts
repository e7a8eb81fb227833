/** The repair automation: one run by its table in spec/reconcile.md 7, the backlog, the loop, its variables. */
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../../functions/config.ts'
import { DEFAULT_COMPACTOR_SETTINGS } from '../../../../functions/compactor-settings.ts'
import { SILENT_LOG } from '../../../../functions/logging.ts'
import { repairAutomation } from '../../../../functions/repair-automation.ts'
import type { Note } from '../../../../lib/protocol/effects.ts'
import {
  automationRun,
  type Automation,
  type AutomationRun,
  type Backlog,
} from '../../../../lib/protocol/maintenance/projection/automation.ts'
import { LOCK_PATH, POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { StoreError, type MaintenanceStore } from '../../../../lib/store/types.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import { folded } from '../../../support/projection-world.ts'
import {
  OLD_MS,
  reconcileWorld,
  type ReconcileWorld,
  type ReconcileWorldOptions,
} from '../../../support/reconcile-world.ts'

const ORPHAN = 'state/orchestration/manifests/00000000000000000009.json'
const OTHER = 'state/orchestration/manifests/00000000000000000008.json'

const ENFORCE: Automation = { mode: 'enforce', scope: 'full' }
const DRY_RUN: Automation = { mode: 'dry_run', scope: 'full' }

async function published(options: ReconcileWorldOptions = {}): Promise<ReconcileWorld> {
  const world = reconcileWorld(options)
  folded(await world.compact(world.append(eventsAt(0, 2))))
  world.pass(OLD_MS)
  return world
}

async function run(
  world: ReconcileWorld,
  automation: Automation,
  backlog: Backlog | null = null,
): Promise<{ run: AutomationRun; backlog: Backlog | null }> {
  return world.maintain(automationRun(world.reconcile_settings, automation, backlog))
}

/** Listings and deletes fail while the test says so. */
function failing(): {
  wrap: (store: MaintenanceStore) => MaintenanceStore
  fail: { list: boolean; delete: boolean }
} {
  const fail = { list: false, delete: false }
  const injected = (key: string): StoreError => new StoreError('denied', key, 'injected')
  return {
    fail,
    wrap: (store) => ({
      ...store,
      async listPage(request, options) {
        if (fail.list) throw injected(request.prefix)
        return store.listPage(request, options)
      },
      async delete(path, options) {
        if (fail.delete) fail.list = true
        return store.delete(path, options)
      },
    }),
  }
}

describe('one run', () => {
  test('nothing found is clean, in both modes, and takes no lock', async () => {
    const world = await published()
    const before = world.text(LOCK_PATH)
    for (const automation of [DRY_RUN, ENFORCE]) {
      expect((await run(world, automation)).run).toMatchObject({
        status: 'clean',
        findings: 0,
        backlog_count: 0,
      })
    }
    expect(world.text(LOCK_PATH)).toBe(before)
  })

  test('dry_run reports and deletes nothing', async () => {
    const world = await published()
    world.plant(ORPHAN, 'x', OLD_MS)
    expect((await run(world, DRY_RUN)).run).toMatchObject({
      status: 'repair_needed',
      findings: 1,
      backlog_count: 1,
    })
    expect(world.text(ORPHAN)).toBe('x')
  })

  test('enforce deletes what is old: repaired; what is young is still needed', async () => {
    const world = await published()
    world.plant(ORPHAN, 'x', OLD_MS)
    expect((await run(world, ENFORCE)).run).toMatchObject({
      status: 'repaired',
      findings: 1,
      backlog_count: 0,
    })
    expect(world.text(ORPHAN)).toBe(null)
    world.plant(OTHER, 'y', 1)
    expect((await run(world, ENFORCE)).run).toMatchObject({ status: 'repair_needed', backlog_count: 1 })
  })

  test('scope current_head_only never finds anything to repair', async () => {
    const world = await published()
    world.plant(ORPHAN, 'x', OLD_MS)
    const { run: seen } = await run(world, { mode: 'enforce', scope: 'current_head_only' })
    expect(seen).toMatchObject({ status: 'clean', findings: 0 })
    expect(world.text(ORPHAN)).toBe('x')
  })

  test('a check that fails stops the run, without a latency, and the backlog stays', async () => {
    const { wrap, fail } = failing()
    const world = await published({ wrap_maintenance: wrap })
    fail.list = true
    const backlog = { fingerprint: 'f', since_ms: 1 }
    expect(await run(world, ENFORCE, backlog)).toMatchObject({
      backlog,
      run: { status: 'check_failed', findings: 0, backlog_count: null, latency_ms: null, failure: 'denied' },
    })
  })

  test('a repair that fails because the lock is held counts the backlog of the first check', async () => {
    const world = await published()
    world.plant(ORPHAN, 'x', OLD_MS)
    const record = world.json(LOCK_PATH) as object
    world.write(LOCK_PATH, JSON.stringify({ ...record, holderId: 'H', expiresAt: '2026-02-21T23:00:00Z' }))
    expect((await run(world, ENFORCE)).run).toMatchObject({
      status: 'repair_failed',
      failure: 'lock_held',
      backlog_count: 1,
    })
  })

  test('a second check that fails', async () => {
    const { wrap, fail } = failing()
    const world = await published({ wrap_maintenance: wrap })
    world.plant(ORPHAN, 'x', OLD_MS)
    fail.delete = true
    expect((await run(world, ENFORCE)).run).toMatchObject({
      status: 'recheck_failed',
      findings: 1,
      latency_ms: null,
      failure: 'denied',
    })
  })

  test('RC-5: without a pointer enforce deletes nothing', async () => {
    const world = await published()
    world.store.remove(world.prefix + POINTER_PATH)
    const before = world.paths('state/')
    expect((await run(world, ENFORCE)).run.status).toBe('repair_needed')
    expect(world.paths('state/')).toEqual(before)
  })
})

test('the backlog ages while the findings are the same, and begins anew with another one', async () => {
  const world = await published()
  world.plant(ORPHAN, 'x', OLD_MS)
  const first = await run(world, DRY_RUN)
  expect(first.run).toMatchObject({ is_repeat: false, backlog_age_ms: 0 })
  world.pass(60_000)
  const second = await run(world, DRY_RUN, first.backlog)
  expect(second.run).toMatchObject({ is_repeat: true, backlog_age_ms: 60_000 })
  world.plant(OTHER, 'y', OLD_MS)
  world.pass(60_000)
  const third = await run(world, DRY_RUN, second.backlog)
  expect(third.run).toMatchObject({ is_repeat: false, backlog_age_ms: 0, backlog_count: 2 })
  expect((await run(world, ENFORCE, third.backlog)).backlog).toBe(null)
})

describe('the loop', () => {
  async function loop(world: ReconcileWorld, refusal: string | null = null) {
    const notes: Note[] = []
    const failures: unknown[] = []
    const tick = repairAutomation({
      maintenance_store: world.store,
      scope: world.scope,
      resolver: world.env.resolver,
      compactor: DEFAULT_COMPACTOR_SETTINGS,
      automation: { ...ENFORCE, interval_ms: 1 },
      log: {
        ...SILENT_LOG,
        note: (_id, note) => notes.push(note),
        failure: (_id, error) => failures.push(error),
      },
      writeRefusal: () => refusal,
      overrides: {
        now: () => world.clock.now_ms,
        monotonic: () => world.clock.now_ms,
        sleep: async () => undefined,
      },
    })
    return { tick, notes, failures }
  }

  test('says one line a run that is not clean, and nothing of paths', async () => {
    const world = await published()
    const { tick, notes } = await loop(world)
    await tick()
    expect(notes).toEqual([])
    world.plant(ORPHAN, 'x', OLD_MS)
    await tick()
    expect(notes).toMatchObject([{ note: 'repair_automation', status: 'repaired', deleted_objects: 1 }])
    expect(JSON.stringify(notes)).not.toContain('manifests')
  })

  test('does not run twice at once', async () => {
    const world = await published()
    world.plant(ORPHAN, 'x', OLD_MS)
    const { tick, notes } = await loop(world)
    await Promise.all([tick(), tick(), tick()])
    expect(notes).toHaveLength(1)
  })

  test('only reports while the store is not certified', async () => {
    const world = await published()
    world.plant(ORPHAN, 'x', OLD_MS)
    const { tick, notes } = await loop(world, 'not certified')
    await tick()
    expect(notes).toMatchObject([{ mode: 'dry_run', status: 'repair_needed' }])
    expect(world.text(ORPHAN)).toBe('x')
  })
})

describe('the variables', () => {
  const PREFIX = 'ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION'
  const read = (values: Readonly<Record<string, string>>): unknown => {
    const config = readConfig(
      Object.fromEntries(Object.entries(values).map(([name, value]) => [`${PREFIX}_${name}`, value])),
    )
    return config.ok ? config.config.automation : config.problems
  }

  test.each<[Readonly<Record<string, string>>, unknown]>([
    [{}, { mode: 'dry_run', scope: 'full', interval_ms: 300_000 }],
    [{ MODE: ' Enforce ' }, { mode: 'enforce', scope: 'full', interval_ms: 300_000 }],
    [{ MODE: 'DISABLED' }, null],
    [{ INTERVAL_SECS: '0' }, { mode: 'dry_run', scope: 'full', interval_ms: 1_000 }],
    [
      { INTERVAL_SECS: '18446744073709551615' },
      { mode: 'dry_run', scope: 'full', interval_ms: 2_147_483_000 },
    ],
    [{ SCOPE: ' Current_Head_Only' }, { mode: 'dry_run', scope: 'current_head_only', interval_ms: 300_000 }],
    [{ MODE: 'on' }, [`${PREFIX}_MODE: expected disabled, dry_run or enforce`]],
    [{ INTERVAL_SECS: ' 60' }, [`${PREFIX}_INTERVAL_SECS: expected an unsigned integer`]],
    [{ INTERVAL_SECS: '-1' }, [`${PREFIX}_INTERVAL_SECS: expected an unsigned integer`]],
    [{ SCOPE: 'all' }, [`${PREFIX}_SCOPE: expected full or current_head_only`]],
  ])('%j', (values, expected) => {
    expect(read(values)).toEqual(expected)
  })
})
