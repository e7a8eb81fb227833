/** POST /internal/reconcile: what nobody names, and on request its end (spec/http-api.md 5.4, spec/reconcile.md 6). Lists. */
import { parseShape, type BodyMembers } from '../lib/protocol/delta/commit-input.ts'
import {
  reconcile,
  type ReconcileReport,
  type ReconcileRequest,
} from '../lib/protocol/maintenance/projection/reconcile.ts'
import type { ReconcileSettings } from '../lib/protocol/maintenance/projection/settings.ts'
import { COMPACTOR_BODY_BYTES_MAX } from './body.ts'
import { projectionSettings } from './compactor.ts'
import { bodyOf, json, refuse, type Call } from './handler.ts'
import type { RunMaintenance } from './maintenance.ts'
import { countReconciled } from './metrics/reconciled.ts'
import type { Problem } from './problem.ts'
import { projectionProblem } from './projection-problem.ts'
import { ReconcileBody } from './reconcile-body.ts'

/** Report and repair, then answer with what was found and done. */
export async function handleReconcile(call: Call, run: RunMaintenance): Promise<Response> {
  const body = await bodyOf(call, COMPACTOR_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const request = parseRequest(body)
  if ('reason' in request) return refuse(call, request)
  call.facts['repair'] = request.repair
  const result = await run(reconcile(reconcileSettingsOf(call), request))
  if (!result.ok) return refuse(call, projectionProblem(result))
  countReconciled(call.metrics, result)
  const { report, repair_result, findings } = result
  call.facts['orphans'] = orphansIn(report)
  if (repair_result !== undefined) {
    call.facts['deleted_objects'] = repair_result.deleted_objects
    call.facts['failed_repairs'] = repair_result.failed_repairs
  }
  return json({ report, ...(repair_result === undefined ? {} : { repair_result }), findings })
}

/** The settings of the request's scope. */
export function reconcileSettingsOf(call: Call): ReconcileSettings {
  return { ...call.service.compactor.reconcile, projection: projectionSettings(call) }
}

function orphansIn(report: ReconcileReport): number {
  const { orphan_manifest_snapshots, orphan_base_dirs, orphan_l0_dirs } = report
  return orphan_manifest_snapshots.length + orphan_base_dirs.length + orphan_l0_dirs.length
}

function parseRequest(body: BodyMembers): ReconcileRequest | Problem {
  const shape = parseShape(ReconcileBody, body)
  if (!shape.ok) return shape
  const { repair = false, repairScope = null, repair_scope = null } = shape.value
  if (repairScope !== null && repair_scope !== null) {
    return { reason: 'bad_request', detail: 'expected repairScope or repair_scope, not both' }
  }
  return { repair, scope: repairScope ?? repair_scope ?? 'full' }
}
