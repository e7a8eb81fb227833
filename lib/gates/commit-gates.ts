/** What the commit protocol promises (spec/coordinator.md 7, runbook section 3): replay, recovery, one owner a version. */
import { recover } from '../protocol/delta/recover.ts'
import { logPath } from '../protocol/paths.ts'
import { expectRefused, expectSame, succeeded, type Gate } from './gate.ts'
import { Table, type Picture } from './table.ts'

/** A crash window: after how many of the four writes the process is killed, and what it leaves. */
interface Window {
  readonly name: 'W0' | 'W1' | 'W2' | 'W3' | 'W4'
  readonly writes: number
  readonly killed: string
  readonly left: Picture
}

const COMMITTED: Picture = { log: ['own'], marker: 0, latest_version: 0, inflight: null }

/** spec/coordinator.md 7.1. */
const WINDOWS: readonly Window[] = [
  {
    name: 'W0',
    writes: 0,
    killed: 'killed before it reserved its version',
    left: { log: [], marker: null, latest_version: null, inflight: null },
  },
  {
    name: 'W1',
    writes: 1,
    killed: 'killed after it reserved its version',
    left: { log: [], marker: null, latest_version: -1, inflight: 0 },
  },
  {
    name: 'W2',
    writes: 2,
    killed: 'killed after it wrote its log entry',
    left: { log: ['own'], marker: null, latest_version: -1, inflight: 0 },
  },
  {
    name: 'W3',
    writes: 3,
    killed: 'killed after it recorded its idempotency marker',
    left: { log: ['own'], marker: 0, latest_version: -1, inflight: 0 },
  },
  { name: 'W4', writes: 4, killed: 'killed after it finalized and before it answered', left: COMMITTED },
]

function replayGate({ name, writes, killed, left }: Window): Gate {
  const id = `replay-${name.toLowerCase()}`
  return {
    id,
    promise: `A commit that was ${killed} is finished by its replay, with one answer for ever`,
    async prove(bench) {
      const table = new Table(bench, bench.workspace(id))
      const writer = await table.writer('owner', -1)
      await table.kill(writer, writes)
      expectSame(`what a commit leaves in ${name}`, left, await table.picture(writer))
      const first = succeeded('the replay', await table.commit(writer))
      expectSame('the bucket after the replay', COMMITTED, await table.picture(writer))
      const again = succeeded('the second replay', await table.commit(writer))
      const answerOf = ({ version, delta_log_path }: typeof first): unknown => ({ version, delta_log_path })
      expectSame('the first answer', { version: 0, delta_log_path: logPath(table.root, 0) }, answerOf(first))
      expectSame('the second answer', answerOf(first), answerOf(again))
      expectSame('the bucket after the second replay', COMMITTED, await table.picture(writer))
      return `${name}: two replays, version ${first.version} both times; one log entry, its marker, inflight null`
    },
  }
}

/** Both commits, in the eyes of the writer whose entry is the second. */
const BOTH: Picture = { log: ['another', 'own'], marker: 1, latest_version: 1, inflight: null }

function recoverGate({ name, writes, killed }: Window): Gate {
  const id = `recover-${name.toLowerCase()}`
  return {
    id,
    promise: `A commit that was ${killed} is finished by whoever writes next`,
    async prove(bench) {
      const table = new Table(bench, bench.workspace(id))
      const owner = await table.writer('owner', -1)
      await table.kill(owner, writes)
      const early = await table.writer('early', -1)
      // In W2 and W3 the log holds the owner's bytes: anybody may finish that at once.
      if (name === 'W1') {
        expectRefused('another writer before the TTL', ['reserved'], await table.commit(early))
      }
      const refused = await table.commit(early, table.past_ttl)
      expectRefused('another writer of the same version', ['stale_read_version'], refused)
      expectSame('the bucket after another writer came', COMMITTED, await table.picture(owner))
      const next = await table.writer('next', 0)
      succeeded('the commit on top', await table.commit(next, table.past_ttl))
      const replay = succeeded("the owner's replay", await table.commit(owner))
      expectSame("the owner's version", 0, replay.version)
      expectSame('the bucket after both commits', BOTH, await table.picture(next))
      return `${name}: another writer finished version 0 and committed 1; the owner's replay says 0`
    },
  }
}

const lateOwner: Gate = {
  id: 'late-owner',
  promise: 'An owner that sleeps through its TTL and then writes its log entry changes nothing',
  async prove(bench) {
    const workspace = bench.workspace('late-owner')
    const table = new Table(bench, workspace)
    const owner = await table.writer('owner', -1)
    const asleep = table.start(owner)
    await asleep.runUntil((_, written) => written === 1)
    const recovered = await workspace.run(
      recover({ table_id: table.id }, bench.settings, bench.capabilities),
      table.past_ttl,
    )
    expectSame('what recover did', 'rolled_forward', succeeded('recover', recovered).action)
    expectSame('the bucket after recover', COMMITTED, await table.picture(owner))
    const answer = succeeded('the owner, awake', await asleep.finish())
    expectSame("the owner's version", 0, answer.version)
    expectSame('the bucket after the owner woke', COMMITTED, await table.picture(owner))
    return 'recover rolled version 0 forward; the owner woke up, wrote nothing, and answers 0'
  },
}

const foreignEntry: Gate = {
  id: 'foreign-entry',
  promise: 'A log entry that somebody wrote past the coordinator is never taken for a commit',
  async prove(bench) {
    const workspace = bench.workspace('foreign-entry')
    const table = new Table(bench, workspace)
    const owner = await table.writer('owner', -1)
    const standing = table.start(owner)
    await standing.runUntil((_, written) => written === 1)
    await workspace.write(
      logPath(table.root, 0),
      new TextEncoder().encode('{"commitInfo":{"foreign":true}}\n'),
    )
    const after: Picture = { log: ['another'], marker: null, latest_version: 0, inflight: null }
    expectRefused('the owner of the version', ['log_conflict'], await standing.finish())
    expectSame('the bucket after the refusal', after, await table.picture(owner))
    const replay = await table.commit(owner)
    expectRefused("the owner's replay", ['log_conflict', 'stale_read_version'], replay)
    const next = await table.writer('next', 0)
    succeeded('the commit on top', await table.commit(next))
    expectSame('the bucket after it', BOTH, await table.picture(next))
    return 'refused with log_conflict, no marker for it; the next commit has version 1'
  },
}

const keyReuse: Gate = {
  id: 'key-reuse',
  promise: 'An idempotency key commits one body once, whatever else is sent under it',
  async prove(bench) {
    const table = new Table(bench, bench.workspace('key-reuse'))
    const owner = await table.writer('owner', -1)
    succeeded('the commit', await table.commit(owner))
    const { idempotency_key } = owner.request
    for (const read_version of [-1, 0]) {
      const other = await table.writer(`other body at ${read_version}`, read_version)
      const reused = { ...other, request: { ...other.request, idempotency_key } }
      expectRefused('another body under the key', ['key_reuse'], await table.commit(reused))
    }
    expectSame('the bucket afterwards', COMMITTED, await table.picture(owner))
    return 'two other bodies refused with key_reuse; one log entry'
  },
}

/** Idempotency replay in every crash window, recovery by others, and the invariants of commits. */
export const COMMIT_GATES: readonly Gate[] = [
  ...WINDOWS.map(replayGate),
  ...WINDOWS.filter(({ writes }) => writes > 0 && writes < 4).map(recoverGate),
  lateOwner,
  foreignEntry,
  keyReuse,
]
