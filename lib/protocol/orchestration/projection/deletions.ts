/** The deletions object of a delta: keys that are gone once its rows are merged (spec/projections.md 12). */
import * as z from 'zod'
import type { Layer } from '../fold/layers.ts'
import type { TableName } from '../tables/all.ts'
import { prettyBytes, type DocumentKind, type Printable } from './documents.ts'
import { DELETIONS_BYTES_MAX } from './limits.ts'

/** Keys by table, the parts of each as `Table.key` gives them. */
export type Deletions = Layer['deletions']

/** Tables in the order of the document, which is not the order of files; and the parts of each key. */
const KEY_PARTS = {
  runs: 1,
  tasks: 2,
  catalog_run_index: 4,
  dep_satisfaction: 3,
  timers: 1,
  dispatch_outbox: 1,
  sensor_state: 1,
  sensor_evals: 1,
  backfills: 1,
  backfill_chunks: 1,
  run_key_index: 1,
  run_key_conflicts: 1,
  partition_status: 2,
  idempotency_keys: 1,
  schedule_definitions: 1,
  schedule_state: 1,
  schedule_ticks: 1,
} as const satisfies Record<TableName, number>

const IN_ORDER = Object.keys(KEY_PARTS) as readonly TableName[]

function keysOf(parts: number): z.ZodType<readonly (readonly string[])[]> {
  const key = parts === 1 ? z.string().transform((only) => [only]) : z.array(z.string()).length(parts)
  return z
    .array(key)
    .nullish()
    .transform((keys) => keys ?? [])
}

const Lists = Object.fromEntries(IN_ORDER.map((name) => [name, keysOf(KEY_PARTS[name])])) as {
  readonly [N in TableName]: ReturnType<typeof keysOf>
}

/** A version that we do not know may say what we would not understand, and deleted rows would come back. */
const DeletionsDocument = z
  .object({ schema_version: z.literal(1).default(1), ...Lists })
  .transform(({ schema_version: _version, ...keys }): Deletions => keys)

/** How a deletions object is read. */
export const DELETIONS: DocumentKind<Deletions> = {
  object_class: 'deletions',
  bytes_max: DELETIONS_BYTES_MAX,
  schema: DeletionsDocument,
}

/** The bytes of the object; empty lists are left out. */
export function encodeDeletions(deletions: Deletions): Uint8Array {
  const document: Record<string, Printable> = { schema_version: 1 }
  for (const name of IN_ORDER) {
    const keys = deletions[name] ?? []
    if (keys.length === 0) continue
    document[name] = KEY_PARTS[name] === 1 ? keys.map(([key = '']) => key) : keys
  }
  return prettyBytes(document)
}

/** How many keys are listed. */
export function countDeletions(deletions: Deletions): number {
  return IN_ORDER.reduce((sum, name) => sum + (deletions[name]?.length ?? 0), 0)
}
