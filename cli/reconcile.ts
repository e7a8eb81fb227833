/**
 * `npm run reconcile -- --bucket s3://… --tenant … --workspace …`: what lies beside the projection that nobody names, and with
 * `--repair` its end. Exit code 0 clean, 1 findings of severity warn or error, 2 could not look (or could not repair).
 */
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { BUCKET_FORMS, bucketName, bucketText, parseBucket } from '../functions/bucket.ts'
import type { CompactorSettings } from '../functions/compactor-settings.ts'
import { compactorSettingsOf, CompactorVariables } from '../functions/config-compactor.ts'
import { createEnvironment } from '../functions/environment.ts'
import { openStore } from '../functions/entry/stores.ts'
import { compactorMaintenanceStore } from '../functions/maintenance.ts'
import { tableResolver } from '../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS } from '../lib/protocol/delta/settings.ts'
import type { Cleaned } from '../lib/protocol/maintenance/cleanup.ts'
import { cleanStaged } from '../lib/protocol/maintenance/clean-staged.ts'
import type { Maintenance } from '../lib/protocol/maintenance/effects.ts'
import { exitCodeOf } from '../lib/protocol/maintenance/finding.ts'
import { cleanRebuilds } from '../lib/protocol/maintenance/projection/clean-rebuilds.ts'
import { reconcile, type Reconciled } from '../lib/protocol/maintenance/projection/reconcile.ts'
import { reportText } from '../lib/protocol/maintenance/report.ts'
import { runMaintenance } from '../lib/protocol/maintenance/run.ts'
import { withLimits } from '../lib/store/limits.ts'
import { isScopeId, type Scope } from '../lib/store/scoped.ts'
import { unscopedProbe } from '../lib/store/unscoped.ts'

interface Options {
  readonly bucket: string
  readonly tenant: string
  readonly workspace: string
  readonly repair?: boolean
  readonly stagedDays?: string
  readonly rebuildDays?: string
  readonly json?: boolean
}

const COULD_NOT_LOOK = 2
const DAY_MS = 86_400_000

type Run = <R>(work: Maintenance<R>) => Promise<R>

