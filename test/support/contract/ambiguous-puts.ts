/** Rows of the store contract: puts whose answer is lost, refused or late (ST-20…ST-24, ST-33, ST-34). */
import { expect } from 'vitest'
import { withFaults, type Fault } from '../../../lib/store/faults.ts'
import { withLimits } from '../../../lib/store/limits.ts'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { bytesOf, createText, readObject, readText } from '../objects.ts'
import { ABSENT, REFUSED, type ContractContext, type ContractRow, type Wire, type WireFault } from './row.ts'

const UNKNOWN = { outcome: 'unknown' }

/** Each looks at how many requests left the driver as well: a put is one, whatever happens (providers.md P-1). */
export const AMBIGUOUS_PUTS: readonly ContractRow[] = [
  {
    id: 'ST-20',
    promise: 'a put that is applied and whose response is lost is unknown after one request',
    run: async (context) => expectUnknown(context, 'lost_response', 'applied'),
  },
  {
    id: 'ST-21',
    promise: 'a put whose request is lost is unknown after one request, and the object is unchanged',
    run: async (context) => expectUnknown(context, 'lost_request', 'not_applied'),
  },
  {
    id: 'ST-22',
    promise: 'a put that is applied and answered by a 5xx is unknown after one request',
    run: async (context) => expectUnknown(context, 'error_after', 'applied'),
  },
  {
    id: 'ST-23',
    promise: 'a throttled put is no_effect after one request',
    run: async (context) => expectNoEffect(context, 'throttle'),
  },
  {
    id: 'ST-24',
    promise: 'a put refused by a conditional conflict is no_effect, not precondition_failed',
    run: async (context) => expectNoEffect(context, 'conflict'),
  },
  {
    id: '304',
    promise: 'a failed create that is answered by a 304 is precondition_failed (correctness 2)',
    async run(context) {
      const { store, key } = context
      await createText(store, key('a'), 'one')
      context.needWire().breakNextWrite('not_modified')
      expect(await store.put(key('a'), bytesOf('two'), 'doesNotExist')).toEqual(REFUSED)
      expect(await readText(store, key('a'))).toBe('one')
    },
  },
  {
    id: 'ST-33',
    promise: 'a put that is aborted before it starts is unknown and not sent',
    async run({ store, key, wire }) {
      const writes = wire?.writes()
      const signal = AbortSignal.abort()
      expect(await store.put(key('a'), bytesOf('one'), 'doesNotExist', { signal })).toEqual(UNKNOWN)
      expect(await store.get(key('a'))).toEqual(ABSENT)
      if (writes !== undefined) expect((wire?.writes() ?? 0) - writes).toBeLessThanOrEqual(1)
    },
  },
  {
    id: 'ST-33',
    promise: 'a put that is aborted on its way is unknown, and the object is the old or the new one',
    async run({ store, key }) {
      const token = await createText(store, key('a'), 'old')
      const controller = new AbortController()
      const options = { signal: controller.signal }
      const putting = store.put(key('a'), bytesOf('new'), { matchesVersion: token }, options)
      controller.abort()
      expect(await putting).toEqual(UNKNOWN)
      expect(['old', 'new']).toContain(await readText(store, key('a')))
    },
  },
  {
    id: 'ST-33',
    promise: 'an aborted read is thrown as unavailable',
    async run({ store, key }) {
      const signal = AbortSignal.abort()
      const failure = { name: 'StoreError', code: 'unavailable' }
      await expect(store.get(key('a'), { signal })).rejects.toMatchObject(failure)
      await expect(store.head(key('a'), { signal })).rejects.toMatchObject(failure)
      await expect(store.delete(key('a'), { signal })).rejects.toMatchObject(failure)
    },
  },
  {
    id: 'ST-34',
    promise: 'of a service that hangs, a put is unknown and a read is unavailable within the deadline',
    async run(context) {
      const { key } = context
      const wire = context.needWire()
      const { store, deadline_ms } = wire.hangingClient()
      const within = async <T>(call: () => Promise<T>): Promise<T> => {
        const started_ms = performance.now()
        try {
          return await call()
        } finally {
          // A busy machine fires timers late.
          expect(performance.now() - started_ms).toBeLessThan(deadline_ms + 1_000)
        }
      }
      const writes = wire.writes()
      const put = within(async () => store.put(key('a'), bytesOf('one'), 'doesNotExist'))
      expect(await put).toEqual(UNKNOWN)
      expect(wire.writes() - writes).toBe(1)
      const reads: readonly (() => Promise<unknown>)[] = [
        async () => store.get(key('a')),
        async () => store.head(key('a')),
      ]
      for (const read of reads) {
        await expect(within(read)).rejects.toMatchObject({ name: 'StoreError', code: 'unavailable' })
      }
    },
  },
]

