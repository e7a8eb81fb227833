/**
 * Reminders of what will be too old one day, taken whenever a row is written that can expire (spec/fold.md 10.4). They
 * are only taken where deletions are recorded: without them an expired row would come back at the next load.
 */
import { ulidTime_ms } from '../../ids.ts'
import { floorMs } from '../events/instant.ts'
import type { IdempotencyRow } from '../tables/keys.ts'
import type { RunRow } from '../tables/runs.ts'
import type { SensorEvalRow } from '../tables/sensors.ts'
import { isTerminalRun } from '../tables/values.ts'
import { addDeadline, noDeadlines } from './deadlines.ts'
import type { Deadlines } from './deadlines.ts'
import { isFull } from './rows.ts'
import type { Slot } from './rows.ts'

/** Who expires when. The lists may name rows that have changed or gone; what is due is checked again. */
export interface Retention {
  /** Days after which a terminal run goes; 0 for never. */
  readonly terminal_run_days: number
  /** The latest id time seen; null before the first. */
  frontier_ms: number | null
  readonly evals: Deadlines<SensorEvalRow>
  readonly keys: Deadlines<IdempotencyRow>
  readonly runs: Deadlines<RunRow>
}

/** Retention from a frontier on, with nothing to expire yet. */
export function newRetention(terminal_run_days: number, last_committed_event_id: string | null): Retention {
  const frontier_ms = last_committed_event_id === null ? null : ulidTime_ms(last_committed_event_id)
  return { terminal_run_days, frontier_ms, evals: noDeadlines(), keys: noDeadlines(), runs: noDeadlines() }
}

/** Remind of an evaluation. */
export function expireEvalLater(retention: Retention | null, slot: Slot<SensorEvalRow>): void {
  if (retention !== null && isFull(slot)) addDeadline(retention.evals, floorMs(slot.row.evaluated_at), slot)
}

/** Remind of an idempotency key. */
export function expireKeyLater(retention: Retention | null, slot: Slot<IdempotencyRow>): void {
  if (retention !== null && isFull(slot)) addDeadline(retention.keys, floorMs(slot.row.recorded_at), slot)
}

/** Remind of a run, if it has ended. */
export function expireRunLater(retention: Retention | null, slot: Slot<RunRow>): void {
  if (retention !== null && isFull(slot) && isTerminalRun(slot.row.state))
    addDeadline(retention.runs, runAge_ms(slot.row), slot)
}

/** Age of a run: the time in its version, else when it ended, else when it began. */
export function runAge_ms(run: RunRow): number {
  return ulidTime_ms(run.row_version) ?? floorMs(run.completed_at ?? run.triggered_at)
}
