/** Sensors: where each one is, and every time that it looked. */
import { runRequest, sensorEvalStatus, triggerSource } from '../events/nested.ts'
import type { RunRequest } from '../events/nested.ts'
import { list } from '../events/schema.ts'
import {
  isNotOlder,
  json,
  jsonUnlessEmpty,
  maybeTime,
  nullable,
  oneOf,
  table,
  text,
  time,
  u32,
} from './columns.ts'
import type { RowOf } from './columns.ts'
import { SENSOR_STATUSES } from './values.ts'

/** One row a sensor; `state_version` counts the evaluations that were accepted. */
export const sensorState = table({
  name: 'sensor_state',
  key: ['sensor_id'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    sensor_id: text,
    cursor: nullable(text),
    last_evaluation_at: maybeTime,
    last_eval_id: nullable(text),
    status: oneOf(SENSOR_STATUSES),
    state_version: u32,
    row_version: text,
  },
})
/** A row of `sensor_state`. */
export type SensorRow = RowOf<typeof sensorState>

/** One row an evaluation. */
export const sensorEvals = table({
  name: 'sensor_evals',
  key: ['eval_id'],
  replaces: isNotOlder,
  columns: {
    tenant_id: text,
    workspace_id: text,
    eval_id: text,
    sensor_id: text,
    cursor_before: nullable(text),
    cursor_after: nullable(text),
    expected_state_version: nullable(u32),
    trigger_source: json(triggerSource),
    run_requests: jsonUnlessEmpty<readonly RunRequest[]>(list(runRequest), []),
    status: json(sensorEvalStatus),
    evaluated_at: time,
    row_version: text,
  },
})
/** A row of `sensor_evals`. */
export type SensorEvalRow = RowOf<typeof sensorEvals>
