/**
 * What is let go of, and when (spec/fold.md 10.4, spec/manifests.md 11). Only where deletions are recorded: without
 * them an expired row would come back at the next load. Time is that of event ids; a frontier, which only moves
 * forward, is derived again from the last committed id by every batch, so that batch boundaries do not matter.
 */
import { ulidTime_ms } from '../../ids.ts'
import { DAY_MS, floorMs } from '../events/instant.ts'
import type { IdempotencyRow } from '../tables/keys.ts'
import type { RunRow } from '../tables/runs.ts'
import type { SensorEvalRow } from '../tables/sensors.ts'
import { isTerminalRun } from '../tables/values.ts'
import { addDeadline, takeBefore } from './deadlines.ts'
import type { Deadlines } from './deadlines.ts'
import { allSlots, isFull, remove, slotsOf } from './rows.ts'
import type { Rows, Slot } from './rows.ts'
import type { FoldState } from './state.ts'

/** Days for which evaluations and idempotency keys are kept. */
const RECORD_DAYS = 30

/** The first instant that the reference can represent: a cutoff before it expires nothing. */
const EPOCH_MS_MIN = -8_334_601_228_800_000

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
  return { terminal_run_days, frontier_ms, evals: [], keys: [], runs: [] }
}

/** Remind of every row that was loaded. */
export function expireLoadedLater(state: FoldState): void {
  for (const slot of allSlots(state.rows.sensor_evals)) expireEvalLater(state.retention, slot)
  for (const slot of allSlots(state.rows.idempotency_keys)) expireKeyLater(state.retention, slot)
  for (const slot of allSlots(state.rows.runs)) expireRunLater(state.retention, slot)
}

/** Remind of an evaluation. */
export function expireEvalLater(retention: Retention | null, slot: Slot<SensorEvalRow>): void {
  if (retention !== null && isFull(slot))
    addDeadline(retention.evals, { at_ms: floorMs(slot.row.evaluated_at), slot })
}

/** Remind of an idempotency key. */
export function expireKeyLater(retention: Retention | null, slot: Slot<IdempotencyRow>): void {
  if (retention !== null && isFull(slot))
    addDeadline(retention.keys, { at_ms: floorMs(slot.row.recorded_at), slot })
}

/** Remind of a run, if it has ended. */
export function expireRunLater(retention: Retention | null, slot: Slot<RunRow>): void {
  if (retention !== null && isFull(slot) && isTerminalRun(slot.row.state))
    addDeadline(retention.runs, { at_ms: runAge_ms(slot.row), slot })
}

/** Before an event is folded: its id may move the frontier, and what is too old by then goes. */
export function advanceRetention(state: FoldState, event_id: string): void {
  const { retention } = state
  if (retention === null) return
  const now_ms = ulidTime_ms(event_id)
  if (now_ms === null || (retention.frontier_ms !== null && now_ms <= retention.frontier_ms)) return
  retention.frontier_ms = now_ms
  const cutoff_ms = now_ms - RECORD_DAYS * DAY_MS
  removeBefore(state.rows.sensor_evals, retention.evals, cutoff_ms, (row) => floorMs(row.evaluated_at))
  removeBefore(state.rows.idempotency_keys, retention.keys, cutoff_ms, (row) => floorMs(row.recorded_at))
  const run_cutoff_ms = now_ms - retention.terminal_run_days * DAY_MS
  if (retention.terminal_run_days > 0 && run_cutoff_ms >= EPOCH_MS_MIN)
    expireRuns(state, retention, run_cutoff_ms)
}

function removeBefore<R>(
  rows: Rows<R>,
  deadlines: Deadlines<R>,
  cutoff_ms: number,
  timeOf: (row: R) => number,
): void {
  for (let due = takeBefore(deadlines, cutoff_ms); due !== null; due = takeBefore(deadlines, cutoff_ms)) {
    if (isFull(due.slot) && timeOf(due.slot.row) === due.at_ms) remove(rows, due.slot)
  }
}

function expireRuns(state: FoldState, retention: Retention, cutoff_ms: number): void {
  for (
    let due = takeBefore(retention.runs, cutoff_ms);
    due !== null;
    due = takeBefore(retention.runs, cutoff_ms)
  ) {
    const { slot } = due
    if (isFull(slot) && isTerminalRun(slot.row.state) && runAge_ms(slot.row) === due.at_ms)
      removeRun(state, slot.row.run_id, slot)
  }
}

/** The run and all that is only there because of it. Partitions, schedules, sensors and backfills stay. */
function removeRun(state: FoldState, run_id: string, run: Slot<RunRow>): void {
  const { rows } = state
  if (isFull(run)) remove(rows.runs, run)
  removeGroup(rows.tasks, run_id)
  removeGroup(rows.catalog_run_index, run_id)
  removeGroup(rows.dep_satisfaction, run_id)
  removeIndexed(rows.timers, run_id)
  removeIndexed(rows.dispatch_outbox, run_id)
  for (const { run_key } of removeIndexed(rows.run_key_index, run_id))
    removeIndexed(rows.run_key_conflicts, run_key)
  state.graphs.delete(run_id)
  state.refreshes.delete(run_id)
}

function removeGroup<R>(rows: Rows<R>, group: string): void {
  for (const slot of Array.from(slotsOf(rows, group))) remove(rows, slot)
}

function removeIndexed<R>(rows: Rows<R>, value: string): R[] {
  const slots = Array.from(rows.index?.slots.get(value) ?? []).filter(isFull)
  const removed = slots.map((slot) => slot.row)
  for (const slot of slots) remove(rows, slot)
  return removed
}

/** Age of a run: the time in its version, else when it ended, else when it began. */
function runAge_ms(run: RunRow): number {
  return ulidTime_ms(run.row_version) ?? floorMs(run.completed_at ?? run.triggered_at)
}
