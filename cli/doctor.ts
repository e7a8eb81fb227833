/**
 * `npm run doctor -- --bucket s3://…`: may Tidemark write to this bucket? Runs the certification of spec/providers.md 7
 * against the real service. Exit code 0 certified, 1 refused, 2 could not look.
 */
import { Command } from 'commander'
import { BUCKET_FORMS, bucketText, parseBucket } from '../functions/bucket.ts'
import { openStore } from '../functions/entry/stores.ts'
import { certify, type Certification, type CertificationStep } from '../lib/store/certify.ts'

const EXIT: Record<Certification['conclusion'], number> = { certified: 0, refused: 1, undecided: 2 }

const LONGEST_ACTION = 'replace it with the old token'.length

const MARKS: Record<CertificationStep['verdict'], string | null> = {
  pass: 'ok  ',
  warn: 'warn',
  fail: 'FAIL',
  undecided: '?   ',
  // What follows a step that did not pass would prove nothing; the closing line says that it was left out.
  not_run: null,
}

async function main({ bucket: text, json }: { bucket: string; json?: boolean }): Promise<number> {
  const bucket = parseBucket(text)
  if (bucket === null) return couldNotLook(`--bucket: expected ${BUCKET_FORMS}, got ${JSON.stringify(text)}`)
  try {
    const { driver } = await openStore(bucket, { token_format: 'plain', env: process.env })
    const { certification } = driver
    if (certification === undefined) {
      process.stdout.write(
        json === true
          ? `${JSON.stringify({ bucket: text, conclusion: 'certified', certified: true, steps: [] })}\n`
          : `${bucketText(bucket)} needs no certification: its driver is certified by its tests.\n`,
      )
      return EXIT.certified
    }
    if (json !== true) process.stdout.write(`${bucketText(bucket)}\n`)
    const result = await certify({ ...driver, certification }, json === true ? {} : { onStep: printStep })
    process.stdout.write(json === true ? `${JSON.stringify({ bucket: text, ...result })}\n` : closing(result))
    return EXIT[result.conclusion]
  } catch (error) {
    return couldNotLook(error instanceof Error ? error.message : String(error))
  }
}

function couldNotLook(why: string): number {
  process.stderr.write(`doctor: ${why}\n`)
  return EXIT.undecided
}

function printStep({ id, verdict, action, detail }: CertificationStep): void {
  const mark = MARKS[verdict]
  if (mark !== null)
    process.stdout.write(`${mark}  ${id.padEnd(4)}  ${action.padEnd(LONGEST_ACTION)}  ${detail}\n`)
}

function closing({ conclusion, steps, if_match_style }: Certification): string {
  switch (conclusion) {
    case 'certified':
      return `\nCertified. Set TIDEMARK_STORE_CERTIFIED=true for this bucket.\n${
        if_match_style === 'unquoted'
          ? 'Set TIDEMARK_S3_IF_MATCH=unquoted: this store wants ETags without quotes.\n'
          : ''
      }`
    case 'refused': {
      const failed = steps.find(({ verdict }) => verdict === 'fail')
      return `\nRefused: this store would lose commits (${failed?.id ?? '?'}). The steps after it were not run. The line marked FAIL can be forwarded to the vendor as it is.\n`
    }
    case 'undecided':
      return '\nCould not look: the line marked ? says why, and the steps after it were not run. This says nothing about how the store treats conditions; run it again once that is mended.\n'
  }
}

const program = new Command('doctor')
  .description(
    'Find out whether a bucket honours conditional writes; without that, Tidemark does not write to it.',
  )
  .requiredOption('--bucket <url>', BUCKET_FORMS, process.env['ARCO_STORAGE_BUCKET'])
  .option('--json', 'print the result as one JSON object')
  .addHelpText('after', '\nExit code: 0 certified, 1 refused, 2 could not look.')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()

process.exitCode = await main(program.opts<{ bucket: string; json?: boolean }>())
