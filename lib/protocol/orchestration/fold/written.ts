/** What a completion says about the data that it wrote, and the text that refers to it (spec/fold.md 4.6). */
import type { Payload } from '../events/kinds.ts'

/** Either form of a completion: controllers still emit the older one, `task_finished`. */
export type Completion = Payload<'task_finished'> | Payload<'task_completion_recorded'>

/** What a completion says about what was written (4.6). */
export interface Written {
  readonly materialization_id: string | null
  readonly delta_table: string | null
  readonly delta_version: bigint | null
  readonly delta_partition: string | null
  /** Identity of the partition: the event's own key first, then that of the output. */
  readonly partition_key: string | null
  readonly execution_lineage_ref: string
}

/** Read it from either form of a completion. */
export function writtenBy(data: Completion): Written {
  const materialization_id = data.materialization_id ?? data.output?.materializationId ?? null
  const delta_table = data.output?.deltaTable ?? null
  const delta_version = data.output?.deltaVersion ?? null
  const delta_partition = data.output?.deltaPartition ?? data.partition_key
  return {
    materialization_id,
    delta_table,
    delta_version,
    delta_partition,
    partition_key: data.partition_key ?? delta_partition,
    execution_lineage_ref: lineageText(data, {
      materialization_id,
      delta_table,
      delta_version,
      delta_partition,
    }),
  }
}

/** Compact JSON in this order of members, put together by hand because a version may exceed what a double holds. */
function lineageText(
  data: Completion,
  written: Omit<Written, 'partition_key' | 'execution_lineage_ref'>,
): string {
  return [
    `{"runId":${JSON.stringify(data.run_id)},"taskKey":${JSON.stringify(data.task_key)},"attempt":${data.attempt}`,
    textMember('materializationId', written.materialization_id),
    textMember('deltaTable', written.delta_table),
    written.delta_version === null ? '' : `,"deltaVersion":${written.delta_version}`,
    textMember('deltaPartition', written.delta_partition),
    '}',
  ].join('')
}

function textMember(name: string, value: string | null): string {
  return value === null ? '' : `,"${name}":${JSON.stringify(value)}`
}
