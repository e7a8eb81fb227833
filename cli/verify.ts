/**
 * `npm run verify -- --bucket s3://… --tenant … --workspace … --table ID`: is anything wrong with a table, or, with
 * `--projection`, with the projection? Lists and reads, never writes. Exit code 0 clean, 1 findings of severity warn or error, 2 could not look.
 */
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { createEnvironment } from '../functions/environment.ts'
import { BUCKET_FORMS, bucketName, bucketText, parseBucket } from '../functions/bucket.ts'
import { compactorSettingsOf, CompactorVariables } from '../functions/config-compactor.ts'
import { openStore } from '../functions/entry/stores.ts'
import { compactorMaintenanceStore } from '../functions/maintenance.ts'
import { tableResolver } from '../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS } from '../lib/protocol/delta/settings.ts'
import { parseTableId } from '../lib/protocol/ids.ts'
import { decodeCursor, VERIFY_LIMIT_MAX, type Cursor } from '../lib/protocol/maintenance/delta/cursor.ts'
import { verifyTable, type Verified } from '../lib/protocol/maintenance/delta/verify.ts'
import { byCause } from '../lib/protocol/maintenance/delta/findings.ts'
import { bySeverity, exitCodeOf, type Finding } from '../lib/protocol/maintenance/finding.ts'
import { verifyProjection, type VerifiedPage } from '../lib/protocol/maintenance/projection/verify.ts'
import { reportText } from '../lib/protocol/maintenance/report.ts'
import { runMaintenance, type MaintenanceEnvironment } from '../lib/protocol/maintenance/run.ts'
import type { Failure } from '../lib/protocol/orchestration/projection/outcomes.ts'
import { withLimits } from '../lib/store/limits.ts'
import { isScopeId, scopedMaintenanceStore, type Scope } from '../lib/store/scoped.ts'
import { unscopedProbe } from '../lib/store/unscoped.ts'

interface Options {
  readonly bucket: string
  readonly tenant: string
  readonly workspace: string
  readonly table?: string
  readonly projection?: boolean
  readonly location?: string
  readonly deep?: boolean
  readonly json?: boolean
}

/** Findings that are kept for the report; a table with more has one cause. */
const FINDINGS_MAX = 10_000

/** Objects of the projection that are looked at in one step. */
const PROJECTION_PAGE = 10_000

const COULD_NOT_LOOK = 2

async function main(options: Options): Promise<number> {
  const { tenant, workspace } = options
  const bucket = parseBucket(options.bucket)
  if (bucket === null) return couldNotLook(`--bucket: expected ${BUCKET_FORMS}`)
  if ((options.table === undefined) === (options.projection !== true)) {
    return couldNotLook('expected either --table or --projection')
  }
  const table_id = options.table === undefined ? null : parseTableId(options.table)
  if (table_id === null && options.table !== undefined) return couldNotLook('--table: expected a UUID')
  const wrong = Object.entries({ tenant, workspace }).find(([, id]) => !isScopeId(id))
  if (wrong !== undefined) return couldNotLook(`--${wrong[0]}: expected only a-z, 0-9, _ and -`)
  // The driver makes its folder; a look must not.
  if (bucket.kind === 'file' && !existsSync(bucket.dir))
    return couldNotLook(`there is no ${bucketText(bucket)}`)
  try {
    const { driver } = await openStore(bucket, { token_format: 'plain', env: process.env })
    await unscopedProbe(driver).readyCheck()
    const scope = { tenant, workspace }
    const resolver = tableResolver(
      options.location === undefined || table_id === null
        ? { mode: 'auto' }
        : { mode: 'static', tables: new Map([[table_id, options.location]]) },
      { ...scope, bucket: bucketName(bucket) },
    )
    const limited = withLimits(driver)
    const environment = environmentOf(limited, scope, resolver)
    return table_id === null
      ? await reportProjection(scope, options, environment, limited)
      : await report(table_id, options, environment)
  } catch (error) {
    return couldNotLook(error instanceof Error ? error.message : String(error))
  }
}

function environmentOf(
  driver: Parameters<typeof scopedMaintenanceStore>[0],
  scope: Scope,
  resolver: MaintenanceEnvironment['resolver'],
): MaintenanceEnvironment {
  const store = scopedMaintenanceStore(driver, scope)
  return { ...createEnvironment({ store, resolver, note: () => undefined }), store }
}

