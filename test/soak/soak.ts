/** `npm run soak`: kill servers for a while and say what that did. Exit code 1 when a promise was broken. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BUCKET_KINDS, type BucketKind } from './bucket.ts'
import { reportText } from './report.ts'
import { runSoak } from './run.ts'

const USAGE = `npm run soak -- [--store file|minio] [--seconds N] [--seed N] [--server FILE] [--json]

  --store KIND  where the objects are: a folder, or a MinIO that is killed as well
  --seconds N   how long servers are killed, 60 unless told
  --seed N      repeats the choices of another run
  --server FILE another entry file to start the servers from, relative to the repository
  --json        the report as one JSON object
`

const options = parseOptions(process.argv.slice(2))
if (options === null) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-soak-'))
  process.stderr.write(
    `Killing servers over ${options.store} for ${options.seconds} s, seed ${options.seed}, in ${root}\n`,
  )
  const report = await runSoak({ ...options, root })
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : reportText(report))
  if (report.violations.length === 0) rmSync(root, { recursive: true, force: true })
  else {
    process.stderr.write(`The folder and the journals are kept in ${root}\n`)
    process.exitCode = 1
  }
}

interface Options {
  readonly store: BucketKind
  readonly seconds: number
  readonly seed: number
  readonly server?: string
  readonly json: boolean
}

/** Null when they are not understood. */
function parseOptions(args: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        store: { type: 'string', default: 'file' },
        seconds: { type: 'string', default: '60' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        server: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    })
    const seconds = Number(values.seconds)
    const seed = Number(values.seed)
    const store = BUCKET_KINDS.find((kind) => kind === values.store)
    return seconds > 0 && Number.isSafeInteger(seed) && store !== undefined
      ? { ...values, store, seconds, seed }
      : null
  } catch {
    return null
  }
}
