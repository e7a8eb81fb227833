/**
 * What the end of a task means for the tasks that wait for it (spec/fold.md 2, 4.7, 4.8). The graph is kept from both
 * ends: downstream for the fold, upstream for whoever asks what a task is waiting for.
 */
import type { LedgerEvent } from '../events/kinds.ts'
import type { DependencyRow } from '../tables/runs.ts'
import { isTerminalTask } from '../tables/values.ts'
import type { DepResolution } from '../tables/values.ts'
import { allSlots, find, isFull, joinKey, put, replace } from './rows.ts'
import type { FullSlot, Slot } from './rows.ts'
import { countFinished } from './run-rows.ts'
import type { DependencyGraph, FoldState } from './state.ts'
import { changeTask, findTask } from './task-rows.ts'

/** An unresolved edge; one that a plan names again begins again. */
export function addDependency(
  state: FoldState,
  event: LedgerEvent,
  run_id: string,
  upstream_task_key: string,
  downstream_task_key: string,
): void {
  const row: DependencyRow = {
    run_id,
    upstream_task_key,
    downstream_task_key,
    satisfied: false,
    resolution: null,
    satisfied_at: null,
    satisfying_attempt: null,
    row_version: event.event_id,
  }
  const known = find(state.rows.dep_satisfaction, joinKey([upstream_task_key, downstream_task_key]), run_id)
  if (known === null) link(state.graphs, row, put(state.rows.dep_satisfaction, row))
  else replace(state.rows.dep_satisfaction, known, row)
}

/**
 * 4.7: a task succeeded. The count rises even in a task that has started or ended; only a BLOCKED one becomes READY,
 * and only then its version changes.
 */
export function satisfyDependents(
  state: FoldState,
  event: LedgerEvent,
  run_id: string,
  task_key: string,
  attempt: number,
): void {
  for (const edge of downstreamOf(state, run_id, task_key)) {
    const was_satisfied = edge.row.satisfied
    replace(state.rows.dep_satisfaction, edge, {
      ...edge.row,
      satisfied: true,
      resolution: 'SUCCESS',
      satisfied_at: event.timestamp,
      satisfying_attempt: attempt,
      row_version: event.event_id,
    })
    if (!was_satisfied) countSatisfied(state, event, run_id, edge.row.downstream_task_key)
  }
}

/**
 * 4.8: a task failed, was skipped or was cancelled. All that is downstream and has not ended is skipped or cancelled,
 * running tasks too; each task is entered once, because it has ended then.
 */
export function propagate(
  state: FoldState,
  event: LedgerEvent,
  run_id: string,
  task_key: string,
  resolution: Exclude<DepResolution, 'SUCCESS'>,
): void {
  const consequence = resolution === 'CANCELLED' ? 'CANCELLED' : 'SKIPPED'
  const ended = [task_key]
  for (const upstream of ended) {
    for (const edge of downstreamOf(state, run_id, upstream)) {
      replace(state.rows.dep_satisfaction, edge, {
        ...edge.row,
        satisfied: false,
        resolution: upstream === task_key ? resolution : consequence,
        satisfied_at: event.timestamp,
        satisfying_attempt: null,
        row_version: event.event_id,
      })
      const { downstream_task_key } = edge.row
      const task = findTask(state, run_id, downstream_task_key)
      if (task === null || isTerminalTask(task.row.state)) continue
      changeTask(state, task, { ...task.row, state: consequence, row_version: event.event_id })
      countFinished(state, event, run_id, consequence)
      ended.push(downstream_task_key)
    }
  }
}

/** Edges to the tasks that wait for this one. */
export function downstreamOf(state: FoldState, run_id: string, task_key: string): FullSlot<DependencyRow>[] {
  return (state.graphs.get(run_id)?.downstream.get(task_key) ?? []).filter(isFull)
}

/** Edges from the tasks that this one waits for. */
export function upstreamOf(state: FoldState, run_id: string, task_key: string): FullSlot<DependencyRow>[] {
  return (state.graphs.get(run_id)?.upstream.get(task_key) ?? []).filter(isFull)
}

/** Build the graphs anew from the rows, as after loading stored ones. */
export function rebuildGraphs(state: FoldState): void {
  state.graphs.clear()
  for (const slot of allSlots(state.rows.dep_satisfaction)) link(state.graphs, slot.row, slot)
}

function countSatisfied(state: FoldState, event: LedgerEvent, run_id: string, task_key: string): void {
  const task = findTask(state, run_id, task_key)
  if (task === null) return
  const deps_satisfied_count = task.row.deps_satisfied_count + 1
  const becomes_ready = deps_satisfied_count === task.row.deps_total && task.row.state === 'BLOCKED'
  changeTask(
    state,
    task,
    becomes_ready
      ? {
          ...task.row,
          deps_satisfied_count,
          state: 'READY',
          ready_at: event.timestamp,
          row_version: event.event_id,
        }
      : { ...task.row, deps_satisfied_count },
  )
}

function link(graphs: Map<string, DependencyGraph>, row: DependencyRow, slot: Slot<DependencyRow>): void {
  let graph = graphs.get(row.run_id)
  if (graph === undefined) {
    graph = { downstream: new Map(), upstream: new Map() }
    graphs.set(row.run_id, graph)
  }
  push(graph.downstream, row.upstream_task_key, slot)
  push(graph.upstream, row.downstream_task_key, slot)
}

function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
