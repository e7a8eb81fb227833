/** The safety gates of runbook section 3: they hold on every store at hand, see a store that lies, and leave nothing behind. */
import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../functions/environment.ts'
import type { GatesDeps } from '../../lib/gates/bench.ts'
import { GATES, runGates, type GatesReport } from '../../lib/gates/run-gates.ts'
import { DEFAULT_SETTINGS } from '../../lib/protocol/delta/settings.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../../lib/protocol/orchestration/projection/settings.ts'
import { withFaults, type FaultPlan } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import { SILENT_LOG } from '../../functions/logging.ts'
import { testService } from '../support/service.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { openBySdk, useMinio } from '../support/servers/minio-stores.ts'
import { readBucket, STORES } from '../support/stores.ts'

function depsOf(store: MaintenanceStore): GatesDeps {
  return {
    store,
    settings: DEFAULT_SETTINGS,
    projection: DEFAULT_PROJECTION_SETTINGS,
    environment: (scoped, resolver) =>
      createEnvironment({
        store: scoped,
        resolver,
        note: () => undefined,
        overrides: { sleep: async () => undefined },
      }),
  }
}

const verdicts = ({ gates }: GatesReport): Record<string, string> =>
  Object.fromEntries(gates.map(({ id, verdict }) => [id, verdict]))

const evidenceOf = ({ gates }: GatesReport, id: string): string =>
  gates.find((gate) => gate.id === id)?.evidence ?? ''

const IDS = [
  'conditional-create',
  'conditional-replace',
  ...['w0', 'w1', 'w2', 'w3', 'w4'].map((window) => `replay-${window}`),
  ...['w1', 'w2', 'w3'].map((window) => `recover-${window}`),
  'late-owner',
  'foreign-entry',
  'key-reuse',
  'rebuild-equivalence',
  'rebuild-stale-watermark',
  'rebuild-straggler',
  'fencing',
  'zombie-publisher',
]

/** Somebody's object, which the gates must not see, let alone delete. */
const NEIGHBOUR = 'tenant=gates/workspace=gates-0/delta/coordinator/t.json'

async function holdOn(store: MaintenanceStore): Promise<void> {
  await store.put(NEIGHBOUR, new TextEncoder().encode('{}'), 'doesNotExist')
  const seen: string[] = []
  const report = await runGates(depsOf(store), { onGate: ({ id }) => seen.push(id) })
  expect(report.gates.filter(({ verdict }) => verdict !== 'holds')).toEqual([])
  expect(report.conclusion).toBe('held')
  expect(seen).toEqual([...IDS, 'clean-up'])
  expect(Object.keys(await readBucket(store))).toEqual([NEIGHBOUR])
}

test('every crash window, recovery, rebuild and fencing has its gate', () => {
  expect(GATES.map(({ id }) => id)).toEqual(IDS)
})

test.each(STORES)('runbook 3: every gate holds over $name, and nothing stays', async ({ make }) => {
  const { store, close } = make()
  try {
    await holdOn(store)
  } finally {
    close()
  }
})

describe.skipIf(whyNot('minio') !== null)(`over ${whyNot('minio') ?? 'MinIO'}`, () => {
  const make = useMinio(openBySdk)
  // A thousand requests, of which most wait for a disk.
  test('runbook 3: every gate holds, and nothing stays', { timeout: 60_000 }, async () =>
    holdOn(make().store),
  )
})

describe('a store that lies', () => {
  const bare = memoryStore

  test('A3: one that ignores a condition breaks the gates that ask for it, and nothing stays', async () => {
    const store = bare()
    const report = await runGates(
      depsOf({ ...store, put: async (key, bytes) => store.put(key, bytes, 'none') }),
    )
    expect(report.conclusion).toBe('broken')
    expect(verdicts(report)).toMatchObject({
      'conditional-create': 'broken',
      'conditional-replace': 'broken',
      'foreign-entry': 'broken',
      fencing: 'holds',
      'zombie-publisher': 'broken',
      'clean-up': 'holds',
    })
    expect(evidenceOf(report, 'conditional-create')).toBe(
      'a put of once whose condition does not hold: expected a refusal, saw it written',
    )
    expect(await readBucket(store)).toEqual({})
  })

  test('C2: one that loses log entries after it took them breaks the replay', async () => {
    const store = bare()
    const put: MaintenanceStore['put'] = async (key, ...rest) => {
      const result = await store.put(key, ...rest)
      if (key.includes('/_delta_log/')) await store.delete(key)
      return result
    }
    const report = await runGates(depsOf({ ...store, put }))
    expect(report.conclusion).toBe('broken')
    expect(evidenceOf(report, 'replay-w2')).toContain('what a commit leaves in W2: expected {"log":["own"]')
    expect(await readBucket(store)).toEqual({})
  })
})