async function main(options: Options): Promise<number> {
  const ages = { staged: ageOf(options.stagedDays), rebuild: ageOf(options.rebuildDays) }
  for (const [name, age_ms] of Object.entries(ages)) {
    if (age_ms === 'wrong') return couldNotLook(`--${name}-days: expected an integer from 1 to 36500`)
    if (age_ms !== null && options.repair !== true) return couldNotLook(`--${name}-days: needs --repair`)
  }
  // The same variables as the service's: which lock, how much history is kept.
  const variables = CompactorVariables.safeParse(process.env)
  if (!variables.success) {
    const [issue] = variables.error.issues
    return couldNotLook(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
  }
  const compactor = compactorSettingsOf(variables.data)
  try {
    const opened = await openScope(options, compactor.lock_scope)
    if ('problem' in opened) return couldNotLook(opened.problem)
    const { run, scope } = opened
    const projection = { ...compactor.projection, scope }
    const request = { repair: options.repair === true, scope: 'full' } as const
    const result = await run(reconcile({ ...compactor.reconcile, projection }, request))
    if (!result.ok) return couldNotLook(result.reason)
    const cleaned: Record<string, Cleaned> = {}
    if (typeof ages.staged === 'number') {
      cleaned['staged'] = await run(cleanStaged({ ttl_ms: DEFAULT_SETTINGS.ttl_ms, age_ms: ages.staged }))
    }
    if (typeof ages.rebuild === 'number') {
      const rebuilds = await run(cleanRebuilds(projection, { age_ms: ages.rebuild }))
      if (!rebuilds.ok) return couldNotLook(`inputs of rebuilds: ${rebuilds.reason}`)
      const { ok: _ok, ...counts } = rebuilds
      cleaned['rebuilds'] = counts
    }
    return report(result, cleaned, options.json === true)
  } catch (error) {
    return couldNotLook(error instanceof Error ? error.message : String(error))
  }
}

/** Maintenance of one scope, or what is wrong with the options. */
async function openScope(
  options: Options,
  lock_scope: CompactorSettings['lock_scope'],
): Promise<{ readonly run: Run; readonly scope: Scope } | { readonly problem: string }> {
  const { tenant, workspace } = options
  const bucket = parseBucket(options.bucket)
  if (bucket === null) return { problem: `--bucket: expected ${BUCKET_FORMS}` }
  const wrong = Object.entries({ tenant, workspace }).find(([, id]) => !isScopeId(id))
  if (wrong !== undefined) return { problem: `--${wrong[0]}: expected only a-z, 0-9, _ and -` }
  // The driver makes its folder; a look must not.
  if (bucket.kind === 'file' && !existsSync(bucket.dir))
    return { problem: `there is no ${bucketText(bucket)}` }
  const { driver } = await openStore(bucket, { token_format: 'plain', env: process.env })
  await unscopedProbe(driver).readyCheck()
  const scope = { tenant, workspace }
  const store = compactorMaintenanceStore(withLimits(driver), scope, lock_scope)
  const resolver = tableResolver({ mode: 'legacy' }, { ...scope, bucket: bucketName(bucket) })
  const environment = createEnvironment({ store, resolver, note: () => undefined })
  return { scope, run: async (work) => runMaintenance(work, { ...environment, store }) }
}

/** Milliseconds; null when it was not asked for. */
function ageOf(days: string | undefined): number | null | 'wrong' {
  if (days === undefined) return null
  return /^[1-9]\d{0,4}$/.test(days) && Number(days) <= 36_500 ? Number(days) * DAY_MS : 'wrong'
}

function report(result: Reconciled, cleaned: Readonly<Record<string, Cleaned>>, json: boolean): number {
  const { report: about, repair_result, findings } = result
  const code = exitCodeOf(findings)
  if (json) {
    const conclusion = code === 0 ? 'clean' : 'findings'
    const repaired = repair_result === undefined ? {} : { repair_result }
    process.stdout.write(`${JSON.stringify({ conclusion, report: about, ...repaired, cleaned, findings })}\n`)
    return code
  }
  process.stdout.write(
    reportText(findings, `clean: ${about.current_manifest_path ?? 'nothing was published'}`),
  )
  if (repair_result !== undefined) {
    const { deleted_objects, deleted_bytes, deferred_paths, skipped_paths, failed_repairs } = repair_result
    process.stdout.write(
      `deleted: ${deleted_objects} objects, ${deleted_bytes} bytes; kept: ${deferred_paths} young, ${skipped_paths} in use or unsafe, ${failed_repairs} failed\n`,
    )
  }
  for (const [name, { deleted_objects, deleted_bytes, failed }] of Object.entries(cleaned)) {
    process.stdout.write(
      `${name}: ${deleted_objects} objects, ${deleted_bytes} bytes deleted, ${failed} failed\n`,
    )
  }
  return code
}

function couldNotLook(why: string): number {
  process.stderr.write(`reconcile: ${why}\n`)
  return COULD_NOT_LOOK
}

const program = new Command('reconcile')
  .description('Look for what lies beside the projection and nobody names. Deletes only with --repair.')
  .requiredOption('--bucket <url>', BUCKET_FORMS, process.env['ARCO_STORAGE_BUCKET'])
  .requiredOption('--tenant <id>', 'tenant', process.env['ARCO_TENANT_ID'])
  .requiredOption('--workspace <id>', 'workspace', process.env['ARCO_WORKSPACE_ID'])
  .option('--repair', 'delete what was written more than an hour ago')
  .option('--staged-days <n>', 'with --repair: also delete staged payloads that are older')
  .option('--rebuild-days <n>', 'with --repair: also delete lists and chunks of rebuilds that are older')
  .option('--json', 'print the result as one JSON object')
  .addHelpText('after', '\nExit code: 0 clean, 1 findings, 2 could not look (or could not repair).')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : COULD_NOT_LOOK))
  .parse()

process.exitCode = await main(program.opts<Options>())
