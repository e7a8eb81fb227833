/** The catalogue of events: what each kind holds (spec/events.md 6). Members that the fold reads are said so there. */
import {
  backfillState,
  outputVisibility,
  partitionSelector,
  runRequest,
  sensorEvalStatus,
  sourceRef,
  taskDefinition,
  taskError,
  taskMetrics,
  taskOutcome,
  taskOutput,
  tickStatus,
  timerType,
  triggerInfo,
  triggerSource,
  visibilityState,
} from './nested.ts'
import type { ValueOf } from './nested.ts'
import {
  bool,
  defaulted,
  EMPTY_MAP,
  list,
  openUnion,
  optional,
  record,
  text,
  textMap,
  timestamp,
  u8,
  u32,
} from './schema.ts'

/** Queue of a dispatch that names none. */
export const DEFAULT_QUEUE = 'default-queue'

const attemptOf = { run_id: text, task_key: text, attempt: u32, attempt_id: text }

const labels = defaulted(textMap, EMPTY_MAP, (value) => value.size === 0)

const completion = {
  ...attemptOf,
  worker_id: text,
  outcome: taskOutcome,
  materialization_id: optional(text),
  error_message: optional(text),
  output: optional(taskOutput),
  error: optional(taskError),
  metrics: optional(taskMetrics),
  cancelled_during_phase: optional(text),
  partial_progress_json: optional(text),
  asset_key: optional(text),
  partition_key: optional(text),
  code_version: optional(text),
}

/** Members of each kind by `data.type`, in the order of spec/events.md 6.1–6.20. */
export const PAYLOADS = {
  run_triggered: {
    run_id: text,
    plan_id: text,
    trigger: triggerInfo,
    root_assets: list(text),
    run_key: optional(text),
    labels,
    code_version: optional(text),
  },
  plan_created: { run_id: text, plan_id: text, tasks: list(taskDefinition) },
  run_cancel_requested: { run_id: text, reason: optional(text), requested_by: text },
  task_started: { ...attemptOf, worker_id: text },
  task_heartbeat: {
    ...attemptOf,
    worker_id: text,
    heartbeat_at: optional(timestamp),
    progress_pct: optional(u8),
    message: optional(text),
  },
  task_finished: completion,
  task_completion_recorded: { ...completion, output_visibility: optional(outputVisibility) },
  task_output_visibility_changed: {
    ...attemptOf,
    visibility_state: visibilityState,
    published_at: optional(timestamp),
    publish_error: optional(text),
  },
  dispatch_requested: { ...attemptOf, worker_queue: defaulted(text, DEFAULT_QUEUE), dispatch_id: text },
  dispatch_enqueued: {
    dispatch_id: text,
    run_id: optional(text),
    task_key: optional(text),
    attempt: optional(u32),
    cloud_task_id: text,
  },
  timer_requested: {
    timer_id: text,
    timer_type: timerType,
    run_id: optional(text),
    task_key: optional(text),
    attempt: optional(u32),
    fire_at: timestamp,
  },
  timer_enqueued: {
    timer_id: text,
    run_id: optional(text),
    task_key: optional(text),
    attempt: optional(u32),
    cloud_task_id: text,
  },
  timer_fired: {
    timer_id: text,
    timer_type: timerType,
    run_id: optional(text),
    task_key: optional(text),
    attempt: optional(u32),
  },
  schedule_definition_upserted: {
    schedule_id: text,
    cron_expression: text,
    timezone: text,
    catchup_window_minutes: u32,
    asset_selection: list(text),
    code_version: optional(text),
    max_catchup_ticks: u32,
    enabled: bool,
  },
  schedule_ticked: {
    schedule_id: text,
    scheduled_for: timestamp,
    tick_id: text,
    definition_version: text,
    asset_selection: list(text),
    partition_selection: optional(list(text)),
    status: tickStatus,
    run_key: optional(text),
    request_fingerprint: optional(text),
  },
  sensor_evaluated: {
    sensor_id: text,
    eval_id: text,
    cursor_before: optional(text),
    cursor_after: optional(text),
    expected_state_version: optional(u32),
    trigger_source: triggerSource,
    run_requests: defaulted(list(runRequest), [], (value) => value.length === 0),
    status: sensorEvalStatus,
  },
  run_requested: {
    run_key: text,
    request_fingerprint: text,
    asset_selection: list(text),
    partition_selection: optional(list(text)),
    trigger_source_ref: sourceRef,
    labels,
    code_version: optional(text),
  },
  backfill_created: {
    backfill_id: text,
    client_request_id: text,
    asset_selection: list(text),
    code_version: optional(text),
    partition_selector: partitionSelector,
    total_partitions: u32,
    chunk_size: u32,
    max_concurrent_runs: u32,
    parent_backfill_id: optional(text),
  },
  backfill_chunk_planned: {
    backfill_id: text,
    chunk_id: text,
    chunk_index: u32,
    partition_keys: list(text),
    run_key: text,
    request_fingerprint: text,
  },
  backfill_state_changed: {
    backfill_id: text,
    from_state: backfillState,
    to_state: backfillState,
    state_version: u32,
    changed_by: optional(text),
  },
} as const

/** Payload of an event: a known kind, or `unknown`, whose content is not kept (spec/events.md 6.21). */
export const eventData = openUnion('type', PAYLOADS, 'unknown')
/** What `eventData` reads. */
export type EventData = ValueOf<typeof eventData>

/** A kind of event, as `data.type` spells it; `unknown` stands for every other text. */
export type EventKind = EventData['type']

/** The payload of one kind. */
export type Payload<K extends EventKind> = Extract<EventData, { readonly type: K }>

/** One event of the ledger (spec/events.md 1). */
export const ledgerEvent = record({
  event_id: text,
  event_type: text,
  event_version: u32,
  timestamp,
  source: text,
  tenant_id: text,
  workspace_id: text,
  idempotency_key: text,
  correlation_id: optional(text),
  causation_id: optional(text),
  data: eventData,
})
/** What `ledgerEvent` reads. */
export type LedgerEvent = ValueOf<typeof ledgerEvent>
