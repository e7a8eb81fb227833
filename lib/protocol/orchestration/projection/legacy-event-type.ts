/** The event type of an idempotency row that an early writer left without one (spec/projections.md 8.4). */

const BY_PREFIX: ReadonlyMap<string, string> = new Map([
  ['run', 'RunTriggered'],
  ['plan', 'PlanCreated'],
  ['cancel_req', 'RunCancelRequested'],
  ['started', 'TaskStarted'],
  ['heartbeat', 'TaskHeartbeat'],
  ['finished', 'TaskFinished'],
  ['dispatch_req', 'DispatchRequested'],
  ['timer_req', 'TimerRequested'],
  ['backfill_chunk', 'BackfillChunkPlanned'],
  ['dispatch_ack', 'DispatchEnqueued'],
  ['timer_ack', 'TimerEnqueued'],
  ['timer_fired', 'TimerFired'],
  ['sched_def', 'ScheduleDefinitionUpserted'],
  ['sched_tick', 'ScheduleTicked'],
  ['sensor_eval', 'SensorEvaluated'],
  ['runreq', 'RunRequested'],
  ['backfill_create', 'BackfillCreated'],
  ['backfill_state', 'BackfillStateChanged'],
])

/** Told from what the key begins with; `LegacyUnknown` when that says nothing. */
export function legacyEventType(idempotency_key: string): string {
  return BY_PREFIX.get(idempotency_key.split(':', 1)[0] ?? '') ?? 'LegacyUnknown'
}
