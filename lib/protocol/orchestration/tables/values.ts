/**
 * Values of the enumerated columns, as rows hold and files store them (spec/fold.md 0.1, spec/projections.md 7). Some
 * are never produced by the fold, but must be readable. Events spell a few of them in lower case.
 */

/** A run without tasks is TRIGGERED, one with an unfinished task RUNNING. */
export const RUN_STATES = ['TRIGGERED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const
/** One of `RUN_STATES`. */
export type RunState = (typeof RUN_STATES)[number]

/** In the order of their rank, which decides between two task rows of one version (fold.md 6). */
export const TASK_STATES = [
  'PLANNED',
  'BLOCKED',
  'READY',
  'DISPATCHED',
  'RUNNING',
  'RETRY_WAIT',
  'SKIPPED',
  'CANCELLED',
  'FAILED',
  'SUCCEEDED',
] as const
/** One of `TASK_STATES`. */
export type TaskState = (typeof TASK_STATES)[number]

/** Task states that end a task. */
export type TerminalTaskState = 'SKIPPED' | 'CANCELLED' | 'FAILED' | 'SUCCEEDED'

/** How an upstream task ended, seen from a dependency on it. */
export const DEP_RESOLUTIONS = ['SUCCESS', 'FAILED', 'SKIPPED', 'CANCELLED'] as const
/** One of `DEP_RESOLUTIONS`. */
export type DepResolution = (typeof DEP_RESOLUTIONS)[number]

/** Whether the queue has acknowledged a dispatch. */
export const DISPATCH_STATUSES = ['PENDING', 'CREATED'] as const
/** One of `DISPATCH_STATUSES`. */
export type DispatchStatus = (typeof DISPATCH_STATUSES)[number]

/** What a timer is for. */
export const TIMER_TYPES = ['RETRY', 'HEARTBEAT_CHECK', 'CRON', 'SLA_CHECK'] as const
/** One of `TIMER_TYPES`. */
export type TimerType = (typeof TIMER_TYPES)[number]

/** Whether a timer has gone off. */
export const TIMER_STATES = ['SCHEDULED', 'FIRED', 'CANCELLED'] as const
/** One of `TIMER_STATES`. */
export type TimerState = (typeof TIMER_STATES)[number]

/** Whether a sensor looks for new data; the fold only ever makes it ACTIVE. */
export const SENSOR_STATUSES = ['ACTIVE', 'PAUSED', 'ERROR'] as const
/** One of `SENSOR_STATUSES`. */
export type SensorStatus = (typeof SENSOR_STATUSES)[number]

/** State of a backfill. */
export const BACKFILL_STATES = ['PENDING', 'RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const
/** One of `BACKFILL_STATES`. */
export type BackfillState = (typeof BACKFILL_STATES)[number]

/** State of one chunk of a backfill; the fold only ever makes it PLANNED. */
export const CHUNK_STATES = ['PENDING', 'PLANNED', 'RUNNING', 'SUCCEEDED', 'FAILED'] as const
/** One of `CHUNK_STATES`. */
export type ChunkState = (typeof CHUNK_STATES)[number]

/** Whether readers can see what a task wrote; events say it in lower case. */
export const VISIBILITY_STATES = ['PENDING', 'VISIBLE', 'FAILED'] as const
/** One of `VISIBILITY_STATES`. */
export type VisibilityState = (typeof VISIBILITY_STATES)[number]

/** How an attempt ended; events say it in lower case. */
export const TASK_OUTCOMES = ['SUCCEEDED', 'FAILED', 'SKIPPED', 'CANCELLED'] as const
/** One of `TASK_OUTCOMES`. */
export type TaskOutcome = (typeof TASK_OUTCOMES)[number]

/** True when no further event moves the run, except a plan for a run that had no tasks. */
export function isTerminalRun(state: RunState): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELLED'
}

/** True when no further event moves the task. */
export function isTerminalTask(state: TaskState): state is TerminalTaskState {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'SKIPPED' || state === 'CANCELLED'
}
