/** The slow fold: runs, tasks, dispatch and timers (spec/fold.md 4 and 5.1–5.13). */
import type { LedgerEvent, Payload } from '../../../lib/protocol/orchestration/events/kinds.ts'
import type { OutputVisibility } from '../../../lib/protocol/orchestration/events/nested.ts'
import { bytes, drop, get, insert, table, ulidMs } from './tables.ts'
import type { Model, ModelRow } from './tables.ts'

type Completion = Payload<'task_finished'> | Payload<'task_completion_recorded'>

const TERMINAL_RUN = ['SUCCEEDED', 'FAILED', 'CANCELLED']
const TERMINAL_TASK = ['SKIPPED', 'CANCELLED', 'FAILED', 'SUCCEEDED']

/** The applied flag, or null for a kind of another file. */
export function foldRunEvent(model: Model, event: LedgerEvent): boolean | null {
  const { data } = event
  switch (data.type) {
    case 'run_triggered':
      return runTriggered(model, event, data)
    case 'plan_created':
      return planCreated(model, event, data)
    case 'run_cancel_requested':
      return runCancelRequested(model, event, data)
    case 'task_started':
      return taskStarted(model, event, data)
    case 'task_heartbeat':
      return taskHeartbeat(model, event, data)
    case 'task_finished':
      return taskFinished(model, event, data)
    case 'task_completion_recorded': {
      const completed = taskFinished(model, event, data)
      if (completed && data.outcome === 'succeeded' && data.output_visibility !== null)
        visibilityChanged(model, event, { ...data, ...data.output_visibility })
      return completed
    }
    case 'task_output_visibility_changed':
      return visibilityChanged(model, event, data)
    case 'dispatch_requested':
      return dispatchRequested(model, event, data)
    case 'dispatch_enqueued':
      return dispatchEnqueued(model, event, data)
    case 'timer_requested':
      return timerRequested(model, event, data)
    case 'timer_enqueued':
      return timerChanged(model, event, data, { cloud_task_id: data.cloud_task_id })
    case 'timer_fired':
      return timerChanged(model, event, data, { state: 'FIRED' })
    case 'schedule_definition_upserted':
    case 'schedule_ticked':
    case 'sensor_evaluated':
    case 'run_requested':
    case 'backfill_created':
    case 'backfill_chunk_planned':
    case 'backfill_state_changed':
    case 'unknown':
      return null
  }
}

function tasksOf(model: Model, run_id: string): ModelRow[] {
  return [...table(model, 'tasks').values()].filter((task) => task.run_id === run_id)
}

function change(model: Model, name: string, row: ModelRow, changes: ModelRow): void {
  insert(model, name, { ...row, ...changes })
}

/** State of a run whose counters are equal to its total. */
function ended(cancelled: unknown, failed: unknown): string {
  if (Number(cancelled) > 0) return 'CANCELLED'
  return Number(failed) > 0 ? 'FAILED' : 'SUCCEEDED'
}

/** 4.1. */
function finishCounter(model: Model, run_id: string, new_state: string, event: LedgerEvent): void {
  const run = get(model, 'runs', run_id)
  if (run === undefined) return
  const counter = `tasks_${new_state.toLowerCase()}`
  const counted: ModelRow = {
    ...run,
    [counter]: Number(run[counter]) + 1,
    tasks_completed: Number(run.tasks_completed) + 1,
    row_version: event.event_id,
  }
  const is_done = counted.tasks_completed === counted.tasks_total
  const state = ended(counted.tasks_cancelled, counted.tasks_failed)
  insert(model, 'runs', is_done ? { ...counted, state, completed_at: event.timestamp } : counted)
}

/** 4.2. */
function prune(model: Model, run_id: string, task_key: string, attempt: number): void {
  drop(model, 'dispatch_outbox', `dispatch:${run_id}:${task_key}:${attempt}`)
}

/** 4.4. */
function deadline(event: LedgerEvent, attempt: number): bigint | null {
  const id_ms = ulidMs(event.event_id)
  const anchor = id_ms === null ? event.timestamp : BigInt(id_ms) * 1_000_000n
  const seconds = [30, 30, 60, 120, 240, 480, 900][attempt] ?? 900
  const result = anchor + BigInt(seconds) * 1_000_000_000n
  return result > 8_210_266_876_799_999_999_999n ? null : result
}

