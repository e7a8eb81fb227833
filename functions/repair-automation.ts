/**
 * The repair automation of one process (spec/reconcile.md 7). The runtime owns the clock that calls it; what one run does is
 * `automationRun`. The backlog is in memory: a restart begins counting anew.
 */
import { automationRun, type Backlog } from '../lib/protocol/maintenance/projection/automation.ts'
import { runMaintenance } from '../lib/protocol/maintenance/run.ts'
import type { TableResolver } from '../lib/protocol/delta/resolve.ts'
import type { Scope } from '../lib/store/scoped.ts'
import type { MaintenanceParts } from './maintenance.ts'
import { compactorMaintenanceStore } from './maintenance.ts'
import type { CompactorSettings } from './compactor-settings.ts'
import type { AutomationConfig } from './config-automation.ts'
import { createEnvironment, type EnvironmentOverrides } from './environment.ts'
import type { AppLog } from './logging.ts'

/** What it works with. */
export interface RepairAutomationParts extends MaintenanceParts {
  readonly scope: Scope
  readonly resolver: TableResolver
  readonly compactor: CompactorSettings
  readonly automation: AutomationConfig
  readonly log: AppLog
  /** Why the store may not be written to; then it only reports. */
  writeRefusal(): string | null
  readonly overrides?: EnvironmentOverrides
}

/** Make the function that a timer calls. It never rejects, and does nothing while a run goes on. */
export function repairAutomation(parts: RepairAutomationParts): () => Promise<void> {
  const { maintenance_store, scope, resolver, compactor, automation, log, overrides } = parts
  const store = compactorMaintenanceStore(maintenance_store, scope, compactor.lock_scope)
  const environment = createEnvironment({
    store,
    resolver,
    overrides,
    note: (note) => log.note(REPAIR_AUTOMATION, note),
  })
  const settings = { ...compactor.reconcile, projection: { ...compactor.projection, scope } }
  let backlog: Backlog | null = null
  let is_running = false

  async function runOnce(): Promise<void> {
    const mode = parts.writeRefusal() === null ? automation.mode : 'dry_run'
    const work = automationRun(settings, { mode, scope: automation.scope }, backlog)
    const result = await runMaintenance(work, { ...environment, store })
    backlog = result.backlog
    const { status, findings, backlog_count, backlog_age_ms, is_repeat, reconciled, failure } = result.run
    if (status === 'clean') return
    log.note(REPAIR_AUTOMATION, {
      note: 'repair_automation',
      mode,
      scope: automation.scope,
      status,
      findings,
      backlog_count: backlog_count ?? -1,
      backlog_age_ms,
      is_repeat,
      deleted_objects: reconciled?.repair_result?.deleted_objects ?? 0,
      failed_repairs: reconciled?.repair_result?.failed_repairs ?? 0,
      failure: failure ?? '',
    })
  }

  return async () => {
    if (is_running) return
    is_running = true
    try {
      await runOnce()
    } catch (error) {
      log.failure(REPAIR_AUTOMATION, error)
    } finally {
      is_running = false
    }
  }
}

/** In place of a request's id. */
const REPAIR_AUTOMATION = 'repair-automation'
