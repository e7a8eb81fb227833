/**
 * `npm run docs:stores`: run the store contract on every driver and server, and write docs/stores.md from what came of it.
 * Writes nothing where a server is not installed, because a column that was not run says nothing.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  columnName,
  STORE_COLUMNS,
  type StoreColumn,
  type StoreColumnId,
} from '../test/support/store-columns.ts'
import { storesDocument, type CellResult } from '../test/support/stores-document.ts'

const ROOT = join(import.meta.dirname, '..')

/** The part of vitest's JSON report that is read. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[]
      readonly title: string
      readonly status: string
    }[]
  }[]
}

const missing = Object.values<StoreColumn>(STORE_COLUMNS).flatMap(({ skipped }) => (skipped ? [skipped] : []))
if (missing.length > 0) {
  process.stderr.write(`docs:stores: ${[...new Set(missing)].join('; ')}\n`)
  process.exit(1)
}
const report = runContract()
const document = storesDocument((column, id) => resultOf(report, column, id))
writeFileSync(join(ROOT, 'docs', 'stores.md'), document)
process.stdout.write('docs/stores.md is written.\n')
if (/\*\*✗\*\*|\| \? \|/.test(document)) {
  process.stderr.write('docs:stores: a row failed or was not run; see the table\n')
  process.exit(1)
}

function runContract(): Report {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-docs-'))
  const file = join(folder, 'report.json')
  try {
    const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
    const files = ['contract.test.ts', 's3', 'gcs', 'r2'].map((name) => `test/store/${name}`)
    spawnSync(process.execPath, [vitest, 'run', ...files, '--reporter=json', `--outputFile=${file}`], {
      cwd: ROOT,
      stdio: ['ignore', 2, 2],
    })
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The memory and folder columns are run in several variants, whose names go on after the column's. */
function resultOf({ testResults }: Report, column: StoreColumnId, id: string): CellResult {
  const suite = `store contract: ${columnName(column)}`
  const results = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ ancestorTitles: [name = ''] }) => name === suite || name.startsWith(`${suite}, `))
    .filter(({ title }) => title.startsWith(`${id} `))
    .map(({ status }) => status)
  if (results.length === 0 || results.includes('skipped')) return 'not run'
  return results.every((status) => status === 'passed') ? 'passed' : 'failed'
}
