/** What must hold of one answer and one bucket whatever happened on the way (spec/correctness.md 4, 5 R14 and R22, 6). */
import { expect } from 'vitest'
import type { FaultyCall } from '../../lib/store/faults.ts'
import type { Act } from './commit-cases.ts'
import { PAST_TTL_MS, TABLE_ID, viewTable, type TableView, type World } from './commit-world.ts'
import type { FaultPoint } from './fault-points.ts'
import type { Recorded } from './recorder.ts'
import type { Answer } from './service.ts'
import { readBucket } from './stores.ts'

/** What one request came to. */
export interface Run {
  readonly answer: Answer
  /** Calls as the protocol made them, above the limits. */
  readonly calls: readonly Recorded[]
  /** Calls as they went out, below the limits. */
  readonly wire: readonly FaultyCall[]
}

/** R22, and the driver's rule: one wire attempt a put, and no second put of a key before a look at it (R14). */
export function expectBounded({ calls, wire }: Run, label: string): void {
  expect(calls.length, `${label}: store operations`).toBeLessThanOrEqual(32)
  const puts = calls.filter(({ kind }) => kind === 'put')
  expect(wire.filter(({ kind }) => kind === 'put').length, `${label}: wire attempts of puts`).toBe(
    puts.length,
  )
  const unresolved = new Set<string>()
  for (const { kind, key, outcome } of calls) {
    if (kind === 'get' && outcome !== 'failed') unresolved.delete(key)
    if (kind === 'put') {
      expect(unresolved.has(key), `${label}: ${key} was put again without a look`).toBe(false)
      if (outcome !== 'ok') unresolved.add(key)
    }
  }
}

/** One faulty run of an act. */
export interface FaultyRun {
  readonly act: Act
  readonly before: TableView
  readonly run: Run
  readonly point: FaultPoint
  /** The answer without faults. */
  readonly undisturbed: Answer
}

/** What a client may be told (spec/correctness.md 4), by what the protocol could know. */
export function expectAllowedAnswer(
  { act, before, run, point, undisturbed }: FaultyRun,
  label: string,
): void {
  const { answer, calls } = run
  if (JSON.stringify(withoutAction(answer)) === JSON.stringify(withoutAction(undisturbed))) {
    expectTrueAction(answer, undisturbed, label)
    return
  }
  const puts = calls.filter(({ kind }) => kind === 'put')
  const { status, body } = answer
  const what = `${label}: ${status} ${body.reason} after ${JSON.stringify(puts)}`
  expect({ status, retryable: body.retryable }, `${what}`).toEqual({ status: 503, retryable: true })
  // One fault whose read is repeated, or whose write is looked at and sent again, must not be visible at all (CO-21).
  expect(point.extent, `${what}: one fault is survived`).not.toBe('one operation')
  const may_have_written = puts.some(({ outcome }) => outcome === 'ok' || outcome === 'unknown')
  const is_reserved = act.act === 'commit' && before.inflight === act.writer.name
  switch (body.reason) {
    case 'outcome_unknown':
      // The second half: giving up on the writes of a reservation that anybody may complete (6.4, R9).
      expect(may_have_written || (is_reserved && puts.length > 0), `${what}`).toBe(true)
      // A staged object that nobody was told of is no outcome (spec/http-api.md 4.1).
      expect(act.act, `${what}`).not.toBe('stage')
      return
    case 'storage_unavailable':
      expect(may_have_written && act.act !== 'stage', `${what}`).toBe(false)
      return
    case 'throttled':
      expect(may_have_written, `${what}`).toBe(false)
      expect(puts.at(-1)?.outcome, `${what}`).toBe('no_effect')
      return
  }
  expect.fail(what)
}

/** Recover that has to look again may find its own log entry and marker there, and says `finalized`; never `none`. */
function expectTrueAction(answer: Answer, undisturbed: Answer, label: string): void {
  const { action } = undisturbed.body
  const allowed = action === 'rolled_forward' ? ['rolled_forward', 'finalized'] : [action]
  expect(allowed, `${label}: action`).toContain(answer.body.action)
}

/**
 * An answer without what differs between two runs: the request's own id, names and tokens of fresh objects, and what
 * recover did, which is not the same when it is called again.
 */
