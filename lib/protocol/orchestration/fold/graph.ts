/**
 * The dependency graph of each run, which is not stored but follows from the edges (spec/fold.md 2). It is kept from
 * both ends: downstream for the fold, upstream for whoever asks what a task is waiting for.
 */
import type { DependencyRow } from '../tables/runs.ts'
import { allSlots, slotAtIn } from './rows.ts'
import type { DependencySlot, FoldState, TaskSlot } from './state.ts'

/** Put a new edge into the graph. */
export function link(edge: DependencySlot, from: TaskSlot, to: TaskSlot): void {
  edge.to = to
  edge.next_downstream = from.downstream
  from.downstream = edge
  edge.next_upstream = to.upstream
  to.upstream = edge
}

/** Build the graphs anew from the rows, as after loading stored ones. */
export function rebuildGraphs(state: FoldState): void {
  const { tasks, dep_satisfaction } = state.rows
  for (const run_id of tasks.groups.keys()) clearGraph(state, run_id)
  for (const edge of allSlots(dep_satisfaction)) {
    const { run_id, upstream_task_key, downstream_task_key } = edge.row
    link(edge, slotAtIn(tasks, run_id, upstream_task_key), slotAtIn(tasks, run_id, downstream_task_key))
  }
}

/** Take all edges out of a run's graph, and tasks that never had a row. */
export function clearGraph(state: FoldState, run_id: string): void {
  const tasks = state.rows.tasks.groups.get(run_id)
  for (const [task_key, task] of tasks ?? []) {
    task.downstream = null
    task.upstream = null
    if (task.row === null && task.before === undefined) tasks?.delete(task_key)
  }
}

/** Dependencies of the tasks that wait for this one. */
export function downstreamOf(state: FoldState, run_id: string, task_key: string): DependencyRow[] {
  const rows: DependencyRow[] = []
  const task = state.rows.tasks.groups.get(run_id)?.get(task_key)
  for (let edge = task?.downstream ?? null; edge !== null; edge = edge.next_downstream)
    if (edge.row !== null) rows.push(edge.row)
  return rows
}

/** Dependencies of this task on others: what it is waiting for. */
export function upstreamOf(state: FoldState, run_id: string, task_key: string): DependencyRow[] {
  const rows: DependencyRow[] = []
  const task = state.rows.tasks.groups.get(run_id)?.get(task_key)
  for (let edge = task?.upstream ?? null; edge !== null; edge = edge.next_upstream)
    if (edge.row !== null) rows.push(edge.row)
  return rows
}
