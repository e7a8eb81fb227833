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
import { expireRunLater } from '../../../lib/protocol/orchestration/fold/expiry.ts'
import { fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { downstreamOf, upstreamOf } from '../../../lib/protocol/orchestration/fold/graph.ts'
import {
  allRows,
  loadState,
  replayFold,
  takeDelta,
  wholeLayer,
} from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { Layer } from '../../../lib/protocol/orchestration/fold/layers.ts'
import { joinKey, put } from '../../../lib/protocol/orchestration/fold/rows.ts'
import type { Slot } from '../../../lib/protocol/orchestration/fold/rows.ts'
import type { FoldState } from '../../../lib/protocol/orchestration/fold/state.ts'
import type { BackfillRow } from '../../../lib/protocol/orchestration/tables/backfills.ts'
import type { DependencyRow, RunRow, TaskRow } from '../../../lib/protocol/orchestration/tables/runs.ts'
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

/** An event of a kind that nobody knows: it only moves time on. */
function unknown(at: number, given: Given = {}): LedgerEvent {
  return { ...event(at, cancelOf('none'), given), data: { type: 'unknown' } }
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

function timer(timer_id: string, run_id: string | null): Payload<'timer_requested'> {
  return {
    type: 'timer_requested',
    timer_id,
    timer_type: 'sla_check',
    run_id,
    task_key: null,
    attempt: null,
    fire_at: 0n,
  }
}

function cancelOf(run_id: string): Payload<'run_cancel_requested'> {
  return { type: 'run_cancel_requested', run_id, reason: null, requested_by: 'u' }
}

function request(fingerprint: string): Payload<'run_requested'> {
  return {
    type: 'run_requested',
    run_key: 'k',
    request_fingerprint: fingerprint,
    asset_selection: [],
    partition_selection: null,
    trigger_source_ref: { type: 'manual', user_id: 'u', request_id: 'q' },
    labels: new Map(),
    code_version: null,
  }
}

function evaluation(): Payload<'sensor_evaluated'> {
  return {
    type: 'sensor_evaluated',
    sensor_id: 's',
    eval_id: 'e',
    cursor_before: null,
    cursor_after: null,
    expected_state_version: null,
    trigger_source: { source: 'push', message_id: 'm' },
    run_requests: [],
    status: { status: 'no_new_data' },
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

  test.each([
    { versions: [25, 10, 8, 6, 12], own: 11 },
    { versions: [25, 10, 8, 6, 9], own: 8 },
  ])('fold.md 4.3: a task notices the last version of its run that is above its own', ({ versions, own }) => {
    const idOf = (version: number): string => ulidAt(START_MS + 90_000, version)
    const keys = versions.map((_, at) => `t${at}`)
    expectModel([
      event(1, trigger('r')),
      event(2, plan('r', [...keys, 'own'])),
      ...keys.map((key, at) => event(3 + at, start('r', key))),
      event(20, start('r', 'own')),
      event(21, heartbeat('r', 'own'), { id: idOf(own) }),
      ...versions.map((version, at) => event(30 + at, finish('r', `t${at}`), { id: idOf(version) })),
    ])
  })

  test('fold.md 4.3: rows of a run that came back have its times, whatever its ids', () => {
    const state = loadState(EMIT)
    for (const each of [event(1, trigger('r')), event(2, plan('r', ['a']))]) fold(state, each)
    takeDelta(state)
    for (const each of [event(3, start('r', 'a')), event(4, finish('r', 'a'))]) fold(state, each)
    fold(state, unknown(10 * 86_400))
    expect(state.rows.runs.size).toBe(0)
    const id = idAt(4)
    fold(state, event(20, trigger('r'), { id }))
    fold(state, event(21, plan('r', ['a']), { id }))
    expect(allRows(state, 'catalog_run_index').map((row) => row.updated_at)).toEqual([
      fromMs(START_MS + 21_000),
    ])
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

  test('fold.md 5.9: an empty attempt id is filled, and a queue that was chosen stays', () => {
    expectModel([
      event(1, plan('r', ['a'])),
      event(2, { ...request(1), attempt_id: '' }),
      event(3, { ...request(1), worker_queue: 'other' }),
    ])
  })
})

describe('memory', () => {
  test('P20: a refused event leaves nothing behind, not even the place of its key', () => {
    const state = loadState(EMIT)
    for (let at = 1; at < 100; at += 1) expect(fold(state, event(at, heartbeat('r', 'a')))).toBe('no_effect')
    expect(state.rows.idempotency_keys.ungrouped.size).toBe(0)
    expect(takeDelta(state)).toEqual({ rows: {}, deletions: {} })
  })

  test('fold.md 10.4: what expired leaves no slot, no group and no index behind', () => {
    const first = loadState(EMIT)
    const ended = [trigger('r'), plan('r', ['a'], ['ghost']), timer('t', 'r'), cancelOf('r')]
    for (const [at, data] of ended.entries()) fold(first, event(at, data))
    fold(first, event(5, timer('free', null)))
    const state = loadState(EMIT, [takeDelta(first)])
    fold(state, unknown(100 * 86_400))
    takeDelta(state)
    const { tasks, runs, timers, dep_satisfaction } = state.rows
    expect([[...tasks.groups.keys()], [...dep_satisfaction.groups.keys()]]).toEqual([[''], ['']])
    expect([[...runs.ungrouped.keys()], [...timers.ungrouped.keys()]]).toEqual([[], ['free']])
    expect([...(timers.index?.slots.keys() ?? [])]).toEqual([])
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

  test('fold.md 10.4: with a run go its timers, dispatches, run keys and their conflicts, and nothing else', () => {
    const before = [
      event(1, request('f1')),
      event(2, request('f2')),
      event(3, { ...request('f3'), run_key: 'other' }),
    ]
    const [known] = allRows(folded(before, EMIT), 'run_key_index').filter((row) => row.run_key === 'k')
    const run_id = known?.run_id ?? ''
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

  const days = (count: number): number => count * 86_400
  const tick = (state: FoldState, ms: number): void => {
    fold(state, unknown(0, { id: ulidAt(ms, 0), key: `late-${ms}` }))
  }

  test('fold.md 10.4: one day is a number of days', () => {
    const state = folded([event(0, trigger('r')), event(1, cancelOf('r'))], { ...EMIT, terminal_run_days: 1 })
    tick(state, START_MS + 1000 + DAY_MS)
    expect(allRows(state, 'runs')).toHaveLength(1)
    tick(state, START_MS + 1001 + DAY_MS)
    expect(allRows(state, 'runs')).toEqual([])
  })

  test('fold.md 10.4: a cutoff that no instant is expires nothing', () => {
    const min_ms = -8_334_601_228_800_000
    const [row] = allRows(folded([event(0, trigger('r')), event(1, cancelOf('r'))]), 'runs')
    const ancient = { ...row, row_version: 'x', completed_at: fromMs(min_ms - 1000) }
    const left = (now_ms: number, terminal_run_days: number): number => {
      const state = loadState({ ...EMIT, terminal_run_days }, [
        { rows: { runs: [ancient as RunRow] }, deletions: {} },
      ])
      tick(state, now_ms)
      return allRows(state, 'runs').length
    }
    const cutoff_days = -min_ms / DAY_MS
    expect([left(0, cutoff_days), left(DAY_MS - 1, cutoff_days + 1)]).toEqual([0, 1])
  })

  test('fold.md 10.4: an evaluation that was made again is as old as the last time', () => {
    const state = folded([event(0, evaluation()), event(days(1), evaluation())], EMIT)
    tick(state, START_MS + 31 * DAY_MS)
    expect(allRows(state, 'sensor_evals')).toHaveLength(1)
    tick(state, START_MS + 31 * DAY_MS + 1)
    expect(allRows(state, 'sensor_evals')).toEqual([])
  })

  test('fold.md 10.4: what is due is looked at again: a run that is open, later written or gone', () => {
    const state = folded([event(0, trigger('r')), event(1, cancelOf('r'))], EMIT)
    const [run] = allRows(state, 'runs')
    if (run === undefined) throw new Error('expected a run')
    const terminal = (run_id: string): RunRow => ({ ...run, run_id, row_version: idAt(2) })
    const put_before = (row: RunRow): Slot<RunRow> => {
      const slot = put(state.rows.runs, row)
      expireRunLater(state.retention, slot)
      return slot
    }
    for (const run_id of ['open', 'later', 'edge', 'twice'])
      expireRunLater(state.retention, put_before(terminal(run_id)))
    put(state.rows.runs, { ...terminal('open'), state: 'RUNNING' })
    put(state.rows.runs, { ...terminal('later'), row_version: idAt(days(4)) })
    put(state.rows.runs, { ...terminal('edge'), row_version: idAt(days(1)) })
    tick(state, START_MS + 6 * DAY_MS)
    expect(allRows(state, 'runs').map((row) => row.run_id)).toEqual(['edge', 'later', 'open'])
  })

  test('fold.md 10.4: a run that comes back has the edges of its new plan only', () => {
    const first = [event(1, trigger('r')), event(2, plan('r', ['a', 'b'], ['up'])), event(3, cancelOf('r'))]
    const state = loadState(EMIT, [takeDelta(folded(first, EMIT))])
    tick(state, START_MS + 10 * DAY_MS)
    for (const each of [event(20, trigger('r')), event(21, plan('r', ['a', 'c'], ['up']))]) fold(state, each)
    expect(downstreamOf(state, 'r', 'up').map((edge) => edge.downstream_task_key)).toEqual(['c', 'a'])
    expect(upstreamOf(state, 'r', 'a').map((edge) => edge.upstream_task_key)).toEqual(['up'])
    expect(upstreamOf(state, 'r', 'b')).toEqual([])
  })

  test('fold.md 2: a run or a task that nobody named has no edges', () => {
    const state = folded([event(1, plan('r', ['a']))])
    for (const [run_id, key] of [
      ['none', 'a'],
      ['r', 'none'],
    ] as const)
      expect([downstreamOf(state, run_id, key), upstreamOf(state, run_id, key)]).toEqual([[], []])
  })

  test('fold.md 10.4: a timer goes with the run that it is of now', () => {
    const state = folded(
      [event(1, trigger('r')), event(2, timer('t1', 'r')), event(3, timer('t2', 'r'))],
      EMIT,
    )
    const [moved] = allRows(state, 'timers')
    if (moved === undefined) throw new Error('expected a timer')
    put(state.rows.timers, { ...moved, run_id: 'other' })
    fold(state, event(4, cancelOf('r')))
    tick(state, START_MS + 10 * DAY_MS)
    expect(allRows(state, 'timers').map((row) => row.timer_id)).toEqual(['t1'])
  })

  test('P20: the key of an expired event, refused once and then taken, is in the delta once', () => {
    const first = [event(1, trigger('r'), { key: 'again' })]
    const state = loadState(EMIT, [takeDelta(folded(first, EMIT))])
    const late = days(40)
    expect(fold(state, unknown(late, { key: 'again' }))).toBe('no_effect')
    expect(fold(state, event(late + 1, trigger('r2'), { key: 'again' }))).toBe('applied')
    const { rows, deletions } = takeDelta(state)
    expect([rows.idempotency_keys?.map((row) => row.idempotency_key), deletions.idempotency_keys]).toEqual([
      ['again'],
      undefined,
    ])
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

  test('P8: pieces of a fold that deleted, replayed, come to what is left, and to its frontier', () => {
    const events = [event(1, trigger('r')), event(2, cancelOf('r')), event(10 * 86_400, trigger('late'))]
    const replay = replayFold(EMIT)
    const state = loadState(EMIT)
    for (const each of events) {
      fold(state, each)
      replay.next(takeDelta(state))
    }
    const replayed = replay.end(state.retention?.frontier_ms ?? null)
    expect(textOfState(replayed)).toBe(textOfState(state))
    expect(replayed.retention?.frontier_ms).toBe(START_MS + 10 * DAY_MS)
    expect(replayFold(UNDERSTAND).end(null).retention).toBeNull()
  })

  test('Q7: the whole of a state is one layer that comes to the same state', () => {
    const state = folded([event(1, trigger('r')), event(2, plan('r', ['a', 'b']))])
    expect(textOfState(loadState(UNDERSTAND, [wholeLayer(state)]))).toBe(textOfState(state))
  })

  test('projections.md 4: of one key in one file the last row counts, whatever its version', () => {
    const [row] = allRows(folded([event(1, trigger('r'))]), 'runs')
    if (row === undefined) throw new Error('expected a run')
    const runs = [row, { ...row, row_version: '', plan_id: 'last' }]
    expect(allRows(loadState(UNDERSTAND, [{ rows: { runs }, deletions: {} }]), 'runs')).toEqual(runs.slice(1))
  })

  test('manifests.md 9: a deletion of what is not there changes nothing', () => {
    const state = folded([event(1, trigger('r'))])
    const layers = [takeDelta(state), { rows: {}, deletions: { runs: [['none']] } }]
    expect(textOfState(loadState(UNDERSTAND, layers))).toBe(textOfState(state))
  })

  test('manifests.md 9: which of two layers wins, by table', () => {
    const merged = (...rows: readonly Layer['rows'][]): FoldState =>
      loadState(
        UNDERSTAND,
        rows.map((each) => ({ rows: each, deletions: {} })),
      )
    const [b] = allRows(folded([event(1, backfill(1))]), 'backfills')
    const requests = [event(1, request('f1')), event(2, request('f2'))]
    const [key] = allRows(folded(requests), 'run_key_index')
    const [conflict] = allRows(folded(requests), 'run_key_conflicts')
    if (b === undefined || key === undefined || conflict === undefined)
      throw new Error('expected a row of each')
    const wins = (
      [old_state, old_version]: readonly [number, string],
      [state_version, row_version]: readonly [number, string],
    ): boolean => {
      const before = { ...b, state_version: old_state, row_version: old_version, code_version: 'before' }
      const after = { ...b, state_version, row_version, code_version: 'after' }
      const [row] = allRows(merged({ backfills: [before] }, { backfills: [after] }), 'backfills')
      return row?.code_version === 'after'
    }
    expect([wins([2, 'v1'], [1, 'v9']), wins([1, 'v9'], [2, 'v1'])]).toEqual([false, true])
    expect([wins([1, 'v1'], [1, 'v1']), wins([1, 'v2'], [1, 'v1']), wins([1, 'v1'], [1, 'v2'])]).toEqual([
      true,
      false,
      true,
    ])
    const keyOf = (row_version: string): string | undefined => {
      const before = { ...key, row_version: 'v2', run_id: 'before' }
      const state = merged(
        { run_key_index: [before] },
        { run_key_index: [{ ...key, row_version, run_id: 'after' }] },
      )
      return allRows(state, 'run_key_index')[0]?.run_id
    }
    expect([keyOf('v1'), keyOf('v2'), keyOf('v3')]).toEqual(['before', 'before', 'after'])
    const other = { ...conflict, existing_fingerprint: 'other' }
    const conflicts = merged({ run_key_conflicts: [conflict] }, { run_key_conflicts: [other] })
    expect(allRows(conflicts, 'run_key_conflicts')).toEqual([conflict])
  })

  const map = (given: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
    new Map(Object.entries(given))

  test.each([
    { from: { a: '1' }, to: { a: '2' } },
    { from: { a: '1' }, to: { b: '1' } },
    { from: { a: '1' }, to: { a: '1', b: '2' } },
    { from: { a: '1', b: '2' }, to: { a: '1' } },
  ])('Q7: a delta has the rows that differ, and none that is what it was', ({ from, to }) => {
    const [row] = allRows(folded([event(1, { ...trigger('r'), labels: map(from) })]), 'runs')
    if (row === undefined) throw new Error('expected a run')
    const state = loadState(UNDERSTAND, [{ rows: { runs: [row] }, deletions: {} }])
    const changed = { ...row, labels: map(to) }
    put(state.rows.runs, changed)
    put(state.rows.runs, { ...row, labels: map(from) })
    expect(takeDelta(state)).toEqual({ rows: {}, deletions: {} })
    put(state.rows.runs, changed)
    expect(takeDelta(state)).toEqual({ rows: { runs: [changed] }, deletions: {} })
    put(state.rows.runs, { ...changed, plan_id: 'q' })
    expect(takeDelta(state).rows.runs).toHaveLength(1)
  })

  test('fold.md 2: keys of several parts are told apart, however they are joined', () => {
    const keys = [
      ['a', 'bc'],
      ['ab', 'c'],
      ['a', 'b', 'cd'],
      ['a', 'bc', 'd'],
    ].map(joinKey)
    expect(new Set(keys).size).toBe(4)
  })
})

describe('partitions', () => {
  const at_partition = { asset_key: 'asset', partition_key: 'p' } as const
  const begun = [event(1, plan('r', ['a', 'b'])), event(2, start('r', 'a')), event(3, start('r', 'b'))]

  test('fold.md 4.11: of two attempts with one event id the later one counts', () => {
    const failed = { ...finish('r', 'b'), ...at_partition, outcome: 'failed' } as const
    const events = [
      ...begun,
      event(4, { ...finish('r', 'a'), ...at_partition }),
      event(5, failed, { id: idAt(4) }),
    ]
    expectModel(events)
    expect(allRows(folded(events), 'partition_status').map((row) => row.last_attempt_outcome)).toEqual([
      'FAILED',
    ])
  })

  test('fold.md 4.11: a success makes a partition fresh, a failure does not', () => {
    const first = folded([...begun, event(4, { ...finish('r', 'a'), ...at_partition })])
    const stale = { stale_since: 5n, stale_reason_code: 'old' } as const
    const [row] = allRows(first, 'partition_status')
    if (row === undefined) throw new Error('expected a partition')
    for (const outcome of ['succeeded', 'failed'] as const) {
      const layers = [
        wholeLayer(first),
        { rows: { partition_status: [{ ...row, ...stale }] }, deletions: {} },
      ]
      const state = loadState(UNDERSTAND, layers)
      fold(state, event(5, { ...finish('r', 'b'), ...at_partition, outcome }))
      const [{ stale_since, stale_reason_code } = row] = allRows(state, 'partition_status')
      const fresh = { stale_since: null, stale_reason_code: null }
      expect({ stale_since, stale_reason_code }).toEqual(outcome === 'failed' ? stale : fresh)
    }
  })
})

describe('runs', () => {
  test('fold.md 5.1: a run ends with its last task, before 1970 too, even when a task does not say when', () => {
    const [row] = allRows(folded([event(1, plan('r', ['a']))]), 'tasks')
    if (row === undefined) throw new Error('expected a task')
    for (const times of [
      [-5n, null],
      [null, -5n],
      [-9n, -5n],
      [-5n, -9n],
    ]) {
      const tasks = times.map((completed_at, at): TaskRow => ({
        ...row,
        task_key: `t${at}`,
        state: 'SUCCEEDED',
        completed_at,
      }))
      const state = loadState(UNDERSTAND, [{ rows: { tasks }, deletions: {} }])
      fold(state, event(2, trigger('r')))
      expect(allRows(state, 'runs').map((run) => run.completed_at)).toEqual([-5n])
    }
  })
})

describe('schedules, sensors and timers', () => {
  const definition: Payload<'schedule_definition_upserted'> = {
    type: 'schedule_definition_upserted',
    schedule_id: 's',
    cron_expression: '* * * * *',
    timezone: 'UTC',
    catchup_window_minutes: 0,
    asset_selection: [],
    code_version: null,
    max_catchup_ticks: 1,
    enabled: true,
  }
  const ticked: Payload<'schedule_ticked'> = {
    type: 'schedule_ticked',
    schedule_id: 's',
    scheduled_for: 0n,
    tick_id: 'tick',
    definition_version: 'v',
    asset_selection: [],
    partition_selection: null,
    status: { status: 'skipped', reason: 'r' },
    run_key: null,
    request_fingerprint: null,
  }

  test.each([definition, ticked, evaluation()])(
    'fold.md 5.14-5.16: an event of the same id as the row counts for nothing',
    (data) => {
      const state = folded([event(1, data)])
      expect(fold(state, event(2, data, { id: idAt(1) }))).toBe('no_effect')
    },
  )

  test('fold.md 5.11: a request that says nothing new has no effect, of a retry too', () => {
    for (const data of [
      timer('t', 'r'),
      { ...timer('t', null), timer_type: 'retry' } as const,
      { ...timer('t', 'r'), timer_type: 'retry', task_key: 'a', attempt: 1 } as const,
    ]) {
      const state = folded([event(1, plan('r', ['a'])), event(2, data)])
      expect(fold(state, event(3, data))).toBe('no_effect')
    }
  })

  test('fold.md 5.11: a request that is known moves the deadline of a task that waits by now', () => {
    const retry = { ...timer('t', 'r'), timer_type: 'retry', task_key: 'a', attempt: 1 } as const
    const failed = { ...finish('r', 'a'), outcome: 'failed' } as const
    const dispatched = {
      type: 'dispatch_requested',
      ...attemptOf('r', 'a'),
      worker_queue: 'q',
      dispatch_id: 'd',
    } as const
    const state = folded([
      event(1, plan('r', ['a'])),
      event(2, dispatched),
      event(3, retry),
      event(4, start('r', 'a')),
      event(5, failed),
    ])
    expect(allRows(state, 'tasks').map((row) => row.state)).toEqual(['RETRY_WAIT'])
    expect(fold(state, event(6, retry))).toBe('applied')
    expect(allRows(state, 'tasks').map((row) => row.retry_not_before)).toEqual([0n])
  })

  test('fold.md 5.13: a timer whose id says a time that is none is not made up', () => {
    const timer_id = 'timer:retry:r:a:1:9000000000000000'
    const fired = {
      type: 'timer_fired',
      timer_type: 'retry',
      run_id: null,
      task_key: null,
      attempt: null,
    } as const
    const state = folded([])
    expect(fold(state, event(1, { ...fired, timer_id }))).toBe('no_effect')
    expect(fold(state, event(2, { ...fired, timer_id: 'timer:retry:r:a:1:9' }))).toBe('applied')
  })
})
