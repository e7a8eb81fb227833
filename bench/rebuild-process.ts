/**
 * One rebuild, or several of the same, in a process of its own: `node bench/rebuild-process.ts CASE`, where CASE is the
 * JSON of a `Case`. Prints what it came to as one line of JSON. `bench/rebuild.ts` measures with it, and a test kills it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEnvironment } from '../functions/environment.ts'
import { rebuild, REBUILD_DEFAULTS } from '../lib/protocol/orchestration/projection/rebuild.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../lib/protocol/orchestration/projection/settings.ts'
import { run, type Environment } from '../lib/protocol/run.ts'
import { fsStore } from '../lib/store/fs.ts'
import { memoryStore } from '../lib/store/memory.ts'
import { scopedStore, scopePrefix } from '../lib/store/scoped.ts'
import type { Store } from '../lib/store/types.ts'
import { withLedger, writeList } from './ledger-store.ts'
import { openLedger, pathOfEvent, type LedgerShape } from './long-ledger.ts'

/** What to rebuild, and how. */
export interface Case {
  readonly shape: LedgerShape
  /** The file that `writeLedger` wrote. */
  readonly ledger: string
  readonly mode: 'incremental' | 'full'
  /** `memory`: the events and the rest are in memory. Else the events stay in their file, the rest is in memory or a folder. */
  readonly store: 'memory' | 'file' | 'folder'
  readonly latency_ms: number
  /** Rebuilds of fresh workspaces; the one in the middle is told. */
  readonly rounds: number
  /** Whether as many rebuilds go before that are not told, as in a server that has been running. */
  readonly warm: boolean
  readonly chunk_events?: number
  /** `emit` records deletions, and what is old expires; `understand` keeps every row. */
  readonly tombstones: 'emit' | 'understand'
  /** A folder of the caller's, for a rebuild that goes on in another process; only with `store: "folder"`. */
  readonly folder?: string
  /** Where the process kills itself, in the first chunk that it folds: only of a full rebuild, which keeps chunks. */
  readonly die?: 'before_layer' | 'before_record' | 'after_chunk'
}

/** What came of one rebuild. */
export interface Figures {
  readonly events: number
  readonly wall_ms: number
  /** CPU time of the whole process, with what the runtime does beside: collecting garbage, compiling, hashing. */
  readonly cpu_ms: number
  /** CPU time of the thread that runs the rebuild: on a machine without other work the wall clock is close to it. */
  readonly thread_ms: number
  /** Highest resident memory of the process above that before the rebuild. */
  readonly rss_mb: number
  readonly revisions: number
  readonly events_read: number
  /** Where there is latency: store operations that wait for each other, those that are issued together counted once. */
  readonly rounds: number
}

/** A lease that does not end when a busy machine stretches the seconds in which a table of a million rows is encoded. */
const LEASE_MS = 600_000

const SCOPE = { tenant: 'acme', workspace: 'prod' }

const NO_RESOLVER: Environment['resolver'] = {
  resolve: () => {
    throw new Error('no table is resolved here')
  },
  knownRoot: () => null,
}

/** Run a case in this process. */
export async function runCase(given: Case): Promise<Figures> {
  if (given.warm) await inFreshWorkspaces(given)
  const figures = await inFreshWorkspaces(given)
  const sorted = figures.toSorted((a, b) => a.thread_ms - b.thread_ms)
  const middle = sorted[Math.floor(sorted.length / 2)]
  if (middle === undefined) throw new Error('a case has at least one round')
  return middle
}

async function inFreshWorkspaces(given: Case): Promise<Figures[]> {
  const figures: Figures[] = []
  for (let round = 0; round < given.rounds; round++) {
    if (given.store === 'memory') figures.push(await measure(given, memoryWorkspace(given)))
    else if (given.store === 'file') figures.push(await measure(given, memoryStore()))
    else if (given.folder !== undefined) figures.push(await measure(given, fsStore(given.folder)))
    else {
      const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'))
      figures.push(await measure(given, fsStore(folder)))
      rmSync(folder, { recursive: true })
    }
  }
  return figures
}

async function measure(given: Case, bucket: Store): Promise<Figures> {
  const { shape, mode, latency_ms, chunk_events, tombstones } = given
  let [events_read, rounds] = [0, 0]
  const store = withLedger(dyingAt(given, scopedStore(bucket, SCOPE)), {
    eventAt: given.store === 'memory' ? null : openLedger(shape, given.ledger),
    latency_ms,
    onEvent: () => (events_read += 1),
    onRound: () => (rounds += 1),
  })
  const rebuild_manifest_path = await writeList(scopedStore(bucket, SCOPE), shape)
  const settings = {
    ...DEFAULT_PROJECTION_SETTINGS,
    scope: SCOPE,
    tombstones,
    lease_ms: LEASE_MS,
    ...(chunk_events === undefined ? {} : { chunk_events }),
  }
  const env = createEnvironment({
    store,
    resolver: NO_RESOLVER,
    note: (fact) => {
      const is_chunk = fact.note === 'rebuild_progress' && fact.events_read > 0
      if (given.die === 'after_chunk' && is_chunk) process.kill(process.pid, 'SIGKILL')
    },
  })
  globalThis.gc?.()
  const idle_bytes = process.memoryUsage().rss
  const cpu = process.cpuUsage()
  const thread = process.threadCpuUsage()
  const started_ms = performance.now()
  const result = await run(rebuild(settings, { ...REBUILD_DEFAULTS, rebuild_manifest_path, mode }), env)
  const wall_ms = performance.now() - started_ms
  const cpu_ms = totalOf(process.cpuUsage(cpu))
  const thread_ms = totalOf(process.threadCpuUsage(thread))
  if (!result.ok) throw new Error(JSON.stringify(result))
  const { applied, no_effect, duplicate, below_floor } = result.accounting
  const accounted = applied + no_effect + duplicate + below_floor
  if (accounted !== shape.events) throw new Error(`${accounted} of ${shape.events} events`)
  const rss_mb = process.resourceUsage().maxRSS / 1024 - idle_bytes / 2 ** 20
  return {
    events: shape.events,
    wall_ms,
    cpu_ms,
    thread_ms,
    rss_mb,
    revisions: result.revisions,
    events_read,
    rounds,
  }
}

/** CPU time, ms. */
function totalOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000
}

/** A store in front of whose write the process ends, whatever else it was doing. */
function dyingAt({ die }: Case, store: Store): Store {
  const doomed = { before_layer: '/layer.', before_record: '/chunk-', after_chunk: null }[
    die ?? 'after_chunk'
  ]
  return {
    ...store,
    async put(key, ...rest) {
      if (doomed === null || !key.includes(doomed)) return store.put(key, ...rest)
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => undefined)
    },
  }
}

/** A memory store with the ledger in it. */
function memoryWorkspace({ shape, ledger }: Case): Store {
  const store = memoryStore()
  const eventAt = openLedger(shape, ledger)
  for (let number = 0; number < shape.events; number++) {
    store.seed(scopePrefix(SCOPE) + pathOfEvent(shape, number), eventAt(number))
  }
  return store
}

if (import.meta.main) {
  console.log(JSON.stringify(await runCase(JSON.parse(process.argv[2] ?? '') as Case)))
}
