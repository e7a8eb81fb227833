/**
 * Random ledgers for properties of the fold (spec/fold-invariants.md 3). Ids, keys and attempts come from small pools,
 * so that they collide all the time; about half of the events are what would plausibly come next, by the slow fold,
 * because otherwise completions almost never apply. A history is made of plain numbers, so that it shrinks.
 */
import fc from 'fast-check'
import { newEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import type { EventData, LedgerEvent } from '../../lib/protocol/orchestration/events/kinds.ts'
import type { TaskDefinition } from '../../lib/protocol/orchestration/events/nested.ts'
import { foldModel } from './model/fold.ts'
import { emptyModel, table } from './model/tables.ts'
import type { Model, ModelRow } from './model/tables.ts'

/** What an event is made of: which kind, is it plausible, and numbers to pick everything else with. */
interface Choice {
  readonly kind: number
  readonly plausible: boolean
  readonly picks: readonly number[]
  readonly id: number
  readonly time: number
  readonly key: number
  readonly scope: number
}

/** What histories may contain. */
export interface HistoryOptions {
  readonly length_max: number
  /**
   * `any`: ids in any order, equal ones, lower case, no ULIDs. `ascending`: distinct upper-case ULIDs, each later than
   * the one before, as the driver sorts them.
   */
  readonly ids: 'any' | 'ascending'
  /** Seconds between two ascending ids, at most; days of them let rows expire. */
  readonly step_s_max?: number
  /** Several tenants and workspaces in one state, which the ledger never has. */
  readonly mixed_scopes?: boolean
  /** Do not use a run id again once it has been planned, where expired runs must not come back (L8). */
  readonly fresh_runs?: boolean
}

type Known = Exclude<EventData, { type: 'unknown' }>

/** Which attempt of which task. */
interface Attempt {
  readonly run_id: string
  readonly task_key: string
  readonly attempt: number
  readonly attempt_id: string
}

const START_MS = Date.UTC(2026, 0, 1)
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

const RUNS = ['r1', 'r2', 'run:x'] as const
const TASKS = ['a', 'b', 'c', 'd', 'é"\n ', ''] as const
const ATTEMPTS = [0, 1, 2, 3, 9] as const
const ATTEMPT_IDS = ['att-0', 'att-1', 'att-2', ''] as const
const ASSETS = ['a/b', 'a.b/c', 'solo', 'y.', '/x', '', null, null] as const
const PARTITIONS = ['pk0', 'pk1', '', null] as const
const TEXTS = ['t0', 't1', '\u2028\u{1f600}', null] as const
const QUEUES = ['default-queue', 'q1', 'q2', ''] as const
const TIMERS = [
  'timer:retry:r1:a:1:1767225660',
  'timer:retry:r2:b:1:1767225661',
  'timer:heartbeat:r1:b:2:-5',
  'timer:cron:s:5',
  'timer:sla:r2::1:+7',
  'timer:retry:r1:x:y:1:9',
  'weird',
] as const
const KEYS = ['k0', 'k1', 'sched:nightly:1', ''] as const
const SCHEDULES = ['s0', 's1'] as const
const TICKS = ['s0:1', 's0:2', 's1:1'] as const
const SENSORS = ['n0', 'n1'] as const
const EVALS = ['e0', 'e1', 'e2'] as const
const BACKFILLS = ['b0', 'b1'] as const
const STATES = ['PENDING', 'RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const
const OUTCOMES = ['succeeded', 'failed', 'skipped', 'cancelled', 'succeeded', 'failed'] as const

const small = fc.nat({ max: 1000 })

const choice: fc.Arbitrary<Choice> = fc.record({
  kind: small,
  plausible: fc.boolean(),
  picks: fc.array(small, { minLength: 14, maxLength: 14 }),
  id: small,
  time: small,
  key: small,
  scope: small,
})

/** Histories in the order in which they are to be folded. */
export function histories(options: HistoryOptions): fc.Arbitrary<LedgerEvent[]> {
  return fc
    .array(choice, { minLength: 1, maxLength: options.length_max, size: 'max' })
    .map((choices) => historyOf(choices, options))
}

/** A ULID of a time, with a random part that is a number. */
export function ulidAt(time_ms: number, random: number): string {
  let text = ''
  for (let value = time_ms, at = 0; at < 10; at += 1, value = Math.floor(value / 32))
    text = `${CROCKFORD[value % 32]}${text}`
  return `${text}${String(random).padStart(16, '0')}`
}

function historyOf(choices: readonly Choice[], options: HistoryOptions): LedgerEvent[] {
  const model = emptyModel('')
  const events: LedgerEvent[] = []
  let now_ms = START_MS
  for (const [index, each] of choices.entries()) {
    const picker = new Picker(each.picks)
    const data = dataOf(model, each, picker, options.fresh_runs === true ? index : null)
    now_ms += 1 + ((each.id * 7919) % ((options.step_s_max ?? 100) * 1000))
    const event_id =
      options.ids === 'ascending' ? ulidAt(now_ms, index) : anyId(events, each.id, now_ms, index)
    const event = eventOf(data, { event_id, timestamp: timeOf(each.time, now_ms) }, each, options)
    events.push(event)
    foldModel(model, event)
  }
  return events
}

/** Mostly ascending; also earlier ones, one that was there, one in lower case, and texts that are no ULIDs. */
function anyId(events: readonly LedgerEvent[], choice_id: number, now_ms: number, index: number): string {
  switch (choice_id % 12) {
    case 0:
      return events[choice_id % Math.max(events.length, 1)]?.event_id ?? ''
    case 1:
      return ulidAt(now_ms - 500_000, index)
    case 2:
      return ulidAt(now_ms, index).toLowerCase()
    case 3:
      return ['zz4', '01A', 'evt_1', '', '\u{1f600}', '\uffff'][choice_id % 6] ?? ''
    default:
      return ulidAt(now_ms, index)
  }
}

/** Days away from the id, on either side, and sometimes with nanoseconds. */
function timeOf(choice_time: number, now_ms: number): bigint {
  const shift_ms = ((choice_time % 90) - 45) * 3_600_000 + choice_time
  const nanos = choice_time % 5 === 0 ? BigInt(choice_time) : 0n
  return BigInt(now_ms + shift_ms) * 1_000_000n + nanos
}

function eventOf(
  data: EventData,
  given: { event_id: string; timestamp: bigint },
  each: Choice,
  options: HistoryOptions,
): LedgerEvent {
  const is_foreign = options.mixed_scopes === true && each.scope % 4 === 0
  const scope = {
    tenant_id: is_foreign ? 'other' : 'acme',
    workspace_id: each.scope % 8 === 4 ? 'dev' : 'prod',
  }
  const known: Known =
    data.type === 'unknown'
      ? { type: 'run_cancel_requested', run_id: '', reason: null, requested_by: '' }
      : data
  const event = newEvent({
    ...given,
    tenant_id: scope.tenant_id,
    workspace_id: options.mixed_scopes === true ? scope.workspace_id : 'prod',
    data: known,
  })
  const keys = [
    event.idempotency_key,
    event.idempotency_key,
    `k${each.key % 9}`,
    `unique-${given.event_id}-${each.key}`,
  ]
  return { ...event, data, idempotency_key: keys[each.key % 4] ?? '' }
}

/** Picks the next thing with the next number. */
class Picker {
  private readonly numbers: readonly number[]
  private at = 0

  constructor(numbers: readonly number[]) {
    this.numbers = numbers
  }

  number(): number {
    this.at += 1
    return (this.numbers[this.at % this.numbers.length] ?? 0) + this.at
  }

  of<const T>(pool: readonly T[]): T {
    const picked = pool[this.number() % pool.length]
    if (picked === undefined) throw new Error('expected something to pick from')
    return picked
  }
}

function dataOf(model: Model, each: Choice, picker: Picker, fresh: number | null): EventData {
  const data = (each.plausible ? plausible(model, picker) : null) ?? KINDS[each.kind % KINDS.length]?.(picker)
  if (data === undefined) return { type: 'unknown' }
  // Only a plan or a trigger makes a run; with fresh runs each plan is of a run that nobody has planned before.
  return fresh !== null && data.type === 'plan_created'
    ? { ...data, run_id: `${data.run_id}-${fresh}` }
    : data
}

/** What would come next for some task of the model, or else for a backfill. */
function plausible(model: Model, picker: Picker): EventData | null {
  const backfills = [...table(model, 'backfills').values()]
  if (backfills.length > 0 && picker.number() % 6 === 0) return nextOfBackfill(picker.of(backfills), picker)
  const tasks = [...table(model, 'tasks').values()]
  if (tasks.length === 0) return null
  const task = picker.of(tasks)
  const attempt = {
    run_id: String(task.run_id),
    task_key: String(task.task_key),
    attempt: Number(task.attempt),
    attempt_id: typeof task.attempt_id === 'string' ? task.attempt_id : 'att-1',
  }
  const next = { ...attempt, attempt: attempt.attempt + 1 }
  switch (task.state) {
    case 'READY':
    case 'RETRY_WAIT':
      return picker.of([dispatchRequested(picker, next), { ...started(picker), ...next }])
    case 'DISPATCHED':
      return picker.of([enqueuedAs(picker, attempt), { ...started(picker), ...attempt }])
    case 'RUNNING':
      return picker.of([
        { ...heartbeat(picker), ...attempt },
        { ...finished(picker), ...attempt },
        { ...completed(picker), ...attempt },
        { ...completed(picker), ...attempt },
      ])
    case 'SUCCEEDED':
      return { ...visibility(picker), ...attempt }
  }
  return null
}

function nextOfBackfill(row: ModelRow, picker: Picker): EventData {
  return {
    type: 'backfill_state_changed',
    backfill_id: typeof row.backfill_id === 'string' ? row.backfill_id : '',
    from_state: STATES.find((state) => state === row.state) ?? 'RUNNING',
    to_state: picker.of(STATES),
    state_version: Number(row.state_version) + 1,
    changed_by: null,
  }
}

function canonical({ run_id, task_key, attempt }: Omit<Attempt, 'attempt_id'>): string {
  return `dispatch:${run_id}:${task_key}:${attempt}`
}

function attemptOf(picker: Picker) {
  return {
    run_id: picker.of(RUNS),
    task_key: picker.of(TASKS),
    attempt: picker.of(ATTEMPTS),
    attempt_id: picker.of(ATTEMPT_IDS),
  }
}

function started(picker: Picker): Extract<Known, { type: 'task_started' }> {
  return { type: 'task_started', ...attemptOf(picker), worker_id: 'w' }
}

function heartbeat(picker: Picker): Extract<Known, { type: 'task_heartbeat' }> {
  const heartbeat_at = picker.of([null, 1_767_225_600_000_000_000n, -1n])
  return {
    type: 'task_heartbeat',
    ...attemptOf(picker),
    worker_id: 'w',
    heartbeat_at,
    progress_pct: null,
    message: null,
  }
}

function completion(picker: Picker) {
  const error_category = picker.of([
    'USER_CODE',
    'DATA_QUALITY',
    'TIMEOUT',
    'INFRASTRUCTURE',
    'CONFIGURATION',
    'CANCELLED',
  ] as const)
  return {
    ...attemptOf(picker),
    worker_id: 'w',
    outcome: picker.of(OUTCOMES),
    materialization_id: picker.of(TEXTS),
    error_message: picker.of(TEXTS),
    output: picker.of([
      null,
      {
        materializationId: picker.of(TEXTS),
        rowCount: null,
        byteSize: null,
        outputPath: null,
        deltaTable: picker.of(TEXTS),
        deltaVersion: picker.of([null, 7n, -(2n ** 63n), 2n ** 63n - 1n]),
        deltaPartition: picker.of(PARTITIONS),
        outputVisibilityState: picker.of([null, 'VISIBLE'] as const),
        publishedAt: null,
        publishError: null,
      },
    ]),
    error: picker.of([
      null,
      {
        category: error_category,
        message: 'm',
        stackTrace: null,
        retryable: picker.of([null, null, true, false]),
      },
    ]),
    metrics: null,
    cancelled_during_phase: null,
    partial_progress_json: null,
    asset_key: picker.of(ASSETS),
    partition_key: picker.of(PARTITIONS),
    code_version: picker.of(TEXTS),
  }
}

function finished(picker: Picker): Extract<Known, { type: 'task_finished' }> {
  return { type: 'task_finished', ...completion(picker) }
}

function visible(picker: Picker) {
  return {
    visibility_state: picker.of(['pending', 'visible', 'failed'] as const),
    published_at: picker.of([null, 1_767_225_600_000_000_001n]),
    publish_error: picker.of(TEXTS),
  }
}

function completed(picker: Picker): Extract<Known, { type: 'task_completion_recorded' }> {
  const output_visibility = picker.of([null, visible(picker)])
  return { type: 'task_completion_recorded', ...completion(picker), output_visibility }
}

function visibility(picker: Picker): Extract<Known, { type: 'task_output_visibility_changed' }> {
  return { type: 'task_output_visibility_changed', ...attemptOf(picker), ...visible(picker) }
}

function dispatchRequested(picker: Picker, attempt: Attempt): Extract<Known, { type: 'dispatch_requested' }> {
  const dispatch_id = picker.of([canonical(attempt), canonical(attempt), canonical(attempt), 'd9'])
  return { type: 'dispatch_requested', ...attempt, worker_queue: picker.of(QUEUES), dispatch_id }
}

function enqueued(picker: Picker): Extract<Known, { type: 'dispatch_enqueued' }> {
  const attempt = attemptOf(picker)
  const named = picker.of([attempt, attempt, { run_id: null, task_key: null, attempt: null }])
  return {
    type: 'dispatch_enqueued',
    dispatch_id: picker.of([canonical(attempt), 'd9']),
    run_id: named.run_id,
    task_key: named.task_key,
    attempt: named.attempt,
    cloud_task_id: picker.of(['c0', 'c1']),
  }
}

function enqueuedAs(picker: Picker, attempt: Attempt): Extract<Known, { type: 'dispatch_enqueued' }> {
  return {
    ...enqueued(picker),
    dispatch_id: canonical(attempt),
    run_id: attempt.run_id,
    task_key: attempt.task_key,
    attempt: attempt.attempt,
  }
}

function plan(picker: Picker): Extract<Known, { type: 'plan_created' }> {
  const length = picker.number() % 5
  const keys = [...TASKS.slice(0, 4), TASKS[picker.number() % TASKS.length] ?? 'a']
  const tasks = Array.from({ length }, (_, index): TaskDefinition => {
    const depends_on = Array.from({ length: picker.number() % 3 }, () =>
      picker.of([...keys.slice(0, index), ...keys]),
    )
    return {
      key: picker.number() % 9 === 0 ? 'a' : (keys[index] ?? 'a'),
      depends_on:
        picker.number() % 7 === 0 ? depends_on : depends_on.filter((key) => keys.indexOf(key) < index),
      asset_key: picker.of(ASSETS),
      partition_key: picker.of(PARTITIONS),
      max_attempts: picker.of([1, 2, 3, 9]),
      heartbeat_timeout_sec: 60,
      requires_visible_output: picker.of([true, false]),
    }
  })
  return { type: 'plan_created', run_id: picker.of(RUNS), plan_id: 'p', tasks }
}

function trigger(picker: Picker): Extract<Known, { type: 'run_triggered' }> {
  return {
    type: 'run_triggered',
    run_id: picker.of(RUNS),
    plan_id: picker.of(['p0', 'p1']),
    trigger: { type: 'manual', user_id: 'u' },
    root_assets: [],
    run_key: picker.of([null, ...KEYS]),
    labels: new Map(
      picker.of([
        [],
        [
          ['kind', 'k'],
          ['run_kind', 'rk'],
        ],
        [
          ['run_kind', ''],
          ['sourceType', 's'],
          ['__proto__', 'p'],
        ],
      ]),
    ) as Map<string, string>,
    code_version: picker.of(TEXTS),
  }
}

function nullableAttempt(picker: Picker) {
  return {
    run_id: picker.of([null, ...RUNS]),
    task_key: picker.of([null, ...TASKS]),
    attempt: picker.of([null, ...ATTEMPTS]),
  }
}

/** One random event of each kind; the frequent ones more than once. */
const KINDS: readonly ((picker: Picker) => EventData)[] = [
  trigger,
  trigger,
  plan,
  plan,
  plan,
  (picker) => ({ type: 'run_cancel_requested', run_id: picker.of(RUNS), reason: null, requested_by: 'u' }),
  started,
  started,
  heartbeat,
  finished,
  completed,
  visibility,
  (picker) => dispatchRequested(picker, attemptOf(picker)),
  (picker) => dispatchRequested(picker, attemptOf(picker)),
  enqueued,
  enqueued,
  (picker) => ({
    type: 'timer_requested',
    timer_id: picker.of(TIMERS),
    timer_type: picker.of(['retry', 'retry', 'heartbeat_check', 'cron', 'sla_check']),
    ...nullableAttempt(picker),
    fire_at: picker.of([0n, 1_767_225_660_000_000_000n, -1n]),
  }),
  (picker) => ({
    type: 'timer_enqueued',
    timer_id: picker.of(TIMERS),
    ...nullableAttempt(picker),
    cloud_task_id: 'c',
  }),
  (picker) => ({
    type: 'timer_fired',
    timer_id: picker.of(TIMERS),
    timer_type: 'cron',
    ...nullableAttempt(picker),
  }),
  (picker) => ({
    type: 'schedule_definition_upserted',
    schedule_id: picker.of(SCHEDULES),
    cron_expression: picker.of(['A', 'B']),
    timezone: 'UTC',
    catchup_window_minutes: 1,
    asset_selection: picker.of([[], ['x'], ['y', 'x']]),
    code_version: picker.of(TEXTS),
    max_catchup_ticks: 1,
    enabled: picker.of([true, false]),
  }),
  (picker) => ({
    type: 'schedule_ticked',
    schedule_id: picker.of(SCHEDULES),
    scheduled_for: picker.of([0n, 60_000_000_000n]),
    tick_id: picker.of(TICKS),
    definition_version: 'v',
    asset_selection: picker.of([[], ['x']]),
    partition_selection: picker.of([null, [], ['p']]),
    status: picker.of([
      { status: 'triggered' },
      { status: 'skipped', reason: 'paused' },
      { status: 'failed', error: 'e' },
    ]),
    run_key: picker.of([null, ...KEYS]),
    request_fingerprint: picker.of(TEXTS),
  }),
  (picker) => ({
    type: 'sensor_evaluated',
    sensor_id: picker.of(SENSORS),
    eval_id: picker.of(EVALS),
    cursor_before: picker.of(TEXTS),
    cursor_after: picker.of(TEXTS),
    expected_state_version: picker.of([null, null, 0, 1, 2]),
    trigger_source: picker.of([
      { source: 'push', message_id: 'm' },
      { source: 'poll', poll_epoch: 2n ** 62n },
    ]),
    run_requests: picker.of([
      [],
      [
        {
          run_key: 'k0',
          request_fingerprint: 'f',
          asset_selection: [],
          partition_selection: [],
          code_version: null,
        },
      ],
    ]),
    status: picker.of([
      { status: 'triggered' },
      { status: 'no_new_data' },
      { status: 'error', message: 'm' },
      { status: 'skipped_stale_cursor' },
    ]),
  }),
  (picker) => ({
    type: 'run_requested',
    run_key: picker.of(KEYS),
    request_fingerprint: picker.of(['f0', 'f1']),
    asset_selection: [],
    partition_selection: null,
    trigger_source_ref: picker.of([
      { type: 'schedule', schedule_id: 's0', tick_id: picker.of(TICKS) },
      { type: 'sensor', sensor_id: 'n0', eval_id: picker.of(EVALS) },
      { type: 'backfill', backfill_id: 'b0', chunk_id: picker.of(['b0:0', 'b1:1']) },
      { type: 'manual', user_id: 'u', request_id: 'q' },
    ]),
    labels: new Map(),
    code_version: picker.of(TEXTS),
  }),
  (picker) => ({
    type: 'backfill_created',
    backfill_id: picker.of(BACKFILLS),
    client_request_id: picker.of(['q0', 'q1']),
    asset_selection: picker.of([[], ['x']]),
    code_version: picker.of(TEXTS),
    partition_selector: picker.of([
      { type: 'range', start: 'a', end: 'b' },
      { type: 'explicit', partition_keys: ['p'] },
      { type: 'filter', filters: new Map([['__proto__', 'v']]) },
    ]),
    total_partitions: 5,
    chunk_size: picker.of([0, 2]),
    max_concurrent_runs: 1,
    parent_backfill_id: picker.of(TEXTS),
  }),
  (picker) => {
    const backfill_id = picker.of(BACKFILLS)
    const chunk_index = picker.number() % 4
    return {
      type: 'backfill_chunk_planned',
      backfill_id,
      chunk_id: `${picker.of([backfill_id, backfill_id, backfill_id, 'b0'])}:${chunk_index}`,
      chunk_index,
      partition_keys: picker.of([[], ['x']]),
      run_key: picker.of(KEYS),
      request_fingerprint: 'f',
    }
  },
  (picker) => ({
    type: 'backfill_state_changed',
    backfill_id: picker.of(BACKFILLS),
    from_state: picker.of(['RUNNING', 'RUNNING', 'PAUSED', ...STATES]),
    to_state: picker.of(STATES),
    state_version: picker.of([1, 2, 2, 3, 4]),
    changed_by: null,
  }),
  () => ({ type: 'unknown' }),
]
