/** The driver of maintenance: what `run.ts` does, on a store that can also list and delete. */
import type { MaintenanceStore } from '../../store/types.ts'
import type { Answer } from '../effects.ts'
import { drive, failing, performOp, type Environment } from '../run.ts'
import type { Maintenance, MaintenanceOp } from './effects.ts'

/** As the protocol's, on a store that can list and delete; scoped to one tenant and workspace. */
export interface MaintenanceEnvironment extends Environment {
  readonly store: MaintenanceStore
}

/** Drive a maintenance operation to its end. Operations of one batch run together. */
export async function runMaintenance<R>(work: Maintenance<R>, env: MaintenanceEnvironment): Promise<R> {
  return drive(work, async (op: MaintenanceOp) => perform(op, env))
}

async function perform(op: MaintenanceOp, env: MaintenanceEnvironment): Promise<Answer> {
  if (op.kind === 'list') {
    const { kind: _kind, ...request } = op
    return failing(async () => ({ outcome: 'ok', ...(await env.store.listPage(request)) }))
  }
  if (op.kind === 'head') return failing(async () => env.store.head(op.path))
  if (op.kind === 'delete') {
    // A store that cannot compare refuses a token; whoever deletes has looked at the object just before.
    const { conditional_delete } = env.store.capabilities
    const token = conditional_delete ? op.token : undefined
    return failing(async () => env.store.delete(op.path, token === undefined ? {} : { token }))
  }
  return performOp(op, env)
}
