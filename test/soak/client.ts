/**
 * A client of the soak. It does what docs/problems.md tells a client: after 200 it is done, after a definite refusal it
 * rebases under a new key, and after anything else it sends the same key and body again, to any server.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import type { SoakBucket } from './bucket.ts'
import { deltaCommit } from './delta-commit.ts'
import type { Fleet } from './fleet.ts'
import type { JournalLine, RequestLine } from './journal.ts'
import type { Random } from './random.ts'
import { tablePath } from './readings.ts'
import { call, members, type WireAnswer } from './wire.ts'

/** What a client works with. */
export interface ClientParts {
  readonly name: string
  readonly fleet: Fleet
  readonly bucket: SoakBucket
  readonly random: Random
  journal(line: JournalLine): void
  /** Tables that exist, for all clients; a client may add one. */
  readonly tables: string[]
  /** No new work is begun after this. */
  is_over(): boolean
  /** In which crash window a client found its own commit after the answer was lost. */
  saw(window: string): void
}

/** How sending a request until it was settled ended. `open`: the client gave up, as one that crashed. */
type Settled =
  | { readonly end: 'committed'; readonly version: number }
  | { readonly end: 'refused'; readonly latest_version: number | null }
  | { readonly end: 'open' }

/** One client of a run. */
export interface Client {
  /** Commit, rebase, replay and reuse keys until the run is over. */
  work(): Promise<void>
  /** A fresh commit on a table that is at rest, at most `attempts_max` times rebased. */
  probe(table_id: string, attempts_max: number): Promise<void>
  /** Settle what it gave up on, then replay at most `replays_max` of all its requests. */
  finish(replays_max: number): Promise<void>
}

const DEFINITE: ReadonlySet<unknown> = new Set([
  'stale_read_version',
  'key_reuse',
  'log_conflict',
  'version_overflow',
])

/** Attempts to put a data file, or to stage: whatever does not work for that long does not come back. */
const PREPARES_MAX = 1_000

/** Sends of one request before it is left open, which the checker reports. */
const SENDS_MAX = 40

/** The same once no server is killed any more. */
const SENDS_AT_REST_MAX = 8

