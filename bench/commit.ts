/**
 * `npm run bench`: what a commit costs, in time and in plain conditional puts of the same bytes, measured in turns in the
 * same run so that a busy machine slows both. Numbers are for looking at; no test asserts a time.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fsStore } from '../lib/store/fs.ts'
import { withLimits } from '../lib/store/limits.ts'
import { memoryStore } from '../lib/store/memory.ts'
import type { MaintenanceStore } from '../lib/store/types.ts'
import { countRounds } from '../test/support/stores.ts'
import { inPuts, reportText, type Line, type Report } from './report.ts'
import { emptySample, summarise, type Sample } from './statistics.ts'
import {
  benchApp,
  commit,
  commitUntil,
  newTable,
  payload,
  putUntil,
  stage,
  type Commits,
  type Table,
} from './writers.ts'

const USAGE = `npm run bench -- [--seconds N] [--folder DIR] [--json]

  --seconds N   how long each of the six lines is measured, half commits and half puts; 4 unless told
  --folder DIR  where the folder store makes a folder of its own; the machine's place for such unless told
  --json        the report as one JSON object
`

/** Commits and puts take turns of at most this length, ms. */
const TURN_MS_MAX = 250

interface Options {
  readonly seconds: number
  readonly folder: string
  readonly json: boolean
}

const options = parseOptions(process.argv.slice(2))
if (options === null) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else await main(options)

/** Null when they are not understood. */
function parseOptions(args: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string', default: '4' },
        folder: { type: 'string', default: tmpdir() },
        json: { type: 'boolean', default: false },
      },
    })
    const seconds = Number(values.seconds)
    return seconds > 0 ? { seconds, folder: values.folder, json: values.json } : null
  } catch {
    return null
  }
}

async function main({ seconds, folder, json }: Options): Promise<void> {
  const parent = mkdtempSync(join(folder, 'tidemark-bench-'))
  try {
    const lines: Line[] = []
    for (const store of ['memory', 'folder']) {
      for (const [writers, tables] of [
        [1, 1],
        [16, 1],
        [16, 16],
      ] as const) {
        const driver = store === 'memory' ? memoryStore() : fsStore(mkdtempSync(join(parent, 'store-')))
        lines.push(await measure(withLimits(driver), { store, writers, tables, seconds }))
      }
    }
    const report: Report = {
      node: process.version,
      cores: availableParallelism(),
      folder: parent,
      payload_bytes: new TextEncoder().encode(payload()).length,
      rounds: await roundsOfACommit(),
      seconds,
      lines: lines.map((line) => ({ ...line, in_puts: inPuts(line) })),
    }
    process.stdout.write(json ? `${JSON.stringify(report)}\n` : reportText(report))
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}

/** Commits and puts in turns, by the same number of writers, in the same store. */
async function measure(
  store: MaintenanceStore,
  it: { readonly store: string; readonly writers: number; readonly tables: number; readonly seconds: number },
): Promise<Line> {
  const app = benchApp(store)
  const tables = Array.from({ length: it.tables }, newTable)
  const writers = Array.from({ length: it.writers }, (_, number) => tables[number % it.tables] ?? newTable())
  const turn_ms = Math.min(TURN_MS_MAX, it.seconds * 500)

  /** All writers at once for one turn, which ends when the last of them has finished what it had begun. */
  async function turn(into: Sample, work: (table: Table, until_ms: number) => Promise<void>): Promise<void> {
    const started_ms = performance.now()
    await Promise.all(writers.map(async (table) => work(table, started_ms + turn_ms)))
    into.elapsed_ms += performance.now() - started_ms
  }

  async function turns(seconds: number): Promise<{ readonly commits: Commits; readonly puts: Sample }> {
    const commits: Commits = { ...emptySample(), requests: 0 }
    const puts = emptySample()
    do {
      await turn(commits, async (table, until_ms) => commitUntil(app, table, until_ms, commits))
      await turn(puts, async (_, until_ms) => putUntil(store, until_ms, puts))
    } while (commits.elapsed_ms + puts.elapsed_ms < seconds * 1000)
    return { commits, puts }
  }

  // Compiles what the measured turns run.
  await turns(0)
  const { commits, puts } = await turns(it.seconds)
  return {
    store: it.store,
    writers: it.writers,
    tables: it.tables,
    commits: summarise(commits),
    puts: summarise(puts),
    requests_per_commit: commits.requests / commits.durations_ms.length,
  }
}

/** Sequential rounds of one commit to a table that this process has committed to before (spec/coordinator.md 13). */
async function roundsOfACommit(): Promise<number> {
  const counter = countRounds(memoryStore())
  const app = benchApp(counter.store)
  const it = newTable()
  await commit(app, it, await stage(app, it))
  const staged = await stage(app, it)
  counter.reset()
  await commit(app, it, staged)
  return counter.rounds()
}
