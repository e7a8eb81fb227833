/** One soak: servers that are killed, clients that do not care, then an independent look at what they left. */
import { setTimeout as wait } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { openBucket, type BucketKind, type SoakBucket } from './bucket.ts'
import { check, type Violation } from './check.ts'
import { createClient, type Client } from './client.ts'
import { membersOf, readEvidence, type Evidence } from './evidence.ts'
import { counted, startFleet, type Fleet, type FleetReport } from './fleet.ts'
import { layoutOf, openJournal } from './journal.ts'
import { seededRandom, type Random } from './random.ts'
import { readTables } from './readings.ts'

/** What to run. */
export interface SoakOptions {
  /** A folder of its own, which stays as evidence. */
  readonly root: string
  readonly seconds: number
  readonly seed: number
  /** Where the objects are; a folder unless told. */
  readonly store?: BucketKind
  readonly servers?: number
  readonly clients?: number
  readonly tables?: number
  /** The entry file of the servers. */
  readonly server?: string
}

/** What it came to. No violations: every promise was kept. */
export interface SoakReport {
  readonly store: BucketKind
  readonly seed: number
  readonly seconds: number
  readonly violations: readonly Violation[]
  readonly counts: SoakCounts
}

/** How much happened; a soak in which little did proves little. */
export interface SoakCounts {
  readonly kills: number
  /** How often the service that holds the bucket was killed. */
  readonly store_kills: number
  readonly tables: number
  readonly commits: number
  /** 200 answers to a request that had one already. */
  readonly replays: number
  /** Answers that never came. */
  readonly lost_answers: number
  /** Commits that were acknowledged after at least one answer that was not definite. */
  readonly resolved: number
  readonly refusals: Readonly<Record<string, number>>
  /** The window in which clients found their own commit after a kill. */
  readonly found_in: Readonly<Record<string, number>>
  /** What writers and operators did about other people's commits. */
  readonly recoveries: Readonly<Record<string, number>>
  /** Rows that other implementations read from the tables, by their name. */
  readonly rows_read: Readonly<Record<string, number>>
  /** Files of the store's own that killed processes left behind. */
  readonly leftovers: number
}

/** The servers of this version. */
const SERVER = 'test/soak/server.ts'

/** Long enough for a commit on a busy machine, short enough to be outlived in a short soak. */
const TTL_MS = 2_000

/** Requests that are replayed once more at the end, besides all that were left open. */
const REPLAYS_MAX = 400

/** C14: at most one refusal on the way, because the probe itself completed somebody's commit. */
const PROBES_MAX = 2

/** Run it. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { store = 'file' } = options
  const bucket = await openBucket(store, layoutOf(options.root))
  try {
    return { store, ...(await soak(options, bucket)) }
  } finally {
    await bucket.stop()
  }
}

async function soak(options: SoakOptions, bucket: SoakBucket): Promise<Omit<SoakReport, 'store'>> {
  const { root, seconds, seed, servers = 3, clients = 8, tables = 4, server = SERVER } = options
  const layout = layoutOf(root)
  const windows: string[] = []
  const fleet = await startFleet(server, servers, { ...bucket.env, SOAK_TTL_MS: String(TTL_MS) })
  const ends_at_ms = performance.now() + seconds * 1000
  const table_ids = Array.from({ length: tables }, () => uuidv7())
  const is_over = (): boolean => performance.now() >= ends_at_ms
  const workers = Array.from({ length: clients }, (_, at) =>
    createClient({
      name: `client-${at}`,
      fleet,
      bucket,
      random: seededRandom(seed + at + 1),
      journal: openJournal(layout, `client-${at}`),
      tables: table_ids,
      is_over,
      saw: (window) => windows.push(window),
    }),
  )
  let store_kills = 0
  let report: FleetReport
  try {
    const [kills] = await Promise.all([
      killStore(bucket, seededRandom(seed - 1), is_over),
      killServers(fleet, seededRandom(seed), is_over),
      ...workers.map(async (client) => client.work()),
    ])
    store_kills = kills
    // Nothing that a dead process held may be in the way of new ones.
    fleet.killAll()
    await fleet.settle()
    await quiesce(workers, table_ids)
  } finally {
    report = await fleet.stop()
  }
  await bucket.collect()
  const committed = Array.from(readEvidence(layout).tables.values()).filter(({ log }) => log.size > 0)
  const readings = await readTables(
    layout,
    committed.map(({ table_id }) => table_id),
    bucket,
  )
  const evidence = readEvidence(layout, readings)
  return {
    seed,
    seconds,
    violations: [
      ...check(evidence),
      ...report.bad_exits.map((what) => ({ rule: 'shutdown', what })),
      ...complaints(report, bucket).map((what) => ({ rule: 'log', what })),
    ],
    counts: {
      ...countsOf(evidence),
      kills: report.kills,
      store_kills,
      found_in: counted(windows),
      recoveries: report.recoveries,
    },
  }
}

async function killServers(fleet: Fleet, random: Random, is_over: () => boolean): Promise<void> {
  while (!is_over()) {
    // Mostly one at a time, so that a slow machine gets to commit as well; now and then all of them at once.
    if (random.chance(0.8)) await fleet.settle()
    await wait(random.between(50, 700))
    fleet.kill(random)
  }
}

/** How often it was killed. The last time ends with a service that runs. */
async function killStore({ crash }: SoakBucket, random: Random, is_over: () => boolean): Promise<number> {
  let kills = 0
  while (crash !== null && !is_over()) {
    await wait(random.between(500, 2_500))
    await crash(random)
    kills += 1
  }
  return kills
}

/** What no server may have to complain of. A store that is killed does not answer, and they say so. */
function complaints({ complaints: all }: FleetReport, { crash }: SoakBucket): readonly string[] {
  return all
    .filter(({ message, code }) => crash === null || message !== 'failure' || code !== 'unavailable')
    .map((line) => JSON.stringify(line))
}

/** After the last kill: commit on every table, whatever lies there; then resolve what clients gave up on, and replay. */
async function quiesce(workers: readonly Client[], table_ids: readonly string[]): Promise<void> {
  await Promise.all(
    table_ids.map(async (table_id, at) => workers[at % workers.length]?.probe(table_id, PROBES_MAX)),
  )
  await Promise.all(workers.map(async (client) => client.finish(REPLAYS_MAX / workers.length)))
}

/** What the journals and the folder show. */
function countsOf({
  requests,
  tables,
  readings,
  leftovers,
}: Evidence): Omit<SoakCounts, 'kills' | 'store_kills' | 'found_in' | 'recoveries'> {
  const acknowledged = requests.filter(({ answers }) => answers.some(({ status }) => status === 200))
  const answers = requests.flatMap((request) => request.answers)
  return {
    tables: tables.size,
    commits: acknowledged.length,
    replays: answers.filter(({ status }) => status === 200).length - acknowledged.length,
    lost_answers: answers.filter(({ status }) => status === null).length,
    resolved: acknowledged.filter((request) => request.answers[0]?.status !== 200).length,
    refusals: counted(
      answers
        .filter(({ status }) => status !== null && status !== 200)
        .map(({ body }) => String(membersOf(body)['reason'])),
    ),
    rows_read: Object.fromEntries(
      readings.map(({ reader, tables: found }) => [
        reader,
        Object.values(found).reduce((sum, { rows }) => sum + rows.length, 0),
      ]),
    ),
    leftovers,
  }
}