/** Make a client. */
export function createClient(it: ClientParts): Client {
  const { fleet, random, tables } = it
  const requests: RequestLine[] = []
  const committed: RequestLine[] = []
  const open = new Set<RequestLine>()
  /** The latest version of each table that this client was told of. */
  const latest = new Map<string, number>()

  const routeOf = async (table_id: string): Promise<string> =>
    `${await fleet.pick(random)}/api/v1/delta/tables/${table_id}`

  /** Stage a payload that nobody else has. Staging again after a lost answer is another object, and harmless. */
  async function prepare(
    purpose: RequestLine['purpose'],
    on: { readonly table_id: string; readonly read_version: number; readonly key?: string },
  ): Promise<RequestLine> {
    const { payload, file } = deltaCommit({
      table_id: on.table_id,
      name: uuidv7(),
      is_first: on.read_version === -1,
      rows: random.between(1, 3),
    })
    const key = `${tablePath(on.table_id)}/${file.path}`
    for (let attempt = 1; !(await it.bucket.putFile(key, file.bytes)); attempt++) {
      if (attempt === PREPARES_MAX) throw new Error('the store takes no data files')
      await pauseAfter(null)
    }
    for (let attempt = 1; attempt <= PREPARES_MAX; attempt++) {
      const answer = await call('POST', `${await routeOf(on.table_id)}/commits/stage`, { payload })
      if (answer?.status !== 200) {
        await pauseAfter(answer)
        continue
      }
      const { staged_path, staged_version } = members(answer)
      const line: RequestLine = {
        what: 'request',
        request: `${it.name}-${requests.length}`,
        purpose,
        table_id: on.table_id,
        idempotency_key: on.key ?? uuidv7(),
        read_version: on.read_version,
        staged_path: String(staged_path),
        staged_version: String(staged_version),
        payload,
      }
      it.journal(line)
      requests.push(line)
      return line
    }
    throw new Error('no server stages anything')
  }

  async function send(line: RequestLine): Promise<WireAnswer> {
    const { request, table_id, read_version, staged_path, staged_version, idempotency_key } = line
    const url = `${await routeOf(table_id)}/commits`
    const sent_at_ms = performance.now()
    const answer = await call('POST', url, { read_version, staged_path, staged_version, idempotency_key })
    it.journal({
      what: 'answer',
      request,
      sent_at_ms,
      received_at_ms: performance.now(),
      status: answer?.status ?? null,
      body: answer?.body ?? '',
    })
    return answer
  }

  /** Send a request until its answer is 200 or definite. */
  async function settle(line: RequestLine, sends_max = SENDS_MAX): Promise<Settled> {
    for (let sends = 1; sends <= sends_max; sends++) {
      // Now and then a client's own retry overtakes its first attempt.
      const copies = random.chance(0.1) ? 2 : 1
      const answers = await Promise.all(Array.from({ length: copies }, async () => send(line)))
      const ok = answers.find((answer) => answer?.status === 200)
      if (ok !== undefined) {
        const version = Number(members(ok)['version'])
        learn(line.table_id, version)
        return { end: 'committed', version }
      }
      const refusal = answers.map(members).find(({ reason }) => DEFINITE.has(reason))
      if (refusal !== undefined) {
        const { latest_version } = refusal
        return { end: 'refused', latest_version: typeof latest_version === 'number' ? latest_version : null }
      }
      if (answers.includes(null)) {
        await lookFor(line)
        if (!it.is_over() && random.chance(0.25)) break
      }
      await pauseAfter(answers.find((answer) => answer !== null) ?? null)
    }
    open.add(line)
    return { end: 'open' }
  }

  /** In which window did the kill leave this commit? Somebody else may finish it in the same moment. */
  async function lookFor({ table_id, idempotency_key }: RequestLine): Promise<void> {
    const answer = await call('GET', `${await routeOf(table_id)}/inspect`)
    if (answer?.status !== 200) return
    const { inflight, crash_window } = JSON.parse(answer.body)
    if (inflight?.commit_id === idempotency_key) it.saw(String(crash_window))
  }

  async function pauseAfter(answer: WireAnswer): Promise<void> {
    const { retry_after_ms } = members(answer)
    await wait(typeof retry_after_ms === 'number' ? retry_after_ms : random.between(10, 100))
  }

  function learn(table_id: string, version: number): void {
    latest.set(table_id, Math.max(version, latest.get(table_id) ?? -1))
  }

  async function commit(): Promise<void> {
    if (random.chance(0.02)) tables.push(uuidv7())
    const table_id = random.pick(tables)
    while (!it.is_over()) {
      const line = await prepare('commit', { table_id, read_version: latest.get(table_id) ?? -1 })
      const settled = await settle(line)
      if (settled.end === 'committed') committed.push(line)
      if (settled.end !== 'refused') return
      if (settled.latest_version !== null) learn(table_id, settled.latest_version)
    }
  }

  /** A mistake that clients make: the key of an earlier commit with another body. */
  async function reuse({ table_id, read_version, idempotency_key }: RequestLine): Promise<void> {
    await settle(await prepare('reuse', { table_id, read_version, key: idempotency_key }))
  }

  async function recover(): Promise<void> {
    await call('POST', `${await routeOf(random.pick(tables))}/recover`, {})
  }

  return {
    async work() {
      while (!it.is_over()) {
        if (committed.length > 0 && random.chance(0.25)) await settle(random.pick(committed))
        else if (committed.length > 0 && random.chance(0.03)) await reuse(random.pick(committed))
        else if (random.chance(0.03)) await recover()
        else await commit()
      }
    },
    async finish(replays_max) {
      for (const line of Array.from(open)) await settle(line, SENDS_AT_REST_MAX)
      const stride = Math.ceil(requests.length / replays_max)
      const replays = requests.filter((_, at) => at % stride === 0)
      for (const line of replays) await settle(line, SENDS_AT_REST_MAX)
    },
    async probe(table_id, attempts_max) {
      const look = await call('GET', `${await routeOf(table_id)}/inspect`)
      learn(table_id, Number(members(look)['latest_version'] ?? -1))
      for (let attempt = 1; attempt <= attempts_max; attempt++) {
        const line = await prepare('probe', { table_id, read_version: latest.get(table_id) ?? -1 })
        const settled = await settle(line, SENDS_AT_REST_MAX)
        if (settled.end !== 'refused') return
        if (settled.latest_version !== null) learn(table_id, settled.latest_version)
      }
    },
  }
}