/** 4.5. */
function isCurrent(task: ModelRow, data: { attempt: number; attempt_id: string }): boolean {
  return task.attempt === data.attempt && task.attempt_id !== null && task.attempt_id === data.attempt_id
}

/** 4.7. */
function satisfy(model: Model, run_id: string, upstream: string, attempt: number, event: LedgerEvent): void {
  for (const edge of edgesFrom(model, run_id, upstream)) {
    change(model, 'dep_satisfaction', edge, {
      satisfied: true,
      resolution: 'SUCCESS',
      satisfied_at: event.timestamp,
      satisfying_attempt: attempt,
      row_version: event.event_id,
    })
    const task = get(model, 'tasks', run_id, String(edge.downstream_task_key))
    if (edge.satisfied === true || task === undefined) continue
    const count = Number(task.deps_satisfied_count) + 1
    change(model, 'tasks', task, { deps_satisfied_count: count })
    if (count === task.deps_total && task.state === 'BLOCKED')
      change(
        model,
        'tasks',
        { ...task, deps_satisfied_count: count },
        { state: 'READY', ready_at: event.timestamp, row_version: event.event_id },
      )
  }
}

/** 4.8. */
function propagate(model: Model, run_id: string, root: string, resolution: string, event: LedgerEvent): void {
  const queue: [string, string][] = [[root, resolution]]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [upstream, found] = next
    for (const edge of edgesFrom(model, run_id, upstream)) {
      change(model, 'dep_satisfaction', edge, {
        satisfied: false,
        resolution: found,
        satisfied_at: event.timestamp,
        satisfying_attempt: null,
        row_version: event.event_id,
      })
      const downstream = String(edge.downstream_task_key)
      const task = get(model, 'tasks', run_id, downstream)
      if (task === undefined || TERMINAL_TASK.includes(String(task.state))) continue
      const state = found === 'CANCELLED' ? 'CANCELLED' : 'SKIPPED'
      change(model, 'tasks', task, { state, row_version: event.event_id })
      queue.push([downstream, state])
      finishCounter(model, run_id, state, event)
    }
  }
}

function edgesFrom(model: Model, run_id: string, upstream: string): ModelRow[] {
  return [...table(model, 'dep_satisfaction').values()].filter(
    (edge) => edge.run_id === run_id && edge.upstream_task_key === upstream,
  )
}

/** 4.9. */
function isConsumed(model: Model, run_id: string, task_key: string, attempt: number): boolean {
  const task = get(model, 'tasks', run_id, task_key)
  if (task === undefined) return false
  const states = ['RUNNING', 'RETRY_WAIT', ...TERMINAL_TASK]
  return Number(task.attempt) > attempt || (task.attempt === attempt && states.includes(String(task.state)))
}

/** 4.10. */
function parseTimerId(text: string): ModelRow | null {
  const parts = text.split(':')
  const types: Record<string, string> = {
    retry: 'RETRY',
    heartbeat: 'HEARTBEAT_CHECK',
    cron: 'CRON',
    sla: 'SLA_CHECK',
  }
  const timer_type = Object.hasOwn(types, parts[1] ?? '') ? types[parts[1] ?? ''] : undefined
  const epoch = parts.at(-1) ?? ''
  if (parts[0] !== 'timer' || timer_type === undefined || !/^[+-]?\d+$/.test(epoch)) return null
  const seconds = BigInt(epoch.replace('+', ''))
  if (seconds < -8_334_601_228_800n || seconds > 8_210_266_876_799n) return null
  const fire_at = seconds * 1_000_000_000n
  if (timer_type === 'CRON') return { timer_type, run_id: null, task_key: null, attempt: null, fire_at }
  const attempt = parts[4] ?? ''
  if (!/^\+?\d+$/.test(attempt) || Number(attempt) > 4_294_967_295) return null
  return { timer_type, run_id: parts[2], task_key: parts[3], attempt: Number(attempt), fire_at }
}

