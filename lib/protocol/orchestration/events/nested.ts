/** The values inside payloads that have a shape of their own (spec/events.md 5). */
import {
  bool,
  defaulted,
  i64,
  list,
  oneOf,
  optional,
  record,
  text,
  textMap,
  timestamp,
  u32,
  u64,
  union,
} from './schema.ts'
import type { Codec } from './schema.ts'

/** The type that a codec reads. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never

/** What made a run start (5.1); the fold does not look at it. */
export const triggerInfo = union('type', {
  cron: { schedule_id: text },
  manual: { user_id: text },
  materialization: { upstream_materialization_id: text },
  webhook: { webhook_id: text },
  sensor: { sensor_id: text, cursor: text },
})

/** One task of a plan (5.2). */
export const taskDefinition = record({
  key: text,
  depends_on: list(text),
  asset_key: optional(text),
  partition_key: optional(text),
  max_attempts: defaulted(u32, 3),
  heartbeat_timeout_sec: defaulted(u32, 300),
  requires_visible_output: defaulted(bool, false),
})
/** What `taskDefinition` reads. */
export type TaskDefinition = ValueOf<typeof taskDefinition>

/** How an attempt ended (5.3). */
export const taskOutcome = oneOf(['succeeded', 'failed', 'skipped', 'cancelled'])
/** What `taskOutcome` reads. */
export type TaskOutcome = ValueOf<typeof taskOutcome>

/** Whether readers can see what a task wrote, as events say it (5.3). */
export const visibilityState = oneOf(['pending', 'visible', 'failed'])
/** What `visibilityState` reads. */
export type VisibilityState = ValueOf<typeof visibilityState>

/** What a timer is for, as events say it (5.3). */
export const timerType = oneOf(['retry', 'heartbeat_check', 'cron', 'sla_check'])
/** What `timerType` reads. */
export type TimerType = ValueOf<typeof timerType>

/** State of a backfill, the same in events and rows (5.3). */
export const backfillState = oneOf(['PENDING', 'RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'])
/** What `backfillState` reads. */
export type BackfillState = ValueOf<typeof backfillState>

/** Visibility that comes with a completion (5.4). */
export const outputVisibility = record({
  visibility_state: visibilityState,
  published_at: optional(timestamp),
  publish_error: optional(text),
})
/** What `outputVisibility` reads. */
export type OutputVisibility = ValueOf<typeof outputVisibility>

/** What an attempt produced (5.5); members are camelCase here, and what is in it about visibility is not folded. */
export const taskOutput = record({
  materializationId: optional(text),
  rowCount: optional(u64),
  byteSize: optional(u64),
  outputPath: optional(text),
  deltaTable: optional(text),
  deltaVersion: optional(i64),
  deltaPartition: optional(text),
  outputVisibilityState: optional(oneOf(['PENDING', 'VISIBLE', 'FAILED'])),
  publishedAt: optional(timestamp),
  publishError: optional(text),
})
/** What `taskOutput` reads. */
export type TaskOutput = ValueOf<typeof taskOutput>

/** Why an attempt failed (5.6). */
export const taskError = record({
  category: oneOf(['USER_CODE', 'DATA_QUALITY', 'INFRASTRUCTURE', 'CONFIGURATION', 'TIMEOUT', 'CANCELLED']),
  message: text,
  stackTrace: optional(text),
  retryable: optional(bool),
})
/** What `taskError` reads. */
export type TaskError = ValueOf<typeof taskError>

/** What an attempt used (5.7); not folded. */
export const taskMetrics = record({
  cpuTimeMs: optional(u64),
  peakMemoryBytes: optional(u64),
  ioReadBytes: optional(u64),
  ioWriteBytes: optional(u64),
})

/** What came of a tick of a schedule (5.8); stored in its row. */
export const tickStatus = union('status', {
  triggered: {},
  skipped: { reason: text },
  failed: { error: text },
})
/** What `tickStatus` reads. */
export type TickStatus = ValueOf<typeof tickStatus>

/** What made a sensor look (5.9); stored in its row. */
export const triggerSource = union('source', {
  push: { message_id: text },
  poll: { poll_epoch: i64 },
})
/** What `triggerSource` reads. */
export type TriggerSource = ValueOf<typeof triggerSource>

/** What a sensor saw (5.10); stored in its row. */
export const sensorEvalStatus = union('status', {
  triggered: {},
  no_new_data: {},
  error: { message: text },
  skipped_stale_cursor: {},
})
/** What `sensorEvalStatus` reads. */
export type SensorEvalStatus = ValueOf<typeof sensorEvalStatus>

/** A run that a sensor wants (5.11); stored in its row and nothing else. */
export const runRequest = record({
  run_key: text,
  request_fingerprint: text,
  asset_selection: list(text),
  partition_selection: optional(list(text)),
  code_version: optional(text),
})
/** What `runRequest` reads. */
export type RunRequest = ValueOf<typeof runRequest>

/** Who asked for a run (5.12). */
export const sourceRef = union('type', {
  schedule: { schedule_id: text, tick_id: text },
  sensor: { sensor_id: text, eval_id: text },
  backfill: { backfill_id: text, chunk_id: text },
  manual: { user_id: text, request_id: text },
})
/** What `sourceRef` reads. */
export type SourceRef = ValueOf<typeof sourceRef>

/** Which partitions a backfill covers (5.13); stored in its row. */
export const partitionSelector = union('type', {
  range: { start: text, end: text },
  explicit: { partition_keys: list(text) },
  filter: { filters: textMap },
})
/** What `partitionSelector` reads. */
export type PartitionSelector = ValueOf<typeof partitionSelector>
