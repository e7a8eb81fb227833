/** Events for the gates: two runs, of which one has tasks that are planned, dispatched, started and finished. */
import { encodeEvent, newEvent, type NewEvent } from '../protocol/orchestration/events/encode.ts'
import { fromMs } from '../protocol/orchestration/events/instant.ts'
import { eventPath } from '../protocol/orchestration/paths.ts'
import { freshUlid } from './bench.ts'

/** One event as it lies in the ledger. */
export interface StoredEvent {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Apart in time, so that the order of ids is the order of this list. */
const APART_MS = 1_000

type Data = NewEvent['data']

/** Fresh events, the oldest first; every one changes what readers see. */
export function ledger(now_ms: number): readonly StoredEvent[] {
  const kinds = [
    triggered('gates-run-1'),
    triggered('gates-run-2'),
    planned(),
    dispatched(),
    started(),
    finished(),
  ]
  return kinds.map((data, at) => {
    const time_ms = now_ms - (kinds.length - at) * APART_MS
    const event = newEvent({
      event_id: freshUlid(time_ms),
      timestamp: fromMs(time_ms),
      tenant_id: 'gates',
      workspace_id: 'gates',
      data,
    })
    return { path: eventPath(event), bytes: new TextEncoder().encode(encodeEvent(event)) }
  })
}

const ATTEMPT = { run_id: 'gates-run-1', task_key: 'extract', attempt: 1, attempt_id: 'gates-attempt' }

function triggered(run_id: string): Data {
  return {
    type: 'run_triggered',
    run_id,
    plan_id: `plan-of-${run_id}`,
    trigger: { type: 'cron', schedule_id: 'gates' },
    root_assets: ['gates/asset'],
    run_key: null,
    labels: new Map(),
    code_version: null,
  }
}

function planned(): Data {
  const task = {
    asset_key: 'gates/asset',
    partition_key: 'date=d:2026-02-21',
    max_attempts: 3,
    heartbeat_timeout_sec: 300,
    requires_visible_output: false,
  }
  return {
    type: 'plan_created',
    run_id: 'gates-run-1',
    plan_id: 'plan-of-gates-run-1',
    tasks: [
      { ...task, key: 'extract', depends_on: [] },
      { ...task, key: 'load', depends_on: ['extract'] },
    ],
  }
}

function dispatched(): Data {
  return {
    type: 'dispatch_requested',
    ...ATTEMPT,
    worker_queue: 'default-queue',
    dispatch_id: 'dispatch:gates-run-1:extract:1',
  }
}

function started(): Data {
  return { type: 'task_started', ...ATTEMPT, worker_id: 'gates-worker' }
}

function finished(): Data {
  return {
    type: 'task_finished',
    ...ATTEMPT,
    worker_id: 'gates-worker',
    outcome: 'succeeded',
    materialization_id: 'gates-materialization',
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
