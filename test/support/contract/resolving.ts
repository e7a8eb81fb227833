/**
 * Rows of the store contract: the resolver of providers.md 5, as the commit protocol runs it over the store (PV-05…PV-08).
 * Every write of a commit is broken once.
 */
import { expect } from 'vitest'
import { ulid } from 'ulid'
import type { MaintenanceStore, PutResult } from '../../../lib/store/types.ts'
import {
  commitKeys,
  freshId,
  freshPayload,
  testClock,
  testService,
  type CommitCall,
  type TestService,
} from '../service.ts'
import { readText } from '../objects.ts'
import type { ContractContext, ContractRow } from './row.ts'

/** Writes of a commit on a fresh table, in order (spec/coordinator.md 5). */
const WRITES = ['reserve', 'log', 'marker', 'finalize'] as const

/** Past every lease. */
const PAST_TTL_MS = 300_001

/** Through the whole protocol; what counts is what lies in the bucket. */
export const RESOLVING: readonly ContractRow[] = [
  {
    id: 'PV-05',
    promise: 'whichever write of a commit loses its response, the commit is answered 200 and is there once',
    run: async (context) => expectAppliedOnce(context, 'lost_response'),
  },
  {
    id: 'PV-06',
    promise: 'whichever write of a commit is applied and answered by a 500, the commit is there once',
    run: async (context) => expectAppliedOnce(context, 'error_after'),
  },
  {
    id: 'PV-07',
    promise:
      'a commit whose response is lost, and on which another one was built since, is recognised and not repeated',
    run: expectRecognised,
  },
  {
    id: 'PV-08',
    promise: 'a reservation that arrives after its sender was given up changes nothing',
    async run(context) {
      for (const version of [0, 1]) {
        const { it, a, b, held } = await holdAndDie(context, 'reserve', version)
        expect(await it.healthy.commit(b.call)).toMatchObject({ status: 200, body: { version } })
        await expectStragglerRefused(it, held, version, b.payload)
        const late = await it.healthy.commit(a.call)
        expect(late).toMatchObject({ status: 409, body: { reason: 'stale_read_version' } })
      }
    },
  },
  {
    id: 'PV-08',
    promise: 'a log entry that arrives after somebody else has finished its commit changes nothing',
    async run(context) {
      const { it, a, b, held } = await holdAndDie(context, 'log', 1)
      // B finds the reservation expired, completes it, and is too late itself.
      const answer = await it.healthy.commit(b.call)
      expect(answer).toMatchObject({ status: 409, body: { reason: 'stale_read_version' } })
      await expectStragglerRefused(it, held, 1, a.payload)
      expect(await it.healthy.commit(a.call)).toMatchObject({ status: 200, body: { version: 1 } })
    },
  },
]

/** A staged payload and the request that commits it. */
interface Staged {
  readonly payload: string
  readonly call: CommitCall
}

/** One table in a workspace of its own. */
interface Bench {
  readonly scope: { readonly tenant: string; readonly workspace: string }
  readonly table_id: string
  readonly clock: ReturnType<typeof testClock>
  /** The process that prepares and looks. */
  readonly healthy: TestService
  over(store: MaintenanceStore): TestService
  call(read_version: number): Promise<Staged>
  text(path: string): Promise<string>
}

function bench({ store, another }: ContractContext): Bench {
  const scope = { tenant: 'acme', workspace: ulid().toLowerCase() }
  const clock = testClock()
  const table_id = freshId()
  const over = (bare: MaintenanceStore): TestService => testService(bare, { scope, clock })
  const healthy = over(another())
  return {
    scope,
    table_id,
    clock,
    healthy,
    over,
    async call(read_version) {
      const payload = freshPayload()
      const staged = await healthy.stage(table_id, payload)
      return { payload, call: { table_id, read_version, ...staged, idempotency_key: freshId() } }
    },
    text: async (path) => readText(store, healthy.prefix + path),
  }
}

/** Runs `before` in front of the `nth` put and `after` behind it, before its sender hears of it. */
function around(
  store: MaintenanceStore,
  nth: number,
  { before, after }: { before?(): void; after?(result: PutResult): Promise<void> },
): MaintenanceStore {
  let puts = 0
  return {
    ...store,
    async put(...call) {
      const is_it = puts++ === nth
      if (is_it) before?.()
      const result = await store.put(...call)
      if (is_it) await after?.(result)
      return result
    },
  }
}

