/** Schedules (spec/fold.md 5.14, 5.15). What is latest is told by event ids, never by the time of a tick. */
import { compareBytes } from '../byte-order.ts'
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import type { ScheduleStateRow } from '../tables/schedules.ts'
import { find, put } from './rows.ts'
import type { FoldState } from './state.ts'

/** 5.14. The time at which a definition was created is that of the first one delivered. */
export function upsertDefinition(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'schedule_definition_upserted'>,
): boolean {
  const known = find(state.rows.schedule_definitions, data.schedule_id)
  if (known !== null && compareBytes(event.event_id, known.row.row_version) <= 0) return false
  put(state.rows.schedule_definitions, {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    schedule_id: data.schedule_id,
    cron_expression: data.cron_expression,
    timezone: data.timezone,
    catchup_window_minutes: data.catchup_window_minutes,
    asset_selection: data.asset_selection,
    code_version: data.code_version,
    max_catchup_ticks: data.max_catchup_ticks,
    enabled: data.enabled,
    created_at: known?.row.created_at ?? event.timestamp,
    row_version: event.event_id,
  })
  return true
}

/** 5.15. An older tick is recorded, but is not the latest. */
export function recordTick(state: FoldState, event: LedgerEvent, data: Payload<'schedule_ticked'>): boolean {
  const is_latest = advanceSchedule(state, event, data)
  const known = find(state.rows.schedule_ticks, data.tick_id)
  if (known !== null && compareBytes(event.event_id, known.row.row_version) <= 0) return is_latest
  const { tenant_id, workspace_id } = event
  put(state.rows.schedule_ticks, {
    tenant_id,
    workspace_id,
    tick_id: data.tick_id,
    schedule_id: data.schedule_id,
    scheduled_for: data.scheduled_for,
    definition_version: data.definition_version,
    asset_selection: data.asset_selection,
    partition_selection: data.partition_selection,
    status: data.status,
    run_key: data.run_key,
    run_id: data.run_key === null ? null : state.runIdFor(tenant_id, workspace_id, data.run_key),
    request_fingerprint: data.request_fingerprint,
    row_version: event.event_id,
  })
  return true
}

function advanceSchedule(state: FoldState, event: LedgerEvent, data: Payload<'schedule_ticked'>): boolean {
  const known = find(state.rows.schedule_state, data.schedule_id)
  const row = known?.row ?? newScheduleState(event, data.schedule_id)
  const is_latest = compareBytes(event.event_id, row.row_version) > 0
  if (is_latest) {
    put(state.rows.schedule_state, {
      ...row,
      last_scheduled_for: data.scheduled_for,
      last_tick_id: data.tick_id,
      last_run_key: data.run_key,
      row_version: event.event_id,
    })
  } else if (known === null) put(state.rows.schedule_state, row)
  return is_latest
}

function newScheduleState(event: LedgerEvent, schedule_id: string): ScheduleStateRow {
  return {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    schedule_id,
    last_scheduled_for: null,
    last_tick_id: null,
    last_run_key: null,
    row_version: '',
  }
}