/** 5.1. */
function runTriggered(model: Model, event: LedgerEvent, data: Payload<'run_triggered'>): boolean {
  if (get(model, 'runs', data.run_id) !== undefined) return false
  const tasks = tasksOf(model, data.run_id)
  const count = (state: string): number => tasks.filter((task) => task.state === state).length
  const [succeeded, failed] = [count('SUCCEEDED'), count('FAILED')]
  const [skipped, cancelled] = [count('SKIPPED'), count('CANCELLED')]
  const completed = succeeded + failed + skipped + cancelled
  const times = tasks
    .filter((task) => TERMINAL_TASK.includes(String(task.state)) && task.completed_at !== null)
    .map((task) => task.completed_at as bigint)
  const done = times.length === 0 ? null : times.reduce((a, b) => (a > b ? a : b))
  const is_done = tasks.length > 0 && completed === tasks.length
  const state = tasks.length === 0 ? 'TRIGGERED' : is_done ? ended(cancelled, failed) : 'RUNNING'
  insert(model, 'runs', {
    run_id: data.run_id,
    plan_id: data.plan_id,
    state,
    run_key: data.run_key,
    labels: data.labels,
    code_version: data.code_version,
    cancel_requested: false,
    tasks_total: tasks.length,
    tasks_completed: completed,
    tasks_succeeded: succeeded,
    tasks_failed: failed,
    tasks_skipped: skipped,
    tasks_cancelled: cancelled,
    triggered_at: event.timestamp,
    completed_at: is_done ? done : null,
    row_version: event.event_id,
  })
  return true
}

/** 5.2. */
function planCreated(model: Model, event: LedgerEvent, data: Payload<'plan_created'>): boolean {
  if (tasksOf(model, data.run_id).length > 0) return false
  const run = get(model, 'runs', data.run_id)
  if (run !== undefined)
    change(model, 'runs', run, {
      tasks_total: data.tasks.length,
      state: 'RUNNING',
      row_version: event.event_id,
    })
  for (const definition of data.tasks) {
    const is_ready = definition.depends_on.length === 0
    insert(model, 'tasks', {
      run_id: data.run_id,
      task_key: definition.key,
      state: is_ready ? 'READY' : 'BLOCKED',
      attempt: 0,
      attempt_id: null,
      started_at: null,
      completed_at: null,
      error_message: null,
      deps_total: definition.depends_on.length,
      deps_satisfied_count: 0,
      max_attempts: definition.max_attempts,
      heartbeat_timeout_sec: definition.heartbeat_timeout_sec,
      last_heartbeat_at: null,
      ready_at: is_ready ? event.timestamp : null,
      asset_key: definition.asset_key,
      partition_key: definition.partition_key,
      requires_visible_output: definition.requires_visible_output,
      materialization_id: null,
      output_visibility_state: null,
      published_at: null,
      publish_error: null,
      retry_not_before: null,
      delta_table: null,
      delta_version: null,
      delta_partition: null,
      execution_lineage_ref: null,
      row_version: event.event_id,
    })
    for (const upstream_task_key of definition.depends_on)
      insert(model, 'dep_satisfaction', {
        run_id: data.run_id,
        upstream_task_key,
        downstream_task_key: definition.key,
        satisfied: false,
        resolution: null,
        satisfied_at: null,
        satisfying_attempt: null,
        row_version: event.event_id,
      })
  }
  return run !== undefined || data.tasks.length > 0
}

/** 5.3. */
function runCancelRequested(
  model: Model,
  event: LedgerEvent,
  data: Payload<'run_cancel_requested'>,
): boolean {
  const run = get(model, 'runs', data.run_id)
  if (run !== undefined && TERMINAL_RUN.includes(String(run.state))) return false
  const open = ['PLANNED', 'BLOCKED', 'READY', 'DISPATCHED', 'RETRY_WAIT']
  const cancelled = tasksOf(model, data.run_id).filter((task) => open.includes(String(task.state)))
  for (const task of cancelled)
    change(model, 'tasks', task, { state: 'CANCELLED', row_version: event.event_id })
  if (run === undefined) return cancelled.length > 0
  const row: ModelRow = {
    ...run,
    cancel_requested: true,
    tasks_cancelled: Number(run.tasks_cancelled) + cancelled.length,
    tasks_completed: Number(run.tasks_completed) + cancelled.length,
    row_version: event.event_id,
  }
  const is_done = row.tasks_completed === row.tasks_total
  insert(model, 'runs', is_done ? { ...row, state: 'CANCELLED', completed_at: event.timestamp } : row)
  return true
}

