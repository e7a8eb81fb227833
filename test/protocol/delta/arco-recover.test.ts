import { describe, expect, test } from 'vitest'
import type { CrashWindow, RecoverAction } from '../../../lib/protocol/delta/outcomes.ts'
import type { MemoryStore } from '../../../lib/store/memory.ts'
import { deltaWorkspace, type DeltaWorkspace } from '../../support/delta-workspace.ts'
import { freshId, freshPayload, testClock, testService, type TestService } from '../../support/service.ts'
import { forbidListing } from '../../support/stores.ts'
import { changesBetween, memoryWorkspace, snapshot } from '../../support/workspace.ts'
import type { Stored } from './arco-differences.ts'
import { changed, storedText, WORKSPACES } from './arco-expected.ts'

/** What recover does with a tree of Arco's. */
interface Recovery {
  readonly action: RecoverAction
  readonly after: 'unchanged' | Stored
}

/** What inspect says about a tree, and what recover does before and after the reservation's TTL. */
interface Case {
  readonly name: string
  readonly promise: string
  readonly crash_window: CrashWindow | null
  readonly before_ttl: Recovery
  readonly after_ttl: Recovery
}

function always(recovery: Recovery): Pick<Case, 'before_ttl' | 'after_ttl'> {
  return { before_ttl: recovery, after_ttl: recovery }
}

const NONE: Recovery = { action: 'none', after: 'unchanged' }
const BUSY: Recovery = { action: 'busy', after: 'unchanged' }

function rolledForward(version: number): Recovery {
  return {
    action: 'rolled_forward',
    after: { latest_version: version, log: { [version]: 'pending' }, markers: { pending: version } },
  }
}

function dropped(latest_version: number): Recovery {
  return { action: 'abandoned', after: { latest_version } }
}

const CASES: readonly Case[] = [
  {
    name: 'delta-catalog-http',
    promise: 'W3 is finalized at once (H-1)',
    crash_window: 'W3',
    ...always({ action: 'finalized', after: { latest_version: 2 } }),
  },
  {
    name: 'delta-committed',
    promise: 'with nothing in flight nothing is done',
    crash_window: null,
    ...always(NONE),
  },
  {
    name: 'delta-ghost-reservation',
    promise: 'D-03 a ghost is dropped at once and advances nothing (H-2, X20)',
    crash_window: null,
    ...always(dropped(3)),
  },
  {
    name: 'delta-legacy-reservation',
    promise: 'W1 waits for the TTL, then is rolled forward with version - 1 as its read_version (CO-18)',
    crash_window: 'W1',
    before_ttl: BUSY,
    after_ttl: rolledForward(2),
  },
  {
    name: 'delta-state-lost',
    promise: 'D-02 a missing state is not made up: the next commit rebuilds it (coordinator.md 10)',
    crash_window: null,
    ...always(NONE),
  },
  {
    name: 'delta-w1',
    promise: 'W1 waits for the TTL, then is rolled forward (H-3, H-4)',
    crash_window: 'W1',
    before_ttl: BUSY,
    after_ttl: rolledForward(2),
  },
  {
    name: 'delta-w1-first-commit',
    promise: 'W1 of the first commit waits for the TTL, then is rolled forward (H-3, H-4)',
    crash_window: 'W1',
    before_ttl: BUSY,
    after_ttl: rolledForward(0),
  },
  {
    name: 'delta-w1-foreign-log',
    promise: 'D-01 the foreign entry keeps its version, no marker is written for the reservation (H-6)',
    // Three known keys cannot tell whose the entry is: an old reservation does not say what it would have written.
    crash_window: 'W2',
    ...always(dropped(2)),
  },
  {
    name: 'delta-w1-restaged',
    promise: 'D-20 W1 whose generation is gone waits for the TTL, then is dropped (H-8)',
    crash_window: 'W1',
    before_ttl: BUSY,
    after_ttl: dropped(3),
  },
  {
    name: 'delta-w2',
    promise: 'W2 is recorded and finalized without waiting (H-5, HP-3)',
    crash_window: 'W2',
    ...always({ action: 'rolled_forward', after: { latest_version: 4, markers: { pending: 4 } } }),
  },
  {
    name: 'delta-w2-staged-deleted',
    promise: 'D-20 W2 whose owner cannot be told counts as taken, no marker is written (H-7)',
    crash_window: 'W2',
    ...always(dropped(1)),
  },
  {
    name: 'delta-w3',
    promise: 'D-26 W3 is finalized without another commit (H-1)',
    crash_window: 'W3',
    ...always({ action: 'finalized', after: { latest_version: 2 } }),
  },
]