/** A wire for stores that have none: time limits, and a faulty network behind them. */
export function withWire(store: MaintenanceStore): { readonly store: MaintenanceStore; readonly wire: Wire } {
  let writes = 0
  let next: Fault | undefined
  const faulty = withFaults(store, ({ kind }) => {
    if (kind !== 'put') return undefined
    writes += 1
    const fault = next
    next = undefined
    return fault
  })
  const hanging = withFaults(store, ({ kind }) => {
    if (kind === 'put') writes += 1
    return { fault: 'hang' }
  })
  return {
    store: withLimits(faulty),
    wire: {
      writes: () => writes,
      breakNextWrite: (fault) => void (next = faultOf(fault)),
      hangingClient: () => ({
        store: withLimits(hanging, { attempt_ms: 20, total_ms: 100, sleep: async () => undefined }),
        deadline_ms: 100,
      }),
    },
  }
}

function faultOf(fault: WireFault): Fault {
  if (fault === 'throttle') return { fault, retry_after_ms: 250 }
  if (fault === 'not_modified') throw new Error('only an HTTP service answers 304')
  return { fault }
}

/** A create and a replace whose fate the driver cannot know. */
async function expectUnknown(
  context: ContractContext,
  fault: WireFault,
  fate: 'applied' | 'not_applied',
): Promise<void> {
  const wire = context.needWire()
  const { store, key } = context
  const token = await createText(store, key('old'), 'old')
  const puts = [
    { name: 'new', before: null, precondition: 'doesNotExist' },
    { name: 'old', before: 'old', precondition: { matchesVersion: token } },
  ] as const
  for (const { name, before, precondition } of puts) {
    const writes = wire.writes()
    wire.breakNextWrite(fault)
    expect(await store.put(key(name), bytesOf('written'), precondition)).toEqual(UNKNOWN)
    expect(wire.writes() - writes).toBe(1)
    const after = await store.get(key(name))
    const expected = fate === 'applied' ? 'written' : before
    expect(after).toMatchObject(expected === null ? ABSENT : { outcome: 'ok', bytes: bytesOf(expected) })
  }
}

/** A create and a replace that the service refused before evaluating them. */
async function expectNoEffect(context: ContractContext, fault: WireFault): Promise<void> {
  const wire = context.needWire()
  const { store, key } = context
  const token = await createText(store, key('old'), 'old')
  const puts = [
    { name: 'new', precondition: 'doesNotExist' },
    { name: 'old', precondition: { matchesVersion: token } },
  ] as const
  for (const { name, precondition } of puts) {
    const writes = wire.writes()
    wire.breakNextWrite(fault)
    const { outcome, ...rest } = await store.put(key(name), bytesOf('written'), precondition)
    expect(outcome).toBe('no_effect')
    if ('retry_after_ms' in rest) expect(rest.retry_after_ms).toBeGreaterThanOrEqual(0)
    expect(wire.writes() - writes).toBe(1)
  }
  expect(await store.get(key('new'))).toEqual(ABSENT)
  expect(await readObject(store, key('old'))).toMatchObject({ bytes: bytesOf('old'), token })
  // It was this one request: the next is evaluated.
  await createText(store, key('new'), 'written')
}
