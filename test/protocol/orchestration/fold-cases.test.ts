/** Single cases of the fold that histories hardly ever come to; most were found by `npm run mutate:fold`. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newEvent } from '../../../lib/protocol/orchestration/events/encode.ts'
import type { NewEvent } from '../../../lib/protocol/orchestration/events/encode.ts'
import { DAY_MS, fromMs } from '../../../lib/protocol/orchestration/events/instant.ts'
import type { LedgerEvent, Payload } from '../../../lib/protocol/orchestration/events/kinds.ts'
import {
  addDeadline,
  nextDeadline_ms,
  noDeadlines,
  takeDeadline,
} from '../../../lib/protocol/orchestration/fold/deadlines.ts'
import { fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { allRows, loadState, replayFold, takeDelta } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { Layer } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { BackfillRow } from '../../../lib/protocol/orchestration/tables/backfills.ts'
import type { DependencyRow, TaskRow } from '../../../lib/protocol/orchestration/tables/runs.ts'
import { BACKFILL_STATES } from '../../../lib/protocol/orchestration/tables/values.ts'
import { ulidAt } from '../../support/fold-histories.ts'
import { EMIT, folded, SECRET, UNDERSTAND } from '../../support/fold-laws.ts'
import { foldModel } from '../../support/model/fold.ts'
import { emptyModel } from '../../support/model/tables.ts'
import { textOfModel, textOfState } from '../../support/projection.ts'

const START_MS = Date.UTC(2026, 0, 1)

/** An id of the second `at`, counted from the start. */
const idAt = (at: number): string => ulidAt(START_MS + at * 1000, at)

interface Given {
  readonly id?: string
  readonly at_ms?: number
  readonly key?: string
  readonly tenant_id?: string
  readonly workspace_id?: string
}

/** An event of the second `at`, counted from the start, unless told otherwise. */
function event(at: number, data: NewEvent['data'], given: Given = {}): LedgerEvent {
  return newEvent({
    event_id: given.id ?? idAt(at),
    timestamp: fromMs(given.at_ms ?? START_MS + at * 1000),
    tenant_id: given.tenant_id ?? 'acme',
    workspace_id: given.workspace_id ?? 'prod',
    data,
    idempotency_key: given.key ?? `key-${at}`,
  })
}

function plan(
  run_id: string,
  keys: readonly string[],
  upstream: readonly string[] = [],
): Payload<'plan_created'> {
  return {
    type: 'plan_created',
    run_id,
    plan_id: 'p',
    tasks: keys.map((key) => ({
      key,
      depends_on: upstream,
      asset_key: `asset/${key}`,
      partition_key: null,
      max_attempts: 3,
      heartbeat_timeout_sec: 60,
      requires_visible_output: false,
    })),
  }
}

function trigger(run_id: string): Payload<'run_triggered'> {
  return {
    type: 'run_triggered',
    run_id,
    plan_id: 'p',
    trigger: { type: 'manual', user_id: 'u' },
    root_assets: [],
    run_key: null,
    labels: new Map(),
    code_version: null,
  }
}

const attemptOf = (run_id: string, task_key: string) => ({ run_id, task_key, attempt: 1, attempt_id: 'a1' })

function start(run_id: string, task_key: string): Payload<'task_started'> {
  return { type: 'task_started', ...attemptOf(run_id, task_key), worker_id: 'w' }
}

function finish(run_id: string, task_key: string): Payload<'task_finished'> {
  return {
    type: 'task_finished',
    ...attemptOf(run_id, task_key),
    worker_id: 'w',
    outcome: 'succeeded',
    materialization_id: null,
    error_message: null,
    output: null,
    error: null,
    metrics: null,
    cancelled_during_phase: null,
    partial_progress_json: null,
    asset_key: null,
    partition_key: null,
    code_version: null,
  }
}

function heartbeat(run_id: string, task_key: string): Payload<'task_heartbeat'> {
  return {
    type: 'task_heartbeat',
    ...attemptOf(run_id, task_key),
    worker_id: 'w',
    heartbeat_at: null,
    progress_pct: null,
    message: null,
  }
}

function chunk(index: number): Payload<'backfill_chunk_planned'> {
  return {
    type: 'backfill_chunk_planned',
    backfill_id: 'b',
    chunk_id: `b:${index}`,
    chunk_index: index,
    partition_keys: ['p'],
    run_key: 'k',
    request_fingerprint: 'f',
  }
}