/** 5.4. */
function taskStarted(model: Model, event: LedgerEvent, data: Payload<'task_started'>): boolean {
  const task = get(model, 'tasks', data.run_id, data.task_key)
  if (task === undefined || TERMINAL_TASK.includes(String(task.state))) return false
  if (data.attempt < Number(task.attempt)) return false
  if (data.attempt === task.attempt && task.attempt_id !== null && task.attempt_id !== data.attempt_id)
    return false
  change(model, 'tasks', task, {
    state: 'RUNNING',
    attempt: data.attempt,
    attempt_id: data.attempt_id,
    started_at: event.timestamp,
    row_version: event.event_id,
  })
  prune(model, data.run_id, data.task_key, data.attempt)
  return true
}

/** 5.5. */
function taskHeartbeat(model: Model, event: LedgerEvent, data: Payload<'task_heartbeat'>): boolean {
  const task = get(model, 'tasks', data.run_id, data.task_key)
  if (task === undefined || TERMINAL_TASK.includes(String(task.state)) || !isCurrent(task, data)) return false
  change(model, 'tasks', task, {
    last_heartbeat_at: data.heartbeat_at ?? event.timestamp,
    row_version: event.event_id,
  })
  return true
}

/** 5.6. */
function taskFinished(model: Model, event: LedgerEvent, data: Completion): boolean {
  const { run_id, task_key } = data
  const task = get(model, 'tasks', run_id, task_key)
  if (task === undefined || !isCurrent(task, data) || TERMINAL_TASK.includes(String(task.state))) return false
  const mat = data.materialization_id ?? data.output?.materializationId ?? null
  const d_table = data.output?.deltaTable ?? null
  const d_version = data.output?.deltaVersion ?? null
  const d_part = data.output?.deltaPartition ?? data.partition_key
  const eff_pk = data.partition_key ?? d_part
  const written = {
    delta_table: d_table,
    delta_version: d_version,
    delta_partition: d_part,
    execution_lineage_ref: lineage(data, mat, d_table, d_version, d_part),
  }
  const retryable =
    data.error === null ||
    (data.error.retryable ?? ['USER_CODE', 'INFRASTRUCTURE', 'TIMEOUT'].includes(data.error.category))
  const may_retry = retryable && Number(task.attempt) < Number(task.max_attempts)
  const failed_state = may_retry ? 'RETRY_WAIT' : 'FAILED'
  const new_state = data.outcome === 'failed' ? failed_state : data.outcome.toUpperCase()
  const is_terminal = new_state !== 'RETRY_WAIT'
  const common: ModelRow = {
    ...task,
    state: new_state,
    row_version: event.event_id,
    asset_key: task.asset_key ?? data.asset_key,
    partition_key: task.partition_key ?? eff_pk,
    completed_at: is_terminal ? event.timestamp : task.completed_at,
  }
  if (data.outcome === 'succeeded') {
    const keeps = task.output_visibility_state !== null
    insert(model, 'tasks', {
      ...common,
      ...written,
      error_message: null,
      retry_not_before: null,
      materialization_id: mat,
      published_at: keeps ? task.published_at : null,
      publish_error: keeps ? task.publish_error : null,
    })
  } else {
    insert(model, 'tasks', {
      ...common,
      error_message: data.error_message,
      retry_not_before: is_terminal ? null : deadline(event, Number(task.attempt)),
      output_visibility_state: null,
      published_at: null,
      publish_error: null,
    })
  }
  if (is_terminal) finishCounter(model, run_id, new_state, event)
  if (new_state === 'SUCCEEDED') satisfy(model, run_id, task_key, data.attempt, event)
  else if (is_terminal) propagate(model, run_id, task_key, new_state, event)
  if (data.asset_key !== null && eff_pk !== null)
    partition(model, event, data, { ...written, asset_key: data.asset_key, partition_key: eff_pk })
  return true
}

