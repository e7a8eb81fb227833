/** The slow fold: schedules, sensors, run keys and backfills (spec/fold.md 5.14–5.20). */
import type { LedgerEvent, Payload } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { bytes, get, insert, runIdFor } from './tables.ts'
import type { Model, ModelRow } from './tables.ts'

/** The applied flag, or null for a kind of another file. */
export function foldPlanning(model: Model, event: LedgerEvent): boolean | null {
  const { data } = event
  switch (data.type) {
    case 'schedule_definition_upserted':
      return definitionUpserted(model, event, data)
    case 'schedule_ticked':
      return scheduleTicked(model, event, data)
    case 'sensor_evaluated':
      return sensorEvaluated(model, event, data)
    case 'run_requested':
      return runRequested(model, event, data)
    case 'backfill_created':
      return backfillCreated(model, event, data)
    case 'backfill_chunk_planned':
      return chunkPlanned(model, event, data)
    case 'backfill_state_changed':
      return backfillChanged(model, event, data)
    case 'run_triggered':
    case 'plan_created':
    case 'run_cancel_requested':
    case 'task_started':
    case 'task_heartbeat':
    case 'task_finished':
    case 'task_completion_recorded':
    case 'task_output_visibility_changed':
    case 'dispatch_requested':
    case 'dispatch_enqueued':
    case 'timer_requested':
    case 'timer_enqueued':
    case 'timer_fired':
    case 'unknown':
      return null
  }
}

/** `e.id ≤ᵇ row.rv` for a row that exists. */
function isLate(event: LedgerEvent, row: ModelRow | undefined): boolean {
  return row !== undefined && bytes(event.event_id, row.row_version) <= 0
}

function scoped(event: LedgerEvent): ModelRow {
  return { tenant_id: event.tenant_id, workspace_id: event.workspace_id }
}

/** Payload fields without the tag and some others. */
function fields(data: object, ...without: readonly string[]): ModelRow {
  return Object.fromEntries(
    Object.entries(data).filter(([name]) => name !== 'type' && !without.includes(name)),
  )
}

/** 5.14. */
function definitionUpserted(
  model: Model,
  event: LedgerEvent,
  data: Payload<'schedule_definition_upserted'>,
): boolean {
  const existing = get(model, 'schedule_definitions', data.schedule_id)
  if (isLate(event, existing)) return false
  const created_at = existing?.created_at ?? event.timestamp
  insert(model, 'schedule_definitions', {
    ...scoped(event),
    ...fields(data),
    created_at,
    row_version: event.event_id,
  })
  return true
}

/** 5.15. */
function scheduleTicked(model: Model, event: LedgerEvent, data: Payload<'schedule_ticked'>): boolean {
  let changed = false
  const state = get(model, 'schedule_state', data.schedule_id) ?? {
    ...scoped(event),
    schedule_id: data.schedule_id,
    last_scheduled_for: null,
    last_tick_id: null,
    last_run_key: null,
    row_version: '',
  }
  insert(model, 'schedule_state', state)
  if (bytes(event.event_id, state.row_version) > 0) {
    insert(model, 'schedule_state', {
      ...state,
      last_scheduled_for: data.scheduled_for,
      last_tick_id: data.tick_id,
      last_run_key: data.run_key,
      row_version: event.event_id,
    })
    changed = true
  }
  if (isLate(event, get(model, 'schedule_ticks', data.tick_id))) return changed
  insert(model, 'schedule_ticks', {
    ...scoped(event),
    ...fields(data),
    run_id: data.run_key === null ? null : runIdFor(model, event, data.run_key),
    row_version: event.event_id,
  })
  return true
}

/** 5.16. */
function sensorEvaluated(model: Model, event: LedgerEvent, data: Payload<'sensor_evaluated'>): boolean {
  const state = get(model, 'sensor_state', data.sensor_id) ?? {
    ...scoped(event),
    sensor_id: data.sensor_id,
    cursor: null,
    last_evaluation_at: null,
    last_eval_id: null,
    status: 'ACTIVE',
    state_version: 0,
    row_version: '',
  }
  insert(model, 'sensor_state', state)
  const stale = data.expected_state_version !== null && data.expected_state_version !== state.state_version
  let changed = false
  if (!isLate(event, get(model, 'sensor_evals', data.eval_id))) {
    insert(model, 'sensor_evals', {
      ...scoped(event),
      ...fields(data),
      status: stale ? { status: 'skipped_stale_cursor' } : data.status,
      evaluated_at: event.timestamp,
      row_version: event.event_id,
    })
    changed = true
  }
  if (stale || isLate(event, state)) return changed
  insert(model, 'sensor_state', {
    ...state,
    cursor: data.cursor_after,
    last_evaluation_at: event.timestamp,
    last_eval_id: data.eval_id,
    state_version: Number(state.state_version) + 1,
    row_version: event.event_id,
  })
  return true
}