/** Look at all pages, then say what was found: the most severe of the whole table comes first. */
async function report(
  table_id: string,
  { deep = false, json = false }: Options,
  environment: MaintenanceEnvironment,
): Promise<number> {
  const findings: Finding[] = []
  let cursor: Cursor | null = null
  let page: Verified
  do {
    const work = verifyTable({
      table_id,
      deep,
      cursor,
      limit: VERIFY_LIMIT_MAX,
      ttl_ms: DEFAULT_SETTINGS.ttl_ms,
    })
    const result = await runMaintenance(work, environment)
    if (!result.ok) return couldNotLook(`table ${table_id}: ${result.reason}`)
    page = result
    findings.push(...page.findings.slice(0, FINDINGS_MAX - findings.length))
    cursor = page.next === null ? null : decodeCursor(page.next)
  } while (cursor !== null)
  const { root, latest_version, log } = page
  const code = exitCodeOf(findings)
  const sorted = findings.toSorted(byCause)
  if (json) {
    const conclusion = code === 0 ? 'clean' : 'findings'
    const result = { table_id, root, conclusion, latest_version, log, findings: sorted }
    process.stdout.write(`${JSON.stringify(result)}\n`)
  } else process.stdout.write(reportText(sorted, cleanText(table_id, page)))
  return code
}

/** The same of the projection; what is kept of its history is what the service's variables say. */
async function reportProjection(
  scope: Scope,
  { json = false }: Options,
  environment: MaintenanceEnvironment,
  driver: Parameters<typeof scopedMaintenanceStore>[0],
): Promise<number> {
  const variables = CompactorVariables.safeParse(process.env)
  if (!variables.success) {
    const [issue] = variables.error.issues
    return couldNotLook(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
  }
  const { projection, reconcile, lock_scope } = compactorSettingsOf(variables.data)
  const settings = { ...reconcile, projection: { ...projection, scope } }
  const store = compactorMaintenanceStore(driver, scope, lock_scope)
  const findings: Finding[] = []
  let objects = 0
  let cursor: string | null = null
  do {
    const work = verifyProjection(settings, { cursor, limit: PROJECTION_PAGE })
    const result: VerifiedPage | Failure = await runMaintenance(work, { ...environment, store })
    if (!result.ok) return couldNotLook(`projection: ${result.reason}`)
    findings.push(...result.findings.slice(0, FINDINGS_MAX - findings.length))
    objects += result.objects
    cursor = result.next_cursor
  } while (cursor !== null)
  const code = exitCodeOf(findings)
  if (json) {
    const conclusion = code === 0 ? 'clean' : 'findings'
    const result = { projection: scope, conclusion, objects, findings: findings.toSorted(bySeverity) }
    process.stdout.write(`${JSON.stringify(result)}\n`)
  } else process.stdout.write(reportText(findings, `clean: the projection, ${objects} objects looked at.`))
  return code
}

function cleanText(table_id: string, { log }: Verified): string {
  const { entries, checkpoints, first_version, latest_version } = log
  return `clean: table ${table_id}, versions ${first_version} to ${latest_version} (entries: ${entries}, checkpoints: ${checkpoints}).`
}

function couldNotLook(why: string): number {
  process.stderr.write(`verify: ${why}\n`)
  return COULD_NOT_LOOK
}

const program = new Command('verify')
  .description(
    'Look for everything that is wrong with a table, or with the projection. Lists and reads, never writes.',
  )
  .requiredOption('--bucket <url>', BUCKET_FORMS, process.env['ARCO_STORAGE_BUCKET'])
  .requiredOption('--tenant <id>', 'tenant', process.env['ARCO_TENANT_ID'])
  .requiredOption('--workspace <id>', 'workspace', process.env['ARCO_WORKSPACE_ID'])
  .option('--table <uuid>', 'table id')
  .option('--projection', 'look at the projection instead of a table')
  .option('--location <path>', 'where the table lies, instead of asking the catalog')
  .option('--deep', 'also look at the files that the table refers to')
  .option('--json', 'print the result as one JSON object')
  .addHelpText('after', '\nExit code: 0 clean, 1 findings, 2 could not look.')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : COULD_NOT_LOOK))
  .parse()

process.exitCode = await main(program.opts<Options>())