function backfill(chunk_size: number): Payload<'backfill_created'> {
  return {
    type: 'backfill_created',
    backfill_id: 'b',
    client_request_id: 'q',
    asset_selection: [],
    code_version: null,
    partition_selector: { type: 'range', start: 'a', end: 'b' },
    total_partitions: 5,
    chunk_size,
    max_concurrent_runs: 1,
    parent_backfill_id: null,
  }
}

/** Both folds come to the same rows. */
function expectModel(events: readonly LedgerEvent[], settings = UNDERSTAND): void {
  const model = emptyModel(SECRET)
  for (const each of events) foldModel(model, each)
  expect(textOfState(folded(events, settings))).toBe(textOfModel(model))
}

describe('backfills', () => {
  /** The row of a backfill in some state, as the reference may have stored it. */
  function stored(row: Partial<BackfillRow>): BackfillRow {
    const [created] = allRows(folded([event(1, backfill(2))]), 'backfills')
    if (created === undefined) throw new Error('expected a backfill')
    return { ...created, ...row }
  }

  function changed(row: BackfillRow, to_state: BackfillRow['state'], state_version: number): string {
    const state = loadState(UNDERSTAND, [{ rows: { backfills: [row] }, deletions: {} }])
    const { backfill_id, state: from_state } = row
    const data = {
      type: 'backfill_state_changed',
      backfill_id,
      from_state,
      to_state,
      state_version,
      changed_by: null,
    } as const
    return fold(state, event(2, data))
  }

  test('fold.md 5.20: the eight transitions, from states that only others store too', () => {
    const allowed = BACKFILL_STATES.flatMap((from) =>
      BACKFILL_STATES.filter((to) => changed(stored({ state: from }), to, 2) === 'applied').map(
        (to) => `${from} ${to}`,
      ),
    )
    expect(allowed).toEqual([
      'PENDING RUNNING',
      'PENDING CANCELLED',
      'RUNNING PAUSED',
      'RUNNING SUCCEEDED',
      'RUNNING FAILED',
      'RUNNING CANCELLED',
      'PAUSED RUNNING',
      'PAUSED CANCELLED',
    ])
  })

  test('fold.md 5.20: the state version saturates', () => {
    const last = stored({ state_version: 0xffff_ffff })
    expect(changed(last, 'PAUSED', 0xffff_ffff)).toBe('applied')
    expect(changed(last, 'PAUSED', 0)).toBe('no_effect')
    expect(changed(stored({ state_version: 0xffff_fffe }), 'PAUSED', 0xffff_ffff)).toBe('applied')
  })

  test('fold.md 5.18: chunks that are there are counted unless the size is 0', () => {
    for (const [size, planned] of [
      [0, 0],
      [1, 2],
    ] as const) {
      const state = folded([event(1, chunk(0)), event(2, chunk(1)), event(3, backfill(size))])
      expect(allRows(state, 'backfills').map((row) => row.planned_chunks)).toEqual([planned])
    }
  })

  test('fold.md 5.19: a chunk is not planned again by an event of the same id', () => {
    const state = folded([event(1, chunk(0))])
    expect(fold(state, event(1, { ...chunk(0), run_key: 'other' }, { key: 'other' }))).toBe('no_effect')
  })
})

describe('the catalog', () => {
  test('fold.md 4.3: two workspaces of one tenant in one state have rows of their own', () => {
    const dev = { workspace_id: 'dev' }
    expectModel([
      event(1, trigger('r')),
      event(2, plan('r', ['a', 'b'])),
      event(3, start('r', 'a'), dev),
      event(4, heartbeat('r', 'a')),
      event(5, heartbeat('r', 'a'), dev),
      event(6, start('r', 'b'), dev),
      event(7, finish('r', 'a')),
    ])
  })

  test('fold.md 4.3: versions of a run may move in any order', () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f']
    const steps = fc.array(
      fc.record({ kind: fc.nat(4), task: fc.nat(5), id: fc.integer({ min: 10, max: 25 }) }),
      {
        minLength: 4,
        maxLength: 24,
      },
    )
    const kinds = [heartbeat, finish, finish, heartbeat, start] as const
    fc.assert(
      fc.property(steps, (chosen) => {
        const events = chosen.map(({ kind, task, id }, index) =>
          event(100 + index, (kinds[kind] ?? start)('r', keys[task] ?? 'a'), {
            id: ulidAt(START_MS + 3500, id),
          }),
        )
        const started = keys.map((key, index) => event(3 + index, start('r', key)))
        expectModel([event(1, trigger('r')), event(2, plan('r', keys)), ...started, ...events])
      }),
      { numRuns: 150 },
    )
  })

  test('fold.md 4.3: a run that expired and came back begins anew', () => {
    const later = 10 * 86_400
    const state = loadState(EMIT)
    const first = [
      trigger('r'),
      plan('r', ['a', 'b']),
      start('r', 'a'),
      finish('r', 'a'),
      start('r', 'b'),
      finish('r', 'b'),
    ]
    const again = [trigger('r'), plan('r', ['a', 'b']), start('r', 'a')]
    for (const [at, data] of first.entries()) fold(state, event(at, data))
    const second = again.map((data, at) => event(later + at, data))
    for (const each of second) fold(state, each)
    // The keys of the first life are there still; all else is as if it had never been.
    const fresh = folded(second, EMIT)
    for (const name of ['catalog_run_index', 'tasks', 'runs', 'dep_satisfaction'] as const)
      expect(allRows(state, name)).toEqual(allRows(fresh, name))
  })
})

