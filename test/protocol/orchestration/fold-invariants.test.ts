import { expect, test } from 'vitest'
import { compareBytes } from '../../../lib/protocol/orchestration/byte-order.ts'
import type { LedgerEvent } from '../../../lib/protocol/orchestration/events/kinds.ts'
import { fold } from '../../../lib/protocol/orchestration/fold/fold.ts'
import { downstreamOf, upstreamOf } from '../../../lib/protocol/orchestration/fold/graph.ts'
import { allRows, loadState } from '../../../lib/protocol/orchestration/fold/layers.ts'
import type { FoldState } from '../../../lib/protocol/orchestration/fold/state.ts'
import type { RunRow, TaskRow } from '../../../lib/protocol/orchestration/tables/runs.ts'
import { isTerminalRun, isTerminalTask } from '../../../lib/protocol/orchestration/tables/values.ts'
import { histories } from '../../support/fold-histories.ts'
import { folded, forAll, LONG, UNDERSTAND } from '../../support/fold-laws.ts'

/** Invariants of spec/fold-invariants.md 1 by number, and whether each holds. */
type Checks = [invariant: string, holds: boolean][]

function runChecks(run: RunRow, tasks: readonly TaskRow[], has_repeated_keys: boolean): Checks {
  const count = (state: string): number => tasks.filter((task) => task.state === state).length
  const { tasks_total, tasks_completed, tasks_succeeded, tasks_failed, tasks_skipped, tasks_cancelled } = run
  return [
    ['I1', tasks_completed === tasks_succeeded + tasks_failed + tasks_skipped + tasks_cancelled],
    ['I2', tasks_succeeded === count('SUCCEEDED') && tasks_failed === count('FAILED')],
    ['I2', tasks_skipped === count('SKIPPED') && tasks_cancelled === count('CANCELLED')],
    ['I3', tasks_completed <= tasks_total],
    ['I4', has_repeated_keys ? tasks_total >= tasks.length : tasks_total === tasks.length],
    ['I5', !isTerminalRun(run.state) || tasks_completed === tasks_total],
    ['I6', run.state !== 'RUNNING' || tasks_total === 0 || tasks_completed < tasks_total],
    ['I7', run.state !== 'TRIGGERED' || tasks.length === 0],
  ]
}

function taskChecks(state: FoldState, task: TaskRow, has_repeated_keys: boolean): Checks {
  const outgoing = downstreamOf(state, task.run_id, task.task_key)
  const incoming = upstreamOf(state, task.run_id, task.task_key)
  const satisfied = incoming.filter((edge) => edge.satisfied).length
  const is_refused = task.state === 'FAILED' || task.state === 'SKIPPED'
  return [
    ['I8', task.state !== 'BLOCKED' || task.deps_satisfied_count !== task.deps_total],
    ['I9', task.state !== 'READY' || task.ready_at !== null],
    ['I9', task.state !== 'READY' || has_repeated_keys || task.deps_satisfied_count === task.deps_total],
    ['I10', task.deps_satisfied_count === satisfied],
    ['I10', has_repeated_keys || satisfied <= task.deps_total],
    ['I12', task.state !== 'SUCCEEDED' || outgoing.every((edge) => edge.satisfied)],
    ['I13', !is_refused || outgoing.every((edge) => edge.resolution !== null && !edge.satisfied)],
    ['I14', task.completed_at === null || isTerminalTask(task.state)],
    ['I15', task.execution_lineage_ref === null || task.state === 'SUCCEEDED'],
    ['I15', task.output_visibility_state === null || task.state === 'SUCCEEDED'],
  ]
}

function tableChecks(state: FoldState, applied: number, has_empty_id: boolean): Checks {
  const keys = allRows(state, 'idempotency_keys')
  const index = new Map(allRows(state, 'run_key_index').map((row) => [row.run_key, row.request_fingerprint]))
  const chunks = new Set(allRows(state, 'backfill_chunks').map((row) => row.chunk_id))
  const planned = allRows(state, 'backfills').flatMap(({ backfill_id, planned_chunks }) =>
    Array.from({ length: planned_chunks }, (_, at) => `${backfill_id}:${at}`),
  )
  const { edges, outbox, conflicts, partitions } = {
    edges: allRows(state, 'dep_satisfaction'),
    outbox: allRows(state, 'dispatch_outbox'),
    conflicts: allRows(state, 'run_key_conflicts'),
    partitions: allRows(state, 'partition_status'),
  }
  return [
    ['I11', edges.every((edge) => edge.satisfied === (edge.resolution === 'SUCCESS'))],
    ['I11', edges.every((edge) => edge.satisfied === (edge.satisfying_attempt !== null))],
    ['I11', edges.every((edge) => (edge.resolution === null) === (edge.satisfied_at === null))],
    ['I16', outbox.every((row) => (row.status === 'CREATED') === (row.cloud_task_id !== null))],
    ['I17', keys.every((row) => row.row_version === row.event_id) && keys.length === applied],
    ['I18', conflicts.every((row) => row.existing_fingerprint === index.get(row.run_key))],
    ['I18', conflicts.every((row) => row.existing_fingerprint !== row.conflicting_fingerprint)],
    ['I19', planned.every((chunk) => chunks.has(chunk))],
    ['I20', partitions.every((row) => row.last_attempt_at !== null)],
    // The version is an event's id, and an id may be the empty text.
    ['I20', has_empty_id || partitions.every((row) => row.row_version !== '')],
  ]
}