/** 4.6. */
function lineage(
  data: Completion,
  mat: string | null,
  d_table: string | null,
  d_version: bigint | null,
  d_part: string | null,
): string {
  const parts = [`"runId":${JSON.stringify(data.run_id)}`, `"taskKey":${JSON.stringify(data.task_key)}`]
  parts.push(`"attempt":${data.attempt}`)
  if (mat !== null) parts.push(`"materializationId":${JSON.stringify(mat)}`)
  if (d_table !== null) parts.push(`"deltaTable":${JSON.stringify(d_table)}`)
  if (d_version !== null) parts.push(`"deltaVersion":${d_version}`)
  if (d_part !== null) parts.push(`"deltaPartition":${JSON.stringify(d_part)}`)
  return `{${parts.join(',')}}`
}

/** 5.6 step 8 and 4.11. */
function partition(model: Model, event: LedgerEvent, data: Completion, written: ModelRow): void {
  const { asset_key, partition_key, ...output } = written
  const existing = get(model, 'partition_status', String(asset_key), String(partition_key))
  const row: ModelRow = existing ?? {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    asset_key,
    partition_key,
    last_materialization_run_id: null,
    last_materialization_at: null,
    last_materialization_code_version: null,
    last_attempt_run_id: null,
    last_attempt_at: null,
    last_attempt_outcome: null,
    stale_since: null,
    stale_reason_code: null,
    partition_values: new Map(),
    delta_table: null,
    delta_version: null,
    delta_partition: null,
    execution_lineage_ref: null,
    row_version: '',
  }
  if (bytes(event.event_id, row.row_version) < 0) return
  const materialized: ModelRow = {
    ...row,
    ...output,
    last_materialization_run_id: data.run_id,
    last_materialization_at: event.timestamp,
    last_materialization_code_version: data.code_version,
    stale_since: null,
    stale_reason_code: null,
  }
  insert(model, 'partition_status', {
    ...(data.outcome === 'succeeded' ? materialized : row),
    last_attempt_run_id: data.run_id,
    last_attempt_at: event.timestamp,
    last_attempt_outcome: data.outcome.toUpperCase(),
    row_version: event.event_id,
  })
}

/** 5.8. */
function visibilityChanged(
  model: Model,
  event: LedgerEvent,
  data: OutputVisibility & { run_id: string; task_key: string; attempt: number; attempt_id: string },
): boolean {
  const task = get(model, 'tasks', data.run_id, data.task_key)
  if (task === undefined || !isCurrent(task, data) || task.state !== 'SUCCEEDED') return false
  const state = data.visibility_state.toUpperCase()
  const current = task.output_visibility_state
  if ((current === 'VISIBLE' || current === 'FAILED') && current !== state) return false
  change(model, 'tasks', task, {
    output_visibility_state: state,
    published_at: state === 'VISIBLE' ? (data.published_at ?? event.timestamp) : null,
    publish_error: state === 'FAILED' ? data.publish_error : null,
    row_version: event.event_id,
  })
  return true
}

/** 5.9. */
function dispatchRequested(model: Model, event: LedgerEvent, data: Payload<'dispatch_requested'>): boolean {
  const { run_id, task_key, attempt, dispatch_id } = data
  if (isConsumed(model, run_id, task_key, attempt)) {
    prune(model, run_id, task_key, attempt)
    return false
  }
  const existing = get(model, 'dispatch_outbox', dispatch_id)
  let row: ModelRow = existing ?? { attempt_id: data.attempt_id }
  let outbox_changed = false
  if (existing !== undefined) {
    if (row.attempt_id === '') {
      row = { ...row, attempt_id: data.attempt_id }
      outbox_changed = true
    }
    const replaces = row.worker_queue === 'default-queue' && data.worker_queue !== 'default-queue'
    if (row.worker_queue === '' || replaces) {
      row = { ...row, worker_queue: data.worker_queue }
      outbox_changed = true
    }
    insert(model, 'dispatch_outbox', row)
  }
  const wanted = row.attempt_id
  const task = get(model, 'tasks', run_id, task_key)
  let task_changed = false
  if (
    task !== undefined &&
    ['READY', 'RETRY_WAIT', 'DISPATCHED'].includes(String(task.state)) &&
    attempt >= Number(task.attempt) &&
    (task.state !== 'DISPATCHED' || task.attempt !== attempt || task.attempt_id !== wanted)
  ) {
    change(model, 'tasks', task, {
      state: 'DISPATCHED',
      attempt,
      attempt_id: wanted,
      retry_not_before: null,
      row_version: event.event_id,
    })
    task_changed = true
  }
  if (existing !== undefined) return task_changed || outbox_changed
  insert(model, 'dispatch_outbox', {
    run_id,
    task_key,
    attempt,
    dispatch_id,
    cloud_task_id: null,
    status: 'PENDING',
    attempt_id: data.attempt_id,
    worker_queue: data.worker_queue,
    created_at: event.timestamp,
    row_version: event.event_id,
  })
  return true
}