describe('completions', () => {
  const visibility = { published_at: 5n, publish_error: 'late' } as const

  function finishedFrom(
    row: Partial<TaskRow>,
    outcome: Payload<'task_finished'>['outcome'] = 'succeeded',
  ): TaskRow | undefined {
    const started = takeDelta(folded([event(1, plan('r', ['a'])), event(2, start('r', 'a'))]))
    const tasks = (started.rows.tasks ?? []).map((task) => ({ ...task, ...row }))
    const state = loadState(UNDERSTAND, [{ rows: { ...started.rows, tasks }, deletions: {} }])
    fold(state, event(3, { ...finish('r', 'a'), outcome }))
    return allRows(state, 'tasks')[0]
  }

  test('fold.md 5.6: a success keeps what is known of a visibility, and clears what has none', () => {
    const kept = finishedFrom({ output_visibility_state: 'PENDING', ...visibility })
    expect([kept?.state, kept?.published_at, kept?.publish_error]).toEqual(['SUCCEEDED', 5n, 'late'])
    const cleared = finishedFrom({ output_visibility_state: null, ...visibility })
    expect([cleared?.state, cleared?.published_at, cleared?.publish_error]).toEqual(['SUCCEEDED', null, null])
  })

  test('fold.md 5.6: any other end clears all that is known of a visibility', () => {
    for (const [outcome, state] of [
      ['failed', 'RETRY_WAIT'],
      ['skipped', 'SKIPPED'],
      ['cancelled', 'CANCELLED'],
    ] as const) {
      const task = finishedFrom({ output_visibility_state: 'VISIBLE', ...visibility }, outcome)
      const { output_visibility_state, published_at, publish_error } = task ?? {}
      expect([task?.state, output_visibility_state, published_at, publish_error]).toEqual([
        state,
        null,
        null,
        null,
      ])
    }
  })
})

describe('dependencies', () => {
  /** A run whose task `a` runs and `b` waits for it, with its rows changed as a reader of odd layers may find them. */
  function loadedWith(change: (layer: Layer) => Layer['rows']) {
    const layer = takeDelta(
      folded([event(1, trigger('r')), event(2, plan('r', ['a'])), event(3, start('r', 'a'))]),
    )
    return loadState(UNDERSTAND, [{ rows: change(layer), deletions: {} }])
  }

  const edge: DependencyRow = {
    run_id: 'r',
    upstream_task_key: 'a',
    downstream_task_key: 'b',
    satisfied: true,
    resolution: 'SUCCESS',
    satisfied_at: 1n,
    satisfying_attempt: 1,
    row_version: idAt(2),
  }

  const waiting = ({ rows }: Layer): Layer['rows'] => {
    const [task] = rows.tasks ?? []
    if (task === undefined) throw new Error('expected a task')
    const b: TaskRow = { ...task, task_key: 'b', state: 'BLOCKED', deps_total: 2, deps_satisfied_count: 1 }
    return { ...rows, tasks: [task, b], dep_satisfaction: [edge] }
  }

  test('fold.md 4.7: an edge that is satisfied already is not counted again', () => {
    const state = loadedWith(waiting)
    fold(state, event(4, finish('r', 'a')))
    const b = allRows(state, 'tasks').find((task) => task.task_key === 'b')
    expect([b?.state, b?.deps_satisfied_count]).toEqual(['BLOCKED', 1])
  })

  test('fold.md 4.8: an edge that is satisfied already is not any more when its task is cancelled', () => {
    const state = loadedWith(waiting)
    fold(state, event(4, { ...finish('r', 'a'), outcome: 'cancelled' }))
    const [after] = allRows(state, 'dep_satisfaction')
    expect([after?.satisfied, after?.resolution, after?.satisfying_attempt]).toEqual([
      false,
      'CANCELLED',
      null,
    ])
  })

  test('fold.md 4.7, 4.8: an edge to a task that is not there resolves and that is all', () => {
    const unresolved: DependencyRow = {
      ...edge,
      satisfied: false,
      resolution: null,
      satisfied_at: null,
      satisfying_attempt: null,
    }
    for (const [outcome, resolution] of [
      ['succeeded', 'SUCCESS'],
      ['skipped', 'SKIPPED'],
    ] as const) {
      const state = loadedWith(({ rows }) => ({ ...rows, dep_satisfaction: [unresolved] }))
      fold(state, event(4, { ...finish('r', 'a'), outcome }))
      expect(allRows(state, 'dep_satisfaction').map((row) => row.resolution)).toEqual([resolution])
      expect(allRows(state, 'tasks').map((row) => row.task_key)).toEqual(['a'])
    }
  })
})

