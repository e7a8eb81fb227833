/** Sensors (spec/fold.md 5.16): a compare-and-swap on the number of evaluations that were accepted. */
import { compareBytes } from '../byte-order.ts'
import type { LedgerEvent, Payload } from '../events/kinds.ts'
import type { SensorEvalRow, SensorRow } from '../tables/sensors.ts'
import { expireEvalLater } from './expiry.ts'
import { find, put } from './rows.ts'
import type { FoldState } from './state.ts'

/**
 * An evaluation that expected another state is recorded as stale and moves nothing. Every other one that is newer
 * than the last moves the sensor, whatever it saw; without `cursor_after` the cursor is cleared.
 */
export function recordEvaluation(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'sensor_evaluated'>,
): boolean {
  const sensor = findOrCreate(state, event, data.sensor_id)
  const expected = data.expected_state_version
  const is_stale = expected !== null && expected !== sensor.state_version
  const is_recorded = putEvaluation(state, event, data, is_stale)
  if (is_stale || compareBytes(event.event_id, sensor.row_version) <= 0) return is_recorded
  put(state.rows.sensor_state, {
    ...sensor,
    cursor: data.cursor_after,
    last_evaluation_at: event.timestamp,
    last_eval_id: data.eval_id,
    state_version: sensor.state_version + 1,
    row_version: event.event_id,
  })
  return true
}

/** The row of a sensor stays even when its first evaluation is refused. */
function findOrCreate(state: FoldState, event: LedgerEvent, sensor_id: string): SensorRow {
  const known = find(state.rows.sensor_state, sensor_id)
  if (known !== null) return known.row
  const row: SensorRow = {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    sensor_id,
    cursor: null,
    last_evaluation_at: null,
    last_eval_id: null,
    status: 'ACTIVE',
    state_version: 0,
    row_version: '',
  }
  put(state.rows.sensor_state, row)
  return row
}

function putEvaluation(
  state: FoldState,
  event: LedgerEvent,
  data: Payload<'sensor_evaluated'>,
  is_stale: boolean,
): boolean {
  const known = find(state.rows.sensor_evals, data.eval_id)
  if (known !== null && compareBytes(event.event_id, known.row.row_version) <= 0) return false
  const row: SensorEvalRow = {
    tenant_id: event.tenant_id,
    workspace_id: event.workspace_id,
    eval_id: data.eval_id,
    sensor_id: data.sensor_id,
    cursor_before: data.cursor_before,
    cursor_after: data.cursor_after,
    expected_state_version: data.expected_state_version,
    trigger_source: data.trigger_source,
    run_requests: data.run_requests,
    status: is_stale ? { status: 'skipped_stale_cursor' } : data.status,
    evaluated_at: event.timestamp,
    row_version: event.event_id,
  }
  expireEvalLater(state.retention, put(state.rows.sensor_evals, row))
  return true
}