async function expectAppliedOnce(
  context: ContractContext,
  fault: 'lost_response' | 'error_after',
): Promise<void> {
  const undisturbed = bench(context)
  const plain = await undisturbed.call(-1)
  expect(await undisturbed.healthy.commit(plain.call)).toMatchObject({ status: 200 })
  const { revision } = JSON.parse(await undisturbed.text(commitKeys(undisturbed.table_id, '', 0).state))

  for (const [nth, name] of WRITES.entries()) {
    const it = bench(context)
    const { payload, call } = await it.call(-1)
    const wire = context.needWire()
    let lost: PutResult | null = null
    const store = around(context.store, nth, {
      before: () => wire.breakNextWrite(fault),
      after: async (result) => void (lost = result),
    })
    const answer = await it.over(store).commit(call)
    expect({ name, lost, status: answer.status, version: answer.body.version }).toEqual({
      name,
      lost: { outcome: 'unknown' },
      status: 200,
      version: 0,
    })
    await expectOneCommit(it, { payload, call }, name)
    // Each application of a state write adds one: none was applied twice.
    const state = JSON.parse(await it.text(commitKeys(it.table_id, '', 0).state))
    expect({ name, revision: state.revision }).toEqual({ name, revision })
  }
}

/** The log has this payload at version 0 and nothing else, the marker says so, nothing is in flight. */
async function expectOneCommit(it: Bench, { payload, call }: Staged, label: string): Promise<void> {
  const keys = commitKeys(it.table_id, call.idempotency_key, 0)
  expect(await it.text(keys.log), `${label}: log`).toBe(payload)
  expect(JSON.parse(await it.text(keys.marker)), `${label}: marker`).toMatchObject({ version: 0 })
  const { status, body } = await it.healthy.inspect(it.table_id)
  expect({ label, status, latest: body.latest_version, inflight: body.inflight }).toEqual({
    label,
    status: 200,
    latest: 0,
    inflight: null,
  })
  const replay = await it.healthy.commit(call)
  expect(replay, `${label}: replay`).toMatchObject({ status: 200, body: { version: 0 } })
}

async function expectRecognised(context: ContractContext): Promise<void> {
  for (const [nth, name] of WRITES.entries()) {
    if (name === 'reserve' || name === 'log') continue
    const it = bench(context)
    const { payload, call } = await it.call(-1)
    const rival = await it.call(0)
    const wire = context.needWire()
    const rival_statuses: number[] = []
    const store = around(context.store, nth, {
      before: () => wire.breakNextWrite('lost_response'),
      after: async () => void rival_statuses.push((await it.healthy.commit(rival.call)).status),
    })
    const answer = await it.over(store).commit(call)
    expect({ name, rival_statuses }).toEqual({ name, rival_statuses: [200] })
    expect({ name, status: answer.status, version: answer.body.version }).toEqual({
      name,
      status: 200,
      version: 0,
    })
    expect(await it.text(commitKeys(it.table_id, '', 0).log)).toBe(payload)
    expect(await it.text(commitKeys(it.table_id, '', 1).log)).toBe(rival.payload)
    const { body } = await it.healthy.inspect(it.table_id)
    expect({ name, latest: body.latest_version, inflight: body.inflight }).toEqual({
      name,
      latest: 1,
      inflight: null,
    })
  }
}

interface Held {
  deliver(): Promise<'applied' | 'refused'>
}

/** A sends a write that is held back, and dies. Its reservation, if it has one, expires. B is about to commit. */
async function holdAndDie(
  context: ContractContext,
  write: (typeof WRITES)[number],
  version: number,
): Promise<{ readonly it: Bench; readonly a: Staged; readonly b: Staged; readonly held: Held }> {
  const it = bench(context)
  for (let earlier = 0; earlier < version; earlier++) {
    expect((await it.healthy.commit((await it.call(earlier - 1)).call)).status).toBe(200)
  }
  const a = await it.call(version - 1)
  const b = await it.call(version - 1)
  const holding: Held[] = []
  const dying = dyingAfter(context.store, WRITES.indexOf(write), () =>
    holding.push(context.needWire().holdNextWrite()),
  )
  expect((await it.over(dying).commit(a.call)).status).toBe(503)
  it.clock.advance(PAST_TTL_MS)
  const [held] = holding
  if (held === undefined) throw new Error('no write was held back')
  return { it, a, b, held }
}

/** Neither the state nor the log notices. */
async function expectStragglerRefused(
  it: Bench,
  held: Held,
  version: number,
  payload: string,
): Promise<void> {
  const keys = commitKeys(it.table_id, '', version)
  const before = await it.text(keys.state)
  expect(await held.deliver()).toBe('refused')
  expect(await it.text(keys.state)).toBe(before)
  expect(await it.text(keys.log)).toBe(payload)
}

/** From the `nth` put on, nothing of this process gets anywhere; that put itself is on its way. */
function dyingAfter(store: MaintenanceStore, nth: number, hold: () => unknown): MaintenanceStore {
  let puts = 0
  let is_dead = false
  return {
    ...store,
    async get(key, options) {
      return is_dead ? store.get(key, { ...options, signal: AbortSignal.abort() }) : store.get(key, options)
    },
    async put(...call) {
      if (is_dead) return { outcome: 'unknown' }
      if (puts++ !== nth) return store.put(...call)
      hold()
      const result = await store.put(...call)
      is_dead = true
      return result
    },
  }
}
