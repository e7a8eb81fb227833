/**
 * A ledger of any length in one file, so that a process that reads it holds none of it: runs of ten tasks, one after
 * another, from the trigger to the last completion, spread evenly over time. Event ids carry the number of the event,
 * which is how its bytes are found again.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { encodeEvent, newEvent, type NewEvent } from '../lib/protocol/orchestration/events/encode.ts'
import { fromMs } from '../lib/protocol/orchestration/events/instant.ts'
import { attemptId, cloudTaskId, dispatchId } from '../lib/protocol/orchestration/ids.ts'
import { eventPath } from '../lib/protocol/orchestration/paths.ts'

const START_MS = Date.UTC(2025, 0, 1)
const TASKS = 10
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Events of one run: trigger, plan, and five for each task. */
const RUN_EVENTS = 2 + TASKS * 5

/** How long a ledger is, and over how much time it is spread. */
export interface LedgerShape {
  readonly events: number
  readonly ms_per_event: number
}

/** The id of event `number`: its time, and the number itself where others are random. */
export function eventId({ ms_per_event }: LedgerShape, number: number): string {
  return `${base32(START_MS + number * ms_per_event, 10)}${base32(number, 16)}`
}

/** Where event `number` is stored. */
export function pathOfEvent(shape: LedgerShape, number: number): string {
  return eventPath({ event_id: eventId(shape, number), timestamp: 0n })
}

/** The number of the event at a path of such a ledger. */
export function numberOfPath(path: string): number {
  let number = 0
  for (let at = 42; at < 58; at++) number = number * 32 + CROCKFORD.indexOf(path.charAt(at))
  return number
}

/** The bytes of event `number`. */
export function eventBytes(shape: LedgerShape, number: number): Uint8Array {
  const event = newEvent({
    event_id: eventId(shape, number),
    timestamp: fromMs(START_MS + number * shape.ms_per_event),
    tenant_id: 'acme',
    workspace_id: 'prod',
    data: dataOf(Math.floor(number / RUN_EVENTS), number % RUN_EVENTS),
  })
  return new TextEncoder().encode(encodeEvent(event))
}

/** Write a ledger into a file. */
export function writeLedger(shape: LedgerShape, file: string): void {
  const out = openSync(file, 'w')
  const offsets = new Float64Array(shape.events + 1)
  let offset = 0
  let pending: Uint8Array[] = []
  for (let number = 0; number < shape.events; number++) {
    const bytes = eventBytes(shape, number)
    pending.push(bytes)
    offset += bytes.length
    offsets[number + 1] = offset
    if (pending.length < 1000) continue
    writeSync(out, Buffer.concat(pending))
    pending = []
  }
  writeSync(out, Buffer.concat(pending))
  closeSync(out)
  const index = openSync(`${file}.index`, 'w')
  writeSync(index, new Uint8Array(offsets.buffer))
  closeSync(index)
}

/** Reads events of a written ledger by their numbers. */
export function openLedger(shape: LedgerShape, file: string): (number: number) => Uint8Array {
  const offsets = new Float64Array(shape.events + 1)
  const index = openSync(`${file}.index`, 'r')
  readSync(index, new Uint8Array(offsets.buffer))
  closeSync(index)
  const from = openSync(file, 'r')
  return (number) => {
    const start = offsets[number] ?? 0
    const bytes = new Uint8Array((offsets[number + 1] ?? start) - start)
    readSync(from, bytes, 0, bytes.length, start)
    return bytes
  }
}

function base32(value: number, width: number): string {
  let text = ''
  for (let rest = value; text.length < width; rest = Math.floor(rest / 32))
    text = CROCKFORD.charAt(rest % 32) + text
  return text
}

function dataOf(run: number, step: number): NewEvent['data'] {
  const run_id = `run_${base32(run, 26).toLowerCase()}`
  if (step === 0) {
    return {
      type: 'run_triggered',
      run_id,
      plan_id: `plan-${run}`,
      trigger: { type: 'cron', schedule_id: 'nightly' },
      root_assets: ['sales/orders'],
      run_key: `sched:nightly:${run}`,
      labels: new Map([['kind', 'materialization']]),
      code_version: 'git-4f1c2ab',
    }
  }
  if (step === 1) {
    return {
      type: 'plan_created',
      run_id,
      plan_id: `plan-${run}`,
      tasks: Array.from({ length: TASKS }, (_, task) => ({
        key: `task_${task}`,
        depends_on: task === 0 ? [] : [`task_${(task - 1) >>> 1}`],
        asset_key: `sales/table_${task}`,
        partition_key: 'date=d:2026-01-01',
        max_attempts: 3,
        heartbeat_timeout_sec: 300,
        requires_visible_output: false,
      })),
    }
  }
  return taskEvent(run_id, `task_${Math.floor((step - 2) / 5)}`, (step - 2) % 5)
}

function taskEvent(run_id: string, task_key: string, step: number): NewEvent['data'] {
  const dispatch_id = dispatchId(run_id, task_key, 1)
  const attempt = { run_id, task_key, attempt: 1, attempt_id: attemptId(dispatch_id) }
  switch (step) {
    case 0:
      return { type: 'dispatch_requested', ...attempt, worker_queue: 'default-queue', dispatch_id }
    case 1: {
      const cloud_task_id = cloudTaskId('d', dispatch_id)
      return { type: 'dispatch_enqueued', dispatch_id, run_id, task_key, attempt: 1, cloud_task_id }
    }
    case 2:
      return { type: 'task_started', ...attempt, worker_id: 'worker-eu-3' }
    case 3:
      return {
        type: 'task_heartbeat',
        ...attempt,
        worker_id: 'worker-eu-3',
        heartbeat_at: null,
        progress_pct: 50,
        message: null,
      }
    default:
      return {
        type: 'task_finished',
        ...attempt,
        worker_id: 'worker-eu-3',
        outcome: 'succeeded',
        materialization_id: `mat-${run_id}`,
        error_message: null,
        output: null,
        error: null,
        metrics: null,
        cancelled_during_phase: null,
        partial_progress_json: null,
        asset_key: 'sales/orders',
        partition_key: 'date=d:2026-01-01',
        code_version: 'git-4f1c2ab',
      }
  }
}
