/**
 * What a rebuild costs (issue 6): events per second with and without latency, whether the cost of an event depends on how
 * many there are, and memory. Every figure is of a process of its own, over a folder store; events come from one file.
 *
 * `node bench/rebuild.ts` prints a table; `node bench/rebuild.ts 1000 10000` only those sizes.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEnvironment } from '../functions/environment.ts'
import { run, type Environment } from '../lib/protocol/run.ts'
import { rebuild, REBUILD_DEFAULTS } from '../lib/protocol/orchestration/projection/rebuild.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../lib/protocol/orchestration/projection/settings.ts'
import { fsStore } from '../lib/store/fs.ts'
import { scopedStore } from '../lib/store/scoped.ts'
import type { Store } from '../lib/store/types.ts'
import { numberOfPath, openLedger, pathOfEvent, writeLedger, type LedgerShape } from './long-ledger.ts'

/** One measurement. */
interface Case {
  readonly shape: LedgerShape
  readonly mode: 'incremental' | 'full'
  readonly latency_ms: number
  readonly ledger: string
}

/** What came of it. */
interface Figures {
  readonly events: number
  readonly wall_ms: number
  readonly cpu_ms: number
  /** Highest resident memory above that of the idle process. */
  readonly rss_mb: number
  readonly revisions: number
}

/** Half a minute between events: a million of them are a year, and what is old expires on the way. */
const SPREAD_MS = 31_000
/** A million events in a fortnight: nothing expires. */
const DENSE_MS = 1_000

const LISTED_TOGETHER = 10_000

async function measure({ shape, mode, latency_ms, ledger }: Case): Promise<Figures> {
  const scope = { tenant: 'acme', workspace: 'prod' }
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'))
  const store = withLedger(scopedStore(fsStore(folder), scope), openLedger(shape, ledger), latency_ms)
  const env = createEnvironment({ store, resolver: NO_RESOLVER, note: () => undefined })
  const rebuild_manifest_path = await writeList(store, shape)
  const settings = { ...DEFAULT_PROJECTION_SETTINGS, scope }
  globalThis.gc?.()
  const idle = process.memoryUsage().rss
  let highest = idle
  const watch = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage().rss)
  }, 20)
  const cpu = process.cpuUsage()
  const started_ms = performance.now()
  const result = await run(rebuild(settings, { ...REBUILD_DEFAULTS, rebuild_manifest_path, mode }), env)
  const wall_ms = performance.now() - started_ms
  const used = process.cpuUsage(cpu)
  clearInterval(watch)
  rmSync(folder, { recursive: true })
  if (!result.ok) throw new Error(JSON.stringify(result))
  const { events_processed, revisions } = result
  if (events_processed !== shape.events) throw new Error(`${events_processed} of ${shape.events} events`)
  return {
    events: shape.events,
    wall_ms,
    cpu_ms: (used.user + used.system) / 1000,
    rss_mb: (highest - idle) / 2 ** 20,
    revisions,
  }
}

/** Events from the file, everything else from the store; every operation takes a while. */
function withLedger(store: Store, eventAt: (number: number) => Uint8Array, latency_ms: number): Store {
  const wait = async (): Promise<void> => {
    if (latency_ms > 0) await new Promise((resolve) => setTimeout(resolve, latency_ms))
  }
  return {
    ...store,
    async get(key, options) {
      await wait()
      if (!key.startsWith('ledger/')) return store.get(key, options)
      return { outcome: 'ok', bytes: eventAt(numberOfPath(key)), token: '1' }
    },
    async put(key, bytes, precondition, options) {
      await wait()
      return store.put(key, bytes, precondition, options)
    },
  }
}

/** A manifest of manifests, as an operator would write it for a ledger of this length. */
async function writeList(store: Store, shape: LedgerShape): Promise<string> {
  const folder = 'state/orchestration/rebuilds/bench'
  const manifests: string[] = []
  for (let from = 0; from < shape.events; from += LISTED_TOGETHER) {
    const length = Math.min(LISTED_TOGETHER, shape.events - from)
    const lines = Array.from({ length }, (_, index) => JSON.stringify(pathOfEvent(shape, from + index)))
    const path = `${folder}/part-${from}.json`
    await store.put(path, new TextEncoder().encode(lines.join('\n')), 'doesNotExist')
    manifests.push(path)
  }
  await store.put(`${folder}.json`, new TextEncoder().encode(JSON.stringify({ manifests })), 'doesNotExist')
  return `${folder}.json`
}

const NO_RESOLVER: Environment['resolver'] = {
  resolve: () => {
    throw new Error('no table is resolved here')
  },
  knownRoot: () => null,
}

function inProcess(given: Case): Figures {
  const child = spawnSync(process.execPath, ['--expose-gc', import.meta.filename, JSON.stringify(given)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 24,
  })
  if (child.status !== 0) throw new Error(child.stderr)
  return JSON.parse(child.stdout) as Figures
}

const count = (value: number): string => Math.round(value).toLocaleString('en')

function print(what: string, { events, wall_ms, cpu_ms, rss_mb, revisions }: Figures): void {
  const columns = [
    count((events * 1000) / wall_ms),
    count((events * 1000) / cpu_ms),
    ((cpu_ms * 1000) / events).toFixed(1),
    count(rss_mb),
    String(revisions),
  ]
  console.log(`${what.padEnd(44)}${columns.map((column) => column.padStart(12)).join('')}`)
}

function compareAll(sizes: readonly number[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-ledger-'))
  console.log(`${''.padEnd(44)}   events/s  ev/CPU s   µs CPU/ev  MB above   revisions`)
  try {
    for (const events of sizes) {
      for (const [name, ms_per_event] of [
        ['spread', SPREAD_MS],
        ['dense', DENSE_MS],
      ] as const) {
        const shape = { events, ms_per_event }
        const ledger = join(folder, 'ledger')
        writeLedger(shape, ledger)
        for (const mode of ['full', 'incremental'] as const) {
          if (mode === 'incremental' && (events > 100_000 || name === 'dense')) continue
          for (const latency_ms of events > 100_000 ? [0] : [0, 20]) {
            const what = `${count(events)} events, ${name}, ${mode}, ${latency_ms} ms`
            print(what, inProcess({ shape, mode, latency_ms, ledger }))
          }
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const [first, ...more] = process.argv.slice(2)
if (first?.startsWith('{') === true) {
  console.log(JSON.stringify(await measure(JSON.parse(first) as Case)))
} else {
  const given = [first, ...more].filter((size) => size !== undefined).map(Number)
  compareAll(given.length > 0 ? given : [1_000, 10_000, 100_000, 1_000_000])
}
