/** Ledgers to measure with: runs as a busy workspace has them, every kind of task event in it. */
import { encodeTime } from 'ulid'
import { newEvent } from '../lib/protocol/orchestration/events/encode.ts'
import type { NewEvent } from '../lib/protocol/orchestration/events/encode.ts'
import { fromMs } from '../lib/protocol/orchestration/events/instant.ts'
import type { LedgerEvent } from '../lib/protocol/orchestration/events/kinds.ts'
import { attemptId, cloudTaskId, dispatchId } from '../lib/protocol/orchestration/ids.ts'

const START_MS = Date.UTC(2026, 0, 1)

/** Tasks of a run that are on their way at once. */
const IN_FLIGHT = 64

type Payload = NewEvent['data']

/** The ledger of runs whose tasks each wait for two others, from the trigger to the last completion. */
export function ledgerOf(tasks_total: number, tasks_per_run: number, name = 'run'): LedgerEvent[] {
  const events: LedgerEvent[] = []
  function append(data: Payload): void {
    const at_ms = START_MS + events.length
    events.push(
      newEvent({
        event_id: `${encodeTime(at_ms, 10)}${String(events.length).padStart(16, '0')}`,
        timestamp: fromMs(at_ms),
        tenant_id: 'acme',
        workspace_id: 'prod',
        data,
      }),
    )
  }
  for (let run = 0; run * tasks_per_run < tasks_total; run += 1)
    appendRun(append, `${name}-${run}`, tasks_per_run)
  return events
}

function appendRun(append: (data: Payload) => void, run_id: string, tasks: number): void {
  append({
    type: 'run_triggered',
    run_id,
    plan_id: `plan-${run_id}`,
    trigger: { type: 'cron', schedule_id: 'nightly' },
    root_assets: ['sales/orders'],
    run_key: `sched:nightly:${run_id}`,
    labels: new Map([['kind', 'materialization']]),
    code_version: 'git-4f1c2ab',
  })
  append({
    type: 'plan_created',
    run_id,
    plan_id: `plan-${run_id}`,
    tasks: Array.from({ length: tasks }, taskOf),
  })
  for (let from = 0; from < tasks; from += IN_FLIGHT) {
    const wave = Array.from({ length: Math.min(IN_FLIGHT, tasks - from) }, (_, index) => from + index)
    for (const step of LIFE) for (const task of wave) append(step(run_id, `task-${task}`, task))
  }
}

function taskOf(_: unknown, task: number) {
  const depends_on = task < IN_FLIGHT ? [] : [`task-${task - IN_FLIGHT}`, `task-${(task - IN_FLIGHT) >>> 1}`]
  return {
    key: `task-${task}`,
    depends_on,
    asset_key: `sales/table_${task}`,
    partition_key: 'date=d:2026-01-01',
    max_attempts: 3,
    heartbeat_timeout_sec: 300,
    requires_visible_output: false,
  }
}

/** What happens to a task whose first attempt succeeds, in order. */
const LIFE: readonly ((run_id: string, task_key: string, task: number) => Payload)[] = [
  (run_id, task_key) => {
    const dispatch_id = dispatchId(run_id, task_key, 1)
    const attempt_id = attemptId(dispatch_id)
    return {
      type: 'dispatch_requested',
      run_id,
      task_key,
      attempt: 1,
      attempt_id,
      worker_queue: 'default-queue',
      dispatch_id,
    }
  },
  (run_id, task_key) => {
    const dispatch_id = dispatchId(run_id, task_key, 1)
    return {
      type: 'dispatch_enqueued',
      dispatch_id,
      run_id,
      task_key,
      attempt: 1,
      cloud_task_id: cloudTaskId('d', dispatch_id),
    }
  },
  (run_id, task_key) => ({ type: 'task_started', ...attemptOf(run_id, task_key) }),
  (run_id, task_key) => ({
    type: 'task_heartbeat',
    ...attemptOf(run_id, task_key),
    heartbeat_at: null,
    progress_pct: 50,
    message: null,
  }),
  (run_id, task_key, task) => ({
    type: 'task_completion_recorded',
    ...attemptOf(run_id, task_key),
    outcome: 'succeeded',
    materialization_id: `mat-${task}`,
    error_message: null,
    output: {
      materializationId: `mat-${task}`,
      rowCount: 12_500n,
      byteSize: 7_340_032n,
      outputPath: null,
      deltaTable: `sales.table_${task}`,
      deltaVersion: BigInt(task),
      deltaPartition: 'date=2026-01-01',
      outputVisibilityState: null,
      publishedAt: null,
      publishError: null,
    },
    error: null,
    metrics: null,
    cancelled_during_phase: null,
    partial_progress_json: null,
    asset_key: `sales/table_${task}`,
    partition_key: 'date=d:2026-01-01',
    code_version: 'git-4f1c2ab',
    output_visibility: { visibility_state: 'visible', published_at: null, publish_error: null },
  }),
]

function attemptOf(run_id: string, task_key: string) {
  return {
    run_id,
    task_key,
    attempt: 1,
    attempt_id: attemptId(dispatchId(run_id, task_key, 1)),
    worker_id: 'worker-eu-3',
  }
}