describe('a store that fails', () => {
  const failing = (plan: FaultPlan): { store: MaintenanceStore; bare: MaintenanceStore } => {
    const bare = memoryStore()
    return { store: withFaults(bare, plan), bare }
  }

  test('proves nothing: undecided, never broken, and nothing stays', async () => {
    const { store, bare } = failing(({ kind, key }) =>
      kind === 'put' && key.includes('/delta/coordinator/') ? { fault: 'lost_request' } : undefined,
    )
    const report = await runGates(depsOf(store))
    expect(report.conclusion).toBe('undecided')
    expect(verdicts(report)).toMatchObject({
      'replay-w1': 'undecided',
      'key-reuse': 'undecided',
      'rebuild-equivalence': 'holds',
      'clean-up': 'holds',
    })
    expect(await readBucket(bare)).toEqual({})
  })

  test.each(['list', 'delete'])('one whose credentials may not %s is not written to at all', async (kind) => {
    const { store, bare } = failing((call) => (call.kind === kind ? { fault: 'error_before' } : undefined))
    const report = await runGates(depsOf(store))
    expect(report.conclusion).toBe('undecided')
    expect(verdicts(report)).toMatchObject({
      'replay-w0': 'not_run',
      fencing: 'not_run',
      'clean-up': 'undecided',
    })
    expect(await readBucket(bare)).toEqual({})
  })

  test('one that stops to list on the way says what is left, and where', async () => {
    let lists = 0
    const { store } = failing(({ kind }) =>
      kind === 'list' && ++lists > 1 ? { fault: 'error_before' } : undefined,
    )
    const report = await runGates(depsOf(store))
    expect(report.conclusion).toBe('undecided')
    expect(verdicts(report)['clean-up']).toBe('undecided')
    expect(evidenceOf(report, 'clean-up')).toContain(`objects may be left below ${report.scratch}`)
  })
})

describe('POST /internal/gates', () => {
  const ROUTE = '/internal/gates'

  test('runs them in workspaces of the tenant that asks, and leaves none', async () => {
    const store = memoryStore()
    const service = testService(store, { overrides: {} })
    const { status, body } = await service.request('POST', ROUTE, { reason: 'a test' })
    expect({ status, conclusion: body.conclusion }).toEqual({ status: 200, conclusion: 'held' })
    expect(body.gates.map(({ id }: { id: string }) => id)).toEqual([...IDS, 'clean-up'])
    expect(body.scratch).toMatch(/^tenant=acme\/workspace=gates-[0-9a-z]{26}-$/)
    expect(await readBucket(store)).toEqual({})
  })

  test('what the store said goes to the log and not into the answer (S12)', async () => {
    const bare = memoryStore()
    const store: MaintenanceStore = {
      ...bare,
      head: async (key) => bare.head(key),
      get: async (key) => Promise.reject(new StoreError('denied', key, 'lake-with-a-telling-name said no')),
    }
    const failures: unknown[] = []
    const log = { ...SILENT_LOG, failure: (_id: string, error: unknown) => void failures.push(error) }
    const { status, body } = await testService(store, { log }).request('POST', ROUTE, { reason: 'a test' })
    expect({ status, conclusion: body.conclusion }).toEqual({ status: 200, conclusion: 'undecided' })
    expect(JSON.stringify(body)).not.toContain('lake-with-a-telling-name')
    expect(body.gates[0].evidence).toBe('the store failed: denied; the log of this request has the cause')
    expect(failures).not.toEqual([])
  })

  test.each([
    { sent: {}, status: 422 },
    { sent: { reason: ' ' }, status: 400 },
    { sent: { reason: 'x', scope: 'other' }, status: 400 },
  ])('$sent is refused with $status, and nothing runs', async ({ sent, status }) => {
    const store = memoryStore()
    expect((await testService(store).request('POST', ROUTE, sent)).status).toBe(status)
    expect(await readBucket(store)).toEqual({})
  })
})

test('a run that is stopped begins no other gate, and nothing stays', async () => {
  const store = memoryStore()
  const stop = new AbortController()
  const report = await runGates(depsOf(store), {
    signal: stop.signal,
    onGate: ({ id }) => {
      if (id === 'replay-w1') stop.abort()
    },
  })
  expect(report.conclusion).toBe('undecided')
  expect(verdicts(report)).toMatchObject({
    'replay-w1': 'holds',
    'replay-w2': 'not_run',
    'clean-up': 'holds',
  })
  expect(await readBucket(store)).toEqual({})
})