function catalogChecks(state: FoldState): Checks {
  const runs = new Map(allRows(state, 'runs').map((run) => [run.run_id, run.state]))
  const tasks = new Map(allRows(state, 'tasks').map((task) => [taskName(task), task.state]))
  const rows = allRows(state, 'catalog_run_index')
  return [
    ['I21', rows.every((row) => row.run_status === runs.get(row.run_id))],
    ['I21', rows.every((row) => row.task_status === tasks.get(taskName(row)))],
  ]
}

/** What never goes back, told from one state to the next. */
function stepChecks(before: Snapshot, after: Snapshot): Checks {
  const tasks = [...before.tasks].map(([name, was]) => ({ was, is: after.tasks.get(name) }))
  const ended = tasks.filter(({ was }) => isTerminalTask(was.state))
  return [
    ['I22', ended.every(({ was, is }) => is?.state === was.state && is.attempt === was.attempt)],
    ['I22', ended.every(({ was, is }) => is?.attempt_id === was.attempt_id)],
    ['I22', [...before.ended].every(([name, was]) => after.ended.get(name) === was)],
    ['I23', tasks.every(({ was, is }) => is !== undefined && is.attempt >= was.attempt)],
    ['I23', [...before.cancelled].every((run_id) => after.cancelled.has(run_id))],
    ['I23', [...before.counted].every(([name, was]) => (after.counted.get(name) ?? -1) >= was)],
  ]
}

interface Snapshot {
  readonly tasks: ReadonlyMap<string, TaskRow>
  /** Runs that were asked to stop. */
  readonly cancelled: ReadonlySet<string>
  /** State versions of backfills and sensors. */
  readonly counted: ReadonlyMap<string, number>
  /** Terminal states of backfills. */
  readonly ended: ReadonlyMap<string, string>
}

function snapshotOf(state: FoldState): Snapshot {
  const backfills = allRows(state, 'backfills')
  const terminal = backfills.filter((row) => ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(row.state))
  const cancelled = allRows(state, 'runs').filter((run) => run.cancel_requested)
  return {
    tasks: new Map(allRows(state, 'tasks').map((task) => [taskName(task), task])),
    cancelled: new Set(cancelled.map((run) => run.run_id)),
    counted: new Map([
      ...backfills.map((row) => [`backfill ${row.backfill_id}`, row.state_version] as const),
      ...allRows(state, 'sensor_state').map((row) => [`sensor ${row.sensor_id}`, row.state_version] as const),
    ]),
    ended: new Map(terminal.map((row) => [row.backfill_id, row.state])),
  }
}

function taskName(row: { readonly run_id: string; readonly task_key: string }): string {
  return JSON.stringify([row.run_id, row.task_key])
}

function runsWithRepeatedKeys(events: readonly LedgerEvent[]): ReadonlySet<string> {
  const repeated = events.map(({ data }) => {
    if (data.type !== 'plan_created') return null
    const keys = data.tasks.map((task) => task.key)
    return new Set(keys).size < keys.length ? data.run_id : null
  })
  return new Set(repeated.filter((run_id) => run_id !== null))
}

function broken(checks: Checks): string[] {
  return checks.filter(([, holds]) => !holds).map(([invariant]) => invariant)
}

const short = histories({ length_max: 25, ids: 'any' })

test(
  'I1–I23 hold after every event, in any order',
  LONG,
  forAll(short, (events) => {
    const repeated = runsWithRepeatedKeys(events)
    const has_empty_id = events.some((event) => event.event_id === '')
    const state = loadState(UNDERSTAND)
    let applied = 0
    let before = snapshotOf(state)
    for (const event of events) {
      applied += fold(state, event) === 'applied' ? 1 : 0
      const after = snapshotOf(state)
      const tasks = [...after.tasks.values()]
      const of_runs = allRows(state, 'runs').flatMap((run) => {
        const own = tasks.filter((task) => task.run_id === run.run_id)
        return runChecks(run, own, repeated.has(run.run_id))
      })
      const of_tasks = tasks.flatMap((task) => taskChecks(state, task, repeated.has(task.run_id)))
      const of_tables = [...tableChecks(state, applied, has_empty_id), ...catalogChecks(state)]
      const checks = [...stepChecks(before, after), ...of_runs, ...of_tasks, ...of_tables]
      expect(broken(checks)).toEqual([])
      before = after
    }
  }),
)

test(
  'the dependency graph shows the same edges from both ends',
  LONG,
  forAll(short, (events) => {
    const state = folded(events)
    const edges = allRows(state, 'dep_satisfaction')
    for (const edge of edges) {
      expect(downstreamOf(state, edge.run_id, edge.upstream_task_key)).toContain(edge)
      expect(upstreamOf(state, edge.run_id, edge.downstream_task_key)).toContain(edge)
    }
    const ends = allRows(state, 'tasks').flatMap((task) => upstreamOf(state, task.run_id, task.task_key))
    expect(ends.length).toBe(edges.length)
  }),
)

test('fold.md 11: ids are compared by bytes, not by UTF-16 units', () => {
  expect(compareBytes('\u{1f600}', '\uffff')).toBeGreaterThan(0)
})