export function withoutAction({ status, body }: Answer): Record<string, unknown> {
  const { request_id: _id, staged_path: _path, staged_version: _version, action: _action, ...rest } = body
  const { inflight } = rest
  return { status, ...rest, ...(inflight ? { inflight: inflight.commit_id } : {}) }
}

/**
 * 200: the log holds the payload, the marker says so, the state is finalized (C1, C10, C19). Definite: the payload is not
 * in the log (C11). Either way it is there at most once (C8).
 */
export async function expectPromiseKept(
  world: World,
  act: Act,
  answer: Answer,
  label: string,
): Promise<void> {
  if (act.act !== 'commit') return
  const { name, payload } = act.writer
  const bucket = await readBucket(world.store)
  const view = viewTable(world, bucket)
  const versions = Object.entries(view.log).filter(([, writer]) => writer === name)
  expect(versions.length, `${label}: log entries of ${name}`).toBeLessThanOrEqual(1)
  const { version, delta_log_path, retryable } = answer.body
  if (answer.status === 200) {
    expect(bucket[world.key(delta_log_path)], `${label}: log entry of an acknowledged commit`).toBe(payload)
    expect(view.markers[name], `${label}: marker of an acknowledged commit`).toBe(version)
    expect(view.latest_version, `${label}: latest_version`).toBeGreaterThanOrEqual(version)
    expect(view.inflight, `${label}: inflight`).not.toBe(name)
  } else if (retryable === false) {
    expect(versions, `${label}: ${name} was refused for good`).toEqual([])
  }
}

/** C14, C3, C7: a fresh writer commits within three attempts, the log has no hole, and every marker still answers 200. */
export async function expectNoWedge(world: World, label: string): Promise<void> {
  world.clock.advance(PAST_TTL_MS)
  const process = world.process()
  const statuses: number[] = []
  while (statuses.length < 3 && statuses.at(-1) !== 200) {
    const { body } = await process.inspect(TABLE_ID)
    const fresh = await world.writer(`fresh ${statuses.length}`, body.latest_version)
    statuses.push((await process.commit(fresh.call)).status)
  }
  expect(statuses.at(-1), `${label}: a fresh writer was answered ${statuses.join(', ')}`).toBe(200)
  const { latest_version, inflight, log, markers } = viewTable(world, await readBucket(world.store))
  expect(inflight, `${label}: inflight in the end`).toBeNull()
  const versions = Array.from({ length: (latest_version ?? -1) + 1 }, (_, version) => version)
  expect(Object.keys(log).map(Number), `${label}: versions in the end`).toEqual(versions)
  for (const [name, version] of Object.entries(markers)) {
    const writer = world.writers.get(name)
    if (writer === undefined || !Object.values(log).includes(name)) continue
    const { status, body } = await process.commit(writer.call)
    expect({ status, version: body.version }, `${label}: replay of ${name}`).toEqual({ status: 200, version })
  }
}

/** The bucket as a value that two runs share: what is random, counted or issued by the store is replaced by a word. */
export function normalised(
  world: World,
  act: Act,
  bucket: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const tokens = new Map<unknown, string>(
    [...world.writers.values()].map(({ call }) => [call.staged_version, `token of ${call.staged_path}`]),
  )
  const entries = Object.entries(bucket).map(([key, text]): [string, unknown] => {
    const path = key.slice(world.healthy.prefix.length)
    if (act.act === 'stage' && path.startsWith('delta/staging/')) {
      // A stage that was answered with an error and is sent again stages twice; nothing ever names the first one.
      return [`delta/staging/${text}`, text]
    }
    return path.startsWith('delta/coordinator/') || path.startsWith('delta/idempotency/')
      ? [path, JSON.parse(text, (member, value) => normalisedMember(member, value, tokens))]
      : [path, text]
  })
  return Object.fromEntries(entries)
}

function normalisedMember(member: string, value: unknown, tokens: ReadonlyMap<unknown, string>): unknown {
  switch (member) {
    case 'nonce':
      return typeof value === 'string' && value !== '' ? 'a nonce' : value
    case 'revision':
      return Number.isSafeInteger(value) && Number(value) >= 1 ? 'a revision' : value
    case 'staged_version':
      return tokens.get(value) ?? value
  }
  return value
}