/** 5.17. */
function runRequested(model: Model, event: LedgerEvent, data: Payload<'run_requested'>): boolean {
  const source = data.trigger_source_ref
  if (source.type === 'sensor') {
    const status = get(model, 'sensor_evals', source.eval_id)?.status as { status: string } | undefined
    if (status?.status === 'skipped_stale_cursor') return false
  }
  const existing = get(model, 'run_key_index', data.run_key)
  if (existing !== undefined) {
    if (existing.request_fingerprint !== data.request_fingerprint)
      insert(model, 'run_key_conflicts', {
        ...scoped(event),
        run_key: data.run_key,
        existing_fingerprint: existing.request_fingerprint,
        conflicting_fingerprint: data.request_fingerprint,
        conflicting_event_id: event.event_id,
        detected_at: event.timestamp,
      })
    return true
  }
  const run_id = runIdFor(model, event, data.run_key)
  insert(model, 'run_key_index', {
    ...scoped(event),
    run_key: data.run_key,
    run_id,
    request_fingerprint: data.request_fingerprint,
    code_version: data.code_version,
    created_at: event.timestamp,
    row_version: event.event_id,
  })
  const tick = source.type === 'schedule' ? get(model, 'schedule_ticks', source.tick_id) : undefined
  if (tick !== undefined) insert(model, 'schedule_ticks', { ...tick, run_id })
  const chunk = source.type === 'backfill' ? get(model, 'backfill_chunks', source.chunk_id) : undefined
  if (chunk !== undefined) insert(model, 'backfill_chunks', { ...chunk, run_id })
  return true
}

/** 5.18. */
function backfillCreated(model: Model, event: LedgerEvent, data: Payload<'backfill_created'>): boolean {
  if (get(model, 'backfills', data.backfill_id) !== undefined) return false
  let planned = 0
  if (data.chunk_size > 0)
    while (get(model, 'backfill_chunks', `${data.backfill_id}:${planned}`) !== undefined) planned += 1
  insert(model, 'backfills', {
    ...scoped(event),
    ...fields(data, 'client_request_id'),
    state: 'RUNNING',
    state_version: 1,
    planned_chunks: planned,
    completed_chunks: 0,
    failed_chunks: 0,
    created_at: event.timestamp,
    row_version: event.event_id,
  })
  return true
}

/** 5.19. */
function chunkPlanned(model: Model, event: LedgerEvent, data: Payload<'backfill_chunk_planned'>): boolean {
  const existing = get(model, 'backfill_chunks', data.chunk_id)
  if (isLate(event, existing)) return false
  insert(model, 'backfill_chunks', {
    ...scoped(event),
    ...fields(data, 'request_fingerprint'),
    run_id: existing?.run_id ?? null,
    state: 'PLANNED',
    row_version: event.event_id,
  })
  const backfill = get(model, 'backfills', data.backfill_id)
  if (backfill !== undefined) {
    let planned = Number(backfill.planned_chunks)
    while (get(model, 'backfill_chunks', `${data.backfill_id}:${planned}`) !== undefined) planned += 1
    if (planned !== backfill.planned_chunks)
      insert(model, 'backfills', { ...backfill, planned_chunks: planned, row_version: event.event_id })
  }
  return true
}

/** 5.20. */
function backfillChanged(model: Model, event: LedgerEvent, data: Payload<'backfill_state_changed'>): boolean {
  const allowed = [
    'PENDING→RUNNING',
    'PENDING→CANCELLED',
    'RUNNING→PAUSED',
    'RUNNING→SUCCEEDED',
    'RUNNING→FAILED',
    'RUNNING→CANCELLED',
    'PAUSED→RUNNING',
    'PAUSED→CANCELLED',
  ]
  const row = get(model, 'backfills', data.backfill_id)
  if (row === undefined || isLate(event, row) || row.state !== data.from_state) return false
  if (!allowed.includes(`${data.from_state}→${data.to_state}`)) return false
  if (data.state_version !== Math.min(Number(row.state_version) + 1, 4_294_967_295)) return false
  insert(model, 'backfills', {
    ...row,
    state: data.to_state,
    state_version: data.state_version,
    row_version: event.event_id,
  })
  return true
}