describe('dispatches', () => {
  const request = (attempt: number) =>
    ({
      type: 'dispatch_requested',
      ...attemptOf('r', 'a'),
      attempt,
      worker_queue: 'q',
      dispatch_id: `d${attempt}`,
    }) as const

  test('fold.md 5.9: a newer attempt is dispatched even under the id of the one before', () => {
    const failed = { ...finish('r', 'a'), outcome: 'failed' } as const
    const begun = [event(1, plan('r', ['a'])), event(2, request(1))]
    for (const before of [begun, [...begun, event(3, start('r', 'a')), event(4, failed)]]) {
      const state = folded(before)
      fold(state, event(9, request(2)))
      const [task] = allRows(state, 'tasks')
      expect([task?.state, task?.attempt, task?.attempt_id]).toEqual(['DISPATCHED', 2, 'a1'])
    }
  })
})

describe('memory', () => {
  test('P20: a refused event leaves nothing behind, not even the place of its key', () => {
    const state = loadState(EMIT)
    for (let at = 1; at < 100; at += 1) expect(fold(state, event(at, heartbeat('r', 'a')))).toBe('no_effect')
    expect(state.rows.idempotency_keys.ungrouped.size).toBe(0)
    expect(takeDelta(state)).toEqual({ rows: {}, deletions: {} })
  })
})

