/**
 * The resolver of providers.md 5 under a bad network: commits through the whole protocol while a quarter of all writes
 * lose their response and a tenth never arrive. Runs on any driver, inside workerd too; one seed is one run.
 */
import { withLimits } from '../../lib/store/limits.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import {
  commitKeys,
  freshId,
  freshPayload,
  testClock,
  testService,
  type Answer,
  type CommitCall,
  type TestService,
} from './service.ts'

/** What happens to one request. */
export type Fate = 'arrives' | 'lost_request' | 'lost_response'

/** Fates of one run, in the order of its requests. */
export function fates(seed: number): (kind: 'read' | 'write') => Fate {
  const random = seeded(seed)
  return (kind) => {
    const drawn = random()
    if (kind === 'read') return drawn < 0.05 ? 'lost_request' : 'arrives'
    if (drawn < 0.1) return 'lost_request'
    return drawn < 0.35 ? 'lost_response' : 'arrives'
  }
}

/** Mulberry32: small, and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The two ways to the bucket of one run. */
export interface ResolverStores {
  /** Where requests meet their fates. */
  readonly faulty: MaintenanceStore
  /** For preparing and for looking. */
  readonly healthy: MaintenanceStore
}

/** Versions that one run commits; from the second on, two writers want each. */
const VERSIONS = 3

/** A client that gives up after this many tries would be a finding. */
const TRIES_MAX = 25

const PAST_TTL_MS = 300_001

/** One run. Null, or what went wrong with it. */
export async function resolverRun(seed: number, { faulty, healthy }: ResolverStores): Promise<string | null> {
  const scope = { tenant: 'resolver', workspace: `seed-${seed}-${freshId()}` }
  const clock = testClock()
  const table_id = freshId()
  const over = (store: MaintenanceStore): TestService => testService(store, { scope, clock })
  const limits = { read_attempts: 8, sleep: async (): Promise<void> => undefined }
  const writers = [over(withLimits(faulty, limits)), over(withLimits(faulty, limits))]
  const looking = over(withLimits(healthy))
  const wins: { readonly call: CommitCall; readonly payload: string; readonly version: number }[] = []

  for (let version = 0; version < VERSIONS; version++) {
    const racers = version === 0 ? writers.slice(0, 1) : writers
    const results = await Promise.all(
      racers.map(async (service) => {
        const payload = freshPayload()
        const staged = await looking.stage(table_id, payload)
        const call = { table_id, read_version: version - 1, ...staged, idempotency_key: freshId() }
        const answer = await untilDefinite(service, call, () => clock.advance(PAST_TTL_MS))
        return { call, payload, answer }
      }),
    )
    const committed = results.filter(({ answer }) => answer.status === 200)
    const lost = results.filter(({ answer }) => answer.body.reason === 'stale_read_version')
    const told = results
      .map(({ answer }) => `${answer.status} ${answer.body.reason ?? answer.body.version}`)
      .join(', ')
    if (committed.length !== 1 || committed.length + lost.length !== results.length) {
      return `version ${version}: one of ${results.length} writers should have it, they were told ${told}`
    }
    for (const { call, payload, answer } of committed) {
      if (answer.body.version !== version) return `version ${version}: acknowledged as ${answer.body.version}`
      wins.push({ call, payload, version })
    }
  }
  return check({ healthy, looking, table_id, wins })
}

/** Sends the identical request until the answer is one that stays. */
async function untilDefinite(service: TestService, call: CommitCall, wait: () => void): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const answer = await service.commit(call)
    const is_definite = answer.status === 200 || answer.body.retryable === false
    if (is_definite || tries === TRIES_MAX) return answer
    // Somebody else's reservation: a client would wait for its lease to end.
    if (answer.body.reason === 'reserved') wait()
  }
}

/** Each acknowledged payload is in the log once, at its version; the replay says so; nothing is left in flight. */
async function check(left: {
  readonly healthy: MaintenanceStore
  readonly looking: TestService
  readonly table_id: string
  readonly wins: readonly { readonly call: CommitCall; readonly payload: string; readonly version: number }[]
}): Promise<string | null> {
  const { healthy, looking, table_id, wins } = left
  for (const { call, payload, version } of wins) {
    const found = await healthy.get(looking.prefix + commitKeys(table_id, '', version).log)
    const text = found.outcome === 'ok' ? new TextDecoder().decode(found.bytes) : found.outcome
    if (text !== payload) return `version ${version}: the log has ${JSON.stringify(text.slice(0, 80))}`
    const replay = await looking.commit(call)
    if (replay.status !== 200 || replay.body.version !== version) {
      return `version ${version}: replayed as ${replay.status} ${replay.body.reason ?? replay.body.version}`
    }
  }
  const { body } = await looking.inspect(table_id)
  if (body.latest_version !== VERSIONS - 1 || body.inflight !== null) {
    return `in the end: latest ${body.latest_version}, inflight ${JSON.stringify(body.inflight)}`
  }
  const log = await healthy.listPage({
    prefix: `${looking.prefix}tables/${table_id}/_delta_log/`,
    limit: 100,
  })
  return log.objects.length === VERSIONS ? null : `the log has ${log.objects.length} entries`
}
