/** Run keys, what went wrong with them, and the idempotency keys of events. */
import { addedLater, isNewer, isNotOlder, maybeText, table, text, time } from './columns.ts'
import type { RowOf, Table } from './columns.ts'

/** One row a run key: the run that it stands for. The first request wins. */
export const runKeyIndex = table({
  name: 'run_key_index',
  key: ['run_key'],
  replaces: isNewer,
  columns: {
    tenant_id: text,
    workspace_id: text,
    run_key: text,
    run_id: text,
    request_fingerprint: text,
    code_version: maybeText,
    created_at: time,
    row_version: text,
  },
})
/** A row of `run_key_index`. */
export type RunKeyRow = RowOf<typeof runKeyIndex>

const conflicts = table({
  name: 'run_key_conflicts',
  key: ['run_key', 'conflicting_event_id'],
  replaces: () => false,
  columns: {
    tenant_id: text,
    workspace_id: text,
    run_key: text,
    existing_fingerprint: text,
    conflicting_fingerprint: text,
    conflicting_event_id: text,
    detected_at: time,
  },
})
/** A row of `run_key_conflicts`. */
export type RunKeyConflictRow = RowOf<typeof conflicts>

/** One row a request that used a run key for something else. Its key is one text, joined without escaping. */
export const runKeyConflicts: Table<RunKeyConflictRow> = {
  ...conflicts,
  key: (row) => [`conflict:${row.run_key}:${row.conflicting_event_id}`],
}

/** One row an event that was applied. An old file without `event_type` gets it from the key (projections.md 8.4). */
export const idempotencyKeys = table({
  name: 'idempotency_keys',
  key: ['idempotency_key'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    idempotency_key: text,
    event_id: text,
    event_type: addedLater(text, 'LegacyUnknown'),
    recorded_at: time,
    row_version: text,
  },
})
/** A row of `idempotency_keys`. */
export type IdempotencyRow = RowOf<typeof idempotencyKeys>