describe('retention', () => {
  test('fold.md 10.4: what is due comes in the order of time, before 1970 too', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 40 }), (times) => {
        const deadlines = noDeadlines<number>()
        for (const at_ms of times) addDeadline(deadlines, at_ms, { row: at_ms, before: undefined })
        const taken = times.map(() => [nextDeadline_ms(deadlines), takeDeadline(deadlines)?.row])
        expect(taken).toEqual(times.toSorted((a, b) => a - b).map((at_ms) => [at_ms, at_ms]))
        expect(nextDeadline_ms(deadlines)).toBe(Infinity)
      }),
      { numRuns: 200 },
    )
  })

  const request = (fingerprint: string): Payload<'run_requested'> => ({
    type: 'run_requested',
    run_key: 'k',
    request_fingerprint: fingerprint,
    asset_selection: [],
    partition_selection: null,
    trigger_source_ref: { type: 'manual', user_id: 'u', request_id: 'q' },
    labels: new Map(),
    code_version: null,
  })

  test('fold.md 10.4: with a run go its timers, dispatches, run keys and their conflicts, and nothing else', () => {
    const before = [
      event(1, request('f1')),
      event(2, request('f2')),
      event(3, { ...request('f3'), run_key: 'other' }),
    ]
    const [known] = allRows(folded(before, EMIT), 'run_key_index').filter((row) => row.run_key === 'k')
    const run_id = known?.run_id ?? ''
    const timer = (timer_id: string, of: string | null) =>
      ({
        type: 'timer_requested',
        timer_id,
        timer_type: 'sla_check',
        run_id: of,
        task_key: null,
        attempt: null,
        fire_at: 0n,
      }) as const
    const dispatch = (of: string) =>
      ({
        type: 'dispatch_requested',
        ...attemptOf(of, 'x'),
        worker_queue: 'q',
        dispatch_id: `d:${of}`,
      }) as const
    const state = folded(
      [
        ...before,
        event(4, trigger(run_id)),
        event(5, plan(run_id, ['a', 'b'], ['ghost'])),
        event(6, timer('t1', run_id)),
        event(7, timer('t2', null)),
        event(8, timer('t3', 'r2')),
        event(9, dispatch(run_id)),
        event(10, dispatch('r2')),
        event(11, { ...request('f4'), run_key: 'other' }),
        event(12, { type: 'run_cancel_requested', run_id, reason: null, requested_by: 'u' }),
      ],
      EMIT,
    )
    const sizes = () =>
      Object.fromEntries(
        (
          [
            'runs',
            'tasks',
            'catalog_run_index',
            'dep_satisfaction',
            'timers',
            'dispatch_outbox',
            'run_key_index',
            'run_key_conflicts',
          ] as const
        ).map((name) => [name, allRows(state, name).length]),
      )
    expect(sizes()).toEqual({
      runs: 1,
      tasks: 2,
      catalog_run_index: 2,
      dep_satisfaction: 2,
      timers: 3,
      dispatch_outbox: 2,
      run_key_index: 2,
      run_key_conflicts: 2,
    })
    // The last event that wrote the run is of second 12; five days later to the millisecond it is not yet too old.
    const age_s = 12 + (5 * DAY_MS) / 1000
    fold(state, event(age_s, trigger('edge')))
    expect(sizes()['runs']).toBe(2)
    fold(state, {
      ...event(age_s, trigger('late')),
      event_id: ulidAt(START_MS + age_s * 1000 + 1, 0),
      idempotency_key: 'late',
    })
    expect(sizes()).toEqual({
      runs: 2,
      tasks: 0,
      catalog_run_index: 0,
      dep_satisfaction: 0,
      timers: 2,
      dispatch_outbox: 1,
      run_key_index: 1,
      run_key_conflicts: 1,
    })
  })

  test('fold.md 10.4: the age of a run whose version has no time is that of its end, else of its beginning', () => {
    const cancel = { type: 'run_cancel_requested', run_id: 'r', reason: null, requested_by: 'u' } as const
    const day = (days: number): number => START_MS + days * DAY_MS
    const ended = [
      event(1, trigger('r'), { id: 'evt_1', at_ms: day(0) }),
      event(2, cancel, { id: 'evt_2', at_ms: day(4) }),
    ]
    const endless = [
      event(1, plan('r', ['a']), { id: 'evt_1', at_ms: day(0) }),
      event(2, cancel, { id: 'evt_2', at_ms: day(1) }),
      event(3, trigger('r'), { id: 'evt_3', at_ms: day(4) }),
    ]
    for (const events of [ended, endless]) {
      const state = folded(events, EMIT)
      const at = (ms: number): number => {
        fold(state, { ...event(9, cancel, { id: ulidAt(ms, 0) }), data: { type: 'unknown' } })
        return allRows(state, 'runs').length
      }
      expect([at(day(6)), at(day(9)), at(day(9) + 1)]).toEqual([1, 1, 0])
      expect([...state.rows.tasks.groups.keys()]).toEqual([''])
    }
  })
})

describe('layers', () => {
  test('Q7: a state of no layers has nothing to write', () => {
    expect(takeDelta(loadState(UNDERSTAND))).toEqual({ rows: {}, deletions: {} })
  })

  test('P8: pieces of one fold, replayed, are the state at its end, and go on as it does', () => {
    const events = [
      event(1, trigger('r')),
      event(2, plan('r', ['a', 'b'])),
      event(3, start('r', 'a'), { id: idAt(30) }),
      event(4, finish('r', 'a')),
    ]
    const replay = replayFold(EMIT)
    const state = loadState(EMIT)
    for (const each of events) {
      fold(state, each)
      replay.next(takeDelta(state))
    }
    const replayed = replay.end(state.retention?.frontier_ms ?? null)
    expect(takeDelta(replayed)).toEqual({ rows: {}, deletions: {} })
    const next = [event(5, start('r', 'b')), event(6, finish('r', 'b')), event(100 * 86_400, trigger('late'))]
    for (const each of next) expect(fold(replayed, each)).toBe(fold(state, each))
    expect(takeDelta(replayed)).toEqual(takeDelta(state))
    expect(textOfState(replayed)).toBe(textOfState(state))
  })
})
