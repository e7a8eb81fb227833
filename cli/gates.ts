/**
 * `npm run gates -- --bucket s3://…` or `-- --url https://…`: do the promises of section 3 of the runbook hold here? Runs in
 * workspaces of its own and removes what it wrote. Exit code 0 all hold, 1 a promise is broken, 2 could not run.
 */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { BUCKET_FORMS, bucketText, parseBucket } from '../functions/bucket.ts'
import { openStore } from '../functions/entry/stores.ts'
import { createEnvironment } from '../functions/environment.ts'
import type { GateResult } from '../lib/gates/gate.ts'
import { runGates, type GatesOptions, type GatesReport } from '../lib/gates/run-gates.ts'
import { DEFAULT_SETTINGS } from '../lib/protocol/delta/settings.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../lib/protocol/orchestration/projection/settings.ts'
import { withLimits } from '../lib/store/limits.ts'
import { isScopeId } from '../lib/store/scoped.ts'
import { unscopedProbe } from '../lib/store/unscoped.ts'
import { serviceGates } from './service-gates.ts'

interface Options {
  readonly bucket?: string
  readonly url?: string
  readonly tenant?: string
  readonly json?: boolean
}

const EXIT: Record<GatesReport['conclusion'], number> = { held: 0, broken: 1, undecided: 2 }
const COULD_NOT_RUN = 2

const MARKS: Record<GateResult['verdict'], string> = {
  holds: 'ok  ',
  broken: 'FAIL',
  undecided: '?   ',
  not_run: '-   ',
}

const LONGEST_ID = 'rebuild-stale-watermark'.length

async function main({ bucket: text, url, tenant, json = false }: Options): Promise<number> {
  // Whoever names both does not know which store was proven; the variable of the service may stand beside --url.
  if (url !== undefined && program.getOptionValueSource('bucket') === 'cli')
    return couldNotRun('expected either --bucket or --url')
  if (url !== undefined && tenant !== undefined)
    return couldNotRun('--tenant: only with --bucket; a service proves it for its own tenant')
  const stopped = new AbortController()
  process.once('SIGINT', () => stopped.abort())
  process.once('SIGTERM', () => stopped.abort())
  const options: GatesOptions = { signal: stopped.signal, ...(json ? {} : { onGate: printGate }) }
  try {
    const report = url === undefined ? await ofBucket(text, tenant, options) : await ofService(url, options)
    if (typeof report === 'string') return couldNotRun(report)
    process.stdout.write(json ? `${JSON.stringify(report)}\n` : closing(report))
    return EXIT[report.conclusion]
  } catch (error) {
    return couldNotRun(reasonOf(error))
  }
}

/** What went wrong, with the cause: `fetch failed` alone does not say that nobody listens there. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** The report of this process over a bucket, or why there is none. */
async function ofBucket(
  text: string | undefined,
  tenant: string | undefined,
  options: GatesOptions,
): Promise<GatesReport | string> {
  if (text === undefined) return `expected --bucket ${BUCKET_FORMS}, or --url`
  const bucket = parseBucket(text)
  if (bucket === null) return `--bucket: expected ${BUCKET_FORMS}, got ${JSON.stringify(text)}`
  if (tenant !== undefined && !isScopeId(tenant)) return '--tenant: expected only a-z, 0-9, _ and -'
  // The driver would make the folder, and the gates would hold in one that nobody uses.
  if (bucket.kind === 'file' && !existsSync(bucket.dir)) return `there is no ${bucketText(bucket)}`
  const { TIDEMARK_TOKEN_FORMAT: tokens, TIDEMARK_S3_IF_MATCH: if_match } = process.env
  const { driver } = await openStore(bucket, {
    token_format: tokens === 'reference' ? 'reference' : 'plain',
    if_match_style: if_match === 'unquoted' ? 'unquoted' : 'quoted',
    env: process.env,
  })
  const store = withLimits(driver)
  await unscopedProbe(store).readyCheck()
  if (options.onGate !== undefined) process.stdout.write(`${bucketText(bucket)}\n`)
  const report = await runGates(
    {
      store,
      ...(tenant === undefined ? {} : { tenant }),
      settings: DEFAULT_SETTINGS,
      projection: DEFAULT_PROJECTION_SETTINGS,
      environment: (scoped, resolver) =>
        createEnvironment({ store: scoped, resolver, note: () => undefined }),
    },
    options,
  )
  if (bucket.kind === 'file') removeFolders(bucket.dir, report)
  return report
}

/** A folder store keeps the folders of objects that are gone; nobody else has any below these names. */
function removeFolders(root: string, { scratch, gates }: GatesReport): void {
  if (gates.at(-1)?.verdict !== 'holds') return
  const [tenant = '', workspace = ''] = scratch.split('/')
  const home = join(root, tenant)
  const own = readdirSync(home).filter((name) => name.startsWith(workspace))
  for (const name of own) rmSync(join(home, name), { recursive: true, force: true })
  if (readdirSync(home).length === 0) rmdirSync(home)
}

/** The report of a running service over its own store, or why there is none. */
async function ofService(url: string, options: GatesOptions): Promise<GatesReport | string> {
  if (!URL.canParse(url) || !/^https?:/.test(url))
    return `--url: expected http://… or https://…, got ${JSON.stringify(url)}`
  if (options.onGate !== undefined) process.stdout.write(`${url}\n`)
  const { ARCO_INTERNAL_TOKEN: token = '' } = process.env
  return serviceGates({ url, token: token === '' ? null : token }, options)
}

function couldNotRun(why: string): number {
  process.stderr.write(`gates: ${why}\n`)
  return COULD_NOT_RUN
}

function printGate({ id, promise, verdict, evidence }: GateResult): void {
  const seen =
    verdict === 'holds' ? evidence : `${evidence}\n${' '.repeat(LONGEST_ID + 8)}promised: ${promise}`
  process.stdout.write(`${MARKS[verdict]}  ${id.padEnd(LONGEST_ID)}  ${seen}\n`)
}

function closing({ conclusion, gates }: GatesReport): string {
  const of = (verdict: GateResult['verdict']): readonly GateResult[] =>
    gates.filter((gate) => gate.verdict === verdict)
  switch (conclusion) {
    case 'held':
      return `\nAll ${gates.length} gates hold.\n`
    case 'broken':
      return `\nBroken: ${of('broken')
        .map(({ promise }) => `“${promise}”`)
        .join('; ')}. Do not advance the rollout, and keep this output: docs/runbook.md, section 3.\n`
    case 'undecided':
      return `\nCould not decide ${gates.length - of('holds').length} of ${gates.length} gates: the lines marked ? say why. Nothing is known to be broken; run it again once that is mended.\n`
  }
}

const program = new Command('gates')
  .description('Prove the safety gates of runbook section 3 on the store of this deployment.')
  .option('--bucket <url>', BUCKET_FORMS, process.env['ARCO_STORAGE_BUCKET'])
  .option('--url <url>', 'a running service, which runs them over its store; token in ARCO_INTERNAL_TOKEN')
  .option('--tenant <id>', 'whose workspaces they are, for credentials that reach no other tenant')
  .option('--json', 'print the result as one JSON object')
  .addHelpText('after', '\nExit code: 0 all hold, 1 a promise is broken, 2 could not run.')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : COULD_NOT_RUN))
  .parse()

process.exitCode = await main(program.opts<Options>())
