/**
 * `npm run doctor -- --bucket s3://…`: may Tidemark write to this bucket? Runs the certification of spec/providers.md 7
 * against the real service. Exit code 0 certified, 1 refused, 2 could not look.
 */
import { Command } from 'commander'
import { BUCKET_FORMS, bucketText, parseBucket } from '../functions/bucket.ts'
import { openStore } from '../functions/entry/stores.ts'
import { certify, type Certification, type CertificationStep } from '../lib/store/certify.ts'
import { withLimits } from '../lib/store/limits.ts'

const program = new Command('doctor')
  .description(
    'Find out whether a bucket honours conditional writes; without that, Tidemark does not write to it.',
  )
  .requiredOption('--bucket <url>', BUCKET_FORMS, process.env['ARCO_STORAGE_BUCKET'])
  .option('--json', 'print the result as one JSON object')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()

process.exitCode = await main(program.opts<{ bucket: string; json?: boolean }>())

async function main({ bucket: text, json }: { bucket: string; json?: boolean }): Promise<number> {
  const bucket = parseBucket(text)
  if (bucket === null) return couldNotLook(`--bucket: expected ${BUCKET_FORMS}, got ${JSON.stringify(text)}`)
  try {
    const { driver } = await openStore(bucket, { token_format: 'plain', env: process.env })
    const { certification } = driver
    if (certification === undefined) {
      process.stdout.write(
        json === true
          ? `${JSON.stringify({ bucket: text, certified: true, steps: [] })}\n`
          : `${bucketText(bucket)} needs no certification: its driver is certified by its tests.\n`,
      )
      return 0
    }
    const limited = { ...withLimits(driver), certification }
    if (json !== true) process.stdout.write(`${bucketText(bucket)}\n`)
    const result = await certify(limited, json === true ? {} : { onStep: (step) => void printStep(step) })
    process.stdout.write(
      json === true ? `${JSON.stringify({ bucket: text, ...result })}\n` : conclusion(result),
    )
    return result.certified ? 0 : 1
  } catch (error) {
    return couldNotLook(error instanceof Error ? error.message : String(error))
  }
}

function couldNotLook(why: string): number {
  process.stderr.write(`doctor: ${why}\n`)
  return 2
}

const MARKS: Record<CertificationStep['verdict'], string> = {
  pass: 'ok  ',
  warn: 'warn',
  fail: 'FAIL',
  not_run: '-   ',
}

function printStep({ id, verdict, action, detail }: CertificationStep): boolean {
  return process.stdout.write(`${MARKS[verdict]}  ${id.padEnd(4)}  ${action.padEnd(36)}  ${detail}\n`)
}

function conclusion(result: Certification): string {
  if (!result.certified) {
    const failed = result.steps.find(({ verdict }) => verdict === 'fail')
    return `\nRefused: this store would lose commits (${failed?.id ?? '?'}). The line marked FAIL can be forwarded to its vendor as it is.\n`
  }
  const style =
    result.if_match_style === 'unquoted'
      ? '\nSet TIDEMARK_S3_IF_MATCH=unquoted: this store wants ETags without quotes.'
      : ''
  return `\nCertified. Set TIDEMARK_STORE_CERTIFIED=true for this bucket.${style}\n`
}
