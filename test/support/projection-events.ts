/** Events for tests of the projection: the n-th one always the same, each applied, in the order of their numbers. */
import { newEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { fromMs } from '../../lib/protocol/orchestration/events/instant.ts'
import type { LedgerEvent } from '../../lib/protocol/orchestration/events/kinds.ts'
import { ulidAt } from './fold-histories.ts'

/** When event 0 happened, epoch ms. */
export const FIRST_EVENT_MS = Date.UTC(2026, 1, 21, 9)

/** Id of the n-th event. */
export function idAt(number: number): string {
  return ulidAt(FIRST_EVENT_MS + number * 1_000, number)
}

/** The n-th event triggers run `run-n`; its time has digits below a millisecond, as those of real writers have. */
export function eventAt(number: number, changes: Partial<LedgerEvent> = {}): LedgerEvent {
  const run_id = `run-${number}`
  const event = newEvent({
    event_id: idAt(number),
    timestamp: fromMs(FIRST_EVENT_MS + number * 1_000) + 123_456n,
    tenant_id: 'acme',
    workspace_id: 'prod',
    data: {
      type: 'run_triggered',
      run_id,
      plan_id: `plan-${number}`,
      trigger: { type: 'cron', schedule_id: 'nightly' },
      root_assets: ['sales/orders'],
      run_key: null,
      labels: new Map(),
      code_version: null,
    },
  })
  return { ...event, ...changes }
}

/** Events `from` to `to - 1`. */
export function eventsAt(from: number, to: number): LedgerEvent[] {
  return Array.from({ length: to - from }, (_, offset) => eventAt(from + offset))
}

/** An event of a kind that nobody knows: it is folded to nothing. */
export function unknownAt(number: number): LedgerEvent {
  return eventAt(number, {
    event_type: 'Unheard',
    idempotency_key: `unheard:${number}`,
    data: { type: 'unknown' },
  })
}

/** A plan of two tasks for the run of event `run`, and a completed first task, so that most tables have rows. */
export function runOfTasks(run: number, from: number): LedgerEvent[] {
  const run_id = `run-${run}`
  const task = {
    asset_key: 'sales/orders',
    partition_key: 'date=d:2026-02-21',
    max_attempts: 3,
    heartbeat_timeout_sec: 300,
    requires_visible_output: false,
  }
  const attempt = { run_id, task_key: 'extract', attempt: 1, attempt_id: 'att-1' }
  const dispatch_id = `dispatch:${run_id}:extract:1`
  const payloads = [
    {
      type: 'plan_created' as const,
      run_id,
      plan_id: `plan-${run}`,
      tasks: [
        { ...task, key: 'extract', depends_on: [] },
        { ...task, key: 'load', depends_on: ['extract'] },
      ],
    },
    { type: 'dispatch_requested' as const, ...attempt, worker_queue: 'default-queue', dispatch_id },
    { type: 'task_started' as const, ...attempt, worker_id: 'w' },
    {
      type: 'task_finished' as const,
      ...attempt,
      worker_id: 'w',
      outcome: 'succeeded' as const,
      materialization_id: 'mat-1',
      error_message: null,
      output: null,
      error: null,
      metrics: null,
      cancelled_during_phase: null,
      partial_progress_json: null,
      asset_key: null,
      partition_key: null,
      code_version: null,
    },
  ]
  return payloads.map((data, offset) =>
    newEvent({
      event_id: idAt(from + offset),
      timestamp: fromMs(FIRST_EVENT_MS + (from + offset) * 1_000),
      tenant_id: 'acme',
      workspace_id: 'prod',
      data,
    }),
  )
}
