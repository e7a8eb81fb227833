/** One soak: servers that are killed, clients that do not care, then an independent look at what they left. */
import { setTimeout as wait } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { check, type Violation } from './check.ts'
import { createClient, type Client } from './client.ts'
import { membersOf, readEvidence, type Evidence } from './evidence.ts'
import { counted, startFleet, type FleetReport } from './fleet.ts'
import { layoutOf, openJournal } from './journal.ts'
import { seededRandom } from './random.ts'

/** What to run. */
export interface SoakOptions {
  /** A folder of its own, which stays as evidence. */
  readonly root: string
  readonly seconds: number
  readonly seed: number
  readonly servers?: number
  readonly clients?: number
  readonly tables?: number
  /** The entry file of the servers. */
  readonly server?: string
}

/** What it came to. No violations: every promise was kept. */
export interface SoakReport {
  readonly seed: number
  readonly seconds: number
  readonly violations: readonly Violation[]
  readonly counts: SoakCounts
}

/** How much happened; a soak in which little did proves little. */
export interface SoakCounts {
  readonly kills: number
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
  const { root, seconds, seed, servers = 3, clients = 8, tables = 4, server = SERVER } = options
  const layout = layoutOf(root)
  const random = seededRandom(seed)
  const windows: string[] = []
  const fleet = await startFleet(server, servers, {
    SOAK_FOLDER: layout.folder,
    SOAK_TTL_MS: String(TTL_MS),
  })
  const ends_at_ms = performance.now() + seconds * 1000
  const table_ids = Array.from({ length: tables }, () => uuidv7())
  const is_over = (): boolean => performance.now() >= ends_at_ms
  const workers = Array.from({ length: clients }, (_, at) =>
    createClient({
      name: `client-${at}`,
      fleet,
      random: seededRandom(seed + at + 1),
      journal: openJournal(layout, `client-${at}`),
      tables: table_ids,
      is_over,
      saw: (window) => windows.push(window),
    }),
  )
  let report: FleetReport
  try {
    const killer = async (): Promise<void> => {
      while (!is_over()) {
        // Mostly one at a time, so that a slow machine gets to commit as well; now and then all of them at once.
        if (random.chance(0.8)) await fleet.settle()
        await wait(random.between(50, 700))
        fleet.kill(random)
      }
    }
    await Promise.all([killer(), ...workers.map(async (client) => client.work())])
    // Nothing that a dead process held may be in the way of new ones.
    fleet.killAll()
    await fleet.settle()
    await quiesce(workers, table_ids)
  } finally {
    report = await fleet.stop()
  }
  const evidence = readEvidence(layout)
  return {
    seed,
    seconds,
    violations: [
      ...check(evidence),
      ...report.bad_exits.map((what) => ({ rule: 'shutdown', what })),
      ...report.complaints.map((what) => ({ rule: 'log', what })),
    ],
    counts: {
      ...countsOf(evidence),
      kills: report.kills,
      found_in: counted(windows),
      recoveries: report.recoveries,
    },
  }
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
  leftovers,
}: Evidence): Omit<SoakCounts, 'kills' | 'found_in' | 'recoveries'> {
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
    leftovers,
  }
}