/** 5.10. */
function dispatchEnqueued(model: Model, event: LedgerEvent, data: Payload<'dispatch_enqueued'>): boolean {
  const { run_id, task_key, attempt } = data
  const all = run_id !== null && task_key !== null && attempt !== null
  if (all && isConsumed(model, run_id, task_key, attempt)) {
    prune(model, run_id, task_key, attempt)
    return false
  }
  const existing = get(model, 'dispatch_outbox', data.dispatch_id)
  if (existing !== undefined && bytes(event.event_id, existing.row_version) <= 0) return false
  if (existing === undefined && !all) return false
  insert(model, 'dispatch_outbox', {
    run_id,
    task_key,
    attempt,
    dispatch_id: data.dispatch_id,
    attempt_id: '',
    worker_queue: 'default-queue',
    ...existing,
    status: 'CREATED',
    cloud_task_id: data.cloud_task_id,
    created_at: event.timestamp,
    row_version: event.event_id,
  })
  return true
}

/** 5.11. */
function timerRequested(model: Model, event: LedgerEvent, data: Payload<'timer_requested'>): boolean {
  const existing = get(model, 'timers', data.timer_id)
  let changed = false
  if (existing !== undefined) {
    const next: ModelRow = { ...existing, fire_at: data.fire_at }
    changed = existing.fire_at !== data.fire_at
    for (const name of ['run_id', 'task_key', 'attempt'] as const) {
      if (existing[name] !== null) continue
      next[name] = data[name]
      if (data[name] !== null) changed = true
    }
    insert(model, 'timers', next)
  } else {
    insert(model, 'timers', {
      timer_id: data.timer_id,
      cloud_task_id: null,
      timer_type: data.timer_type.toUpperCase(),
      run_id: data.run_id,
      task_key: data.task_key,
      attempt: data.attempt,
      fire_at: data.fire_at,
      state: 'SCHEDULED',
      payload: null,
      row_version: event.event_id,
    })
    changed = true
  }
  if (
    data.timer_type === 'retry' &&
    data.run_id !== null &&
    data.task_key !== null &&
    data.attempt !== null
  ) {
    const task = get(model, 'tasks', data.run_id, data.task_key)
    if (task?.state === 'RETRY_WAIT' && task.attempt === data.attempt) {
      change(model, 'tasks', task, { retry_not_before: data.fire_at, row_version: event.event_id })
      changed = true
    }
  }
  return changed
}

/** 5.12, 5.13. */
function timerChanged(
  model: Model,
  event: LedgerEvent,
  data: Payload<'timer_enqueued'> | Payload<'timer_fired'>,
  changes: ModelRow,
): boolean {
  const existing = get(model, 'timers', data.timer_id)
  if (existing !== undefined) {
    if (bytes(event.event_id, existing.row_version) <= 0) return false
    change(model, 'timers', existing, { ...changes, row_version: event.event_id })
    return true
  }
  const parsed = parseTimerId(data.timer_id)
  if (parsed === null) return false
  insert(model, 'timers', {
    timer_id: data.timer_id,
    cloud_task_id: null,
    ...parsed,
    run_id: data.run_id ?? parsed.run_id,
    task_key: data.task_key ?? parsed.task_key,
    attempt: data.attempt ?? parsed.attempt,
    state: 'SCHEDULED',
    payload: null,
    ...changes,
    row_version: event.event_id,
  })
  return true
}
