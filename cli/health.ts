/**
 * `npm run health -- --bucket s3://… --tenant … --workspace …`: what should a person know of a scope? Every table once, the
 * projection, the lock; with `--recover` reservations past their TTL are settled. Never deletes, and does not touch the place of the
 * scheduled runs. Exit code 0 clean, 1 findings of severity warn or error, 2 could not look.
 */
import { Command } from 'commander'
import { createEnvironment } from '../functions/environment.ts'
import { BUCKET_FORMS, bucketName, bucketText, parseBucket, type Bucket } from '../functions/bucket.ts'
import { compactorMaintenanceStore } from '../functions/maintenance.ts'
import { openStore } from '../functions/entry/stores.ts'
import { tableResolver } from '../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS } from '../lib/protocol/delta/settings.ts'
import { bySeverity, exitCodeOf, type Finding } from '../lib/protocol/maintenance/finding.ts'
import { DEFAULT_HEALTH_LIMITS, TABLES_MAX } from '../lib/protocol/maintenance/health/settings.ts'
import type { RecoveredTable } from '../lib/protocol/maintenance/health/tables.ts'
import { reportText } from '../lib/protocol/maintenance/report.ts'
import { runMaintenance, type MaintenanceEnvironment } from '../lib/protocol/maintenance/run.ts'
import { sweep, type Swept } from '../lib/protocol/maintenance/sweep.ts'
import { withLimits } from '../lib/store/limits.ts'
import { isScopeId } from '../lib/store/scoped.ts'
import { unscopedProbe } from '../lib/store/unscoped.ts'

interface Options {
  readonly bucket: string
  readonly tenant: string
  readonly workspace: string
  readonly recover?: boolean
  readonly json?: boolean
}

const COULD_NOT_LOOK = 2

async function main(options: Options): Promise<number> {
  const { tenant, workspace, recover = false } = options
  const bucket = parseBucket(options.bucket)
  if (bucket === null) return couldNotLook(`--bucket: expected ${BUCKET_FORMS}`)
  const wrong = Object.entries({ tenant, workspace }).find(([, id]) => !isScopeId(id))
  if (wrong !== undefined) return couldNotLook(`--${wrong[0]}: expected only a-z, 0-9, _ and -`)
  try {
    const { driver } = await openStore(bucket, { token_format: 'plain', env: process.env })
    const is_certified =
      driver.certification === undefined || process.env['TIDEMARK_STORE_CERTIFIED'] === 'true'
    if (recover && !is_certified) {
      return couldNotLook(
        `--recover writes, and nobody has said that ${bucketText(bucket)} honours conditional writes: run \`npm run doctor\`, then set TIDEMARK_STORE_CERTIFIED=true`,
      )
    }
    await unscopedProbe(driver).readyCheck()
    return await report(options, environmentOf(driver, bucket, { tenant, workspace }))
  } catch (error) {
    return couldNotLook(error instanceof Error ? error.message : String(error))
  }
}

function environmentOf(
  driver: Parameters<typeof withLimits>[0],
  bucket: Bucket,
  scope: Pick<Options, 'tenant' | 'workspace'>,
): MaintenanceEnvironment {
  const lock_scope = process.env['TIDEMARK_LOCK_SCOPE'] === 'bucket-root' ? 'bucket-root' : 'scoped'
  const store = compactorMaintenanceStore(withLimits(driver), scope, lock_scope)
  const resolver = tableResolver({ mode: 'auto' }, { ...scope, bucket: bucketName(bucket) })
  return { ...createEnvironment({ store, resolver, note: () => undefined }), store }
}

/** Look at all pages, then say what was found, the most severe first. */
async function report(
  { recover = false, json = false }: Options,
  environment: MaintenanceEnvironment,
): Promise<number> {
  const found = new Map<string, Finding>()
  const recovered: RecoveredTable[] = []
  let tables = 0
  let after: string | null = null
  do {
    const { capabilities } = environment.store
    const work = sweep(
      { limits: DEFAULT_HEALTH_LIMITS, delta: DEFAULT_SETTINGS, capabilities },
      { after, limit: TABLES_MAX, recovers: recover },
      { refusal: null, certified_at_ms: null },
    )
    const swept: Swept = await runMaintenance(work, environment)
    // Every page looks at the projection: the last look counts.
    for (const finding of swept.findings) found.set(`${finding.rule} ${finding.path ?? ''}`, finding)
    recovered.push(...swept.recovered)
    tables += swept.looked_at
    after = swept.next
  } while (after !== null)
  const findings = [...found.values()].toSorted(bySeverity)
  const code = exitCodeOf(findings)
  if (json) {
    const conclusion = code === 0 ? 'clean' : 'findings'
    process.stdout.write(`${JSON.stringify({ conclusion, tables, findings, recovered })}\n`)
  } else {
    const looked_at = tables === 1 ? '1 table' : `${tables} tables`
    process.stdout.write(reportText(findings, `clean: ${looked_at}, the projection and its lock.`))
  }
  return code
}

function couldNotLook(why: string): number {
  process.stderr.write(`health: ${why}\n`)
  return COULD_NOT_LOOK
}

const program = new Command('health')
  .description(
    'Look for what a person should know of a workspace. Lists and reads; writes only with --recover.',
  )
  .requiredOption('--bucket <url>', BUCKET_FORMS, process.env['ARCO_STORAGE_BUCKET'])
  .requiredOption('--tenant <id>', 'tenant', process.env['ARCO_TENANT_ID'])
  .requiredOption('--workspace <id>', 'workspace', process.env['ARCO_WORKSPACE_ID'])
  .option('--recover', 'settle reservations that are past their TTL; nothing is deleted')
  .option('--json', 'print the result as one JSON object')
  .addHelpText('after', '\nExit code: 0 clean, 1 findings, 2 could not look.')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : COULD_NOT_LOOK))
  .parse()

process.exitCode = await main(program.opts<Options>())
