/**
 * What is let go of, and when (spec/fold.md 10.4, spec/manifests.md 11). Time is that of event ids. The frontier only
 * moves forward within a batch, and every batch derives it again from the last committed id, so that batch boundaries
 * do not matter.
 */
import { ulidTime_ms } from '../../ids.ts'
import { DAY_MS, floorMs } from '../events/instant.ts'
import type { RunRow } from '../tables/runs.ts'
import { isTerminalRun } from '../tables/values.ts'
import { dropRefreshes } from './catalog.ts'
import { nextDeadline_ms, takeDeadline } from './deadlines.ts'
import type { Deadlines } from './deadlines.ts'
import { expireEvalLater, expireKeyLater, expireRunLater, runAge_ms } from './expiry.ts'
import type { Retention } from './expiry.ts'
import { clearGraph } from './graph.ts'
import { allSlots, isFull, remove, slotsOf } from './rows.ts'
import type { FullSlot, Rows, Slot } from './rows.ts'
import type { FoldState } from './state.ts'

/** Days for which evaluations and idempotency keys are kept. */
const RECORD_DAYS = 30

/** The first instant that the reference can represent: a cutoff before it expires nothing. */
const EPOCH_MS_MIN = -8_334_601_228_800_000

/** Remind of every row that was loaded. */
export function expireLoadedLater(state: FoldState): void {
  for (const slot of allSlots(state.rows.sensor_evals)) expireEvalLater(state.retention, slot)
  for (const slot of allSlots(state.rows.idempotency_keys)) expireKeyLater(state.retention, slot)
  for (const slot of allSlots(state.rows.runs)) expireRunLater(state.retention, slot)
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
  for (const slot of takeBefore(deadlines, cutoff_ms)) {
    if (isFull(slot) && timeOf(slot.row) < cutoff_ms) remove(rows, slot)
  }
}

function expireRuns(state: FoldState, retention: Retention, cutoff_ms: number): void {
  for (const slot of takeBefore(retention.runs, cutoff_ms)) {
    if (isFull(slot) && isTerminalRun(slot.row.state) && runAge_ms(slot.row) < cutoff_ms)
      removeRun(state, slot)
  }
}

/** What there are reminders of. A row that was written since has another reminder, for its new time. */
function* takeBefore<R>(deadlines: Deadlines<R>, cutoff_ms: number): Generator<Slot<R>> {
  while (nextDeadline_ms(deadlines) < cutoff_ms) {
    const slot = takeDeadline(deadlines)
    if (slot !== undefined) yield slot
  }
}

/** The run and all that is only there because of it. Partitions, schedules, sensors and backfills stay. */
function removeRun(state: FoldState, run: FullSlot<RunRow>): void {
  const { rows } = state
  const { run_id } = run.row
  remove(rows.runs, run)
  dropRefreshes(state, run_id)
  clearGraph(state, run_id)
  removeGroup(rows.tasks, run_id)
  removeGroup(rows.catalog_run_index, run_id)
  removeGroup(rows.dep_satisfaction, run_id)
  removeIndexed(rows.timers, run_id)
  removeIndexed(rows.dispatch_outbox, run_id)
  for (const { run_key } of removeIndexed(rows.run_key_index, run_id))
    removeIndexed(rows.run_key_conflicts, run_key)
}

function removeGroup<R, S extends Slot<R>>(rows: Rows<R, S>, group: string): void {
  for (const slot of Array.from(slotsOf(rows, group))) remove(rows, slot)
}

function removeIndexed<R>(rows: Rows<R>, value: string): R[] {
  const slots = Array.from(rows.index?.slots.get(value) ?? []).filter(isFull)
  const removed = slots.map((slot) => slot.row)
  for (const slot of slots) remove(rows, slot)
  return removed
}
