/** Schedules: their definitions, where each one is, and every tick. */
import { tickStatus } from '../events/nested.ts'
import { list, text as textCodec } from '../events/schema.ts'
import {
  addedLater,
  bool,
  isNotOlder,
  json,
  jsonUnlessEmpty,
  maybeText,
  maybeTime,
  nullable,
  table,
  text,
  time,
  u32,
} from './columns.ts'
import type { RowOf } from './columns.ts'

/** One row a schedule: its definition that holds now. */
export const scheduleDefinitions = table({
  name: 'schedule_definitions',
  key: ['schedule_id'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    schedule_id: text,
    cron_expression: text,
    timezone: text,
    catchup_window_minutes: u32,
    asset_selection: jsonUnlessEmpty<readonly string[]>(list(textCodec), []),
    code_version: maybeText,
    max_catchup_ticks: u32,
    enabled: bool,
    created_at: time,
    row_version: text,
  },
})
/** A row of `schedule_definitions`. */
export type ScheduleDefinitionRow = RowOf<typeof scheduleDefinitions>

/** One row a schedule: its latest tick, by event id. */
export const scheduleState = table({
  name: 'schedule_state',
  key: ['schedule_id'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    schedule_id: text,
    last_scheduled_for: maybeTime,
    last_tick_id: maybeText,
    last_run_key: maybeText,
    row_version: text,
  },
})
/** A row of `schedule_state`. */
export type ScheduleStateRow = RowOf<typeof scheduleState>

/** One row a tick. */
export const scheduleTicks = table({
  name: 'schedule_ticks',
  key: ['tick_id'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    tick_id: text,
    schedule_id: text,
    scheduled_for: time,
    definition_version: text,
    asset_selection: jsonUnlessEmpty<readonly string[]>(list(textCodec), []),
    // Absent and empty are two things here, so that an empty list is stored as `[]`.
    partition_selection: addedLater(nullable(json(list(textCodec))), null),
    status: json(tickStatus),
    run_key: maybeText,
    run_id: maybeText,
    request_fingerprint: maybeText,
    row_version: text,
  },
})
/** A row of `schedule_ticks`. */
export type ScheduleTickRow = RowOf<typeof scheduleTicks>