const TIMES = CASES.flatMap((at) => [
  { ...at, when: 'before the TTL', offset_ms: -280_000, want: at.before_ttl },
  { ...at, when: 'after the TTL', offset_ms: 1_000, want: at.after_ttl },
])

interface Opened {
  readonly workspace: DeltaWorkspace
  readonly store: MemoryStore
  readonly service: TestService
  readonly violations: readonly string[]
}

/** A service over a fresh copy of the tree; what is set up must not list. */
function open(name: string, offset_ms: number): Opened {
  const workspace = deltaWorkspace(name)
  const store = memoryWorkspace(workspace)
  const listless = forbidListing(store)
  const expires_at_ms = workspace.expect.state?.inflight?.expires_at_ms ?? 1_788_892_739_727
  const service = testService(listless.store, {
    scope: workspace.scope,
    clock: testClock(expires_at_ms + offset_ms),
    resolver: { mode: 'auto' },
  })
  return { workspace, store, service, violations: listless.violations }
}

test('every golden Delta workspace has its case', () => {
  expect(CASES.map(({ name }) => name)).toEqual(WORKSPACES.map(({ name }) => name))
})

/** Said by tests of its own. */
const ANYTHING: unknown = expect.anything()

describe('inspect', () => {
  test.each(CASES)(
    '$name: the state as Arco stored it, crash_window $crash_window',
    async ({ name, crash_window }) => {
      const { workspace, store, service, violations } = open(name, 0)
      const before = await snapshot(store, '')
      const { status, body } = await service.inspect(workspace.expect.table_id)
      expect(status).toBe(200)
      expect(body).toEqual({
        ...(workspace.expect.state ?? { latest_version: -1, inflight: null }),
        crash_window,
        resolution: workspace.expect.state?.inflight ? ANYTHING : null,
      })
      expect(changesBetween(before, await snapshot(store, ''))).toEqual({})
      expect(violations).toEqual([])
    },
  )
})

describe('recover', () => {
  test.each(TIMES)('$name, $when: $promise', async ({ name, offset_ms, want }) => {
    const { workspace, store, service, violations } = open(name, offset_ms)
    const { table_id, state } = workspace.expect
    const before = await snapshot(store, workspace.prefix)
    const { status, body } = await service.recover(table_id)
    expect(status).toBe(200)
    const after = await snapshot(store, workspace.prefix)
    const unchanged = { latest_version: state?.latest_version ?? -1, inflight: state?.inflight ?? null }
    expect(body).toEqual(
      want.after === 'unchanged'
        ? { ...unchanged, action: want.action }
        : { latest_version: want.after.latest_version, inflight: null, action: want.action },
    )
    expect(changed(before, after)).toEqual(
      want.after === 'unchanged' ? {} : storedText(workspace, want.after, service.clock.now_ms),
    )
    expect(violations).toEqual([])
  })

  test.each(TIMES)('$name, $when: a second time it does nothing', async ({ name, offset_ms, want }) => {
    const { workspace, store, service } = open(name, offset_ms)
    const { table_id } = workspace.expect
    await service.recover(table_id)
    const before = await snapshot(store, '')
    const { status, body } = await service.recover(table_id)
    expect([status, body.action]).toEqual([200, want.action === 'busy' ? 'busy' : 'none'])
    expect(changesBetween(before, await snapshot(store, ''))).toEqual({})
  })

  test.each(CASES)(
    'C14 $name: after it, past the TTL, a new writer commits the next version',
    async ({ name }) => {
      const { workspace, service } = open(name, 1_000)
      const { table_id } = workspace.expect
      const recovered = await service.recover(table_id)
      // A lost state tells nothing; the writer has read the log itself, as every Delta reader does.
      const read_version = Math.max(recovered.body.latest_version, ...logVersions(workspace))
      const staged = await service.stage(table_id, freshPayload())
      const { status, body } = await service.commit({
        table_id,
        read_version,
        ...staged,
        idempotency_key: freshId(),
      })
      expect([status, body.version]).toEqual([200, read_version + 1])
      const inspected = await service.inspect(table_id)
      expect(inspected.body).toMatchObject({ latest_version: read_version + 1, inflight: null })
    },
  )
})

/** The versions in the log of the tree. */
function logVersions({ objects }: DeltaWorkspace): readonly number[] {
  return objects.flatMap(({ key }) => {
    const version = /\/_delta_log\/(\d{20})\.json$/.exec(key)?.[1]
    return version === undefined ? [] : [Number(version)]
  })
}
