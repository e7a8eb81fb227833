/**
 * The dependency graph of each run, which is not stored but follows from the edges (spec/fold.md 2). It is kept from
 * both ends: downstream for the fold, upstream for whoever asks what a task is waiting for.
 */
import type { DependencyRow } from '../tables/runs.ts'
import { allSlots, slotAt } from './rows.ts'
import type { DependencySlot, FoldState } from './state.ts'

/** Put a new edge into the graph. */
export function link(state: FoldState, edge: DependencySlot, row: DependencyRow): void {
  edge.from = slotAt(state.rows.tasks, [row.run_id, row.upstream_task_key])
  edge.to = slotAt(state.rows.tasks, [row.run_id, row.downstream_task_key])
  edge.from.downstream.push(edge)
  edge.to.upstream.push(edge)
}

/** Build the graphs anew from the rows, as after loading stored ones. */
export function rebuildGraphs(state: FoldState): void {
  for (const run_id of state.rows.tasks.groups.keys()) clearGraph(state, run_id)
  for (const edge of allSlots(state.rows.dep_satisfaction)) link(state, edge, edge.row)
}

/** Take all edges out of a run's graph, and tasks that never had a row. */
export function clearGraph(state: FoldState, run_id: string): void {
  const tasks = state.rows.tasks.groups.get(run_id)
  for (const [task_key, task] of tasks ?? []) {
    task.downstream = []
    task.upstream = []
    if (task.row === null && task.before === undefined) tasks?.delete(task_key)
  }
}
